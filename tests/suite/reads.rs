//! What is asked of the API server, as its audit log shows it.

use crate::control_plane::AuditEvent;
use crate::simulator::Config;
use crate::stage::{Team, own_stage, start_operator};
use serde_json::json;
use std::time::Duration;

fn ours(event: &AuditEvent) -> bool {
    event.user_agent.starts_with("registry-token-operator/")
}

#[tokio::test]
async fn secrets_are_watched_by_our_label_and_an_edit_of_one_object_asks_about_no_other() {
    let (control_plane, operator) = own_stage().await;
    let team = Team::on(control_plane, "reads", Config::default(), json!({})).await;
    for name in ["edited", "other"] {
        team.token(name, "before").await;
    }
    for name in ["edited", "other"] {
        team.until_settled(name).await;
    }
    let audit = control_plane.audit().expect("audit");

    let position = audit.position().await.expect("position");
    operator.terminate().await;
    let operator = start_operator(control_plane).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let events = audit.since(position).await.expect("read").filter(ours);
    let many =
        events.clone().filter(|event| event.resource == "secrets" && ["list", "watch"].contains(&event.verb.as_str()));
    assert!(!many.is_empty(), "the caches were filled");
    for event in many.iter() {
        assert!(event.request_uri.contains("labelSelector=registry-token.dev%2Fowner"), "{event:?}");
    }

    let position = audit.position().await.expect("position");
    team.patch("edited", json!({"spec": {"description": "after"}})).await;
    team.until_settled("edited").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let events = audit.since(position).await.expect("read").filter(ours);
    let about = |name: &str| events.clone().filter(|event| event.name == name).len();
    assert!(about("edited") > 0, "it was edited: {events:?}");
    assert_eq!(about("other"), 0, "{events:?}");
    let lists = events.clone().filter(|event| event.verb == "list");
    assert!(lists.is_empty(), "nothing is listed for one edit: {lists:?}");
    drop(operator);
}
