//! How kstatus and Argo CD evaluate an object while colleagues revoke its token, its issuer changes portals, its Secret
//! cannot be repaired, or it is suspended: again checked for each version that the API server has shown.

use crate::fake_portal::{Config, FakePortal, Operation};
use crate::fixture::manifests::elsewhere;
use crate::fixture::{Team, condition, ready, token, until_gone};
use crate::helpers::{current, current_id};
use crate::kstatus::{collect, evaluate};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{DeleteParams, PostParams};
use registry_token_operator::api::RegistryToken;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

type Versions = Arc<Mutex<Vec<Value>>>;

/// Every version is evaluated correctly, and these were among them: kstatus, the reason of `Ready`, health.
fn all_true(seen: &Versions, wanted: &[(&str, &str, &str)]) {
    let versions = seen.lock().expect("unpoisoned").clone();
    let all: BTreeSet<(String, String, String)> = versions.iter().map(evaluate).collect();
    for (kstatus, reason, health) in wanted {
        let one = ((*kstatus).to_owned(), (*reason).to_owned(), (*health).to_owned());
        assert!(all.contains(&one), "{one:?} was never seen: {all:#?}");
    }
}

/// The evaluation of the object now.
async fn now(team: &Team) -> (String, String, String) {
    evaluate(&json!(team.tokens().get("pull").await.expect("there")))
}

fn evaluation(kstatus: &str, reason: &str, health: &str) -> (String, String, String) {
    (kstatus.to_owned(), reason.to_owned(), health.to_owned())
}

#[tokio::test]
async fn a_revoked_token_is_in_progress_while_it_is_replaced_and_failed_while_it_is_held() {
    let team = Team::new("kstatus-upstream").await;
    let seen = collect(&team, "pull");
    team.token("pull", "revoked").await;
    let first = team.until_synced("pull").await;
    assert!(team.portal.ledger().revoke_as_colleague(current_id(&first)));
    let replaced = |object: &RegistryToken| ready(object).0 == "True" && current(object).id != current(&first).id;
    team.audit_until_object("pull", "a new token", replaced).await;
    let second = team.until_synced("pull").await;
    assert_eq!(now(&team).await, evaluation("Current", "TokenStored", "Healthy"));
    // A second time.
    assert!(team.portal.ledger().revoke_as_colleague(current_id(&second)));
    let held = |object: &RegistryToken| condition(object, "Stalled").is_some();
    team.audit_until_object("pull", "held", held).await;
    assert_eq!(now(&team).await, evaluation("Failed", "RevokedUpstream", "Degraded"));
    team.annotate("pull", "replace", "1").await;
    let third = team.until_replaced("pull", &current(&second)).await;
    team.until_synced("pull").await;
    // Under the other policy, and back.
    team.patch("pull", json!({"spec": {"upstreamRevocationPolicy": "Hold"}})).await;
    team.until_synced("pull").await;
    assert!(team.portal.ledger().revoke_as_colleague(current_id(&third)));
    team.audit_until_object("pull", "held", held).await;
    assert_eq!(now(&team).await, evaluation("Failed", "RevokedUpstream", "Degraded"));
    team.delete("pull").await;
    all_true(
        &seen,
        &[
            ("InProgress", "RevokedUpstream", "Progressing"),
            ("Failed", "RevokedUpstream", "Degraded"),
            ("Current", "TokenStored", "Healthy"),
        ],
    );
}

#[tokio::test]
async fn while_its_issuer_names_another_portal_a_working_object_stays_current_and_an_edited_one_stalls() {
    let team = Team::new("kstatus-moved").await;
    let seen = collect(&team, "pull");
    team.token("pull", "stays").await;
    team.until_synced("pull").await;
    let other = FakePortal::start(Config::default()).await;
    team.issuer(elsewhere(&other)).await;
    team.until_issuer("False", "PortalChanged", &["set it back"]).await;
    assert_eq!(now(&team).await, evaluation("Current", "TokenStored", "Healthy"));
    // An edit made now is not applied now, so `kubectl wait` must not report the new generation as ready.
    team.patch("pull", json!({"spec": {"description": "stays, edited"}})).await;
    team.until_condition("pull", "Stalled", "True", "IssuerNotReady").await;
    assert_eq!(now(&team).await, evaluation("Failed", "TokenStored", "Degraded"));
    team.issuer(json!({})).await;
    let settled = team.until_object("pull", "at rest", |object| condition(object, "Stalled").is_none()).await;
    assert_eq!(ready(&settled).0, "True");
    team.until_synced("pull").await;
    // Its deletion waits, too.
    team.issuer(elsewhere(&other)).await;
    team.until_issuer("False", "PortalChanged", &[]).await;
    team.tokens().delete("pull", &DeleteParams::default()).await.expect("deleted");
    let waits = team.until("pull", "False", "IssuerNotReady").await;
    assert!(ready(&waits).2.contains("PortalChanged"), "{}", ready(&waits).2);
    assert_eq!(now(&team).await, evaluation("Terminating", "IssuerNotReady", "Progressing"));
    team.issuer(json!({})).await;
    until_gone(&team.tokens(), "pull").await;
    all_true(&seen, &[("Current", "TokenStored", "Healthy"), ("Terminating", "IssuerNotReady", "Progressing")]);
    assert!(team.portal.ledger().live().is_empty());
    assert_eq!(other.ledger().count(Operation::Any), 0, "the other portal gets no request");
}

