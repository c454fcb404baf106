//! A user who may write statuses or Secret annotations in one namespace forges them.

use crate::control_plane::eventually;
use crate::fake_portal::{Config, FakePortal, Profile};
use crate::fixture::{LIMIT, Team, stage};
use crate::helpers::current;
use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::api::core::v1::Secret;
use registry_token_operator::api::RegistryToken;
use ring::digest::{Context, SHA256};
use serde_json::json;

/// A namespace whose issuer uses another team's portal.
async fn tenant_beside(team: &Team, name: &str) -> Team {
    let tenant = Team::bare(team.control_plane, name, Config::default()).await;
    tenant.credentials("portal-password").await;
    tenant
        .apply(json!({
            "apiVersion": "registry-token.dev/v1alpha1", "kind": "TokenIssuer", "metadata": {"name": "portal"},
            "spec": team.issuer_spec(json!({})),
        }))
        .await;
    tenant
}

fn live(portal: &FakePortal) -> Vec<i64> {
    portal.ledger().live().iter().map(|token| token.id).collect()
}

#[tokio::test]
async fn foreign_tokens_in_a_status_are_neither_edited_nor_revoked() {
    let team = Team::new("named-by-others").await;
    team.token("pull", "theirs").await;
    let theirs = current(&team.until_synced("pull").await);
    let colleagues = team.portal.ledger().add_as_colleague(Some("made by hand"));
    let tenant = tenant_beside(&team, "forger").await;
    tenant.token("own", "mine").await;
    let settled = tenant.until_synced("own").await;
    let own = current(&settled);

    // With MACs that the user can read: another object's for the same role, and its own for another token.
    tenant
        .patch_status(
            "own",
            json!({
                "token": {"id": theirs.id, "username": theirs.username, "mac": theirs.mac},
                "retiring": [{
                    "id": colleagues.id.to_string(), "username": colleagues.username,
                    "revocationTime": "2020-01-01T00:00:00Z", "mac": own.mac,
                }],
            }),
        )
        .await;
    let is_back = |object: &RegistryToken| current(object) == own || current(object).id == own.id;
    tenant.until_object("own", "its own token again", is_back).await;
    let message = tenant.until_condition("own", "Stalled", "True", "TokenUnverified").await;
    assert!(
        message.contains(&format!("registry-token.dev/confirmed-revoked={}", colleagues.id)),
        "it says what to do: {message}"
    );
    tenant.patch("own", json!({"spec": {"description": "mine, edited"}})).await;
    tenant.until_synced("own").await;
    let texts: Vec<_> = team.portal.ledger().live().into_iter().filter_map(|token| token.description).collect();
    assert_eq!(texts, ["theirs", "made by hand", "mine, edited"]);

    tenant.delete("own").await;
    let theirs_id: i64 = theirs.id.parse().expect("a number");
    assert_eq!(live(&team.portal), [theirs_id, colleagues.id]);
    tenant.until_event("own", "TokenUnverified").await;
    team.until("pull", "True", "TokenStored").await;
}

#[tokio::test]
async fn a_current_token_forged_as_retiring_is_not_revoked() {
    let team = Team::new("moved-role").await;
    team.token("pull", "stays").await;
    let token = current(&team.until_synced("pull").await);
    team.patch_status(
        "pull",
        json!({
            "token": null,
            "retiring": [{
                "id": token.id, "username": token.username, "revocationTime": "2020-01-01T00:00:00Z", "mac": token.mac,
            }],
        }),
    )
    .await;
    let is_back = |object: &RegistryToken| {
        let status = object.status.as_ref().expect("a status");
        status.token.as_ref().is_some_and(|back| back.id == token.id) && status.retiring.is_empty()
    };
    team.until_object("pull", "its previous token", is_back).await;
    team.until_synced("pull").await;
    assert_eq!((team.portal.ledger().all().len(), live(&team.portal).len()), (1, 1));
}

