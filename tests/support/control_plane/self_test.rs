//! Tests of the harness itself, on which every other test relies.

use crate::control_plane::{Context as _, ControlPlane, Error, Options, Result};
use crate::control_plane::{eventually, shared, wait_for};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::{Api, Client};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Set in the process that a test starts and kills.
const VICTIM: &str = "CONTROL_PLANE_SELF_TEST_VICTIM";

/// What the victim prints before the pids.
const READY: &str = "victim ready:";

fn config_map(name: &str) -> ConfigMap {
    ConfigMap { metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }, ..ConfigMap::default() }
}

async fn create_config_map(client: Client, namespace: &str, name: &str) -> Result<()> {
    Api::namespaced(client, namespace)
        .create(&PostParams::default(), &config_map(name))
        .await
        .context(format!("creating the ConfigMap {namespace}/{name}"))?;
    Ok(())
}

/// Whether a process runs (or has ended and was not reaped).
fn runs(pid: u32) -> Result<bool> {
    let status = Command::new("sh")
        .args(["-c", "kill -0 \"$1\" 2>/dev/null", "sh", &pid.to_string()])
        .status()
        .context("checking a process")?;
    Ok(status.success())
}

fn check_gone(pids: &[u32], folder: &Path) -> std::result::Result<(), String> {
    for pid in pids {
        if runs(*pid).map_err(|error| error.to_string())? {
            return Err(format!("pid {pid} of {pids:?} runs"));
        }
    }
    if folder.exists() {
        return Err(format!("{} exists", folder.display()));
    }
    Ok(())
}

#[tokio::test]
async fn two_control_planes_at_once_both_serve_and_share_nothing() -> Result<()> {
    let (one, other) = tokio::join!(ControlPlane::start(Options::default()), ControlPlane::start(Options::default()),);
    let (one, other) = (one?, other?);
    create_config_map(one.client().await?, "default", "only-here").await?;
    let there: Api<ConfigMap> = Api::namespaced(other.client().await?, "default");
    let found = there.get_opt("only-here").await.context("looking for it")?;
    assert!(found.is_none(), "the other control plane has it too");
    Ok(())
}

#[tokio::test]
async fn a_dropped_control_plane_leaves_nothing_behind() -> Result<()> {
    let control_plane = ControlPlane::start(Options::default()).await?;
    let folder = control_plane.folder().to_owned();
    let pids: Vec<u32> = control_plane.pids().iter().map(|(_, pid)| *pid).collect();
    assert_eq!(pids.len(), 3, "{:?}", control_plane.pids());
    for pid in &pids {
        assert!(runs(*pid)?, "pid {pid} does not run");
    }
    drop(control_plane);
    check_gone(&pids, &folder).map_err(Error::new)
}

#[tokio::test]
async fn a_port_taken_by_another_process_is_replaced() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0").context("taking a port")?;
    let port = taken.local_addr().context("taking a port")?.port();
    let control_plane =
        ControlPlane::start(Options { controller_manager: false, first_port: Some(port), ..Options::default() })
            .await?;
    assert_ne!(control_plane.port(), port);
    Ok(())
}

/// The test starts itself a second time, as the process that is killed.
#[tokio::test]
async fn a_killed_process_leaves_no_control_plane_behind() -> Result<()> {
    if std::env::var_os(VICTIM).is_some() {
        return be_the_victim().await;
    }
    let mut victim = start_victim()?;
    let line = first_line_of(&mut victim, READY);
    let killed = victim.kill().context("killing the victim");
    victim.wait().context("waiting for the victim's end")?;
    killed?;
    let line = line?;
    let (pids, folder) = line.split_once(" in ").ok_or_else(|| Error::new(format!("the victim printed {line:?}")))?;
    let pids = pids
        .split_whitespace()
        .map(|pid| pid.parse().context(format!("parsing the pid {pid}")))
        .collect::<Result<Vec<u32>>>()?;
    assert_eq!(pids.len(), 3, "{line}");
    wait_for("a killed process's control plane to stop", Duration::from_secs(5), async || {
        check_gone(&pids, Path::new(folder))
    })
    .await
}

async fn be_the_victim() -> Result<()> {
    let control_plane = ControlPlane::start(Options::default()).await?;
    let pids = control_plane.pids();
    let pids: Vec<String> = pids.iter().map(|(_, pid)| pid.to_string()).collect();
    // Bypasses the test runner's capture. On a line of its own: the runner writes to this stream, too.
    let line = format!("\n{READY} {} in {}\n", pids.join(" "), control_plane.folder().display());
    let mut out = std::io::stdout();
    out.write_all(line.as_bytes()).context("printing the pids")?;
    out.flush().context("printing the pids")?;
    // Longer than the test waits, but not forever, in case the test itself is killed.
    tokio::time::sleep(Duration::from_mins(3)).await;
    Ok(())
}

