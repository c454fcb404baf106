//! `make bench`: the release binary on a real control plane, with a portal whose tasks take 50 ms.
//!
//! The API server, etcd, the portal, the operator and this program share the machine; its size is printed. `BENCH_ONLY=1,2`
//! runs these parts only. The figures are printed as a table, and written to `target/bench` as JSON and as pictures.

#![allow(
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a benchmark stops at the first failure, and its figures are small numbers"
)]

#[path = "../support/control_plane/mod.rs"]
mod control_plane;
#[path = "../support/fake_portal/mod.rs"]
mod fake_portal;
#[path = "../support/manifests.rs"]
#[allow(dead_code, reason = "the benchmark creates its objects in code")]
mod manifests;
#[path = "../support/operator_process/mod.rs"]
mod operator_process;

mod bare_writer;
mod fleet;
mod measure;
mod parts;
mod peer;
mod report;
mod svg;
mod written;

use parts::{binary, burst, deletion, latency, memory, namespaces, outage, rotation, scrape, throughput};
use report::Figure;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a task takes at the portal.
const LATENCY: Duration = Duration::from_millis(50);

/// What can be run, by the number of the part.
const PARTS: [&str; 11] = [
    "1,000 objects, 4 requests at a time",
    "the same, where the id is looked up",
    "1,000 objects, 50 requests at a time, and a bare writer",
    "objects one after the other",
    "memory, restart, audit and rest with 10,000 objects",
    "a rotation of 1,000 objects",
    "a scrape of all metrics",
    "a ClusterRegistryToken and 1,000 namespaces",
    "deletion of 1,000 objects",
    "a portal that does not answer",
    "the binary",
];

/// The folder of the results.
fn results() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench")
}

#[tokio::main]
async fn main() {
    let only = std::env::var("BENCH_ONLY").unwrap_or_default();
    let wanted: Vec<usize> = (1..=PARTS.len())
        .filter(|number| only.is_empty() || only.split(',').any(|one| one.trim() == number.to_string()))
        .collect();
    let begun = Instant::now();
    let mut figures: Vec<Figure> = vec![];
    for (done, number) in wanted.iter().enumerate() {
        let what = PARTS.get(number - 1).copied().unwrap_or_default();
        eprintln!(
            "bench: {done} of {} parts after {:.0} s; now {number}, {what}",
            wanted.len(),
            begun.elapsed().as_secs_f32()
        );
        figures.extend(match number {
            1 => burst::with_the_id().await,
            2 => burst::with_a_lookup().await,
            3 => throughput::fifty_at_a_time().await,
            4 => latency::one_by_one().await,
            5 => memory::of_many_objects(wanted.contains(&7)).await,
            6 => rotation::wave().await,
            // Part 5 has measured it with its objects: to create 10,000 takes two minutes.
            7 if wanted.contains(&5) => vec![],
            7 => scrape::of_all_metrics().await,
            8 => namespaces::labeled().await,
            9 => deletion::of_all().await,
            10 => outage::of_one_portal().await,
            _ => binary::size_and_start().await,
        });
    }
    report::print(&figures);
    report::write(&figures, &results());
    eprintln!("bench: {:.0} s in all", begun.elapsed().as_secs_f32());
}
