//! The life cycle of a token: requested, used for a pull, edited, revoked.

use crate::control_plane::eventually;
use crate::fake_portal::{Config, Names, Operation};
use crate::fixture::{LIMIT, Team, condition};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn an_object_becomes_a_pull_secret_that_pulls() {
    let team = Team::new("create").await;
    team.token("pull", "prod-eu, team-a").await;
    let object = team.until_synced("pull").await;

    let ledger = team.portal.ledger();
    let live = ledger.live();
    assert_eq!(live.len(), 1, "one token");
    assert_eq!(ledger.count(Operation::Request), 1, "requested once");
    assert_eq!(
        live[0].description.as_deref(),
        Some("prod-eu, team-a"),
        "the marker is removed once the token is stored"
    );

    let status = object.status.clone().expect("a status");
    let token = status.token.expect("a token");
    assert_eq!((token.id, token.username.clone()), (live[0].id.to_string(), live[0].username.clone()));
    assert_eq!(status.observed_generation, object.metadata.generation);
    assert!(condition(&object, "Reconciling").is_none() && condition(&object, "Stalled").is_none());

    let secret = team.secrets().get("pull").await.expect("the Secret");
    assert_eq!(secret.type_.as_deref(), Some("kubernetes.io/dockerconfigjson"));
    let owner = &secret.owner_references()[0];
    assert_eq!((&owner.uid, owner.controller), (&object.uid().expect("uid"), Some(true)));
    assert_eq!(secret.labels().get("registry-token.dev/owner"), object.uid().as_ref());

    let content = team.dockerconfigjson("pull").await;
    assert!(team.pull(&content).await.expect("pulls") > 0);
    team.until_event("pull", "TokenStored").await;
}

#[tokio::test]
async fn an_edited_description_edits_the_same_token_once() {
    let team = Team::new("edit").await;
    team.token("pull", "before").await;
    let before = team.until_synced("pull").await;
    let (ledger, content) = (team.portal.ledger(), team.dockerconfigjson("pull").await);
    let edits = ledger.count(Operation::Edit);

    team.patch("pull", json!({"spec": {"description": "after"}})).await;
    let after = team.until_synced("pull").await;
    // A second edit would have happened by now.
    team.assert_idle_for("pull", Duration::from_secs(4)).await;

    assert_eq!(ledger.count(Operation::Edit), edits + 1, "one edit");
    assert_eq!(ledger.count(Operation::Request), 1, "no further token");
    assert_eq!(ledger.live()[0].description.as_deref(), Some("after"));
    let token =
        |object: &registry_token_operator::api::RegistryToken| object.status.clone().and_then(|status| status.token);
    assert_eq!(token(&before), token(&after));
    assert_eq!(team.dockerconfigjson("pull").await, content, "the Secret is untouched");
}

#[tokio::test]
async fn a_deleted_object_revokes_its_token_and_its_secret_is_deleted() {
    let team = Team::new("delete").await;
    team.token("pull", "to go").await;
    team.until_synced("pull").await;
    let content = team.dockerconfigjson("pull").await;

    team.delete("pull").await;

    assert!(team.portal.ledger().live().is_empty(), "revoked before the object was deleted");
    assert_eq!(team.portal.ledger().count(Operation::Revoke), 1);
    eventually("the Secret to be garbage collected", LIMIT, async || match team.secrets().get_opt("pull").await {
        Ok(None) => Ok(()),
        other => Err(format!("{:?}", other.map(|secret| secret.map(|secret| secret.name_any())))),
    })
    .await;
    assert!(team.pull(&content).await.is_err(), "the pull is rejected");
}

