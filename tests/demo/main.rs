//! The life cycle of a token, step by step, on real components: `make demo`.

#[path = "../support/control_plane/mod.rs"]
mod control_plane;
#[path = "../support/fake_portal/mod.rs"]
mod fake_portal;
#[path = "../support/gitea/mod.rs"]
#[allow(clippy::expect_used, reason = "the demo ends if Gitea does not start")]
mod gitea;
#[path = "../support/gitea/with_image.rs"]
#[allow(clippy::expect_used, reason = "the demo ends if Gitea does not start")]
mod gitea_with_image;
#[path = "../support/operator_process/mod.rs"]
mod operator_process;
#[path = "../support/oci_client/mod.rs"]
mod pull;

mod cluster;
mod demo_log;
mod gitea_lifecycle;
mod gitea_portal;
mod lifecycle;
mod manifests;
mod namespaces;
mod readme;

use clap::{Parser, ValueEnum};
use cluster::{Cluster, binary};
use demo_log::DemoLog;
use fake_portal::{FakePortal, Operation, Profile};
use manifests::Manifests;
use operator_process::{Operator, Options};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Shows the life cycle of a token.
#[derive(Parser)]
struct Arguments {
    /// Keep everything running until Ctrl-C, before the token is deleted.
    #[arg(long)]
    keep: bool,
    /// Use the cluster of this context of your kubeconfig.
    #[arg(long)]
    context: Option<String>,
    /// Use a portal of this profile, and an issuer with only what is necessary.
    #[arg(long)]
    profile: Option<String>,
    /// Use this real portal instead of the fake one; GITEA names the folder with its program.
    #[arg(long, value_enum, conflicts_with = "profile")]
    portal: Option<RealPortal>,
    /// Print the profiles and exit.
    #[arg(long)]
    list_profiles: bool,
}

/// A portal that others wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RealPortal {
    /// Gitea, with its container registry.
    Gitea,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list_profiles {
        for profile in Profile::all() {
            println!("{:<20} {}", profile.name, profile.about);
        }
        return ExitCode::SUCCESS;
    }
    // Needed by everything that uses TLS: with an existing cluster no provider is set yet.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut show = DemoLog::new();
    match run(arguments, &mut show).await {
        Ok(()) if show.print_summary() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            show.check(false, error);
            show.print_summary();
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments, show: &mut DemoLog) -> Result<(), String> {
    if arguments.portal == Some(RealPortal::Gitea) {
        return gitea_portal::run(&arguments, show).await;
    }
    // Before a cluster is started needlessly.
    let manifests = Manifests::of(arguments.profile.as_deref())?;
    show.step("1. A cluster, a portal with a registry behind it, and the operator");
    let (cluster, operator) = start(&arguments).await?;
    let portal = FakePortal::start(manifests.config()).await;
    println!("portal {}, registry {}", portal.portal_url(), portal.registry_host());

    println!("{manifests}");
    let shown = until_interrupted(run_steps(show, &cluster, &portal, &manifests, arguments.keep)).await;
    finish(&arguments, show, &cluster, operator, shown)
}

/// Starts a control plane, or uses a cluster, and starts the operator.
async fn start(arguments: &Arguments) -> Result<(Cluster, Operator), String> {
    let cluster = match &arguments.context {
        Some(context) => Cluster::of_context(context)?,
        None => Cluster::own().await?,
    };
    let options = Options { log: "info", ..Options::default() };
    let binary = binary()?;
    match Operator::start(&binary, &cluster.operator_kubeconfig, &options).await {
        Ok(operator) => Ok((cluster, operator)),
        Err(error) => {
            // No object has a finalizer yet.
            cluster.clean_up()?;
            Err(error.to_string())
        }
    }
}

/// Whatever happens, everything is cleaned up: Ctrl-C ends the steps here, too.
async fn until_interrupted(steps: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    tokio::select! {
        biased;
        shown = steps => shown,
        _ = tokio::signal::ctrl_c() => Err("interrupted".to_owned()),
    }
}

/// Deletes what the demo created, while the operator still runs.
fn finish(
    arguments: &Arguments,
    show: &mut DemoLog,
    cluster: &Cluster,
    operator: Operator,
    shown: Result<(), String>,
) -> Result<(), String> {
    let cleaned = cluster.clean_up();
    if arguments.context.is_some() {
        show.check(cleaned.is_ok(), "everything that the demo created is deleted, except the CRDs");
    }
    drop(operator);
    shown.and(cleaned)
}

async fn run_steps(
    show: &mut DemoLog,
    cluster: &Cluster,
    portal: &FakePortal,
    manifests: &Manifests,
    keeps: bool,
) -> Result<(), String> {
    create_token(show, cluster, portal, manifests)?;
    pull_image(show, cluster, portal, true).await?;
    edit_description(show, cluster, portal).await?;
    lifecycle::rotate(show, cluster, portal).await?;
    lifecycle::repair(show, cluster, portal).await?;
    if !portal.config().table_hidden {
        lifecycle::revoke_upstream(show, cluster, portal).await?;
    }
    namespaces::label_namespace(show, cluster, portal).await?;
    if keeps {
        keep_running(cluster, portal).await;
        return Ok(());
    }
    delete_token(show, cluster, portal).await
}

