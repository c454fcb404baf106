//! The registry's word: a token counts as ready when it logs in, and a registry that is down or lags
//! never costs one.

use crate::living::{current, current_id};
use crate::simulator::{Challenge, Config, Operation, Server};
use crate::stage::{Team, condition, ready, token};
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
        ["cannot be asked", "asked again", "network policies"].iter().all(|words| message.contains(words)),
        "{message}"
    );
    let verified = condition(&waits, "LoginVerified").expect("said");
    assert_eq!((&verified["status"], &verified["reason"]), (&json!("Unknown"), &json!("RegistryUnavailable")));
    assert!(condition(&waits, "Stalled").is_none(), "it is no mistake of anybody");
    team.until_told("pull", "RegistryUnavailable").await;
    team.portal.registry_up().await;
    let settled = team.until_settled("pull").await;
    assert_eq!(condition(&settled, "LoginVerified").expect("said")["status"], "True");
    assert_eq!(current(&settled), current(&waits), "the same token");
    assert_eq!(team.portal.ledger().all().len(), 1);
    // One that was let in stays ready when the registry goes.
    team.portal.registry_down().await;
    team.annotate("pull", "reconcile", "1").await;
    team.annotate_issuer("reconcile", "1").await;
    team.silent_for("pull", Duration::from_secs(3)).await;
    assert_eq!(team.portal.ledger().count(Operation::Revoke), 0);
}

#[tokio::test]
async fn a_registry_that_lags_behind_the_portal_is_waited_for() {
    let team = Team::with("lag", Config { registry_lag: Duration::from_secs(3), ..Config::default() }).await;
    team.apply(rotating("pull")).await;
    let first = team.until_settled("pull").await;
    assert_eq!(team.portal.ledger().all().len(), 1, "no second one was asked for");
    team.annotate("pull", "rotate", "1").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    team.until_live(&[current_id(&second)]).await;
    assert_eq!(team.portal.ledger().all().len(), 2, "a rotation waits for the registry too");
}

#[tokio::test]
async fn best_effort_is_ready_without_the_registry_and_asks_it_later() {
    let team = Team::new("best-effort").await;
    team.issuer(json!({"loginCheck": "BestEffort"})).await;
    team.portal.registry_down().await;
    team.token("pull", "ready at once").await;
    let settled = team.until_settled("pull").await;
    assert_eq!(condition(&settled, "LoginVerified").expect("said")["status"], "Unknown");
    team.portal.registry_up().await;
    team.annotate("pull", "reconcile", "now").await;
    team.until_condition("pull", "LoginVerified", "True", "LoginAccepted").await;
    assert_eq!(team.portal.ledger().all().len(), 1);
}

#[tokio::test]
async fn disabled_asks_the_registry_nothing_at_all() {
    let team = Team::new("disabled").await;
    team.issuer(json!({"loginCheck": "Disabled"})).await;
    team.apply(rotating("pull")).await;
    let first = team.until_settled("pull").await;
    assert!(condition(&first, "LoginVerified").is_none());
    team.annotate("pull", "rotate", "1").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    team.until_live(&[current_id(&second)]).await;
    let asked = team.portal.ledger().requests_since(0);
    assert!(!asked.iter().any(|request| request.server == Server::Registry));
}

#[tokio::test]
async fn a_registry_that_asks_for_basic_credentials_serves_as_well() {
    let team = Team::with("basic", Config { registry_challenge: Challenge::Basic, ..Config::default() }).await;
    team.apply(rotating("pull")).await;
    let first = team.until_settled("pull").await;
    assert_eq!(condition(&first, "LoginVerified").expect("said")["status"], "True");
    team.annotate("pull", "rotate", "1").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    team.until_live(&[current_id(&second)]).await;
}

#[tokio::test]
async fn a_rotation_keeps_the_old_token_while_the_registry_is_down() {
    let team = Team::new("rotate-down").await;
    team.apply(rotating("pull")).await;
    let first = team.until_settled("pull").await;
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
    // What was tried meanwhile is revoked.
    team.until_live(&[current_id(&second)]).await;
    let settled = team.until_settled("pull").await;
    assert!(condition(&settled, "Reconciling").is_none());
}

#[tokio::test]
async fn a_rotation_keeps_the_old_token_when_the_registry_refuses_the_new_one() {
    let team = Team::new("rotate-refused").await;
    team.apply(rotating("pull")).await;
    let first = team.until_settled("pull").await;
    let content = team.dockerconfigjson("pull").await;
    // Whatever is new is unknown there.
    team.portal.configure(|config| config.registry_lag = Duration::from_hours(1));
    team.annotate("pull", "rotate", "1").await;
    let message = team.until_condition("pull", "Stalled", "True", "LoginRefused").await;
    assert!(message.contains("the old one kept"), "{message}");
    let made = team.portal.ledger().all().len();
    let object = team.tokens().get("pull").await.expect("there");
    assert_eq!((ready(&object).0.as_str(), current(&object)), ("True", current(&first)));
    assert_eq!(team.dockerconfigjson("pull").await, content, "the Secret is untouched");
    // Each try makes a token, so the next one is not made at once, whatever else is looked at.
    team.patch("pull", json!({"metadata": {"labels": {"looked": "at"}}})).await;
    team.until_condition("pull", "Stalled", "True", "LoginRefused").await;
    assert_eq!((made, team.portal.ledger().all().len(), team.portal.ledger().live().len()), (2, 2, 1));
    team.portal.configure(|config| config.registry_lag = Duration::ZERO);
    team.annotate("pull", "reconcile", "now").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    team.until_live(&[current_id(&second)]).await;
}
