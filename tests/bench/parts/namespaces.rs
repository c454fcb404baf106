//! (8): one `ClusterRegistryToken` and many namespaces.

use crate::LATENCY;
use crate::fleet::{Fleet, PortalOptions};
use crate::report::{Figure, Target, figure, figure_of};
use std::time::{Duration, Instant};

/// How many namespaces are labeled at once.
const NAMESPACES: usize = 1000;
/// Time in which memory and work settle.
const SETTLE: Duration = Duration::from_secs(10);

/// The requests per second of an issuer whose rate, and not the API server, is the limit: eight times the default.
const RATE: u32 = 40;

/// Both.
pub async fn labeled() -> Vec<Figure> {
    let mut figures = labeled_at_once().await;
    figures.push(labeled_at_once_with_a_rate().await);
    figures
}

/// Labels all namespaces at once, with an issuer that allows few requests per second.
async fn labeled_at_once_with_a_rate() -> Figure {
    let portal = PortalOptions { per_second: RATE, ..PortalOptions::FOUR_AT_A_TIME };
    let fleet = Fleet::start(portal).await;
    fleet.create_cluster_token().await;
    let namespaces = fleet.create_namespaces(NAMESPACES).await;
    tokio::time::sleep(SETTLE).await;
    let elapsed = fleet.label_and_wait(&namespaces).await.as_secs_f64();
    let limit = NAMESPACES as f64 / f64::from(RATE);
    let ratio = elapsed / limit;
    let what = format!("8. the same, {RATE} requests a second: time / the issuer's limit of {limit:.1} s");
    figure_of(&what, (ratio, ""), Target::AtMost(1.2), format!("{elapsed:.1} s"))
}

/// Labels all namespaces at once, then one more.
async fn labeled_at_once() -> Vec<Figure> {
    let portal = PortalOptions::FOUR_AT_A_TIME;
    let fleet = Fleet::start(portal).await;
    fleet.create_cluster_token().await;
    tokio::time::sleep(SETTLE).await;
    let before = fleet.resident();
    let namespaces = fleet.create_namespaces(NAMESPACES + 1).await;
    tokio::time::sleep(SETTLE).await;
    let per_namespace = (fleet.resident() - before) * 1024.0 / (NAMESPACES + 1) as f64;

    let (position, begun) = (fleet.position().await, Instant::now());
    let (all, last) = namespaces.split_at(NAMESPACES);
    let elapsed = fleet.label_and_wait(all).await.as_secs_f64();
    let limit = LATENCY.as_secs_f64() * NAMESPACES as f64 / 4.0;
    let ratio = elapsed / limit;
    // The status of each object is written once more after the edit of its description.
    fleet.wait_synced(NAMESPACES).await;
    let status_writes = fleet.operator_writes_since(position).await;
    let status_writes = status_writes.iter().filter(|event| event.resource == "clusterregistrytokens").count();
    let per_second = status_writes as f64 / begun.elapsed().as_secs_f64();

    let position = fleet.position().await;
    fleet.label_and_wait(last).await;
    tokio::time::sleep(SETTLE).await;
    let writes = fleet.operator_writes_since(position).await;
    let elsewhere = writes.iter().filter(|event| all.contains(&event.namespace)).count();
    let what =
        format!("8. 1,000 namespaces labeled at once, 4 requests at a time: time / the portal's limit of {limit:.1} s");
    vec![
        figure_of(&what, (ratio, ""), Target::AtMost(1.2), format!("{elapsed:.1} s")),
        figure_of(
            "8. writes of the ClusterRegistryToken's status meanwhile",
            (per_second, "a second"),
            Target::AtMost(1.0),
            format!("{status_writes} writes"),
        ),
        figure(
            "8. writes in the other namespaces when one more is labeled",
            (elsewhere as f64, ""),
            Target::AtMost(0.0),
        ),
        figure("8. memory for each namespace that does not match", (per_namespace, "KiB"), Target::AtMost(1.0)),
    ]
}
