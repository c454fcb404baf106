//! The login check: a token is ready once the registry accepts its login. A registry that is down or lags never costs a
//! token.

use crate::fake_portal::{Challenge, Config, Fault, Operation, Server};
use crate::fixture::{Team, condition, ready, token};
use crate::helpers::{current, current_id};
use serde_json::{Value, json};
use std::time::Duration;

fn rotating(name: &str) -> Value {
    let mut object = token(name, "logs in");
    object["spec"]["rotation"] = json!({"interval": "24h", "overlap": "0s"});
    object
}

#[tokio::test]
async fn a_registry_that_is_down_delays_ready_and_costs_no_token() {
    let team = Team::new("registry-down").await;
    team.portal.registry_down().await;
    team.token("pull", "waits for the registry").await;
    let waits = team.until("pull", "False", "RegistryUnavailable").await;
    let message = ready(&waits).2;
    assert!(
        ["could not be verified", "retrying", "network policies"].iter().all(|words| message.contains(words)),
        "{message}"
    );
    let verified = condition(&waits, "LoginVerified").expect("said");
    assert_eq!((&verified["status"], &verified["reason"]), (&json!("Unknown"), &json!("RegistryUnavailable")));
    assert!(condition(&waits, "Stalled").is_none(), "it is not a user error");
    team.until_event("pull", "RegistryUnavailable").await;
    team.portal.registry_up().await;
    let settled = team.until_synced("pull").await;
    assert_eq!(condition(&settled, "LoginVerified").expect("said")["status"], "True");
    assert_eq!(current(&settled), current(&waits), "the same token");
    assert_eq!(team.portal.ledger().all().len(), 1);
    // A token whose login was accepted stays ready when the registry goes down.
    team.portal.registry_down().await;
    team.annotate("pull", "reconcile", "1").await;
    team.annotate_issuer("reconcile", "1").await;
    team.assert_idle_for("pull", Duration::from_secs(3)).await;
    assert_eq!(team.portal.ledger().count(Operation::Revoke), 0);
}

#[tokio::test]
async fn the_login_check_waits_for_a_registry_that_lags_behind_the_portal() {
    let team = Team::with("lag", Config { registry_lag: Duration::from_secs(3), ..Config::default() }).await;
    team.apply(rotating("pull")).await;
    let first = team.until_synced("pull").await;
    assert_eq!(team.portal.ledger().all().len(), 1, "no second one was requested");
    team.annotate("pull", "rotate", "1").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    team.until_live(&[current_id(&second)]).await;
    assert_eq!(team.portal.ledger().all().len(), 2, "a rotation waits for the registry too");
}

#[tokio::test]
async fn best_effort_is_ready_without_the_registry_and_checks_it_later() {
    let team = Team::new("best-effort").await;
    team.issuer(json!({"loginCheck": "BestEffort"})).await;
    team.portal.registry_down().await;
    team.token("pull", "ready at once").await;
    let settled = team.until_synced("pull").await;
    assert_eq!(condition(&settled, "LoginVerified").expect("said")["status"], "Unknown");
    team.portal.registry_up().await;
    team.annotate("pull", "reconcile", "now").await;
    team.until_condition("pull", "LoginVerified", "True", "LoginAccepted").await;
    assert_eq!(team.portal.ledger().all().len(), 1);
}

#[tokio::test]
async fn disabled_sends_no_request_to_the_registry() {
    let team = Team::new("disabled").await;
    team.issuer(json!({"loginCheck": "Disabled"})).await;
    team.apply(rotating("pull")).await;
    let first = team.until_synced("pull").await;
    assert!(condition(&first, "LoginVerified").is_none());
    team.annotate("pull", "rotate", "1").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    team.until_live(&[current_id(&second)]).await;
    let asked = team.portal.ledger().requests_since(0);
    assert!(!asked.iter().any(|request| request.server == Server::Registry));
}

#[tokio::test]
async fn a_registry_that_requires_basic_credentials_works() {
    let team = Team::with("basic", Config { registry_challenge: Challenge::Basic, ..Config::default() }).await;
    team.apply(rotating("pull")).await;
    let first = team.until_synced("pull").await;
    assert_eq!(condition(&first, "LoginVerified").expect("said")["status"], "True");
    team.annotate("pull", "rotate", "1").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    team.until_live(&[current_id(&second)]).await;
}

