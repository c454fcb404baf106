//! Each loop that requests tokens has a backoff: the second request for an object waits ten seconds, each further one
//! twice as long, and a condition says until when.

use crate::control_plane::eventually;
use crate::fake_portal::{Config, Fault, Operation};
use crate::fixture::{LIMIT, Team, ready, token};
use crate::helpers::{current, unique_value};
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::time::{Duration, Instant};

fn requests(team: &Team) -> usize {
    team.portal.ledger().count(Operation::Request)
}

#[tokio::test]
async fn a_huge_annotation_value_costs_one_token_and_is_stored_as_a_hash() {
    let team = Team::new("huge-annotation").await;
    team.token("pull", "rotated").await;
    let before = team.until_synced("pull").await;
    team.annotate("pull", "rotate", &"x".repeat(140_000)).await;
    team.until_replaced("pull", &current(&before)).await;
    let after = team.until_synced("pull").await;
    assert_eq!(requests(&team), 2);
    let handled = &after.status.expect("a status").handled_annotations["rotate"];
    assert!(handled.starts_with("hash:") && handled.len() < 100, "{handled}");
    team.assert_idle_for("pull", Duration::from_secs(2)).await;
    assert_eq!(requests(&team), 2, "the same value requests once");
}

#[tokio::test]
async fn unanswered_requests_back_off_whatever_requeues_the_object() {
    let team = Team::new("gateway-timeouts").await;
    team.portal.faults().always(Operation::Request, Fault::StatusAfter(504));
    team.token("pull", "never answered").await;
    let begun = Instant::now();
    team.until("pull", "False", "RequestOutcomeUnknown").await;
    team.until_object("pull", "the time of the next request", |object| {
        ready(object).2.contains("The next request is sent at 20")
    })
    .await;
    // Labels, edits by others and forced resyncs requeue the object; they cause no token request.
    while begun.elapsed() < Duration::from_secs(7) {
        let label = json!({"metadata": {"labels": {"team": unique_value()}}});
        team.patch("pull", label).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    if begun.elapsed() < Duration::from_secs(10) {
        assert_eq!(requests(&team), 1);
    }
    eventually("the tokens of the lost responses to be revoked", LIMIT, async || {
        match team.portal.ledger().live().len() {
            0 => Ok(()),
            live => Err(format!("{live} live")),
        }
    })
    .await;
    team.portal.faults().clear();
    team.until_synced("pull").await;
    assert!(requests(&team) <= 5, "{} requests", requests(&team));
}

#[tokio::test]
async fn a_list_that_shows_a_new_token_seconds_late_costs_no_second_token() {
    let team = Team::with("late-list", Config { list_lag: Duration::from_secs(3), ..Config::default() }).await;
    team.issuer(json!({"limits": {"requestTimeout": "60s", "firstByteTimeout": "30s"}})).await;
    team.token("pull", "shown late").await;
    team.until_synced("pull").await;
    assert_eq!(requests(&team), 1);
    assert!(team.pull(&team.dockerconfigjson("pull").await).await.is_ok());
}

#[tokio::test]
async fn a_writer_that_overwrites_the_secret_again_and_again_is_named_and_costs_few_tokens() {
    let team = Team::new("overwritten").await;
    team.token("pull", "contested").await;
    team.until_synced("pull").await;
    let content = json!({"auths": {"other.example": {"username": "u", "password": "p", "auth": "dTpw"}}}).to_string();
    let params = PatchParams { field_manager: Some("secret-sync".to_owned()), ..PatchParams::default() };
    let overwrite = Patch::Merge(json!({"stringData": {".dockerconfigjson": content}}));
    let begun = Instant::now();
    eventually("the writer to be named", LIMIT, async || {
        team.secrets().patch("pull", &params, &overwrite).await.map_err(|error| error.to_string())?;
        let object = team.tokens().get("pull").await.map_err(|error| error.to_string())?;
        let (_, reason, message) = ready(&object);
        let named = reason == "SecretOverwritten" && message.contains("\"secret-sync\"");
        if named { Ok(()) } else { Err(format!("{reason}: {message}")) }
    })
    .await;
    team.until_condition("pull", "Stalled", "True", "SecretOverwritten").await;
    // The first token, its replacement after the loss, and at most one more for each doubling of ten seconds.
    let most = if begun.elapsed() < Duration::from_secs(10) { 2 } else { 5 };
    assert!(requests(&team) <= most, "{} requests in {:?}", requests(&team), begun.elapsed());
    // It recovers once the other writer stops.
    team.until_synced("pull").await;
    assert!(team.pull(&team.dockerconfigjson("pull").await).await.is_ok());
}

#[tokio::test]
async fn an_admission_policy_that_makes_the_secret_immutable_costs_no_token() {
    let team = Team::new("immutable-at-birth").await;
    let name = format!("immutable-{}", team.namespace);
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail", "reinvocationPolicy": "Never",
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": team.namespace}},
                "resourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"],
                }],
            },
            "mutations": [{
                "patchType": "ApplyConfiguration",
                "applyConfiguration": {"expression": "Object{immutable: true}"},
            }],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name}, "spec": {"policyName": name},
    });
    for manifest in [policy, binding] {
        team.control_plane.apply(&manifest.to_string()).await.expect("applied");
    }
    // A policy takes effect shortly after it was created.
    eventually("new Secrets to be immutable", LIMIT, async || {
        let probe = json!({"metadata": {"generateName": "probe-"}, "stringData": {"a": "b"}});
        let probe = serde_json::from_value(probe).map_err(|error| error.to_string())?;
        let made = team.secrets().create(&kube::api::PostParams::default(), &probe).await;
        let made = made.map_err(|error| error.to_string())?;
        if made.immutable == Some(true) { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    team.apply(token("pull", "cannot be stored")).await;
    let message = team.until_condition("pull", "Stalled", "True", "SecretImmutable").await;
    assert!(message.contains("admission policy"), "{message}");
    team.assert_idle_for("pull", Duration::from_secs(2)).await;
    assert_eq!(requests(&team), 0, "no token exists");
}
