//! The cost of one object: at most six requests to the API server, one token request and one edit.

use crate::control_plane::AuditEvent;
use crate::fake_portal::{Config, Operation};
use crate::fixture::{Team, own_control_plane};
use serde_json::json;
use std::time::Duration;

/// The number of objects, each of which costs the same.
const OBJECTS: usize = 10;

/// The operator's requests about the objects, without events, watches and requests for the issuer.
fn about_objects(event: &AuditEvent) -> bool {
    event.user_agent.starts_with("registry-token-operator/")
        && !["list", "watch"].contains(&event.verb.as_str())
        && event.resource != "events"
        && (event.name != "portal" || (event.verb == "get" && event.resource == "tokenissuers"))
}

#[tokio::test]
async fn a_new_object_costs_six_requests_to_the_api_server_one_token_and_one_edit() {
    let (control_plane, _operator) = own_control_plane().await;
    let mut portal = Config::default();
    portal.names.request.id = Some("container_token_id".to_owned());
    let team = Team::bare(control_plane, "cost", portal).await;
    team.credentials("portal-password").await;
    let outputs = json!({"username": "username", "secret": "secret", "id": "container_token_id"});
    team.issuer(json!({"thinkwise": {"tasks": {"request": {"outputs": outputs}}}})).await;
    // The first use of an issuer writes its finalizer, which is done once.
    team.token("first", "first use of the issuer").await;
    team.until_synced("first").await;
    tokio::time::sleep(Duration::from_secs(2)).await;

    let audit = control_plane.audit().expect("audit");
    let (position, calls) = (audit.position().await.expect("a position"), team.portal.ledger().position());
    for index in 0..OBJECTS {
        team.token(&format!("pull-{index}"), "counted").await;
    }
    for index in 0..OBJECTS {
        team.until_synced(&format!("pull-{index}")).await;
    }
    // Requests after the last write would have arrived by now.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let events = audit.since(position).await.expect("read").filter(about_objects);
    for index in 0..OBJECTS {
        let name = format!("pull-{index}");
        let own: Vec<String> = events
            .iter()
            // The request that creates a Secret has no name in its path; reads and writes have one.
            .filter(|event| event.name == name)
            .map(|event| format!("{} {}/{}", event.verb, event.resource, event.subresource))
            .collect();
        assert!(own.len() <= 6, "{name} needed {own:?}");
    }
    let all: Vec<String> = events.iter().map(|event| format!("{} {}", event.verb, event.resource)).collect();
    assert!(events.len() <= 6 * OBJECTS, "{} requests for {OBJECTS} objects: {all:?}", events.len());
    assert!(events.len() >= 5 * OBJECTS, "the count includes all requests: {all:?}");

    let asked = team.portal.ledger().requests_since(calls);
    let count = |operation| asked.iter().filter(|request| request.operation == operation).count();
    assert_eq!(count(Operation::Request), OBJECTS, "one token request per object");
    assert_eq!(count(Operation::Edit), OBJECTS, "one edit of the description per object");
    assert_eq!(count(Operation::Revoke), 0);
    assert_eq!(count(Operation::List), 0, "no list is read for it");
}
