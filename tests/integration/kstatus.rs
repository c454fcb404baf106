//! How kstatus (`kubectl wait`, Flux) and Argo CD evaluate an object: checked for each version of it that the API
//! server has ever shown.

use crate::fake_portal::{Config, Operation};
use crate::fixture::{LIMIT, Team, stage, token};
use crate::helpers::current;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, PostParams, WatchEvent, WatchParams};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// The status that kstatus computes for a custom resource.
fn kstatus(object: &Value) -> &'static str {
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return "Terminating";
    }
    let observed = &object["status"]["observedGeneration"];
    if !observed.is_null() && *observed != object["metadata"]["generation"] {
        return "InProgress";
    }
    let status = |kind: &str| condition(object, kind).map_or("", |one| one["status"].as_str().unwrap_or_default());
    match (status("Reconciling"), status("Stalled"), status("Ready")) {
        ("True", ..) | (_, _, "False" | "Unknown") if status("Stalled") != "True" => "InProgress",
        (_, "True", _) => "Failed",
        _ => "Current",
    }
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|one| one["type"] == kind)
}

/// The health that Argo CD shows for a `RegistryToken`.
fn health(object: &Value) -> (String, String) {
    let said =
        crate::argocd::run(include_str!("../../deploy/argocd/registry-token.dev/RegistryToken/health.lua"), object);
    let text = |key: &str| said[key].as_str().expect("a text").to_owned();
    (text("status"), text("message"))
}

/// Collects every version of an object.
pub fn collect(team: &Team, name: &str) -> Arc<Mutex<Vec<Value>>> {
    let (tokens, seen) = (team.tokens(), Arc::new(Mutex::new(vec![])));
    let (kept, params) = (Arc::clone(&seen), WatchParams::default().fields(&format!("metadata.name={name}")));
    tokio::spawn(async move {
        let mut events = Box::pin(tokens.watch(&params, "0").await.expect("watched"));
        while let Some(event) = events.next().await {
            if let Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) = event {
                kept.lock().expect("unpoisoned").push(json!(object));
            }
        }
    });
    seen
}

/// Checks what must be true of each version; returns its kstatus, its reason and its health.
pub fn evaluate(object: &Value) -> (String, String, String) {
    let text = object.to_string();
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let generation = object["metadata"]["generation"].as_i64().expect("a generation");
    for one in &conditions {
        let kind = one["type"].as_str().expect("a type");
        assert!(one["observedGeneration"].as_i64().is_some_and(|observed| observed <= generation), "{kind}: {text}");
        assert!(!one["message"].as_str().unwrap_or_default().is_empty(), "{kind} has no message: {text}");
        if ["Reconciling", "Stalled", "Suspended"].contains(&kind) {
            assert_eq!(one["status"], "True", "{kind} exists only while it is true: {text}");
        }
    }
    let is = |kind: &str, status: &str| condition(object, kind).is_some_and(|one| one["status"] == status);
    assert!(!(is("Reconciling", "True") && is("Stalled", "True")), "{text}");
    let (kstatus, (health, message)) = (kstatus(object), health(object));
    let suspended = is("Suspended", "True");
    let fits = match kstatus {
        "Terminating" => health == "Progressing",
        "InProgress" => health == "Progressing" || (suspended && health == "Suspended"),
        "Failed" => health == "Degraded",
        _ => health == "Healthy" || (suspended && health == "Suspended"),
    };
    assert!(fits, "kstatus {kstatus}, Argo CD {health}: {text}");
    assert!(!message.is_empty() || health == "Healthy", "{health} without a message: {text}");
    if kstatus == "Current" {
        assert!(is("Ready", "True"), "current and not ready: {text}");
        assert!(!object["status"]["token"].is_null(), "current without a token: {text}");
    }
    if object["status"]["observedGeneration"] == generation && is("Ready", "False") {
        assert!(is("Reconciling", "True") || is("Stalled", "True"), "not ready, and no condition says why: {text}");
    }
    let reason = condition(object, "Ready").map_or("", |one| one["reason"].as_str().unwrap_or_default());
    (kstatus.to_owned(), reason.to_owned(), health)
}