#[tokio::test]
async fn a_secret_that_cannot_be_repaired_is_failed_until_it_is_deleted() {
    let team = Team::new("kstatus-secret").await;
    let seen = collect(&team, "pull");
    team.token("pull", "repaired").await;
    team.until_synced("pull").await;
    let before = team.secrets().get("pull").await.expect("a Secret");
    // Recreated with another type while the object is suspended.
    team.patch("pull", json!({"spec": {"suspend": true}})).await;
    team.until_condition("pull", "Suspended", "True", "Suspended").await;
    team.secrets().delete("pull", &DeleteParams::default()).await.expect("deleted");
    team.until("pull", "False", "Suspended").await;
    assert_eq!(now(&team).await, evaluation("InProgress", "Suspended", "Suspended"));
    let opaque: Secret = serde_json::from_value(json!({
        "metadata": {"name": "pull", "ownerReferences": before.owner_references(), "labels": before.labels()},
    }))
    .expect("a Secret");
    team.secrets().create(&PostParams::default(), &opaque).await.expect("created");
    team.patch("pull", json!({"spec": {"suspend": false}})).await;
    team.until_condition("pull", "Stalled", "True", "SecretTypeMismatch").await;
    assert_eq!(now(&team).await, evaluation("Failed", "SecretTypeMismatch", "Degraded"));
    team.secrets().delete("pull", &DeleteParams::default()).await.expect("deleted");
    team.until_synced("pull").await;
    // With an immutable Secret it stalls, although pods can pull: failed, because the operator cannot change the Secret
    // any more.
    team.patch_secret("pull", json!({"immutable": true})).await;
    team.until_condition("pull", "Stalled", "True", "SecretImmutable").await;
    assert_eq!(now(&team).await, evaluation("Failed", "TokenStored", "Degraded"));
    team.delete("pull").await;
    all_true(&seen, &[("InProgress", "Suspended", "Suspended"), ("Failed", "SecretTypeMismatch", "Degraded")]);
}

#[tokio::test]
async fn a_suspended_object_is_current_if_it_works_and_in_progress_if_it_waits_for_its_token() {
    let team = Team::new("kstatus-suspended").await;
    let seen = collect(&team, "pull");
    let mut object = token("pull", "waits");
    object["spec"]["suspend"] = json!(true);
    team.apply(object).await;
    team.until("pull", "False", "Suspended").await;
    assert_eq!(now(&team).await, evaluation("InProgress", "Suspended", "Suspended"));
    team.patch("pull", json!({"spec": {"suspend": false}})).await;
    team.until_synced("pull").await;
    team.patch("pull", json!({"spec": {"suspend": true}})).await;
    team.until_condition("pull", "Suspended", "True", "Suspended").await;
    assert_eq!(now(&team).await, evaluation("Current", "TokenStored", "Suspended"));
    // Edited while suspended, it reports that too.
    team.patch("pull", json!({"spec": {"description": "waits, edited"}})).await;
    let taken_note = |object: &RegistryToken| {
        object.status.as_ref().and_then(|status| status.observed_generation) == object.metadata.generation
    };
    team.until_object("pull", "observed", taken_note).await;
    assert_eq!(now(&team).await.2, "Suspended");
    team.delete("pull").await;
    all_true(&seen, &[("InProgress", "Suspended", "Suspended"), ("Current", "TokenStored", "Healthy")]);
    assert!(team.portal.ledger().live().is_empty());
}
