//! The key that proves which tokens are the operator's own: losing and rotating it.

use crate::control_plane::{ControlPlane, eventually};
use crate::fake_portal::{Config, Operation};
use crate::fixture::{LIMIT, Team, condition, own_control_plane, start_operator, until_gone};
use crate::helpers::{current, retiring, unique_value};
use crate::operator_process::Operator;
use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use registry_token_operator::api::{RecordedToken, RegistryToken};
use serde_json::{Value, json};
use std::time::Duration;

const KEY: &str = "registry-token-operator-mac";

async fn keys(control_plane: &ControlPlane) -> Api<Secret> {
    Api::namespaced(control_plane.client().await.expect("a client"), "registry-token-operator")
}

/// Stops the operator, changes the key, and starts another operator.
async fn restarted(control_plane: &ControlPlane, operator: Operator, change: Option<Value>) -> Operator {
    operator.terminate().await;
    let keys = keys(control_plane).await;
    let released = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let patch = change.as_ref().map_or(released, |change| Patch::Merge(change.clone()));
    keys.patch(KEY, &PatchParams::default(), &patch).await.expect("patched");
    if change.is_none() {
        keys.delete(KEY, &DeleteParams::default()).await.expect("deleted");
    }
    start_operator(control_plane).await
}

/// The id of the key that signed a token.
pub fn key_id(token: &RecordedToken) -> String {
    token.mac.as_ref().and_then(|mac| mac.split('.').nth(1)).expect("a MAC").to_owned()
}

/// Waits until status and Secret are signed with a key other than this one.
async fn until_signed_by_another_key(team: &Team, name: &str, former: &str) -> RegistryToken {
    let signed_again = |object: &RegistryToken| {
        let token = object.status.as_ref().and_then(|status| status.token.as_ref());
        token.and_then(|token| token.mac.as_ref()).is_some_and(|mac| mac.split('.').nth(1) != Some(former))
    };
    let object = team.until_object(name, "a MAC under the new key", signed_again).await;
    eventually("the Secret to have one too", LIMIT, async || {
        let secret = team.secrets().get(name).await.map_err(|error| error.to_string())?;
        let mac = secret.metadata.annotations.and_then(|mut all| all.remove("registry-token.dev/mac"));
        if mac.as_ref().is_some_and(|mac| mac.split('.').nth(1) != Some(former)) {
            Ok(())
        } else {
            Err(format!("{mac:?}"))
        }
    })
    .await;
    object
}

#[tokio::test]
async fn losing_the_key_loses_and_leaks_no_token() {
    let (control_plane, operator) = own_control_plane().await;
    let team = Team::on(control_plane, "key-lost", Config::default(), json!({})).await;
    team.token("pull", "outlives a key").await;
    team.patch("pull", json!({"spec": {"rotation": {"interval": "240h", "overlap": "1h"}}})).await;
    let first = current(&team.until_synced("pull").await);
    team.annotate("pull", "rotate", &unique_value()).await;
    team.until_replaced("pull", &first).await;
    let before = team.until_synced("pull").await;
    let token = current(&before);
    assert_eq!(retiring(&before), 1);

    let _operator = restarted(control_plane, operator, None).await;
    let after = until_signed_by_another_key(&team, "pull", &key_id(&token)).await;
    assert_eq!((current(&after).id, current(&after).username), (token.id.clone(), token.username.clone()));
    let since = |object: &RegistryToken| condition(object, "Ready").map(|one| one["lastTransitionTime"].clone());
    assert_eq!(since(&after), since(&before), "pods could pull all the time");
    let message = team.until_condition("pull", "Stalled", "True", "TokenUnverified").await;
    assert!(message.contains(&format!("registry-token.dev/confirmed-revoked={}", first.id)), "{message}");
    assert_eq!(team.portal.ledger().count(Operation::Request), 2, "none is requested in its place");
    assert_eq!(team.portal.ledger().live().len(), 2, "the previous one is reported, and not revoked");

    // As the runbook says.
    assert!(team.portal.ledger().revoke_as_colleague(first.id.parse().expect("a number")));
    team.annotate("pull", "confirmed-revoked", &first.id).await;
    team.until_object("pull", "no previous token", |object| retiring(object) == 0).await;
    team.pull(&team.dockerconfigjson("pull").await).await.expect("it pulls");
    team.delete("pull").await;
    assert!(team.portal.ledger().live().is_empty());
}