#[tokio::test]
async fn every_version_of_an_object_is_reported_correctly_to_kstatus_and_argo_cd() {
    let team = Team::bare(stage(), "kstatus", Config::default()).await;
    let seen = collect(&team, "pull");
    // Waits for its issuer, then for the registry.
    team.token("pull", "watched").await;
    team.until("pull", "False", "IssuerNotFound").await;
    team.portal.registry_down().await;
    team.credentials("portal-password").await;
    team.issuer(json!({})).await;
    team.until("pull", "False", "RegistryUnavailable").await;
    team.portal.registry_up().await;
    team.until_synced("pull").await;
    // Renamed, rotated, its Secret lost and then immutable.
    team.patch(
        "pull",
        json!({"spec": {"description": "watched on", "rotation": {"interval": "24h", "overlap": "0s"}}}),
    )
    .await;
    let first = team.until_synced("pull").await;
    team.annotate("pull", "rotate", "1").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    team.until_synced("pull").await;
    team.secrets().delete("pull", &DeleteParams::default()).await.expect("deleted");
    team.until_replaced("pull", &current(&second)).await;
    team.until_synced("pull").await;
    team.patch_secret("pull", json!({"immutable": true})).await;
    team.until_condition("pull", "Stalled", "True", "SecretImmutable").await;
    team.secrets().delete("pull", &DeleteParams::default()).await.expect("deleted");
    team.until_object("pull", "no longer stalled", |object| crate::fixture::condition(object, "Stalled").is_none())
        .await;
    team.until_synced("pull").await;
    // Suspended, resumed, deleted while the portal is down.
    team.patch("pull", json!({"spec": {"suspend": true}})).await;
    team.until_condition("pull", "Suspended", "True", "Suspended").await;
    team.patch("pull", json!({"spec": {"suspend": false}})).await;
    team.until_object("pull", "resumed", |object| crate::fixture::condition(object, "Suspended").is_none()).await;
    team.portal.down().await;
    team.tokens().delete("pull", &DeleteParams::default()).await.expect("deleted");
    team.until("pull", "False", "IssuerNotReady").await;
    team.portal.up().await;
    crate::control_plane::eventually("pull to be deleted", LIMIT, async || match team.tokens().get_opt("pull").await {
        Ok(None) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;

    let versions = seen.lock().expect("unpoisoned").clone();
    assert_eq!(versions[0]["status"]["observedGeneration"], -1, "before the first pass");
    assert_eq!(kstatus(&versions[0]), "InProgress");
    let all: BTreeSet<(String, String, String)> = versions.iter().map(evaluate).collect();
    let states: BTreeSet<&str> = all.iter().map(|(kstatus, ..)| kstatus.as_str()).collect();
    assert_eq!(states, BTreeSet::from(["Current", "Failed", "InProgress", "Terminating"]));
    let healths: BTreeSet<&str> = all.iter().map(|(.., health)| health.as_str()).collect();
    assert_eq!(healths, BTreeSet::from(["Degraded", "Healthy", "Progressing", "Suspended"]));
    let reasons: BTreeSet<&str> = all.iter().map(|(_, reason, _)| reason.as_str()).collect();
    for reason in ["IssuerNotFound", "RegistryUnavailable", "TokenStored", "SecretLost", "IssuerNotReady"] {
        assert!(reasons.contains(reason), "{reason} was never seen: {all:?}");
    }
    assert!(team.portal.ledger().live().is_empty());
}

#[tokio::test]
async fn a_foreign_secret_is_failed_for_kstatus_and_kubectl_waits_for_what_is_ready() {
    let team = Team::new("kubectl-wait").await;
    let foreign: Secret = serde_json::from_value(json!({"metadata": {"name": "pull"}})).expect("a Secret");
    team.secrets().create(&PostParams::default(), &foreign).await.expect("created");
    team.apply(token("pull", "waits")).await;
    team.until("pull", "False", "SecretNotOwned").await;
    let object = json!(team.tokens().get("pull").await.expect("there"));
    let (kstatus, _, health) = evaluate(&object);
    assert_eq!((kstatus.as_str(), health.as_str()), ("Failed", "Degraded"));
    team.secrets().delete("pull", &DeleteParams::default()).await.expect("deleted");
    let wait = ["wait", "--for=condition=Ready", "rtok/pull", "-n", &team.namespace, "--timeout=60s"];
    team.control_plane.kubectl_ok(&wait, None).await.expect("waited");
    assert_eq!(team.portal.ledger().count(Operation::Request), 1);
}

/// A generation that was not reconciled yet is in progress, whatever the status says about the previous one.
#[test]
fn the_status_of_a_previous_generation_is_ignored() {
    let ready = json!([{"type": "Ready", "status": "True", "message": "pods can pull", "observedGeneration": 1}]);
    let object = json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 1, "conditions": ready}});
    assert_eq!((kstatus(&object), health(&object).0.as_str()), ("InProgress", "Progressing"));
    assert_eq!(health(&json!({"metadata": {"generation": 1}})).0, "Progressing");
}
