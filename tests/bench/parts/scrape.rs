//! (7): a scrape with all metrics on, and what the operator takes at rest while it is scraped.

use super::memory::resident;
use crate::fleet::{Fleet, PortalOptions};
use crate::measure::percentile;
use crate::report::{Figure, Target, figure};
use std::time::{Duration, Instant};

const ALL_METRICS: &[&str] = &["--metrics-per-object=10000"];
const SCRAPES: usize = 20;
const INTERVAL: Duration = Duration::from_secs(2);

/// `SCRAPE_OBJECTS` sets another number of objects than 10,000.
pub async fn of_all_metrics() -> Vec<Figure> {
    let objects = std::env::var("SCRAPE_OBJECTS").ok().and_then(|count| count.parse().ok()).unwrap_or(10_000);
    let portal = PortalOptions::NO_LIMIT;
    let fleet = Fleet::start_with_flags(portal, ALL_METRICS).await;
    fleet.create_range(0, objects).await;
    fleet.wait_synced(objects).await;
    measure(&fleet, objects).await
}

/// The same with the objects of another part. The operator is restarted with these metrics.
pub async fn after_restart(fleet: &mut Fleet, objects: usize) -> Vec<Figure> {
    fleet.restart_with_flags(ALL_METRICS).await;
    measure(fleet, objects).await
}

async fn measure(fleet: &Fleet, objects: usize) -> Vec<Figure> {
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (begun, cpu) = (Instant::now(), fleet.cpu_time());
    let (mut times, mut largest) = (vec![], 0);
    for _ in 0..SCRAPES {
        let (time, bytes) = fleet.scrape().await;
        times.push(time.as_secs_f64() * 1e3);
        largest = largest.max(bytes);
        tokio::time::sleep(INTERVAL).await;
    }
    let cpu = fleet.cpu_time().saturating_sub(cpu).as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0;
    let what = |of: &str| format!("7. a scrape with {objects} objects and all metrics: {of}");
    vec![
        figure(&what("time, p50 of 20"), (percentile(&times, 50), "ms"), Target::AtMost(50.0)),
        figure(&what("time, p99"), (percentile(&times, 99), "ms"), Target::None),
        figure(&what("size"), (largest as f64 / 1000.0, "kB"), Target::AtMost(1000.0)),
        figure("7. CPU at rest with a scrape every 2 s", (cpu, "% of a core"), Target::None),
        resident(fleet, "7. memory at rest with these scrapes", Target::AtMost(45.0)),
    ]
}
