//! User errors after a token was created.

use crate::control_plane::eventually;
use crate::fake_portal::{Config, Operation};
use crate::fixture::{LIMIT, Team, condition, merge, ready, stage, token};
use crate::helpers::{current, current_id};
use futures::{StreamExt, stream};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt};
use registry_token_operator::api::{RegistryToken, TokenIssuer};
use serde_json::{Value, json};
use std::time::Duration;

fn with(name: &str, spec: Value) -> Value {
    let mut object = token(name, "mistaken");
    merge(&mut object["spec"], spec);
    object
}

#[tokio::test]
async fn of_two_objects_with_one_secret_name_the_first_keeps_it_and_the_second_takes_over_when_it_is_deleted() {
    let team = Team::new("one-secret").await;
    team.apply(with("first", json!({"secret": {"name": "shared"}}))).await;
    let first = team.until_synced("first").await;
    let content = team.dockerconfigjson("shared").await;
    team.apply(with("second", json!({"secret": {"name": "shared"}}))).await;
    let second = team.until("second", "False", "SecretNotOwned").await;
    assert!(condition(&second, "Stalled").is_some());
    assert!(ready(&second).2.contains("another spec.secret.name"), "{}", ready(&second).2);
    team.assert_idle_for("first", Duration::from_secs(3)).await;
    assert_eq!(team.dockerconfigjson("shared").await, content);
    // Removing the owner reference does not give it to the second either: the first one restores it.
    team.patch_secret("shared", json!({"metadata": {"ownerReferences": null}})).await;
    eventually("the Secret to be the first's again", LIMIT, async || {
        let secret = team.secrets().get("shared").await.map_err(|error| error.to_string())?;
        let owner = secret.owner_references().iter().find(|owner| Some(&owner.uid) == first.metadata.uid.as_ref());
        owner.map(|_| ()).ok_or_else(|| format!("{:?}", secret.owner_references()))
    })
    .await;
    // The second may have seen the Secret without a controller: then its condition suggests the annotation `adopt`, and is
    // corrected. Nothing else happens.
    team.assert_no_task_for(Duration::from_secs(3)).await;
    assert_eq!(team.dockerconfigjson("shared").await, content);
    let corrected = |second: &RegistryToken| {
        let (_, reason, message) = ready(second);
        reason == "SecretNotOwned" && message.contains("controlled by another object")
    };
    team.until_object("second", "its condition to name the controller", corrected).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 1, "no token is requested that could not be stored");
    team.delete("first").await;
    let second = team.until_synced("second").await;
    team.until_live(&[current_id(&second)]).await;
    assert_ne!(current(&second), current(&first));
    assert!(team.pull(&team.dockerconfigjson("shared").await).await.is_ok());
}

#[tokio::test]
async fn deleting_the_second_of_two_objects_with_one_secret_name_keeps_the_firsts_secret() {
    let team = Team::new("second-goes").await;
    team.apply(with("first", json!({"secret": {"name": "shared"}}))).await;
    let first = team.until_synced("first").await;
    team.apply(with("second", json!({"secret": {"name": "shared"}}))).await;
    team.until("second", "False", "SecretNotOwned").await;
    team.delete("second").await;
    team.until_live(&[current_id(&first)]).await;
    team.assert_idle_for("first", Duration::from_secs(2)).await;
    assert!(team.pull(&team.dockerconfigjson("shared").await).await.is_ok());
}

#[tokio::test]
async fn a_rotation_of_an_immutable_secret_requests_no_token() {
    let team = Team::new("immutable-rotation").await;
    team.token("pull", "immutable").await;
    let before = team.until_synced("pull").await;
    team.patch_secret("pull", json!({"immutable": true})).await;
    team.until_condition("pull", "Stalled", "True", "SecretImmutable").await;
    team.annotate("pull", "rotate", "1").await;
    team.annotate("pull", "replace", "1").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let object = team.tokens().get("pull").await.expect("there");
    assert_eq!((ready(&object).0.as_str(), current(&object)), ("True", current(&before)));
    assert!(condition(&object, "Stalled").is_some());
    assert_eq!(team.portal.ledger().count(Operation::Request), 1);
    team.delete("pull").await;
    assert!(team.portal.ledger().live().is_empty(), "it can be revoked anyway");
}

