//! `drain` before and after the operator was removed: tokens are revoked or left to their users, and no object keeps a
//! finalizer that no controller would remove.

use crate::control_plane::{ControlPlane, eventually};
use crate::fake_portal::Config;
use crate::fixture::{LIMIT, Team, binary, own_control_plane, until_gone, until_gone_within};
use crate::operator_process;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

const KINDS: [&str; 4] = [
    "registrytokens.registry-token.dev",
    "clusterregistrytokens.registry-token.dev",
    "clustertokenissuers.registry-token.dev",
    "tokenissuers.registry-token.dev",
];

/// The operator's namespace, which contains the Secret with its MAC key.
const NAMESPACE: &str = "registry-token-operator";
const KEY: &str = "registry-token-operator-mac";

/// Runs the command as an admin with a kubeconfig would.
fn command(control_plane: &ControlPlane, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.arg("drain").args(operator_process::Options::default().flags).args(arguments);
    command.env("KUBECONFIG", control_plane.kubeconfig_path()).env_remove("RUST_LOG").kill_on_drop(true);
    command
}

async fn drain(control_plane: &ControlPlane, arguments: &[&str]) -> (bool, String) {
    let Output { status, stdout, stderr } = command(control_plane, arguments).output().await.expect("it runs");
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    (status.success(), text)
}

/// A team with a token, whose portal's CA is in a ConfigMap.
async fn synced_team(control_plane: &'static ControlPlane, name: &str) -> Team {
    let team = Team::bare(control_plane, name, Config::default()).await;
    team.credentials("portal-password").await;
    team.apply(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "portal-ca"},
        "data": {"ca.crt": team.portal.ca_pem()},
    }))
    .await;
    team.issuer(json!({
        "thinkwise": {"tls": {"caBundle": null, "caConfigMapRef": {"name": "portal-ca"}}},
        "limits": {"connectTimeout": "1s", "firstByteTimeout": "1s", "requestTimeout": "1s"},
    }))
    .await;
    team.token("pull", "ends").await;
    team.until_synced("pull").await;
    team
}

fn config_maps(team: &Team) -> Api<ConfigMap> {
    Api::namespaced(team.client.clone(), &team.namespace)
}

async fn assert_nothing_left(team: &Team) {
    assert!(team.tokens().get_opt("pull").await.expect("asked").is_none(), "the RegistryToken is deleted");
    assert!(team.issuers().get_opt("portal").await.expect("asked").is_none(), "the issuer is deleted");
    let credentials = team.secrets().get("portal").await.expect("there");
    assert!(credentials.finalizers().is_empty(), "the credentials are released");
    assert!(config_maps(team).get("portal-ca").await.expect("there").finalizers().is_empty(), "the CA is released");
}

#[tokio::test]
async fn a_drained_cluster_has_no_tokens_and_no_finalizers_and_its_crds_can_be_deleted() {
    let (control_plane, operator) = own_control_plane().await;
    let team = synced_team(control_plane, "in-order").await;
    let map = config_maps(&team).get("portal-ca").await.expect("there");
    assert_eq!(map.finalizers(), ["registry-token.dev/revoke"], "revocation needs it");
    // While the operator runs: both at once are safe.
    let (done, text) = drain(control_plane, &["--timeout=3m"]).await;
    assert!(done, "{text}");
    assert!(text.contains("nothing is left"), "{text}");
    assert!(team.portal.ledger().live().is_empty(), "every token is revoked");
    assert_nothing_left(&team).await;
    operator.terminate().await;
    let kinds: Api<CustomResourceDefinition> = Api::all(team.client.clone());
    for kind in KINDS {
        kinds.delete(kind, &DeleteParams::default()).await.expect("deleted");
    }
    for kind in KINDS {
        until_gone(&kinds, kind).await;
    }
    let (done, text) = drain(control_plane, &["--timeout=10s"]).await;
    assert!(done && text.contains("nothing is left"), "again, without the CRDs: {text}");
}

