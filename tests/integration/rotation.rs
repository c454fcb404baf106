//! Rotation: a new token in addition to the old one, which is revoked after the overlap. Here by annotation; rotation
//! by time is tested with virtual time in the core.

use crate::fake_portal::{Config, Operation};
use crate::fixture::{Team, own_control_plane, start_operator, token};
use crate::helpers::{current, current_id, retiring, unique_value};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// An object with an overlap that is short enough for a test.
fn rotating(name: &str, overlap: &str) -> Value {
    let mut object = token(name, "rotates");
    object["spec"]["rotation"] = json!({"interval": "24h", "overlap": overlap});
    object
}

async fn rotated_at(team: &Team, name: &str) -> Timestamp {
    let secret = team.secrets().get(name).await.expect("a Secret");
    let annotations = secret.metadata.annotations.expect("annotations");
    annotations["registry-token.dev/rotated-at"].parse().expect("a time")
}

#[tokio::test]
async fn rotate_now_keeps_both_tokens_for_the_overlap_and_then_revokes_the_old_one() {
    let team = Team::new("rotate").await;
    team.apply(rotating("pull", "12s")).await;
    let before = team.until_synced("pull").await;
    let (old, uid) = (team.dockerconfigjson("pull").await, team.secret_uid("pull").await);
    let stored_at = rotated_at(&team, "pull").await;
    // Times in annotations are in whole seconds. A repair is not a rotation.
    team.patch_secret("pull", json!({"metadata": {"labels": {"registry-token.dev/owner": null}}})).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(rotated_at(&team, "pull").await, stored_at);

    team.annotate("pull", "rotate", "1").await;
    let rotated = team.until_replaced("pull", &current(&before)).await;

    let former = &rotated.status.as_ref().expect("a status").retiring[0];
    assert_eq!(former.username, current(&before).username, "the old one is shown as retiring");
    let new = team.dockerconfigjson("pull").await;
    assert!(team.pull(&old).await.is_ok() && team.pull(&new).await.is_ok(), "both pull during the overlap");
    assert_ne!(old, new);
    assert!(rotated_at(&team, "pull").await > stored_at, "controllers that restart workloads see it");
    assert_eq!(team.portal.ledger().live().len(), 2);
    assert_eq!(team.portal.ledger().count(Operation::Revoke), 0);

    team.until_live(&[current_id(&rotated)]).await;
    let ledger = team.portal.ledger();
    let ended = ledger.token(current_id(&before)).and_then(|token| token.revoked).expect("revoked");
    assert!(ended >= former.revocation_time.0, "not before its time");
    assert!(team.pull(&old).await.is_err(), "the old one is rejected");
    assert!(team.pull(&new).await.is_ok());
    team.until_object("pull", "nothing retires", |object| retiring(object) == 0).await;
    let settled = team.until_synced("pull").await;
    let handled = settled.status.expect("a status").handled_annotations;
    assert_eq!(handled.get("rotate").map(String::as_str), Some("1"));
    assert_eq!(team.secret_uid("pull").await, uid, "the Secret is updated in place");
    assert_eq!(ledger.count(Operation::Request), 2);
    assert_eq!(ledger.count(Operation::Revoke), 1);
    assert_eq!(ledger.live()[0].description.as_deref(), Some("rotates"));
    team.assert_idle_for("pull", Duration::from_secs(4)).await;
}

