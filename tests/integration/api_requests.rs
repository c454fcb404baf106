//! Which requests the operator sends to the API server, according to its audit log.

use crate::control_plane::AuditEvent;
use crate::fake_portal::{Config, Operation};
use crate::fixture::{Team, own_control_plane, start_operator};
use serde_json::json;
use std::time::Duration;

fn ours(event: &AuditEvent) -> bool {
    event.user_agent.starts_with("registry-token-operator/")
}

#[tokio::test]
async fn secrets_are_watched_by_label_and_an_edit_of_one_object_reads_no_other() {
    let (control_plane, operator) = own_control_plane().await;
    let team = Team::on(control_plane, "reads", Config::default(), json!({})).await;
    for name in ["edited", "other"] {
        team.token(name, "before").await;
    }
    for name in ["edited", "other"] {
        team.until_synced(name).await;
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
        // Credentials Secrets: the ones with the opt-in label, and all Secrets of the operator's own namespace.
        let own = event.request_uri.contains("/namespaces/registry-token-operator/secrets");
        let by_label = ["owner", "credentials%3Dtrue"]
            .iter()
            .any(|label| event.request_uri.contains(&format!("labelSelector=registry-token.dev%2F{label}")));
        assert!(by_label || own, "{event:?}");
    }

    let (position, calls) = (audit.position().await.expect("position"), team.portal.ledger().position());
    team.patch("edited", json!({"spec": {"description": "after"}})).await;
    team.until_synced("edited").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let events = audit.since(position).await.expect("read").filter(ours);
    let about = |name: &str| events.clone().filter(|event| event.name == name).len();
    assert!(about("edited") > 0, "it was edited: {events:?}");
    assert_eq!(about("other"), 0, "{events:?}");
    let lists = events.clone().filter(|event| event.verb == "list");
    assert!(lists.is_empty(), "nothing is listed for one edit: {lists:?}");
    let written = events.clone().writes().without(&["events"]);
    assert!(written.iter().all(|event| event.name == "edited"), "nothing else is written: {written:?}");
    assert!(written.len() <= 2, "the read annotation and the synced description: {written:?}");
    let read = events.clone().filter(|event| event.verb == "get" && event.name == "edited");
    assert!(read.len() <= 4, "object and Secret, once before each of the two: {read:?}");
    // Nor does the portal receive a request about another token.
    let asked = team.portal.ledger().requests_since(calls);
    let count = |operation| asked.iter().filter(|request| request.operation == operation).count();
    assert_eq!((count(Operation::Edit), count(Operation::Request), count(Operation::Revoke)), (1, 0, 0), "{asked:?}");
    let rows = asked.iter().filter(|request| request.operation == Operation::List);
    let (looks, lists): (Vec<_>, Vec<_>) =
        rows.filter_map(|request| request.query.as_deref()).partition(|query| query.contains("$filter="));
    assert!(looks.len() <= 1, "the row that is edited: {looks:?}");
    // Once a minute the operator reads one row to check whether the portal lists tokens at all.
    assert!(lists.iter().all(|query| query.contains("$top=1")), "{lists:?}");
    drop(operator);
}