#[tokio::test]
async fn a_quota_that_appears_after_ready_blocks_no_rotation_and_is_named_when_the_secret_is_lost() {
    let team = Team::new("late-quota").await;
    team.apply(with("pull", json!({"rotation": {"interval": "24h", "overlap": "0s"}}))).await;
    let first = team.until_synced("pull").await;
    let quota = |hard: &str| {
        json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"},
            "spec": {"hard": {"count/secrets": hard}},
        })
    };
    // The namespace's other Secret contains the portal's credentials.
    team.apply(quota("1")).await;
    team.annotate("pull", "rotate", "1").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    team.until_live(&[current_id(&second)]).await;
    team.until_synced("pull").await;
    team.secrets().delete("pull", &DeleteParams::default()).await.expect("deleted");
    let lost = team.until("pull", "False", "SecretRejected").await;
    assert!(ready(&lost).2.contains("quota"), "{}", ready(&lost).2);
    assert_eq!(team.portal.ledger().count(Operation::Request), 2, "no token is requested that could not be stored");
    team.apply(quota("5")).await;
    let third = team.until_replaced("pull", &current(&second)).await;
    team.until_synced("pull").await;
    team.until_live(&[current_id(&third)]).await;
}

#[tokio::test]
async fn names_of_the_maximum_length_work() {
    let team = Team::bare(stage(), "longest", Config::default()).await;
    team.credentials("portal-password").await;
    // Names of the object, the issuer and the Secret.
    let (name, issuer, secret) = ("a".repeat(253), "b".repeat(253), "c".repeat(253));
    team.apply(json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "TokenIssuer", "metadata": {"name": issuer},
        "spec": team.issuer_spec(json!({})),
    }))
    .await;
    team.apply(with(&name, json!({"issuerRef": {"name": issuer}, "secret": {"name": secret}}))).await;
    let first = team.until_synced(&name).await;
    assert!(team.pull(&team.dockerconfigjson(&secret).await).await.is_ok());
    team.until_event(&name, "TokenStored").await;
    team.annotate(&name, "replace", "1").await;
    let second = team.until_replaced(&name, &current(&first)).await;
    team.until_live(&[current_id(&second)]).await;
    team.delete(&name).await;
    assert!(team.portal.ledger().live().is_empty());
}

#[tokio::test]
async fn rotations_that_exceed_the_issuers_limits_are_reported_on_the_issuer() {
    // Each needs four requests an hour; the limit allows half of one request a second.
    const OBJECTS: usize = 455;
    let team = Team::bare(stage(), "too-frequent", Config::default()).await;
    team.credentials("portal-password").await;
    let create = |index: usize| {
        let object = with(&format!("pull-{index}"), json!({"suspend": true, "rotation": {"interval": "1h"}}));
        let (tokens, object) = (team.tokens(), serde_json::from_value::<RegistryToken>(object).expect("an object"));
        async move { tokens.create(&PostParams::default(), &object).await.expect("created").name_any() }
    };
    let created: Vec<String> = stream::iter(0..OBJECTS).map(create).buffer_unordered(16).collect().await;
    assert_eq!(created.len(), OBJECTS);
    team.issuer(json!({"limits": {"requestsPerSecond": 1}})).await;
    until_issuer_message(&team.issuers(), "RotationTooFrequent", "limits.requestsPerSecond").await;
    team.issuer(json!({"limits": {"requestsPerSecond": 2}})).await;
    until_issuer_message(&team.issuers(), "PortalReady", "").await;
    assert!(team.portal.ledger().all().is_empty());
}

async fn until_issuer_message(issuers: &Api<TokenIssuer>, reason: &str, advice: &str) {
    eventually(&format!("the issuer to say {reason}"), LIMIT, async || {
        let issuer = issuers.get("portal").await.map_err(|error| error.to_string())?;
        let conditions = issuer.status.map(|status| status.conditions).unwrap_or_default();
        let ready = conditions.into_iter().find(|one| one.type_ == "Ready").ok_or("no condition")?;
        if ready.reason == reason && ready.message.contains(advice) { Ok(()) } else { Err(ready.message) }
    })
    .await;
}