#[tokio::test]
async fn during_a_rotation_both_keys_are_accepted_and_then_the_previous_one_is_not_needed() {
    let (control_plane, operator) = own_control_plane().await;
    let team = Team::on(control_plane, "key-rotated", Config::default(), json!({})).await;
    team.token("pull", "is signed again").await;
    let before = current(&team.until_synced("pull").await);
    let key = keys(control_plane).await.get(KEY).await.expect("created before the first request");
    let former = key.data.and_then(|mut data| data.remove("current")).expect("a key").0;
    assert_eq!(former.len(), 32);
    let data = json!({"data": {"previous": STANDARD.encode(&former), "current": STANDARD.encode([5; 32])}});
    let operator = restarted(control_plane, operator, Some(data)).await;
    let after = until_signed_by_another_key(&team, "pull", &key_id(&before)).await;
    assert_eq!(current(&after).id, before.id);

    let _operator = restarted(control_plane, operator, Some(json!({"data": {"previous": null}}))).await;
    team.patch("pull", json!({"spec": {"description": "proved by the new key only"}})).await;
    let settled = team.until_synced("pull").await;
    assert_eq!(current(&settled), current(&after));
    assert!(condition(&settled, "Stalled").is_none());
    assert_eq!(team.portal.ledger().count(Operation::Request), 1);
    team.delete("pull").await;
    assert!(team.portal.ledger().live().is_empty());
}

/// A key that consists of this byte only, in place of the one that signed.
fn overwritten(byte: u8) -> Value {
    json!({"data": {"current": STANDARD.encode([byte; 32])}})
}

#[tokio::test]
async fn a_key_that_is_overwritten_in_place_counts_as_lost() {
    let (control_plane, operator) = own_control_plane().await;
    let team = Team::on(control_plane, "key-overwritten", Config::default(), json!({})).await;
    for name in ["pull", "leaves"] {
        team.token(name, "outlives a key").await;
    }
    let first = current(&team.until_synced("pull").await);
    team.until_synced("leaves").await;

    // While the operator runs. It reads the key once a minute.
    keys(control_plane)
        .await
        .patch(KEY, &PatchParams::default(), &Patch::Merge(overwritten(5)))
        .await
        .expect("patched");
    eventually("the other key to be used", LIMIT * 2, async || {
        let object = team.tokens().get("pull").await.map_err(|error| error.to_string())?;
        let id = key_id(&current(&object));
        if id == key_id(&first) { Err(id) } else { Ok(()) }
    })
    .await;
    let second = current(&until_signed_by_another_key(&team, "pull", &key_id(&first)).await);
    until_signed_by_another_key(&team, "leaves", &key_id(&first)).await;
    assert_eq!(second.id, first.id, "proved again");

    // A token that was proved again is revoked with its object.
    team.tokens().delete("leaves", &DeleteParams::default()).await.expect("deleted");
    until_gone(&team.tokens(), "leaves").await;
    team.token("leaves", "again").await;
    team.until_synced("leaves").await;
    // While the operator is stopped and an object is deleted.
    let requests = team.portal.ledger().count(Operation::Request);
    let operator = restarted_without(control_plane, operator, &team, "leaves").await;
    let third = current(&until_signed_by_another_key(&team, "pull", &key_id(&second)).await);
    assert_eq!(third.id, first.id, "proved again");
    until_gone(&team.tokens(), "leaves").await;
    assert_eq!(team.portal.ledger().count(Operation::Request), requests, "none is requested in its place");
    let live: Vec<String> = team.portal.ledger().live().iter().map(|token| token.id.to_string()).collect();
    assert_eq!(live, [first.id], "none leaks");
    team.pull(&team.dockerconfigjson("pull").await).await.expect("it pulls");
    drop(operator);
}

/// Stops the operator, overwrites the key, deletes an object, and starts another operator.
async fn restarted_without(control_plane: &ControlPlane, operator: Operator, team: &Team, name: &str) -> Operator {
    operator.terminate().await;
    team.tokens().delete(name, &DeleteParams::default()).await.expect("deleted");
    let keys = keys(control_plane).await;
    keys.patch(KEY, &PatchParams::default(), &Patch::Merge(overwritten(6))).await.expect("patched");
    start_operator(control_plane).await
}

#[tokio::test]
async fn the_key_has_the_finalizer_only_while_a_token_is_live() {
    let (control_plane, _operator) = own_control_plane().await;
    let team = Team::on(control_plane, "key-held", Config::default(), json!({})).await;
    let keys = keys(control_plane).await;
    let finalizers = async || keys.get(KEY).await.map(|key| key.finalizers().to_vec()).expect("the key");
    assert!(finalizers().await.is_empty(), "nothing needs it");
    team.token("pull", "needs the key").await;
    let token = current(&team.until_synced("pull").await);
    assert_eq!(finalizers().await, ["registry-token.dev/revoke"]);
    team.delete("pull").await;
    eventually("the key to be released", Duration::from_secs(5), async || {
        let left = finalizers().await;
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;

    // A key that is being deleted is used until the last token is revoked.
    team.token("pull", "needs the key again").await;
    team.until_synced("pull").await;
    keys.delete(KEY, &DeleteParams::default()).await.expect("deleted");
    team.patch("pull", json!({"spec": {"description": "signed by a key that is being deleted"}})).await;
    let settled = team.until_synced("pull").await;
    assert_eq!(key_id(&current(&settled)), key_id(&token));
    team.delete("pull").await;
    until_gone(&keys, KEY).await;
    assert!(team.portal.ledger().live().is_empty());
}
