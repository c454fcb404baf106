//! A lost operator, silence at rest, and the work that a change of one namespace causes.

use super::Fleet;
use crate::control_plane::{AuditEvent, ControlPlane, Events};
use crate::fixture::{own_control_plane, start_operator};
use serde_json::json;
use std::time::Duration;

async fn writes_since(control_plane: &ControlPlane, position: crate::control_plane::Position) -> Events {
    let events = control_plane.audit().expect("audit").since(position).await.expect("read");
    events.filter(|event: &AuditEvent| event.user_agent.starts_with("registry-token-operator/")).writes()
}

#[tokio::test]
async fn a_restart_requests_no_second_token_and_at_rest_nothing_is_written() {
    let (control_plane, operator) = own_control_plane().await;
    let fleet = Fleet::on(control_plane, "again").await;
    let mut namespaces = vec![];
    for number in 0..12 {
        namespaces.push(fleet.namespace(&format!("again-{number}")).await);
    }
    fleet.apply(json!({})).await;
    fleet.until_token(&namespaces[0], "created", |_| true).await;
    operator.kill();
    let operator = start_operator(control_plane).await;
    for namespace in &namespaces {
        fleet.until_synced(namespace).await;
    }
    fleet.until_counts([12, 12, 0, 0]).await;
    fleet.team.until_live_count(12).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    let position = control_plane.audit().expect("audit").position().await.expect("position");
    operator.terminate().await;
    let operator = start_operator(control_plane).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    let writes = writes_since(control_plane, position).await;
    assert_eq!(writes.len(), 0, "{writes:?}");

    // A namespace that does not match causes no write, and one that comes causes writes for itself alone.
    let position = control_plane.audit().expect("audit").position().await.expect("position");
    control_plane.namespace("again-unrelated").await.expect("a namespace");
    let fresh = fleet.namespace("again-fresh").await;
    fleet.until_synced(&fresh).await;
    fleet.until_counts([13, 13, 0, 0]).await;
    let writes = writes_since(control_plane, position).await;
    let elsewhere = writes.filter(|event| {
        let known = ["registrytokens", "secrets"].contains(&event.resource.as_str());
        known && namespaces.contains(&event.namespace)
    });
    assert_eq!(elsewhere.len(), 0, "{elsewhere:?}");
    drop(operator);
}