#[tokio::test]
async fn drain_cleans_up_after_a_removal_out_of_order() {
    let (control_plane, operator) = own_control_plane().await;
    let team = synced_team(control_plane, "out-of-order").await;
    operator.terminate().await;
    // As after `kubectl delete -k deploy`: the operator is deleted, its CRDs and its namespace are being deleted.
    let kinds: Api<CustomResourceDefinition> = Api::all(team.client.clone());
    for kind in KINDS {
        kinds.delete(kind, &DeleteParams::default()).await.expect("deleted");
    }
    let namespaces: Api<Namespace> = Api::all(team.client.clone());
    namespaces.delete(&team.namespace, &DeleteParams::default()).await.expect("deleted");
    eventually("the namespace to wait for the issuer", LIMIT, async || {
        let left = team.issuers().get("portal").await.map_err(|error| error.to_string())?;
        if left.metadata.deletion_timestamp.is_some() { Ok(()) } else { Err("not deleted yet".to_owned()) }
    })
    .await;
    assert!(
        config_maps(&team).get_opt("portal-ca").await.expect("asked").is_some(),
        "the CA stays, for revocation needs it"
    );
    let (done, text) = drain(control_plane, &["--timeout=3m"]).await;
    assert!(done, "{text}");
    assert!(text.contains("running the controllers here"), "{text}");
    assert!(team.portal.ledger().live().is_empty(), "every token is revoked");
    for kind in KINDS {
        until_gone(&kinds, kind).await;
    }
    until_gone_within(LIMIT * 2, &namespaces, &team.namespace).await;
}

#[tokio::test]
async fn without_a_portal_drain_reports_what_is_left_and_orphan_releases_it() {
    let (control_plane, operator) = own_control_plane().await;
    let team = synced_team(control_plane, "portal-gone").await;
    team.portal.down().await;
    operator.terminate().await;
    let (done, text) = drain(control_plane, &["--timeout=5s"]).await;
    assert!(!done, "it is not finished: {text}");
    assert!(text.contains(&format!("RegistryToken {}/pull", team.namespace)), "{text}");
    assert!(text.contains("--policy=orphan"), "{text}");
    assert!(!text.contains("portal-password"), "{text}");
    let (done, text) = drain(control_plane, &["--policy=orphan", "--timeout=2m"]).await;
    assert!(done, "{text}");
    assert!(text.contains("without a final audit"), "{text}");
    assert_nothing_left(&team).await;
    let secret = team.secrets().get("pull").await.expect("the pull secret stays with its user");
    assert!(secret.owner_references().is_empty());
    assert_eq!(team.portal.ledger().live().len(), 1, "nothing is revoked");
}

/// Deletes what `kubectl delete -k deploy` deletes: the CRDs and the operator's namespace.
async fn delete_out_of_order(team: &Team) {
    let kinds: Api<CustomResourceDefinition> = Api::all(team.client.clone());
    for kind in KINDS {
        kinds.delete(kind, &DeleteParams::default()).await.expect("deleted");
    }
    let namespaces: Api<Namespace> = Api::all(team.client.clone());
    namespaces.delete(NAMESPACE, &DeleteParams::default()).await.expect("deleted");
}

async fn until_everything_is_deleted(team: &Team) {
    let kinds: Api<CustomResourceDefinition> = Api::all(team.client.clone());
    for kind in KINDS {
        until_gone(&kinds, kind).await;
    }
    until_gone_within(LIMIT * 2, &Api::<Namespace>::all(team.client.clone()), NAMESPACE).await;
}

fn mac_key(team: &Team) -> Api<Secret> {
    Api::namespaced(team.client.clone(), NAMESPACE)
}