/// Annotations and content as the operator would write them for this token, except for the MAC.
fn forged(object: &RegistryToken, secret: &Secret, username: &str, host: &str) -> serde_json::Value {
    let auth = STANDARD.encode(format!("{username}:guessed"));
    let content = json!({"auths": {host: {"username": username, "password": "guessed", "auth": auth}}}).to_string();
    let annotation = |key: &str| {
        let annotations = secret.metadata.annotations.as_ref().expect("annotations");
        annotations[&format!("registry-token.dev/{key}")].clone()
    };
    let portal = annotation("provenance").split('.').next().unwrap_or_default().to_owned();
    let origin = format!("{portal}.4000000000.{}", current(object).id);
    let mut digest = Context::new(&SHA256);
    let uid = object.metadata.uid.clone().expect("a UID");
    for text in [uid.as_str(), &annotation("stored"), username, &origin] {
        digest.update(text.as_bytes());
        digest.update(&[0]);
    }
    digest.update(content.as_bytes());
    json!({
        "metadata": {"annotations": {
            "registry-token.dev/token-id": username, "registry-token.dev/username": username,
            "registry-token.dev/provenance": origin,
            "registry-token.dev/checksum": STANDARD.encode(&digest.finish().as_ref()[..12]),
        }},
        "data": {".dockerconfigjson": STANDARD.encode(content)},
    })
}

#[tokio::test]
async fn where_the_list_is_hidden_a_secret_that_names_a_colleagues_token_has_it_neither_edited_nor_revoked() {
    let profile = Profile::named("list-hidden").expect("a profile");
    let team = Team::bare(stage(), "hidden-forger", profile.config()).await;
    team.credentials("portal-password").await;
    team.issuer(json!({"thinkwise": {"table": null, "tasks": null}})).await;
    let colleagues = team.portal.ledger().add_as_colleague(Some("made by hand"));
    team.token("pull", "while the list is hidden").await;
    let first = team.until_synced("pull").await;
    let secret = team.secrets().get("pull").await.expect("a Secret");
    let host = team.portal.registry_host();
    team.patch_secret("pull", forged(&first, &secret, &colleagues.username, &host)).await;
    let second = team.until_replaced("pull", &current(&first)).await;
    assert_ne!(current(&second).username, colleagues.username);
    team.until_synced("pull").await;
    let names = || team.portal.ledger().live().into_iter().map(|token| token.username).collect::<Vec<_>>();
    eventually("the previous token to be revoked, and no other", LIMIT, async || {
        let live = names();
        if live == [colleagues.username.clone(), current(&second).username] { Ok(()) } else { Err(format!("{live:?}")) }
    })
    .await;
    team.delete("pull").await;
    assert_eq!(names(), [colleagues.username.as_str()]);
    let theirs = team.portal.ledger().token(colleagues.id).expect("there");
    assert_eq!(theirs.description.as_deref(), Some("made by hand"));
}

#[tokio::test]
async fn an_emptied_status_is_written_again_and_no_token_is_requested() {
    let team = Team::new("emptied").await;
    team.token("pull", "stays").await;
    let token = current(&team.until_synced("pull").await);
    team.patch_status("pull", json!({"token": null, "portal": null, "uid": null, "secret": null})).await;
    let is_back = |object: &RegistryToken| {
        object.status.as_ref().and_then(|status| status.token.as_ref()).is_some_and(|back| back.id == token.id)
    };
    team.until_object("pull", "its token", is_back).await;
    team.until_synced("pull").await;
    assert_eq!((team.portal.ledger().all().len(), live(&team.portal).len()), (1, 1));
}

#[tokio::test]
async fn a_status_that_names_a_foreign_secret_does_not_make_it_the_objects_own() {
    let team = Team::new("foreign-uid").await;
    let config = STANDARD.encode(r#"{"auths":{"registry.example.com":{"username":"u","password":"theirs"}}}"#);
    team.apply(json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "pull"}, "data": {".dockerconfigjson": config},
    }))
    .await;
    team.token("pull", "wants it").await;
    team.until("pull", "False", "SecretNotOwned").await;
    let before = team.secrets().get("pull").await.expect("a Secret");
    let uid = team.tokens().get("pull").await.expect("an object").metadata.uid;
    team.patch_status("pull", json!({"uid": uid, "secret": {"name": "pull", "uid": before.metadata.uid}})).await;
    team.annotate("pull", "reconcile", "now").await;
    // Time for the operator to act on it.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let after = team.secrets().get("pull").await.expect("a Secret");
    assert_eq!((after.data, after.metadata.resource_version), (before.data, before.metadata.resource_version));
    assert_eq!(team.portal.ledger().all().len(), 0);
}