fn create_token(
    show: &mut DemoLog,
    cluster: &Cluster,
    portal: &FakePortal,
    manifests: &Manifests,
) -> Result<(), String> {
    show.step(manifests.title());
    cluster.apply("{apiVersion: v1, kind: Namespace, metadata: {name: team-a}}")?;
    for manifest in [manifests.portal_secret(portal)?, manifests.issuer(portal)?, readme::manifest("token")?] {
        print!("{}", cluster.apply(&manifest.to_string())?);
    }
    show.step("3. The RegistryToken becomes ready");
    let wait = ["wait", "--for=condition=Ready", "rtok/thinkwise-pull", "-n", "team-a", "--timeout=60s"];
    let ready = DemoLog::kubectl(cluster, &wait);
    show.check(ready.is_ok(), "the RegistryToken is Ready");
    let synced = ["wait", "--for=condition=DescriptionSynced", "rtok/thinkwise-pull", "-n", "team-a", "--timeout=60s"];
    DemoLog::kubectl(cluster, &synced)?;
    DemoLog::kubectl(cluster, &["get", "rtok", "-A"])?;
    DemoLog::kubectl(cluster, &["get", "rtok", "-A", "-o", "wide"])?;
    DemoLog::kubectl(cluster, &["get", "clustertokenissuer"])?;
    DemoLog::kubectl(cluster, &["describe", "rtok", "-n", "team-a", "thinkwise-pull"])?;
    let secret = DemoLog::kubectl(cluster, &["get", "secret", "-n", "team-a", "thinkwise-pull"])?;
    show.check(secret.contains("kubernetes.io/dockerconfigjson"), "the Secret is a pull secret");
    list(portal);
    let live = portal.ledger().live();
    // As this portal stores it: some normalize descriptions.
    let wanted = Some(portal.config().stored("prod-eu, team-a"));
    let described = live.iter().any(|token| token.description == wanted);
    show.check(live.len() == 1 && described, "the portal lists one token, with the description and without a marker");
    Ok(())
}

/// Pulls with an independent OCI client that gets only the pull secret.
async fn pull_image(show: &mut DemoLog, cluster: &Cluster, portal: &FakePortal, wanted: bool) -> Result<(), String> {
    show.step("4. An OCI client pulls with only that Secret");
    let content = content(cluster)?;
    let pulled = pull::pull(&content, &portal.registry_host(), &portal.ca_pem()).await;
    println!("pull {}/{}: {pulled:?}", portal.registry_host(), pull::IMAGE);
    show.check(pulled.is_ok() == wanted, "the image is pulled with only the Secret");
    Ok(())
}

/// The Secret's content, which is never printed.
fn content(cluster: &Cluster) -> Result<Vec<u8>, String> {
    content_of(cluster, "team-a", "thinkwise-pull")
}

/// The content of a pull secret, which is never printed.
fn content_of(cluster: &Cluster, namespace: &str, name: &str) -> Result<Vec<u8>, String> {
    use base64::Engine;
    let path = r"jsonpath={.data.\.dockerconfigjson}";
    let text = cluster.run(&["get", "secret", "-n", namespace, name, "-o", path], None)?;
    base64::engine::general_purpose::STANDARD.decode(text).map_err(|error| error.to_string())
}

async fn edit_description(show: &mut DemoLog, cluster: &Cluster, portal: &FakePortal) -> Result<(), String> {
    show.step("5. The description is edited");
    let former = portal.ledger().live();
    let patch = r#"{"spec":{"description":"prod-eu, team-a, moved"}}"#;
    DemoLog::kubectl(cluster, &["patch", "rtok", "thinkwise-pull", "-n", "team-a", "--type=merge", "-p", patch])?;
    let wanted = Some(portal.config().stored("prod-eu, team-a, moved"));
    let edited = || {
        let live = portal.ledger().live();
        live.len() == 1 && live[0].id == former[0].id && live[0].description == wanted
    };
    show.check(until(edited).await, "the portal shows the new description of the same token");
    list(portal);
    show.check(portal.ledger().count(Operation::Request) == 1, "one token was requested in total");
    Ok(())
}

async fn delete_token(show: &mut DemoLog, cluster: &Cluster, portal: &FakePortal) -> Result<(), String> {
    let content = content(cluster)?;
    show.step("10. The object is deleted");
    DemoLog::kubectl(cluster, &["delete", "rtok", "thinkwise-pull", "-n", "team-a", "--timeout=60s"])?;
    let ledger = portal.ledger();
    show.check(ledger.live().is_empty(), "the token is revoked in the portal");
    let unfinished = ledger.open_flows() + ledger.staged();
    show.check(unfinished == 0, "no staged task and no process flow is left unfinished");
    show.check(ledger.applied(Operation::Other) == 0, "no other task of the portal was run");
    list(portal);
    let pulled = pull::pull(&content, &portal.registry_host(), &portal.ca_pem()).await;
    println!("pull {}/{}: {pulled:?}", portal.registry_host(), pull::IMAGE);
    show.check(pulled.is_err(), "the pull is rejected");
    let secret = ["get", "secret", "-n", "team-a", "thinkwise-pull", "--ignore-not-found"];
    println!("waiting for the garbage collector, which discovers new kinds every 30 s");
    let collected = until(|| cluster.run(&secret, None).is_ok_and(|text| text.is_empty())).await;
    show.check(collected, "the Secret is garbage collected");
    Ok(())
}

/// Polls for a minute and a half: a garbage collector that has just started discovers new kinds only every 30 s.
async fn until(seen: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(90) {
        if seen() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

fn list(portal: &FakePortal) {
    println!("the portal's list:");
    for token in portal.ledger().live() {
        println!("  {:>4}  {:<8}  {}", token.key, token.username, token.description.unwrap_or_default());
    }
}

async fn keep_running(cluster: &Cluster, portal: &FakePortal) {
    println!("\nEverything runs until Ctrl-C. In another terminal:\n");
    println!("{}", cluster.exports());
    println!("  kubectl get rtok -A -w");
    println!("  kubectl delete rtok -n team-a thinkwise-pull\n");
    println!("The portal is {}, the registry {}.", portal.portal_url(), portal.registry_host());
    let _ = tokio::signal::ctrl_c().await;
    list(portal);
}
