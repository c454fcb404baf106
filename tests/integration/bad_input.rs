//! Each failure leads to a typed reason on `Ready`, a message that says what to do, and an event, and recovers on its
//! own when the cause is removed. Meanwhile the portal receives no request that could leak a token.

use crate::fake_portal::{Config, Fault, Operation};
use crate::fixture::{Team, ready, stage, token};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;
use std::time::Duration;

/// The object reports this reason and advice in its status and in a warning event.
async fn until_reason(team: &Team, reason: &str, advice: &str) {
    let object = team.until("pull", "False", reason).await;
    let (_, _, message) = ready(&object);
    assert!(!advice.is_empty() && message.contains(advice), "{message:?} does not say {advice:?}");
    let event = team.until_event("pull", reason).await;
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    assert!(event.message.unwrap_or_default().contains(advice));
}

/// Waits until the object's own message contains this text.
async fn until_message(team: &Team, advice: &str) {
    team.until_object("pull", &format!("its message to say {advice:?}"), |object| ready(object).2.contains(advice))
        .await;
}

/// In the end there is one token, which was requested once, and an image can be pulled with it.
async fn until_recovered(team: &Team) {
    team.until_synced("pull").await;
    let content = team.dockerconfigjson("pull").await;
    assert!(team.pull(&content).await.is_ok());
    assert_eq!(team.portal.ledger().live().len(), 1);
}

#[tokio::test]
async fn an_unknown_issuer() {
    let team = Team::bare(stage(), "no-issuer", Config::default()).await;
    team.token("pull", "waits").await;
    until_reason(
        &team,
        "IssuerNotFound",
        "TokenIssuer portal, referenced by spec.issuerRef, does not exist: create it",
    )
    .await;
    team.until_condition("pull", "Stalled", "True", "IssuerNotFound").await;
    team.credentials("portal-password").await;
    team.issuer(json!({})).await;
    until_recovered(&team).await;
}

#[tokio::test]
async fn another_cause_of_the_same_reason_is_another_event() {
    let team = Team::bare(stage(), "other-cause", Config::default()).await;
    team.issuer(json!({})).await;
    team.token("pull", "waits").await;
    until_reason(&team, "IssuerNotReady", "(CredentialsMissing)").await;
    team.credentials("mistyped").await;
    let events: kube::Api<k8s_openapi::api::core::v1::Event> =
        kube::Api::namespaced(team.client.clone(), &team.namespace);
    crate::control_plane::eventually("an event about the new cause", crate::fixture::LIMIT, async || {
        let all = events.list(&kube::api::ListParams::default()).await.map_err(|error| error.to_string())?;
        let notes: Vec<String> = all.items.into_iter().filter_map(|event| event.message).collect();
        if notes.iter().any(|note| note.contains("(Unauthorized)")) { Ok(()) } else { Err(format!("{notes:?}")) }
    })
    .await;
}

#[tokio::test]
async fn the_issuers_secret_is_absent_and_then_lacks_a_key() {
    let team = Team::bare(stage(), "no-secret", Config::default()).await;
    team.issuer(json!({})).await;
    team.token("pull", "waits").await;
    until_reason(&team, "IssuerNotReady", "with the portal's credentials does not exist: create it").await;
    let secret: Secret =
        serde_json::from_value(json!({"metadata": {"name": "portal", "labels": {"registry-token.dev/credentials": "true"}}, "stringData": {"username": "k8s"}}))
            .expect("a Secret");
    team.secrets().create(&PostParams::default(), &secret).await.expect("created");
    until_message(&team, "has no key \"password\", or it is empty: add it").await;
    team.credentials("portal-password").await;
    until_recovered(&team).await;
}

#[tokio::test]
async fn the_issuers_secret_lacks_a_key() {
    let team = Team::bare(stage(), "no-key", Config::default()).await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "portal", "labels": {"registry-token.dev/credentials": "true"}}, "stringData": {"username": "k8s"},
    });
    team.apply(secret).await;
    team.issuer(json!({})).await;
    team.token("pull", "waits").await;
    until_reason(&team, "IssuerNotReady", "has no key \"password\", or it is empty: add it").await;
    team.credentials("portal-password").await;
    until_recovered(&team).await;
}