#[tokio::test]
async fn replace_now_revokes_the_compromised_token_at_once_even_during_an_overlap() {
    let team = Team::new("replace").await;
    team.apply(rotating("pull", "1h")).await;
    let first = team.until_synced("pull").await;
    let leaked = team.dockerconfigjson("pull").await;
    team.annotate("pull", "rotate", "a").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    // A further rotation waits for the overlap; the replacement of a compromised token does not.
    team.annotate("pull", "rotate", "b").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(team.portal.ledger().live().len(), 2, "never more than two at rest");

    team.annotate("pull", "replace", "stolen").await;
    let third = team.until_replaced("pull", &current(&second)).await;
    team.until_live(&[current_id(&third)]).await;
    assert!(team.pull(&leaked).await.is_err());
    assert!(team.pull(&team.dockerconfigjson("pull").await).await.is_ok());
    let settled = team.until_object("pull", "nothing retires", |object| retiring(object) == 0).await;
    let handled = settled.status.expect("a status").handled_annotations;
    // One new token satisfies everything that was requested by then.
    assert_eq!(json!(handled), json!({"rotate": "b", "replace": "stolen"}));
    assert_eq!(team.portal.ledger().count(Operation::Request), 3);
    team.until_synced("pull").await;
    team.assert_idle_for("pull", Duration::from_secs(3)).await;
}

#[tokio::test]
async fn a_value_set_at_creation_counts_as_handled() {
    let team = Team::new("handled").await;
    let mut object = token("pull", "restored from Git");
    object["metadata"]["annotations"] = json!({"registry-token.dev/rotate": "7", "registry-token.dev/replace": "8"});
    team.apply(object).await;
    let settled = team.until_synced("pull").await;
    let handled = settled.status.expect("a status").handled_annotations;
    assert_eq!(json!(handled), json!({"rotate": "7", "replace": "8"}));
    team.assert_idle_for("pull", Duration::from_secs(3)).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 1);
}

#[tokio::test]
async fn an_annotation_removed_and_restored_with_the_same_value_requests_nothing() {
    let team = Team::new("once").await;
    team.apply(rotating("pull", "0s")).await;
    let first = team.until_synced("pull").await;
    team.annotate("pull", "rotate", "x").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    team.until_live(&[current_id(&second)]).await;
    // A status write that conflicts with an edit is repeated later.
    team.until_retired("pull").await;
    team.until_synced("pull").await;
    team.patch("pull", json!({"metadata": {"annotations": {"registry-token.dev/rotate": null}}})).await;
    team.annotate("pull", "rotate", "x").await;
    team.until_synced("pull").await;
    team.assert_idle_for("pull", Duration::from_secs(3)).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 2);
}

#[tokio::test]
async fn a_rotation_requested_while_the_portal_is_down_happens_once_afterwards() {
    let team = Team::new("down-rotate").await;
    team.apply(rotating("pull", "0s")).await;
    let first = team.until_synced("pull").await;
    team.portal.down().await;
    team.annotate("pull", "rotate", "1").await;
    team.annotate("pull", "rotate", "2").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let waits = team.tokens().get("pull").await.expect("there");
    assert_eq!(crate::fixture::ready(&waits).0, "True", "pods can pull meanwhile");
    team.portal.up().await;
    let second = team.until_replaced("pull", &current(&first)).await;
    team.until_live(&[current_id(&second)]).await;
    team.until_synced("pull").await;
    team.assert_idle_for("pull", Duration::from_secs(3)).await;
    assert_eq!(team.portal.ledger().applied(Operation::Request), 2);
}

#[tokio::test]
async fn an_issuers_annotation_rotates_and_replaces_all_its_tokens_and_no_new_one() {
    let team = Team::new("all").await;
    for name in ["a", "b", "c"] {
        team.apply(rotating(name, "1h")).await;
    }
    let mut former = vec![];
    for name in ["a", "b", "c"] {
        former.push((name, current(&team.until_synced(name).await)));
    }
    team.annotate_issuer("rotate", "all-of-them").await;
    let mut rotated = vec![];
    for (name, token) in &former {
        rotated.push((*name, current(&team.until_replaced(name, token).await)));
    }
    assert_eq!(team.portal.ledger().live().len(), 6, "old and new during the overlap");
    team.annotate_issuer("replace", "stolen").await;
    let mut last = vec![];
    for (name, token) in &rotated {
        last.push(current_id(&team.until_replaced(name, token).await));
    }
    last.sort_unstable();
    team.until_live(&last).await;
    // An object that is created later does not rotate.
    team.apply(rotating("d", "1h")).await;
    let late = team.until_synced("d").await;
    team.assert_idle_for("d", Duration::from_secs(2)).await;
    let handled = late.status.expect("a status").handled_annotations;
    assert_eq!(json!(handled), json!({"issuerRotate": "all-of-them", "issuerReplace": "stolen"}));
    assert_eq!(team.portal.ledger().count(Operation::Request), 10);
}

