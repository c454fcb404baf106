//! Changes of a pull secret by others are repaired: metadata in place, lost or changed content with one new token. What
//! cannot be repaired is reported, and nothing is deleted.

use crate::control_plane::eventually;
use crate::fake_portal::Operation;
use crate::fixture::{LIMIT, Team, ready, token};
use crate::helpers::{current, current_id};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};
use std::time::Duration;

async fn synced_team(name: &str) -> Team {
    let team = Team::new(name).await;
    team.token("pull", "repaired").await;
    team.until_synced("pull").await;
    team
}

/// Waits until the Secret is as it was before, except for its `resourceVersion`.
async fn until_as_before(team: &Team, before: &Secret) {
    eventually("the Secret to be as it was", LIMIT, async || {
        let now = team.secrets().get("pull").await.map_err(|error| error.to_string())?;
        let same = (now.labels(), now.annotations(), now.owner_references(), &now.data)
            == (before.labels(), before.annotations(), before.owner_references(), &before.data);
        if same && now.uid() == before.uid() { Ok(()) } else { Err(format!("{:?}", now.metadata)) }
    })
    .await;
}

/// Waits until the status names the version of the repaired Secret: the last write of a repair.
async fn until_repair_recorded(team: &Team) {
    eventually("the status to name the version of the Secret", LIMIT, async || {
        let secret = team.secrets().get("pull").await.map_err(|error| error.to_string())?.resource_version();
        let status = team.tokens().get("pull").await.map_err(|error| error.to_string())?.status;
        let recorded = status.and_then(|status| status.secret).and_then(|secret| secret.resource_version);
        if recorded == secret { Ok(()) } else { Err(format!("{recorded:?} instead of {secret:?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_removed_label_owner_or_annotation_is_restored_without_a_new_token() {
    let team = synced_team("undressed").await;
    let before = team.secrets().get("pull").await.expect("a Secret");
    let calls = team.portal.ledger().position();
    let changes = [
        json!({"metadata": {"labels": {"registry-token.dev/owner": null}}}),
        json!({"metadata": {"labels": {"registry-token.dev/owner": "another-object"}}}),
        json!({"metadata": {"ownerReferences": null}}),
        json!({"metadata": {"annotations": {"registry-token.dev/registries": null}}}),
        json!({"metadata": {"annotations": {"registry-token.dev/last-applied-keys": "l:x"}}}),
        json!({"metadata": {"labels": {"registry-token.dev/owner": null}, "ownerReferences": null}}),
    ];
    for change in changes {
        team.patch_secret("pull", change.clone()).await;
        until_as_before(&team, &before).await;
    }
    team.until("pull", "True", "TokenStored").await;
    let asked = team.portal.ledger().requests_since(calls);
    assert!(!asked.iter().any(|request| request.operation.is_task()), "the portal gets no request for any of it");
    until_repair_recorded(&team).await;
    team.assert_idle_for("pull", Duration::from_secs(2)).await;
}

#[tokio::test]
async fn secret_metadata_of_the_spec_is_restored_and_additions_by_others_stay() {
    let team = Team::new("redressed").await;
    let mut object = token("pull", "labelled");
    object["spec"]["secret"] = json!({"labels": {"team": "a", "tier": "x"}, "annotations": {"note": "ours"}});
    team.apply(object).await;
    let settled = team.until_synced("pull").await;
    let before = team.secrets().get("pull").await.expect("a Secret");
    let calls = team.portal.ledger().position();
    let changes = [
        json!({"metadata": {"labels": {"team": "b"}}}),
        json!({"metadata": {"labels": {"team": null, "tier": null}}}),
        json!({"metadata": {"annotations": {"note": "theirs"}}}),
        json!({"metadata": {"annotations": {"note": null}, "labels": {"tier": "y"}}}),
    ];
    for change in changes {
        team.patch_secret("pull", change).await;
        until_as_before(&team, &before).await;
    }
    team.patch_secret("pull", json!({"metadata": {"labels": {"theirs": "kept"}, "annotations": {"theirs": "kept"}}}))
        .await;
    team.patch_secret("pull", json!({"metadata": {"labels": {"team": "b"}}})).await;
    eventually("the label to be restored in addition to theirs", LIMIT, async || {
        let now = team.secrets().get("pull").await.map_err(|error| error.to_string())?;
        let label = |key: &str| now.labels().get(key).cloned();
        let theirs = now.annotations().get("theirs").is_some_and(|value| value == "kept");
        let all = (label("team"), label("tier"), label("theirs"));
        let wanted = [Some("a".to_owned()), Some("x".to_owned()), Some("kept".to_owned())];
        if [all.0.clone(), all.1.clone(), all.2.clone()] == wanted && theirs { Ok(()) } else { Err(format!("{all:?}")) }
    })
    .await;
    team.until("pull", "True", "TokenStored").await;
    until_repair_recorded(&team).await;
    team.assert_idle_for("pull", Duration::from_secs(2)).await;
    let asked = team.portal.ledger().requests_since(calls);
    assert!(!asked.iter().any(|request| request.operation.is_task()), "the portal gets no request for any of it");
    let after = team.tokens().get("pull").await.expect("there");
    assert_eq!(current(&after), current(&settled));
    assert!(team.pull(&team.dockerconfigjson("pull").await).await.is_ok());
}

/// The token is replaced once, the old one is revoked at once, and the Secret is kept.
async fn replaced_after(name: &str, change: Value) {
    let team = synced_team(name).await;
    let (before, uid) = (team.until_synced("pull").await, team.secret_uid("pull").await);
    let old = team.dockerconfigjson("pull").await;
    team.patch_secret("pull", change).await;
    let after = team.until_replaced("pull", &current(&before)).await;
    team.until_live(&[current_id(&after)]).await;
    team.until_synced("pull").await;
    assert_eq!(team.secret_uid("pull").await, uid, "repaired in place");
    assert!(team.pull(&team.dockerconfigjson("pull").await).await.is_ok());
    assert!(team.pull(&old).await.is_err(), "the old one is revoked");
    team.assert_idle_for("pull", Duration::from_secs(2)).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 2, "one new token");
    assert_eq!(team.portal.ledger().count(Operation::Revoke), 1);
}

#[tokio::test]
async fn an_emptied_secret() {
    // {"auths":{}}
    replaced_after("emptied", json!({"data": {".dockerconfigjson": "eyJhdXRocyI6e319"}})).await;
}

#[tokio::test]
async fn an_edited_password() {
    let login = json!({"auths": {"registry.example.com": {"username": "tw-1", "password": "mine"}}}).to_string();
    replaced_after("edited", json!({"stringData": {".dockerconfigjson": login}})).await;
}

#[tokio::test]
async fn a_checksum_that_was_removed() {
    replaced_after("unchecked", json!({"metadata": {"annotations": {"registry-token.dev/checksum": null}}})).await;
}

#[tokio::test]
async fn all_our_annotations_removed() {
    let all = ["stored", "token-id", "cause", "checksum", "last-applied-keys", "registries"];
    let gone: serde_json::Map<String, Value> =
        all.iter().map(|key| (format!("registry-token.dev/{key}"), Value::Null)).collect();
    replaced_after("stripped", json!({"metadata": {"annotations": gone}})).await;
}

#[tokio::test]
async fn an_annotation_that_names_another_token_is_not_trusted() {
    let team = Team::new("forged").await;
    let colleagues = team.portal.ledger().add_as_colleague(Some("not ours"));
    team.token("pull", "repaired").await;
    let before = team.until_synced("pull").await;
    let forged = json!({"metadata": {"annotations": {"registry-token.dev/token-id": colleagues.key}}});
    team.patch_secret("pull", forged).await;
    let after = team.until_replaced("pull", &current(&before)).await;
    team.until_live(&[colleagues.id, current_id(&after)]).await;
    team.until_synced("pull").await;
    let theirs = team.portal.ledger().token(colleagues.id).expect("there");
    assert_eq!(theirs.description.as_deref(), Some("not ours"), "a colleague's token is neither edited nor revoked");
}

/// The object stalls with this advice; the Secret and the token stay.
async fn stalls(team: &Team, reason: &str, advice: &str) {
    let message = team.until_condition("pull", "Stalled", "True", reason).await;
    assert!(message.contains(advice), "{message:?} does not say {advice:?}");
    assert!(team.secrets().get_opt("pull").await.expect("asked").is_some(), "never deleted");
    assert_eq!(team.portal.ledger().count(Operation::Request), 1);
    assert_eq!(team.portal.ledger().count(Operation::Revoke), 0);
}

#[tokio::test]
async fn an_immutable_secret_stalls_when_it_has_to_change_and_recovers_once_it_is_deleted() {
    let team = synced_team("immutable").await;
    team.patch_secret("pull", json!({"immutable": true})).await;
    stalls(&team, "SecretImmutable", "delete it").await;
    let object = team.tokens().get("pull").await.expect("there");
    assert_eq!(ready(&object).0, "True", "pods can still pull with it");
    assert!(team.pull(&team.dockerconfigjson("pull").await).await.is_ok());
    team.secrets().delete("pull", &DeleteParams::default()).await.expect("deleted");
    let after = team.until_replaced("pull", &current(&object)).await;
    team.until_live(&[current_id(&after)]).await;
    let settled = team.until_synced("pull").await;
    assert!(crate::fixture::condition(&settled, "Stalled").is_none());
}

#[tokio::test]
async fn a_secret_recreated_with_another_type_stalls_and_is_not_deleted() {
    let team = synced_team("wrong-type").await;
    let before = team.secrets().get("pull").await.expect("a Secret");
    let owners = before.owner_references().to_vec();
    team.patch("pull", json!({"spec": {"suspend": true}})).await;
    team.until_condition("pull", "Suspended", "True", "Suspended").await;
    team.secrets().delete("pull", &DeleteParams::default()).await.expect("deleted");
    let opaque: Secret = serde_json::from_value(json!({
        "metadata": {"name": "pull", "ownerReferences": owners, "labels": before.labels()}, "stringData": {"a": "b"},
    }))
    .expect("a Secret");
    team.secrets().create(&PostParams::default(), &opaque).await.expect("created");
    team.patch("pull", json!({"spec": {"suspend": false}})).await;
    stalls(&team, "SecretTypeMismatch", "delete the Secret").await;
    let object = team.tokens().get("pull").await.expect("there");
    assert_eq!(ready(&object).0, "False", "no pod can pull with it");
    team.secrets().delete("pull", &DeleteParams::default()).await.expect("deleted");
    let after = team.until_replaced("pull", &current(&object)).await;
    team.until_live(&[current_id(&after)]).await;
    team.until_synced("pull").await;
}

#[tokio::test]
async fn a_foreign_secret_is_adopted_by_an_annotation_that_the_message_names() {
    let team = Team::new("adoption").await;
    let foreign: Secret = serde_json::from_value(json!({
        "metadata": {"name": "pull", "labels": {"team": "a"}, "annotations": {"note": "kept"}},
        "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "{\"auths\":{}}"},
    }))
    .expect("a Secret");
    let created = team.secrets().create(&PostParams::default(), &foreign).await.expect("created");
    team.token("pull", "takes over").await;
    let object = team.until("pull", "False", "SecretNotOwned").await;
    let message = ready(&object).2;
    assert!(message.contains("registry-token.dev/adopt=true"), "{message}");
    let now = team.secrets().get("pull").await.expect("there");
    assert_eq!(created.resource_version(), now.resource_version(), "never touched");
    team.patch_secret("pull", json!({"metadata": {"annotations": {"registry-token.dev/adopt": "true"}}})).await;
    team.until_synced("pull").await;
    let adopted = team.secrets().get("pull").await.expect("there");
    assert_eq!(adopted.uid(), created.uid(), "the same Secret");
    assert_eq!(adopted.labels().get("team").map(String::as_str), Some("a"), "additions by others stay");
    assert_eq!(adopted.annotations().get("note").map(String::as_str), Some("kept"));
    assert!(!adopted.annotations().contains_key("registry-token.dev/adopt"), "requested once");
    assert!(team.pull(&team.dockerconfigjson("pull").await).await.is_ok());
    assert_eq!(team.portal.ledger().count(Operation::Request), 1);
}
