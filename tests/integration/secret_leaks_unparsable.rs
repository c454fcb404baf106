//! A response that cannot be parsed leaks no secret either: no library logs it, and the operator logs it without its
//! content.

use crate::api_proxy::{self, ResponseFault};
use crate::control_plane::eventually;
use crate::fake_portal::{Config, Profile};
use crate::fixture::{LIMIT, Team, binary, own_control_plane, stage};
use crate::operator_process::{Operator, Options};
use crate::secret_leaks::{contains_secret, every_object, objects_containing};
use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

const MAC_KEY: &str = "/registry-token-operator-mac";
/// Responses that contain a whole Secret instead of what was requested.
const RESPONSE_FAULTS: [ResponseFault; 3] = [ResponseFault::Truncated, ResponseFault::Mistyped, ResponseFault::AsError];

/// The reads of a Secret with credentials: its metadata, where that can be parsed alone, and the whole Secret.
const CREDENTIALS: [&str; 2] = ["read what the issuer needs", "read the issuer's Secret"];

/// Which responses are corrupted: each that contains one Secret. Lists and watches return whole Secrets although
/// metadata was requested.
fn fault_for(path: &str, how: ResponseFault) -> ResponseFault {
    match path.split("/secrets").nth(1) {
        Some("") => ResponseFault::FullObject,
        // Without the MAC key no operator becomes ready: it has a case of its own.
        Some(MAC_KEY) | None => ResponseFault::PassThrough,
        Some(_) => how,
    }
}

#[tokio::test]
async fn an_unparsable_response_leaks_no_secret() {
    let (control_plane, operator) = own_control_plane().await;
    let team = Team::on(control_plane, "unparsable", Config::default(), json!({})).await;
    team.token("pull", "searched for").await;
    team.until_synced("pull").await;
    operator.terminate().await;
    let secrets = team.portal.ledger().secrets();
    assert_eq!(secrets.len(), 1);
    for how in RESPONSE_FAULTS {
        // The issuer works at first, so that the pull secret is read too.
        let namespace = team.namespace.clone();
        let spoiled = move |_: &axum::http::Method, uri: &axum::http::Uri| {
            let credentials = uri.path().ends_with("/secrets/portal") && uri.path().contains(&namespace);
            if credentials { ResponseFault::PassThrough } else { fault_for(uri.path(), how) }
        };
        let log = run(&team, spoiled, &["read the Secret"]).await;
        assert_not_leaked(&team, &log, &secrets[0], how).await;
        let log = run(&team, move |_, uri| fault_for(uri.path(), how), &CREDENTIALS).await;
        assert_not_leaked(&team, &log, "portal-password", how).await;
        assert_not_leaked(&team, &log, &secrets[0], how).await;
    }
}

#[tokio::test]
async fn an_unparsable_response_with_the_mac_key_leaks_none_of_it() {
    let (control_plane, operator) = own_control_plane().await;
    operator.terminate().await;
    let client = control_plane.client().await.expect("a client");
    let keys: kube::Api<Secret> = kube::Api::namespaced(client, "registry-token-operator");
    let key = keys.get(&MAC_KEY[1..]).await.expect("the key").data.and_then(|mut data| data.remove("current"));
    let key = STANDARD.encode(key.expect("current").0);
    for how in RESPONSE_FAULTS {
        let spoiled = move |_: &_, uri: &axum::http::Uri| {
            if uri.path().ends_with(MAC_KEY) { how } else { ResponseFault::PassThrough }
        };
        let kubeconfig = api_proxy::start(control_plane, spoiled).await;
        let talkative = Options { log: "trace", ..Options::default() };
        let operator = Operator::spawn(binary(), &kubeconfig, &talkative).expect("starts");
        eventually("the MAC key to be missing", LIMIT, async || {
            if operator.log().contains("MAC key unavailable") { Ok(()) } else { Err("not yet".to_owned()) }
        })
        .await;
        let log = operator.terminate().await;
        assert!(log.contains("TRACE"), "the trace log was on");
        assert!(!contains_secret(&log, &key), "{how:?}: the key is in the log");
    }
}

#[tokio::test]
async fn credentials_that_check_cannot_parse_are_not_printed() {
    let team = Team::bare(stage(), "check-unparsable", Config::default()).await;
    team.credentials("portal-password").await;
    let spec = Profile::named("unbound").expect("it").minimal(&team.portal);
    let issuer = json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "TokenIssuer",
        "metadata": {"name": "portal", "namespace": team.namespace}, "spec": {"type": "Thinkwise", "thinkwise": spec},
    });
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("issuer.yaml");
    std::fs::write(&file, issuer.to_string()).expect("written");
    for how in RESPONSE_FAULTS {
        let spoiled = move |_: &_, uri: &axum::http::Uri| {
            if uri.path().ends_with("/secrets/portal") { how } else { ResponseFault::PassThrough }
        };
        let kubeconfig = api_proxy::start(team.control_plane, spoiled).await;
        let mut command = tokio::process::Command::new(binary());
        command.args(["check", "-f", file.to_str().expect("UTF-8")]).env_clear().env("RUST_LOG", "trace");
        let output = command.env("KUBECONFIG", kubeconfig).output().await.expect("runs");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success() && said.contains("Secret"), "{how:?}: {said}");
        assert!(!contains_secret(&said, "portal-password"), "{how:?}: {said}");
    }
}

/// Runs an operator until it has logged this failure; returns its log.
async fn run(
    team: &Team,
    spoiled: impl Fn(&axum::http::Method, &axum::http::Uri) -> ResponseFault + Send + Sync + 'static,
    failed: &[&str],
) -> String {
    let kubeconfig = api_proxy::start(team.control_plane, spoiled).await;
    let talkative = Options { log: "trace", ..Options::default() };
    let operator = Operator::start(binary(), &kubeconfig, &talkative).await.expect("starts");
    // The Secret is changed, so that the operator reads it.
    team.patch_secret("pull", json!({"metadata": {"annotations": {"note": failed[0]}, "labels": {"note": null}}}))
        .await;
    let now = format!("{}-{:?}", failed[0], std::time::Instant::now());
    team.annotate("pull", "reconcile", &now).await;
    eventually(&format!("{failed:?} to fail"), LIMIT, async || {
        let log = operator.log();
        let concerns = |line: &&str| failed.iter().any(|failed| line.contains(failed));
        let says = |line: &str| {
            line.contains("no valid response from the API server") || line.contains("APIServerUnavailable")
        };
        let reported = log.lines().filter(concerns).any(says);
        if reported { Ok(()) } else { Err(log.lines().rev().take(5).collect::<Vec<_>>().join("\n")) }
    })
    .await;
    operator.terminate().await
}

async fn assert_not_leaked(team: &Team, log: &str, secret: &str, how: ResponseFault) {
    assert!(log.contains("TRACE"), "the trace log was on");
    assert!(!contains_secret(log, secret), "{how:?}: {secret} is in the log");
    let objects = every_object(team).await;
    let holders = objects_containing(&objects, secret);
    assert!(holders.iter().all(|name| name.starts_with("Secret/")), "{how:?}: {secret} is in {holders:?}");
}