#[tokio::test]
async fn the_issuers_ca_is_absent() {
    let team = Team::bare(stage(), "no-ca", Config::default()).await;
    team.credentials("portal-password").await;
    team.issuer(json!({"thinkwise": {"tls": {"caBundle": null, "caConfigMapRef": {"name": "portal-ca"}}}})).await;
    team.token("pull", "waits").await;
    until_reason(&team, "IssuerNotReady", "does not exist: create it with the CA's certificates").await;
    assert!(team.portal.ledger().live().is_empty());
    let ca = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "portal-ca"},
        "data": {"ca.crt": team.portal.ca_pem()},
    });
    team.apply(ca).await;
    until_recovered(&team).await;
}

#[tokio::test]
async fn a_wrong_password() {
    let team = Team::bare(stage(), "wrong-password", Config::default()).await;
    team.credentials("mistyped").await;
    team.issuer(json!({})).await;
    team.token("pull", "waits").await;
    until_reason(&team, "IssuerNotReady", "rejected the credentials (HTTP 401): check").await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 0);
    team.credentials("portal-password").await;
    until_recovered(&team).await;
}

#[tokio::test]
async fn a_portal_that_is_down() {
    let team = Team::bare(stage(), "down", Config::default()).await;
    team.portal.down().await;
    team.credentials("portal-password").await;
    team.issuer(json!({})).await;
    team.token("pull", "waits").await;
    until_reason(&team, "IssuerNotReady", "check spec.thinkwise.url, network policies, and the proxy").await;
    team.portal.up().await;
    until_recovered(&team).await;
}

#[tokio::test]
async fn a_portal_that_goes_down_after_ready_affects_no_working_object() {
    let team = Team::new("outage").await;
    team.token("pull", "works").await;
    let before = team.until_synced("pull").await;
    team.portal.down().await;
    // A second object makes the issuer detect it.
    team.apply(token("second", "waits")).await;
    team.until("second", "False", "IssuerNotReady").await;
    let after = team.tokens().get("pull").await.expect("there");
    assert_eq!(before.metadata.resource_version, after.metadata.resource_version, "no write");
    team.portal.up().await;
    team.until_synced("second").await;
}

#[tokio::test]
async fn a_foreign_secret_of_that_name() {
    let team = Team::new("foreign").await;
    let foreign: Secret =
        serde_json::from_value(json!({"metadata": {"name": "pull"}, "stringData": {"theirs": "untouched"}}))
            .expect("a Secret");
    let created = team.secrets().create(&PostParams::default(), &foreign).await.expect("created");
    team.token("pull", "waits").await;
    until_reason(&team, "SecretNotOwned", "is not managed by this RegistryToken").await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 0, "no token is requested that could not be stored");
    let now = team.secrets().get("pull").await.expect("there");
    assert_eq!(created.metadata.resource_version, now.metadata.resource_version, "never touched");
    team.secrets().delete("pull", &DeleteParams::default()).await.expect("deleted");
    until_recovered(&team).await;
}

#[tokio::test]
async fn a_description_that_the_portal_rejects() {
    let team = Team::with("refused", Config { description_max_length: Some(60), ..Config::default() }).await;
    // Otherwise the length would be found in `$metadata`, and the portal would not receive the request.
    team.issuer(json!({"thinkwise": {"table": {"descriptionMaxLength": 500}}})).await;
    team.token("pull", "long ".repeat(20).trim_end()).await;
    until_reason(&team, "RequestRejected", "max").await;
    assert!(team.portal.ledger().live().is_empty());
    team.patch("pull", json!({"spec": {"description": "short"}})).await;
    until_recovered(&team).await;
}