#[tokio::test]
async fn labels_and_annotations_are_added_to_the_secret_and_removed_without_a_portal_call() {
    let team = Team::new("labels").await;
    team.token("pull", "labelled").await;
    team.until_synced("pull").await;
    let position = team.portal.ledger().position();
    let uid = team.secrets().get("pull").await.expect("Secret").uid();

    let secret_when = async |what: &str, wanted: &dyn Fn(&Secret) -> bool| {
        eventually(what, LIMIT, async || {
            let secret = team.secrets().get("pull").await.map_err(|error| error.to_string())?;
            if wanted(&secret) { Ok(()) } else { Err(format!("{:?} {:?}", secret.labels(), secret.annotations())) }
        })
        .await;
    };
    team.patch("pull", json!({"spec": {"secret": {"labels": {"team": "a"}, "annotations": {"note": "b"}}}})).await;
    secret_when("label and annotation to be added", &|secret| {
        secret.labels().get("team").is_some_and(|value| value == "a") && secret.annotations().contains_key("note")
    })
    .await;
    team.patch("pull", json!({"spec": {"secret": null}})).await;
    secret_when("label and annotation to be removed", &|secret| {
        !secret.labels().contains_key("team") && !secret.annotations().contains_key("note")
    })
    .await;
    team.until_synced("pull").await;

    assert_eq!(team.secrets().get("pull").await.expect("Secret").uid(), uid, "updated in place");
    let asked = team.portal.ledger().requests_since(position);
    assert!(!asked.iter().any(|request| request.operation.is_task()), "no task is run for a label");
}

#[tokio::test]
async fn a_deleted_secret_is_created_again_with_a_new_token_and_the_old_one_is_revoked() {
    let team = Team::new("lost").await;
    team.token("pull", "lost").await;
    let first = team.until_synced("pull").await;
    let old = team.portal.ledger().live()[0].id;

    team.secrets().delete("pull", &kube::api::DeleteParams::default()).await.expect("deleted");

    eventually("a new token in place of the old", LIMIT, async || {
        let object = team.tokens().get("pull").await.map_err(|error| error.to_string())?;
        let (now, before) =
            (object.status.and_then(|status| status.token), first.status.clone().and_then(|status| status.token));
        let live: Vec<i64> = team.portal.ledger().live().iter().map(|token| token.id).collect();
        if now != before && now.is_some() && live.len() == 1 && live[0] != old {
            Ok(())
        } else {
            Err(format!("{live:?}"))
        }
    })
    .await;
    team.until_synced("pull").await;
    let content = team.dockerconfigjson("pull").await;
    assert!(team.pull(&content).await.is_ok());
    assert_eq!(team.portal.ledger().count(Operation::Request), 2, "one for each Secret");
}

#[tokio::test]
async fn a_portal_with_other_names_and_client_credentials_works() {
    let team =
        Team::bare(crate::fixture::stage(), "dutch", Config { names: Names::dutch(), ..Config::default() }).await;
    team.apply(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "portal", "labels": {"registry-token.dev/credentials": "true"}},
        "stringData": {"client_id": "operator", "client_secret": "client-secret"},
    }))
    .await;
    team.issuer(json!({"thinkwise": {
        "auth": {"type": "OAuth2ClientCredentials", "basic": null, "oauth2ClientCredentials": {"secretRef": {"name": "portal"}}},
        "table": {
            "name": "klant_token",
            "key": [{"column": "klant_token_id", "from": "TokenID"}],
            "columns": {"username": "gebruikersnaam", "description": "omschrijving"},
        },
        "tasks": {
            "request": {
                "name": "token_aanvragen",
                "parameters": [{"name": "omschrijving", "from": "Description"}],
                "outputs": {"username": "gebruikersnaam", "secret": "geheim", "id": "klant_token_id"},
            },
            "editDescription": {
                "name": "token_omschrijving_wijzigen",
                "parameters": [{"name": "klant_token_id", "from": "TokenID"}, {"name": "omschrijving", "from": "Description"}],
            },
            "revoke": {
                "name": "token_intrekken",
                "parameters": [{"name": "klant_token_id", "from": "TokenID"}, {"name": "bevestigd", "value": "true"}],
            },
        },
    }}))
    .await;
    team.token("pull", "klant 42").await;
    team.until_synced("pull").await;
    let content = team.dockerconfigjson("pull").await;
    assert!(team.pull(&content).await.is_ok());
    team.delete("pull").await;
    assert!(team.portal.ledger().live().is_empty());
}