#[tokio::test]
async fn a_rotation_keeps_the_old_token_while_the_registry_is_down() {
    let team = Team::new("rotate-down").await;
    team.apply(rotating("pull")).await;
    let first = team.until_synced("pull").await;
    let content = team.dockerconfigjson("pull").await;
    team.portal.registry_down().await;
    team.annotate("pull", "rotate", "1").await;
    let message = team.until_condition("pull", "Reconciling", "True", "RegistryUnavailable").await;
    assert!(message.contains("kept"), "{message}");
    let object = team.tokens().get("pull").await.expect("there");
    assert_eq!(ready(&object).0, "True", "pods can pull with the old one");
    assert_eq!(current(&object), current(&first));
    assert_eq!(team.dockerconfigjson("pull").await, content, "the Secret is untouched");
    assert!(team.portal.ledger().token(current_id(&first)).expect("there").is_live());
    team.portal.registry_up().await;
    let second = team.until_replaced("pull", &current(&first)).await;
    // The token of the failed rotation is revoked.
    team.until_live(&[current_id(&second)]).await;
    let settled = team.until_synced("pull").await;
    assert!(condition(&settled, "Reconciling").is_none());
}

#[tokio::test]
async fn a_rotation_keeps_the_old_token_when_the_registry_rejects_the_new_one() {
    let team = Team::new("rotate-refused").await;
    team.apply(rotating("pull")).await;
    let first = team.until_synced("pull").await;
    let content = team.dockerconfigjson("pull").await;
    // The registry does not know new tokens.
    team.portal.configure(|config| config.registry_lag = Duration::from_hours(1));
    team.annotate("pull", "rotate", "1").await;
    let message = team.until_condition("pull", "Stalled", "True", "LoginRejected").await;
    assert!(message.contains("the old one kept"), "{message}");
    let made = team.portal.ledger().all().len();
    let object = team.tokens().get("pull").await.expect("there");
    assert_eq!((ready(&object).0.as_str(), current(&object)), ("True", current(&first)));
    assert_eq!(team.dockerconfigjson("pull").await, content, "the Secret is untouched");
    // Each retry creates a token, so the next one waits for its backoff, even if the object is reconciled meanwhile.
    team.patch("pull", json!({"metadata": {"labels": {"looked": "at"}}})).await;
    team.until_condition("pull", "Stalled", "True", "LoginRejected").await;
    assert_eq!((made, team.portal.ledger().all().len(), team.portal.ledger().live().len()), (2, 2, 1));
    team.portal.configure(|config| config.registry_lag = Duration::ZERO);
    team.annotate("pull", "reconcile", "now").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    team.until_live(&[current_id(&second)]).await;
}

#[tokio::test]
async fn a_registry_error_has_its_own_reason_and_is_retried_after_retry_after() {
    let team = Team::new("registry-fails").await;
    team.portal.faults().always(Operation::Registry, Fault::RetryAfter { status: 503, seconds: 7 });
    team.token("pull", "waits for the registry").await;
    let waits = team.until("pull", "False", "RegistryError").await;
    let message = ready(&waits).2;
    assert!(message.contains("HTTP 503") && message.contains("after 7 s"), "{message}");
    assert_eq!(condition(&waits, "LoginVerified").expect("said")["reason"], "RegistryError");
    team.portal.faults().clear();
    let settled = team.until_synced("pull").await;
    assert_eq!(current(&settled), current(&waits), "the same token");
}

#[tokio::test]
async fn reconcile_verifies_the_login_and_detects_that_a_new_token_was_revoked() {
    let team = Team::new("reconcile-login").await;
    // A list proves nothing for more than a minute and a half after a request.
    team.issuer(json!({"limits": {"requestTimeout": "90s", "firstByteTimeout": "60s"}})).await;
    team.token("pull", "revoked by hand").await;
    let first = team.until_synced("pull").await;
    assert!(team.portal.ledger().revoke_as_colleague(current_id(&first)));
    team.annotate("pull", "reconcile", "now").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    team.until_live(&[current_id(&second)]).await;
    team.until_synced("pull").await;
    assert!(team.pull(&team.dockerconfigjson("pull").await).await.is_ok());
}

#[tokio::test]
async fn a_rejected_edit_reports_when_it_is_retried_and_reconcile_retries_it_now() {
    let team = Team::new("edit-again").await;
    team.token("pull", "accepted").await;
    team.until_synced("pull").await;
    team.portal.faults().always(Operation::Edit, Fault::Refuse("description_not_allowed".to_owned()));
    team.patch("pull", json!({"spec": {"description": "rejected at first"}})).await;
    let message = team.until_condition("pull", "DescriptionSynced", "False", "DescriptionRejected").await;
    assert!(message.contains("after 10 minutes") && message.contains("registry-token.dev/reconcile"), "{message}");
    team.until_event("pull", "DescriptionRejected").await;
    let edits = team.portal.ledger().count(Operation::Edit);
    team.assert_idle_for("pull", Duration::from_secs(2)).await;
    team.portal.faults().clear();
    team.annotate("pull", "reconcile", "now").await;
    team.until_synced("pull").await;
    assert_eq!(team.portal.ledger().count(Operation::Edit), edits + 1);
    assert_eq!(team.portal.ledger().live()[0].description.as_deref(), Some("rejected at first"));
}