#[tokio::test]
async fn a_value_takes_effect_once_across_restarts_and_an_overlap_survives_one() {
    let (control_plane, operator) = own_control_plane().await;
    let team = Team::on(control_plane, "restart", Config::default(), json!({})).await;
    team.apply(rotating("pull", "10s")).await;
    team.apply(rotating("later", "0s")).await;
    let first = team.until_synced("pull").await;
    let other = team.until_synced("later").await;
    team.annotate("pull", "rotate", "1").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    operator.terminate().await;
    // Requested while no operator runs.
    team.annotate("later", "rotate", &unique_value()).await;
    let _operator = start_operator(control_plane).await;
    let later = team.until_replaced("later", &current(&other)).await;
    let mut live = vec![current_id(&second), current_id(&later)];
    live.sort_unstable();
    team.until_live(&live).await;
    team.until_object("pull", "nothing retires", |object| retiring(object) == 0).await;
    team.until_synced("later").await;
    team.assert_idle_for("pull", Duration::from_secs(3)).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 4, "each was rotated once");
}

#[tokio::test]
async fn a_request_on_an_issuer_takes_effect_once_for_each_of_its_tokens_across_restarts() {
    let (control_plane, operator) = own_control_plane().await;
    let team = Team::bare(control_plane, "issuer-restart", Config::default()).await;
    team.credentials("portal-password").await;
    // The annotation exists when the issuer is created: it requests nothing for objects that are created later.
    team.apply(json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "TokenIssuer",
        "metadata": {"name": "portal", "annotations": {"registry-token.dev/replace": "from Git"}},
        "spec": team.issuer_spec(json!({})),
    }))
    .await;
    let names = ["a", "b", "c"];
    let mut former = vec![];
    for name in names {
        team.apply(rotating(name, "0s")).await;
    }
    for name in names {
        former.push(current(&team.until_synced(name).await));
    }
    assert_eq!(team.portal.ledger().count(Operation::Request), 3);
    operator.terminate().await;
    // Requested while no operator runs; the first value is overwritten by the next.
    team.annotate_issuer("rotate", "spring").await;
    team.annotate_issuer("rotate", "summer").await;
    let operator = start_operator(control_plane).await;
    let mut rotated = vec![];
    for (name, former) in names.iter().zip(&former) {
        rotated.push(current(&team.until_replaced(name, former).await));
    }
    for name in names {
        team.until_synced(name).await;
    }
    // The next process sees the same requests and one more.
    operator.terminate().await;
    team.annotate_issuer("replace", "stolen").await;
    let operator = start_operator(control_plane).await;
    let mut last = vec![];
    for (name, former) in names.iter().zip(&rotated) {
        last.push(current_id(&team.until_replaced(name, former).await));
    }
    last.sort_unstable();
    team.until_live(&last).await;
    for name in names {
        let settled = team.until_synced(name).await;
        let handled = settled.status.expect("a status").handled_annotations;
        assert_eq!(json!(handled), json!({"issuerRotate": "summer", "issuerReplace": "stolen"}));
    }
    operator.terminate().await;
    let _operator = start_operator(control_plane).await;
    team.assert_idle_for("a", Duration::from_secs(5)).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 9, "each value takes effect once for each token");
    assert_eq!(team.portal.ledger().count(Operation::Revoke), 6);
}
