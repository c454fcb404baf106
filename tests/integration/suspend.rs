//! `spec.suspend` starts nothing new, and cleanup continues. Also the `reconcile` annotation.

use crate::control_plane::eventually;
use crate::fake_portal::Operation;
use crate::fixture::{LIMIT, Team, condition, ready, token};
use crate::helpers::{current, current_id, retiring};
use kube::api::DeleteParams;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_suspended_object_requests_nothing_until_it_is_resumed() {
    let team = Team::new("suspended").await;
    let mut object = token("pull", "waits");
    object["spec"]["suspend"] = json!(true);
    team.apply(object).await;
    let waits = team.until("pull", "False", "Suspended").await;
    assert!(ready(&waits).2.contains("set it to false"), "{}", ready(&waits).2);
    assert_eq!(condition(&waits, "Suspended").expect("said")["status"], "True");
    assert_eq!(team.until_event("pull", "Suspended").await.type_.as_deref(), Some("Normal"), "it is not a problem");
    team.assert_idle_for("pull", Duration::from_secs(3)).await;
    assert!(team.secrets().get_opt("pull").await.expect("asked").is_none());
    team.delete("pull").await;
    team.token("pull", "waits").await;
    team.until_synced("pull").await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 1);
}

#[tokio::test]
async fn an_object_suspended_after_ready_stays_ready_and_cleanup_continues() {
    let team = Team::new("paused").await;
    let mut object = token("pull", "pauses");
    object["spec"]["rotation"] = json!({"interval": "24h", "overlap": "10s"});
    team.apply(object).await;
    let first = team.until_synced("pull").await;
    team.annotate("pull", "rotate", "1").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    team.until_synced("pull").await;
    team.patch("pull", json!({"spec": {"suspend": true}})).await;
    team.until_condition("pull", "Suspended", "True", "Suspended").await;
    // Cleanup continues.
    team.until_live(&[current_id(&second)]).await;
    team.until_object("pull", "nothing retires", |object| retiring(object) == 0).await;
    // Nothing new is started: no edit, no rotation.
    team.patch("pull", json!({"spec": {"description": "pauses, renamed"}})).await;
    team.annotate("pull", "rotate", "2").await;
    let seen = |object: &registry_token_operator::api::RegistryToken| {
        object.status.as_ref().and_then(|status| status.observed_generation) == object.metadata.generation
    };
    let now = team.until_object("pull", "the change is seen", seen).await;
    assert_eq!(ready(&now).0, "True", "pods can pull, and the status says so");
    team.assert_idle_for("pull", Duration::from_secs(4)).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 2);

    team.patch("pull", json!({"spec": {"suspend": false}})).await;
    let third = team.until_replaced("pull", &current(&second)).await;
    team.until_live(&[current_id(&third)]).await;
    let resumed = team.until_synced("pull").await;
    assert!(condition(&resumed, "Suspended").is_none());
    assert_eq!(team.portal.ledger().live()[0].description.as_deref(), Some("pauses, renamed"));
}

#[tokio::test]
async fn a_suspended_object_reports_a_lost_secret_and_revokes_its_token_on_deletion() {
    let team = Team::new("paused-lost").await;
    team.token("pull", "pauses").await;
    let before = team.until_synced("pull").await;
    team.patch("pull", json!({"spec": {"suspend": true}})).await;
    team.until_condition("pull", "Suspended", "True", "Suspended").await;
    team.secrets().delete("pull", &DeleteParams::default()).await.expect("deleted");
    let lost = team.until_object("pull", "Ready is no longer true", |object| ready(object).0 == "False").await;
    assert!(ready(&lost).2.contains("set it to false"), "{}", ready(&lost).2);
    team.assert_idle_for("pull", Duration::from_secs(3)).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 1);
    team.until_live(&[current_id(&before)]).await;
    team.delete("pull").await;
    assert!(team.portal.ledger().live().is_empty());
}

#[tokio::test]
async fn reconcile_now_reads_the_whole_secret_once_and_writes_nothing() {
    let team = Team::new("now").await;
    team.token("pull", "looked at").await;
    team.until_synced("pull").await;
    let position = team.control_plane.audit().expect("audit").position().await.expect("position");
    team.annotate("pull", "reconcile", "now").await;
    let ours = async || {
        let all =
            team.control_plane.audit().expect("audit").since(position).await.map_err(|error| error.to_string())?;
        Ok::<_, String>(
            all.within(&team.namespace).filter(|event| event.user_agent.starts_with("registry-token-operator/")),
        )
    };
    let read = |event: &crate::control_plane::AuditEvent| {
        event.verb == "get" && event.resource == "secrets" && event.name == "pull"
    };
    eventually("the Secret to be read", LIMIT, async || {
        let reads = ours().await?.filter(read).len();
        if reads > 0 { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    team.assert_idle_for("pull", Duration::from_secs(3)).await;
    let events = ours().await.expect("read");
    assert_eq!(events.clone().without(&["events"]).writes().len(), 0, "{:?}", events.writes());
    // Its metadata before the decision, the whole Secret, and the Secret for the login.
    assert!(ours().await.expect("read").filter(read).len() <= 3);
}
