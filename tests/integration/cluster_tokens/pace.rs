//! How fast and how often: many namespaces that are selected at once.

use super::Fleet;
use crate::fixture::own_control_plane;
use crate::issuers::cluster_issuer;
use serde_json::json;

/// A write is sent a second after the response to the previous one, so the requests are at least as far apart. The
/// rest is for the API server's clock, whose times are rounded to the wall clock.
const LEAST_GAP_MS: i64 = 990;

#[tokio::test]
async fn the_status_is_written_at_most_once_a_second_while_many_namespaces_get_their_token() {
    const NAMESPACES: i64 = 25;
    let (control_plane, _operator) = own_control_plane().await;
    let mut fleet = Fleet::on(control_plane, "pace").await;
    // Few requests a second: the work takes several seconds, in which each token changes the counts.
    fleet.name = cluster_issuer(&fleet.team, json!({"limits": {"requestsPerSecond": 5, "concurrency": 2}})).await;
    let mut namespaces = vec![];
    for number in 0..NAMESPACES {
        namespaces.push(control_plane.namespace(&format!("pace-{number}")).await.expect("a namespace"));
    }
    fleet.apply(json!({})).await;
    fleet.until_counts([0, 0, 0, 0]).await;
    let position = control_plane.audit().expect("audit").position().await.expect("position");
    futures::future::join_all(namespaces.iter().map(|name| fleet.label(name, true))).await;
    fleet.until_counts([NAMESPACES, NAMESPACES, 0, 0]).await;

    let events = control_plane.audit().expect("audit").since(position).await.expect("read");
    let of_status =
        events.writes().filter(|event| event.resource == "clusterregistrytokens" && event.subresource == "status");
    let mut times: Vec<i64> = of_status.iter().map(|event| event.time.as_millisecond()).collect();
    times.sort_unstable();
    let gaps: Vec<i64> = times.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(times.len() > 2, "the progress is shown: {gaps:?}");
    assert!(gaps.iter().all(|gap| *gap >= LEAST_GAP_MS), "milliseconds between two writes: {gaps:?}");
    assert_eq!(fleet.team.portal.ledger().all().len(), namespaces.len(), "one token each");
}