#[tokio::test]
async fn the_mac_key_outlives_the_operators_namespace_until_the_last_token_is_revoked() {
    let (control_plane, operator) = own_control_plane().await;
    let team = synced_team(control_plane, "key-kept").await;
    operator.terminate().await;
    delete_out_of_order(&team).await;
    eventually("the namespace to be emptied", LIMIT, async || {
        let key = mac_key(&team).get(KEY).await.map_err(|error| error.to_string())?;
        if key.metadata.deletion_timestamp.is_some() { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    let (done, text) = drain(control_plane, &["--timeout=3m"]).await;
    assert!(done, "{text}");
    assert!(team.portal.ledger().live().is_empty(), "every token is revoked");
    until_everything_is_deleted(&team).await;
}

#[tokio::test]
async fn orphaned_tokens_are_listed_and_the_operators_namespace_is_deleted() {
    let (control_plane, operator) = own_control_plane().await;
    let team = synced_team(control_plane, "key-orphan").await;
    team.portal.down().await;
    operator.terminate().await;
    delete_out_of_order(&team).await;
    let (done, text) = drain(control_plane, &["--policy=orphan", "--timeout=3m"]).await;
    assert!(done, "{text}");
    let live = team.portal.ledger().live();
    assert_eq!(live.len(), 1, "nothing is revoked");
    assert!(text.contains("may stay valid") && text.contains(&format!("(id {})", live[0].id)), "{text}");
    until_everything_is_deleted(&team).await;
}

#[tokio::test]
async fn without_its_namespace_and_its_mac_key_drain_proves_the_tokens_again_and_revokes_them() {
    let (control_plane, operator) = own_control_plane().await;
    let team = synced_team(control_plane, "key-gone").await;
    operator.terminate().await;
    delete_out_of_order(&team).await;
    let released = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    mac_key(&team).patch(KEY, &PatchParams::default(), &released).await.expect("patched");
    until_gone_within(LIMIT * 2, &Api::<Namespace>::all(team.client.clone()), NAMESPACE).await;
    let (done, text) = drain(control_plane, &["--timeout=3m"]).await;
    assert!(done, "{text}");
    assert!(team.portal.ledger().live().is_empty(), "every token is revoked");
    until_everything_is_deleted(&team).await;
}

#[tokio::test]
async fn drain_stops_on_sigterm_even_as_the_first_process_of_a_container() {
    let (control_plane, operator) = own_control_plane().await;
    let team = synced_team(control_plane, "drain-ends").await;
    team.portal.down().await;
    operator.terminate().await;
    let mut command = command(control_plane, &["--timeout=10m"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    while !lines.next_line().await.expect("readable").expect("a line").starts_with("left: 1 RegistryTokens") {}
    let pid = child.id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.expect("sent").success());
    let ended = tokio::time::timeout(Duration::from_secs(30), child.wait_with_output()).await.expect("it ends");
    let Output { status, stderr, .. } = ended.expect("it ended");
    let text = String::from_utf8_lossy(&stderr);
    assert!(status.code() == Some(1) && text.contains("run drain again"), "not by the signal: {status} {text}");
}

/// A Deployment whose status says that it is available. No controller runs that would change the status.
async fn deployed(team: &Team) -> Api<Deployment> {
    let labels = json!({"app.kubernetes.io/name": "registry-token-operator"});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": NAMESPACE, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "operator", "image": "registry.example.com/operator:1"}]},
            },
        },
    });
    team.control_plane.apply(&deployment.to_string()).await.expect("applied");
    let deployments: Api<Deployment> = Api::namespaced(team.client.clone(), NAMESPACE);
    let status = Patch::Merge(json!({"status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1}}));
    deployments.patch_status(NAMESPACE, &PatchParams::default(), &status).await.expect("patched");
    deployments
}

#[tokio::test]
async fn an_idle_deployment_is_named_and_drain_takes_over_once_it_is_deleted() {
    let (control_plane, operator) = own_control_plane().await;
    let team = synced_team(control_plane, "deployed").await;
    operator.terminate().await;
    let deployments = deployed(&team).await;
    let (done, text) = drain(control_plane, &["--timeout=3s"]).await;
    assert!(!done && text.contains("--run-controllers"), "{text}");
    assert!(!text.contains("running the controllers here"), "{text}");
    let removed = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        deployments.delete(NAMESPACE, &DeleteParams::default()).await.expect("deleted");
    };
    let ((done, text), ()) = tokio::join!(drain(control_plane, &["--timeout=3m"]), removed);
    assert!(done && text.contains("running the controllers here"), "{text}");
    assert!(team.portal.ledger().live().is_empty());
    assert_nothing_left(&team).await;
}
