//! The cost of one object: writes and reads at the API server, one token request and one edit.

use crate::control_plane::{AuditEvent, ControlPlane};
use crate::fake_portal::{Config, Operation};
use crate::fixture::{Team, merge, own_control_plane, token, until_gone};
use crate::operator_process;
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The number of objects, each of which costs the same: more than the live reads of the issuer that begin without a pause.
const OBJECTS: usize = 30;
/// How many live reads of an issuer begin without a pause, and the time between all others.
const READS_AT_ONCE: usize = 10;
const READ_INTERVAL: Duration = Duration::from_millis(170);

/// The operator's requests about the objects, without events, watches and requests for the issuer.
fn about_objects(event: &AuditEvent) -> bool {
    event.user_agent.starts_with("registry-token-operator/")
        && !["list", "watch"].contains(&event.verb.as_str())
        && event.resource != "events"
        && (event.name != "portal" || (event.verb == "get" && event.resource == "tokenissuers"))
}

/// A namespace whose portal returns the token's id, and whose issuer is in use.
async fn team_in_use(control_plane: &'static ControlPlane, name: &str, changes: Value) -> Team {
    let mut portal = Config::default();
    portal.names.request.id = Some("container_token_id".to_owned());
    let team = Team::bare(control_plane, name, portal).await;
    team.credentials("portal-password").await;
    let outputs = json!({"username": "username", "secret": "secret", "id": "container_token_id"});
    let mut spec = json!({"thinkwise": {"tasks": {"request": {"outputs": outputs}}}});
    merge(&mut spec, changes);
    team.issuer(spec).await;
    // The first use of an issuer writes its finalizer, which is done once.
    team.token("first", "first use of the issuer").await;
    team.until_synced("first").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    team
}

/// What the objects cost.
struct Cost {
    /// Writes for each object.
    writes: usize,
    /// Reads of each object.
    own_reads: usize,
    /// Edits of descriptions in all.
    edits: usize,
}

/// Creates the objects, and checks what they cost, with as few reads of the issuer as its pace allows.
async fn create_and_count(team: &Team, Cost { writes, own_reads, edits }: Cost) {
    let audit = team.control_plane.audit().expect("audit");
    let (position, calls) = (audit.position().await.expect("a position"), team.portal.ledger().position());
    let begun = Instant::now();
    for index in 0..OBJECTS {
        team.token(&format!("pull-{index}"), "counted").await;
    }
    for index in 0..OBJECTS {
        team.until_synced(&format!("pull-{index}")).await;
    }
    let pauses = usize::try_from(begun.elapsed().as_millis() / READ_INTERVAL.as_millis()).expect("few");
    // Requests after the last write would have arrived by now.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let events = audit.since(position).await.expect("read").filter(about_objects);
    for index in 0..OBJECTS {
        let name = format!("pull-{index}");
        let own: Vec<String> = events
            .iter()
            .filter(|event| event.name == name)
            .map(|event| format!("{} {}/{}", event.verb, event.resource, event.subresource))
            .collect();
        assert_eq!(own.len(), writes + own_reads, "{name} needed {own:?}");
    }
    let reads = events.iter().filter(|event| event.resource == "tokenissuers").count();
    assert!((1..=OBJECTS).contains(&reads), "{reads} reads of the issuer for {OBJECTS} objects");
    assert!(reads <= READS_AT_ONCE + pauses + 1, "{reads} reads of the issuer in {pauses} pauses");
    let written = events.iter().filter(|event| event.verb != "get").count();
    assert_eq!((written, events.len() - written - reads), (writes * OBJECTS, own_reads * OBJECTS));

    let asked = team.portal.ledger().requests_since(calls);
    let count = |operation| asked.iter().filter(|request| request.operation == operation).count();
    assert_eq!(count(Operation::Request), OBJECTS, "one token request per object");
    assert_eq!(count(Operation::Edit), edits, "no other edit of a description");
    assert_eq!(count(Operation::Revoke), 0);
    assert_eq!(count(Operation::List), 0, "no list is read for it");
}

#[tokio::test]
async fn a_new_object_costs_five_writes_and_at_most_one_read_and_four_writes_where_the_marker_stays() {
    let (control_plane, _operator) = own_control_plane().await;
    let team = team_in_use(control_plane, "cost", json!({})).await;
    create_and_count(&team, Cost { writes: 5, own_reads: 0, edits: OBJECTS }).await;

    let team = team_in_use(control_plane, "marked", json!({"ownershipMarker": "Permanent"})).await;
    create_and_count(&team, Cost { writes: 4, own_reads: 0, edits: 0 }).await;
}

#[tokio::test]
async fn the_policy_that_creates_objects_with_the_finalizer_saves_a_write_and_the_finalizer_stays() {
    let (control_plane, _operator) = own_control_plane().await;
    let team = team_in_use(control_plane, "created", json!({})).await;
    operator_process::create_with_finalizer(control_plane, &team.namespace).await.expect("in force");
    create_and_count(&team, Cost { writes: 4, own_reads: 1, edits: OBJECTS }).await;

    // A client that applies the object again without the finalizer does not own it, and so does not remove it.
    team.token("pull-0", "applied again").await;
    let object = team.until_synced("pull-0").await;
    assert_eq!(object.finalizers(), ["registry-token.dev/revoke"]);
    let live = team.portal.ledger().live().len();
    team.tokens().delete("pull-0", &DeleteParams::default()).await.expect("deleted");
    until_gone(&team.tokens(), "pull-0").await;
    assert_eq!(team.portal.ledger().live().len(), live - 1, "its token is revoked");

    // The finalizers of others stay.
    let mut object = token("guarded", "has a finalizer of another controller");
    object["metadata"]["finalizers"] = json!(["example.com/guard"]);
    team.apply(object).await;
    let object = team.until_synced("guarded").await;
    assert_eq!(object.finalizers(), ["example.com/guard", "registry-token.dev/revoke"]);
}
