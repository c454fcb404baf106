//! `drain` ends the operator's work, in order and out of order: tokens are revoked or left to their users, and nothing
//! keeps a finalizer that nobody is left to take off.

use crate::control_plane::{ControlPlane, eventually};
use crate::operator;
use crate::simulator::Config;
use crate::stage::{LIMIT, Team, binary, own_stage, until_gone, until_gone_within};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};
use serde_json::json;
use std::process::Output;

const KINDS: [&str; 3] =
    ["registrytokens.registry-token.dev", "clustertokenissuers.registry-token.dev", "tokenissuers.registry-token.dev"];

/// Runs it as an admin with a kubeconfig would.
async fn drain(control_plane: &ControlPlane, arguments: &[&str]) -> (bool, String) {
    let kubeconfig = control_plane.kubeconfig_path();
    let run = tokio::process::Command::new(binary())
        .arg("drain")
        .args(operator::Options::default().flags)
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .env_remove("RUST_LOG")
        .output();
    let Output { status, stdout, stderr } = run.await.expect("it runs");
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    (status.success(), text)
}

/// A team whose portal's CA is in a ConfigMap, with a token.
async fn settled(control_plane: &'static ControlPlane, name: &str) -> Team {
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
    team.until_settled("pull").await;
    team
}

fn maps(team: &Team) -> Api<ConfigMap> {
    Api::namespaced(team.client.clone(), &team.namespace)
}

async fn nothing_is_left(team: &Team) {
    assert!(team.tokens().get_opt("pull").await.expect("asked").is_none(), "the RegistryToken is gone");
    assert!(team.issuers().get_opt("portal").await.expect("asked").is_none(), "the issuer is gone");
    let credentials = team.secrets().get("portal").await.expect("there");
    assert!(credentials.finalizers().is_empty(), "the credentials are released");
    assert!(maps(team).get("portal-ca").await.expect("there").finalizers().is_empty(), "the CA is released");
}

#[tokio::test]
async fn a_drained_cluster_has_no_tokens_and_no_finalizers_and_its_kinds_can_go() {
    let (control_plane, operator) = own_stage().await;
    let team = settled(control_plane, "in-order").await;
    let map = maps(&team).get("portal-ca").await.expect("there");
    assert_eq!(map.finalizers(), ["registry-token.dev/revoke"], "revocation needs it");
    // Beside an operator that runs: two at once are safe.
    let (done, text) = drain(control_plane, &["--timeout=3m"]).await;
    assert!(done, "{text}");
    assert!(text.contains("nothing is left"), "{text}");
    assert!(team.portal.ledger().live().is_empty(), "every token is revoked");
    nothing_is_left(&team).await;
    operator.terminate().await;
    let kinds: Api<CustomResourceDefinition> = Api::all(team.client.clone());
    for kind in KINDS {
        kinds.delete(kind, &DeleteParams::default()).await.expect("deleted");
    }
    for kind in KINDS {
        until_gone(&kinds, kind).await;
    }
    let (done, text) = drain(control_plane, &["--timeout=10s"]).await;
    assert!(done && text.contains("nothing is left"), "again, without the kinds: {text}");
}

#[tokio::test]
async fn after_a_removal_out_of_order_drain_is_the_way_out() {
    let (control_plane, operator) = own_stage().await;
    let team = settled(control_plane, "out-of-order").await;
    operator.terminate().await;
    // As `kubectl delete -k deploy` does: the operator is gone, its kinds and the namespace are to go.
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
    assert!(maps(&team).get_opt("portal-ca").await.expect("asked").is_some(), "the CA stays, for revocation needs it");
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
async fn without_its_portal_drain_says_what_is_left_and_orphan_releases_it() {
    let (control_plane, operator) = own_stage().await;
    let team = settled(control_plane, "portal-gone").await;
    team.portal.down().await;
    operator.terminate().await;
    let (done, text) = drain(control_plane, &["--timeout=5s"]).await;
    assert!(!done, "it is not done: {text}");
    assert!(text.contains(&format!("RegistryToken {}/pull", team.namespace)), "{text}");
    assert!(text.contains("--policy=orphan"), "{text}");
    assert!(!text.contains("portal-password"), "{text}");
    let (done, text) = drain(control_plane, &["--policy=orphan", "--timeout=2m"]).await;
    assert!(done, "{text}");
    assert!(text.contains("without a last audit"), "{text}");
    nothing_is_left(&team).await;
    let secret = team.secrets().get("pull").await.expect("the pull secret stays with its user");
    assert!(secret.owner_references().is_empty());
    assert_eq!(team.portal.ledger().live().len(), 1, "nothing is revoked");
}
