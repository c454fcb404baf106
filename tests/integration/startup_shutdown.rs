//! What is missing at startup affects only what depends on it, and the operator shuts down on request, whatever it
//! waits for.

use crate::control_plane::{ControlPlane, Options, eventually};
use crate::fake_portal::Config;
use crate::fixture::{LIMIT, Team, binary, own_control_plane, token};
use crate::operator_process::{self, Operator};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

async fn empty_control_plane() -> &'static ControlPlane {
    let control_plane = ControlPlane::start_for_test(Options::default()).await.expect("starts");
    let namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: registry-token-operator}}";
    control_plane.apply(namespace).await.expect("applied");
    control_plane
}

fn crd(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("crds").join(file)).expect("a CRD")
}

async fn spawn(control_plane: &ControlPlane) -> Operator {
    let kubeconfig = operator_process::kubeconfig(control_plane).await.expect("kubeconfig");
    Operator::spawn(binary(), &kubeconfig, &operator_process::Options::default()).expect("spawned")
}

async fn until_logged(operator: &Operator, words: &[&str]) {
    eventually(&format!("{words:?} in the log"), LIMIT, async || {
        let log = operator.log();
        let found = log.lines().any(|line| words.iter().all(|word| line.contains(word)));
        if found { Ok(()) } else { Err(log) }
    })
    .await;
}

async fn ends(operator: Operator, within: Duration) {
    let begun = Instant::now();
    let (code, log) = operator.ended().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(begun.elapsed() < within, "{:?}: {log}", begun.elapsed());
}

#[tokio::test]
async fn a_missing_crd_affects_only_its_kind_and_is_named_in_the_log() {
    let control_plane = empty_control_plane().await;
    for file in ["registrytokens.yaml", "clusterregistrytokens.yaml", "clustertokenissuers.yaml"] {
        control_plane.apply_crds(&crd(file)).await.expect("applied");
    }
    let mut operator = spawn(control_plane).await;
    let team = Team::bare(control_plane, "no-crd", Config::default()).await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "portal", "namespace": "registry-token-operator"},
        "stringData": {"username": "k8s", "password": "portal-password"},
    });
    let issuer = json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "ClusterTokenIssuer", "metadata": {"name": "default"},
        "spec": team.issuer_spec(json!({})),
    });
    for object in [secret, issuer] {
        control_plane.apply(&object.to_string()).await.expect("applied");
    }
    let mut pull = token("pull", "of an installed kind");
    pull["spec"]["issuerRef"] = json!({"kind": "ClusterTokenIssuer", "name": "default"});
    team.apply(pull).await;
    team.until_synced("pull").await;

    let ready = operator.health("readyz").await;
    assert!(ready.contains("TokenIssuer: the API server does not serve") && ready.contains("CRD"), "{ready}");
    assert_eq!(ready.lines().count(), 1, "nothing else is waited for: {ready}");
    assert!(operator.health("livez").await.starts_with("ok"));
    let log = operator.log();
    let said = log.lines().filter(|line| line.contains("waiting for the API server")).count();
    assert!(said == 1 || said == 2, "once, and then every minute: {log}");
    assert!(log.contains("install its CRD"), "{log}");

    control_plane.apply_crds(&crd("tokenissuers.yaml")).await.expect("applied");
    operator.until_ready().await.expect("ready");
    team.credentials("portal-password").await;
    team.issuer(json!({})).await;
    team.token("second", "of the kind that was installed later").await;
    team.until_synced("second").await;
    ends(operator, Duration::from_secs(20)).await;
}

#[tokio::test]
async fn it_stops_on_request_without_any_crd() {
    let control_plane = empty_control_plane().await;
    let operator = spawn(control_plane).await;
    until_logged(&operator, &["\"RegistryToken\"", "install its CRD"]).await;
    ends(operator, Duration::from_secs(10)).await;
}

fn freeze(control_plane: &ControlPlane, signal: &str) {
    let (_, pid) = *control_plane.pids().iter().find(|(name, _)| *name == "kube-apiserver").expect("runs");
    let _ = std::process::Command::new("kill").args([signal, &pid.to_string()]).status();
}

#[tokio::test]
async fn it_stops_on_request_while_the_api_server_does_not_respond() {
    let (control_plane, working) = own_control_plane().await;
    control_plane.mark_modified();
    let team = Team::on(control_plane, "frozen", Config::default(), json!({})).await;
    team.token("pull", "settled").await;
    team.until_synced("pull").await;
    let kubeconfig = operator_process::kubeconfig(control_plane).await.expect("kubeconfig");
    freeze(control_plane, "-STOP");
    let starting = Operator::spawn(binary(), &kubeconfig, &operator_process::Options::default()).expect("spawned");
    until_logged(&starting, &["\"starting\""]).await;
    // Requests from now on get no response.
    tokio::time::sleep(Duration::from_secs(2)).await;
    tokio::join!(ends(starting, Duration::from_secs(25)), ends(working, Duration::from_secs(25)));
    freeze(control_plane, "-CONT");
}