fn start_victim() -> Result<Child> {
    let module = module_path!().split_once("::").map_or("", |(_, module)| module);
    let name = format!("{module}::a_killed_process_leaves_no_control_plane_behind");
    let this_program = std::env::current_exe().context("looking for this program")?;
    Command::new(this_program)
        .args(["--exact", &name, "--nocapture"])
        .env(VICTIM, "1")
        .env_remove("KEEP_CONTROL_PLANE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the victim")
}

/// The rest of the first line with this prefix; waits two minutes for it.
fn first_line_of(child: &mut Child, start: &'static str) -> Result<String> {
    let out = child.stdout.take();
    let out = out.ok_or_else(|| Error::new("the victim has no output"))?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(std::io::Result::ok) {
            if let Some(rest) = line.strip_prefix(start) {
                let _ = sender.send(rest.trim().to_owned());
            }
        }
    });
    receiver.recv_timeout(Duration::from_mins(2)).context("waiting two minutes for the victim to be ready")
}

#[tokio::test]
async fn a_namespace_is_deleted_with_what_is_in_it() -> Result<()> {
    let control_plane = shared();
    let client = control_plane.client().await?;
    let namespace = control_plane.namespace("deleted").await?;
    create_config_map(client.clone(), &namespace, "inside").await?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.delete(&namespace, &DeleteParams::default()).await.context("deleting the namespace")?;
    let what = format!("the namespace {namespace} to be deleted");
    eventually(&what, Duration::from_mins(1), async || match namespaces.get_opt(&namespace).await {
        Ok(None) => Ok(()),
        Ok(Some(left)) => Err(format!("still there: {:?}", left.status)),
        Err(error) => Err(error.to_string()),
    })
    .await;
    let inside: Api<ConfigMap> = Api::namespaced(client, &namespace);
    let found = inside.get_opt("inside").await.context("looking for it")?;
    assert!(found.is_none(), "the ConfigMap outlived its namespace");
    Ok(())
}

#[tokio::test]
async fn the_audit_log_counts_one_write_as_one() -> Result<()> {
    let control_plane = shared();
    let client = control_plane.client().await?;
    let namespace = control_plane.namespace("audited").await?;
    create_config_map(client.clone(), &namespace, "before").await?;
    let audit = control_plane.audit()?;
    let before = audit.position().await?;
    create_config_map(client.clone(), &namespace, "counted").await?;
    let events = audit.since(before).await?;
    let writes = events.within(&namespace).by("admin").writes();
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert_eq!((&*writes[0].verb, &*writes[0].resource, &*writes[0].name), ("create", "configmaps", "counted"));
    assert_eq!(writes[0].status_code, 201);
    let after = audit.position().await?;
    let events = audit.since(after).await?.within(&namespace).by("admin");
    assert!(events.is_empty(), "{events:?}");
    Ok(())
}

#[tokio::test]
async fn a_service_account_may_do_what_rbac_grants_and_no_more() -> Result<()> {
    let control_plane = shared();
    let namespace = control_plane.namespace("rbac").await?;
    let grant = [
        "create",
        "rolebinding",
        "reader",
        "--clusterrole=view",
        &format!("--serviceaccount={namespace}:default"),
        &format!("--namespace={namespace}"),
    ];
    control_plane.kubectl_ok(&grant, None).await?;
    let config = control_plane.service_account_config(&namespace, "default").await?;
    let client = Client::try_from(config).context("making a client")?;
    let audit = control_plane.audit()?;
    let before = audit.position().await?;
    let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    let all = ListParams::default();
    // RBAC's own caches see the grant after a moment.
    eventually("the grant to take effect", Duration::from_secs(20), async || {
        let list = config_maps.list(&all).await;
        list.map_err(|error| error.to_string())
    })
    .await;
    let secrets: Api<Secret> = Api::namespaced(client, &namespace);
    let refused = secrets.list(&all).await;
    assert!(matches!(&refused, Err(kube::Error::Api(status)) if status.code == 403), "{refused:?}");
    let user = format!("system:serviceaccount:{namespace}:default");
    let asked = audit.since(before).await?.by(&user);
    let last = asked.last().map(|event| (&*event.resource, event.status_code));
    assert_eq!(last, Some(("secrets", 403)), "{asked:?}");
    Ok(())
}
