//! (5): 10,000 objects: memory, latency beside them, an audit, rest and a restart.

use crate::fleet::{Fleet, PortalOptions};
use crate::measure::percentile;
use crate::report::{Figure, Target, figure, figure_of};
use std::time::Duration;

const OBJECTS: usize = 10_000;
/// New objects beside those at rest.
const SAMPLES: usize = 100;
/// How long the operator is watched at rest.
const REST: Duration = Duration::from_mins(5);
/// In which memory and work settle.
const SETTLE: Duration = Duration::from_secs(10);

/// All figures with 10,000 objects, also those of scrapes on request.
pub async fn of_many_objects(with_scrapes: bool) -> Vec<Figure> {
    let portal = PortalOptions::NO_LIMIT;
    let mut fleet = Fleet::start(portal).await;
    tokio::time::sleep(SETTLE).await;
    let mut figures = vec![resident(&fleet, "5. memory with 0 objects", Target::AtMost(12.0))];
    let empty = fleet.resident();
    fleet.create_range(0, OBJECTS).await;
    fleet.wait_synced(OBJECTS).await;
    figures.push(resident(&fleet, "5. memory with 10,000 objects, right after the burst", Target::AtMost(45.0)));
    tokio::time::sleep(SETTLE).await;
    figures.push(resident(&fleet, "5. memory with 10,000 objects at rest", Target::AtMost(45.0)));
    let each = (fleet.resident() - empty) * 1024.0 / OBJECTS as f64;
    figures.push(figure("5. memory for each object", (each, "KiB"), Target::AtMost(3.3)));
    figures.extend(audit(&fleet).await);
    // The status of the issuer is written after its audit.
    tokio::time::sleep(SETTLE).await;
    figures.extend(rest(&fleet).await);
    figures.push(foreign(&fleet).await);
    figures.extend(restart(&mut fleet).await);
    // These objects come last, because all figures above are of 10,000.
    fleet.set_latency(crate::LATENCY);
    let mut times = vec![];
    for index in 0..SAMPLES {
        times.push(fleet.first_token(OBJECTS + index).await.as_secs_f64() * 1e3);
    }
    let p99 = percentile(&times, 99);
    figures.push(figure(
        "5. a new object beside 10,000: time to its Secret, p99 of 100",
        (p99, "ms"),
        Target::AtMost(250.0),
    ));
    if with_scrapes {
        figures.extend(super::scrape::after_restart(&mut fleet, OBJECTS).await);
    }
    figures
}

/// An audit of the portal's list.
async fn audit(fleet: &Fleet) -> Vec<Figure> {
    let before = fleet.resident();
    let (elapsed, requests, peak) = fleet.audit().await;
    vec![
        figure("5. an audit of 10,000 tokens: requests to the portal", (requests as f64, ""), Target::AtMost(11.0)),
        figure("5. the same: memory while it runs", (peak - before, "MiB"), Target::AtMost(5.0)),
        figure("5. the same: duration", (elapsed.as_secs_f64(), "s"), Target::None),
    ]
}

async fn rest(fleet: &Fleet) -> Vec<Figure> {
    let (position, cpu) = (fleet.position().await, fleet.cpu_time());
    eprintln!("bench: at rest for {} s", REST.as_secs());
    tokio::time::sleep(REST).await;
    let share = fleet.cpu_time().saturating_sub(cpu).as_secs_f64() / REST.as_secs_f64() * 100.0;
    let writes = fleet.operator_writes_since(position).await.without(&["leases"]).len() as f64;
    vec![
        figure("5. at rest for 5 minutes: CPU", (share, "% of a core"), Target::AtMost(0.5)),
        figure("5. the same: writes", (writes, ""), Target::AtMost(0.0)),
    ]
}

/// 300 MiB of Secrets and 10,000 `ServiceAccounts` of others.
async fn foreign(fleet: &Fleet) -> Figure {
    let before = fleet.resident();
    fleet.create_foreign_objects(300, 10_000).await;
    tokio::time::sleep(SETTLE).await;
    let what = "5. 300 MiB of foreign Secrets and 10,000 foreign ServiceAccounts: change of memory";
    figure(what, (fleet.resident() - before, "MiB"), Target::AtMost(2.0))
}

async fn restart(fleet: &mut Fleet) -> Vec<Figure> {
    let restart = fleet.restart().await;
    vec![
        figure(
            "5. a restart with 10,000 objects: time until ready",
            (restart.ready.as_secs_f64(), "s"),
            Target::AtMost(3.0),
        ),
        figure("5. the same: writes in 20 s", (restart.writes as f64, ""), Target::AtMost(0.0)),
        figure_of(
            "5. the same: requests to the API server, without watches",
            (restart.requests.len() as f64, ""),
            Target::None,
            restart.summary(),
        ),
        resident(fleet, "5. memory with 10,000 objects, after a restart", Target::AtMost(45.0)),
    ]
}

/// Resident memory of the operator.
pub fn resident(fleet: &Fleet, what: &str, target: Target) -> Figure {
    figure(what, (fleet.resident(), "MiB"), target)
}