#[tokio::test]
async fn a_portal_that_allows_no_further_token() {
    let team = Team::with("token-limit", Config { max_tokens: Some(1), ..Config::default() }).await;
    team.token("first", "has the only token").await;
    team.until_synced("first").await;
    team.token("pull", "waits").await;
    until_reason(&team, "TokenLimitReached", "the portal allows no further token").await;
    team.until_condition("pull", "Stalled", "True", "TokenLimitReached").await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 2, "it is not repeated at once");

    // The issuer still serves the others, and a token that is not needed any more makes room.
    team.delete("first").await;
    team.annotate("pull", "reconcile", "1").await;
    until_recovered(&team).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 3);
}

#[tokio::test]
async fn a_description_too_long_for_the_issuers_limit_says_how_short_it_must_be() {
    let team = Team::new("too-long").await;
    team.issuer(json!({"thinkwise": {"table": {"descriptionMaxLength": 60}}})).await;
    team.token("pull", &"x".repeat(60)).await;
    until_reason(&team, "DescriptionTooLong", "shorten it to").await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 0);
    team.patch("pull", json!({"spec": {"description": "short"}})).await;
    until_recovered(&team).await;
}

#[tokio::test]
async fn a_description_too_long_for_the_portal_is_reported_before_a_request() {
    let team = Team::with("found-long", Config { description_max_length: Some(60), ..Config::default() }).await;
    team.token("pull", &"x".repeat(60)).await;
    until_reason(&team, "DescriptionTooLong", "shorten it to").await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 0);
}

#[tokio::test]
async fn an_edit_that_the_portal_rejects_leaves_pods_pulling() {
    let team = Team::new("edit-refused").await;
    team.token("pull", "accepted").await;
    team.until_synced("pull").await;
    team.portal.faults().always(Operation::Edit, Fault::Refuse("description_not_allowed".to_owned()));
    team.patch("pull", json!({"spec": {"description": "not liked"}})).await;
    crate::control_plane::eventually("the refusal in DescriptionSynced", crate::fixture::LIMIT, async || {
        let object = team.tokens().get("pull").await.map_err(|error| error.to_string())?;
        let synced = crate::fixture::condition(&object, "DescriptionSynced").unwrap_or_default();
        let reported = synced["reason"] == "DescriptionRejected"
            && synced["message"].as_str().is_some_and(|text| text.contains("description_not_allowed"));
        if reported && ready(&object).0 == "True" { Ok(()) } else { Err(synced.to_string()) }
    })
    .await;
    team.portal.faults().clear();
    team.patch("pull", json!({"spec": {"description": "liked"}})).await;
    until_recovered(&team).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 1);
}

#[tokio::test]
async fn an_object_deleted_before_its_token_came() {
    let team = Team::with("deleted-early", Config { latency: Duration::from_millis(1500), ..Config::default() }).await;
    team.token("pull", "never needed").await;
    crate::control_plane::eventually("the request to be in flight", crate::fixture::LIMIT, async || {
        let asked = team.portal.ledger().count(Operation::Request);
        if asked == 1 { Ok(()) } else { Err(format!("{asked} requests")) }
    })
    .await;
    team.delete("pull").await;
    assert!(team.portal.ledger().live().is_empty(), "the token that came too late is revoked");
    assert_eq!(team.portal.ledger().all().len(), 1);
}

#[tokio::test]
async fn a_quota_is_found_before_a_token_exists() {
    let team = Team::new("quota").await;
    team.apply(json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"},
        "spec": {"hard": {"count/secrets": "1"}},
    }))
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    team.token("pull", "waits").await;
    until_reason(&team, "SecretRejected", "quota").await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 0);
}

#[tokio::test]
async fn a_lost_response_leaks_nothing() {
    for fault in [Fault::StatusAfter(504), Fault::DropAfter, Fault::HangAfter, Fault::WithoutSecret, Fault::Garbage] {
        let team = Team::new("lost-answer").await;
        team.portal.faults().once(Operation::Request, fault.clone());
        team.token("pull", "asked twice").await;
        until_recovered(&team).await;
        let ledger = team.portal.ledger();
        assert_eq!(ledger.all().len(), 2, "{fault:?}: the lost token and its successor");
        assert_eq!(ledger.live().len(), 1, "{fault:?}: the lost one is revoked");
    }
}
