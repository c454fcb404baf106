//! `make bench`: the release binary on a real control plane, with a portal whose tasks take 50 ms.
//!
//! The API server, etcd, the portal, the operator and this program share the machine; its size is printed.

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
mod namespaces;

use fleet::{ANY_RATE, Fleet, PortalOptions};
use std::time::{Duration, Instant};

/// How long a task takes at the portal.
const LATENCY: Duration = Duration::from_millis(50);

/// A row of the table.
struct Figure {
    what: String,
    measured: String,
    target: String,
    /// `None` if there is no target.
    met: Option<bool>,
}

fn figure(what: &str, measured: String, target: &str, met: Option<bool>) -> Figure {
    eprintln!("bench: {what}: {measured}");
    Figure { what: what.to_owned(), measured, target: target.to_owned(), met }
}

#[tokio::main]
async fn main() {
    let only = std::env::var("BENCH_ONLY").unwrap_or_default();
    let wanted = |part: &str| only.is_empty() || only.split(',').any(|one| one == part);
    let mut figures = vec![];
    if wanted("1") || wanted("3") {
        figures.extend(all_at_once(true).await);
        figures.extend(all_at_once(false).await);
    }
    if wanted("2") {
        figures.extend(fifty_at_a_time().await);
    }
    if wanted("4") {
        figures.push(one_by_one().await);
    }
    if wanted("5") {
        figures.extend(memory().await);
    }
    if wanted("6") {
        figures.extend(rotation_wave().await);
    }
    if wanted("7") {
        figures.extend(scrape().await);
    }
    if wanted("8") {
        figures.extend(namespaces::labeled_at_once().await);
        figures.push(namespaces::labeled_at_once_with_a_rate().await);
    }
    print(&figures);
}

/// (1) and (3): 1,000 objects at once, four concurrent requests.
async fn all_at_once(id_in_response: bool) -> Vec<Figure> {
    const OBJECTS: usize = 1000;
    let fleet =
        Fleet::start(PortalOptions { latency: LATENCY, concurrency: 4, per_second: ANY_RATE, id_in_response }).await;
    let elapsed = fleet.create_and_wait(OBJECTS).await;
    let limit = LATENCY.as_secs_f64() * OBJECTS as f64 / 4.0;
    let ratio = elapsed.as_secs_f64() / limit;
    let how = if id_in_response { "id in the response" } else { "id looked up by its marker, one more read per token" };
    let mut figures = vec![figure(
        &format!("1. 1,000 objects, 4 requests at a time, {how}: time / the portal's limit of {limit:.1} s"),
        format!("{ratio:.2} ({:.1} s)", elapsed.as_secs_f64()),
        if id_in_response { "<= 1.2" } else { "<= 1.3" },
        Some(ratio <= if id_in_response { 1.2 } else { 1.3 }),
    )];
    if id_in_response {
        fleet.wait_synced(OBJECTS).await;
        let requests = fleet.requests().await;
        let counted = |events: bool| {
            let kept = requests.iter().filter(|(what, _)| what.contains("events") == events);
            kept.map(|(_, count)| *count).sum::<usize>() as f64 / OBJECTS as f64
        };
        let by_verb: Vec<String> =
            requests.iter().map(|(what, count)| format!("{what} {:.2}", *count as f64 / OBJECTS as f64)).collect();
        figures.push(figure(
            &format!("3. requests to the API server per object ({})", by_verb.join(", ")),
            format!("{:.2} + {:.2} events", counted(false), counted(true)),
            "<= 6, without events",
            Some(counted(false) <= 6.0),
        ));
    }
    figures
}

/// (2): fifty concurrent requests, compared with a bare writer that makes the same writes.
async fn fifty_at_a_time() -> Vec<Figure> {
    const OBJECTS: usize = 1000;
    let fleet =
        Fleet::start(PortalOptions { latency: LATENCY, concurrency: 50, per_second: ANY_RATE, id_in_response: true })
            .await;
    let elapsed = fleet.create_and_wait(OBJECTS).await;
    let rate = OBJECTS as f64 / elapsed.as_secs_f64();
    drop(fleet);
    let (bare, writes) = bare_writer::write(OBJECTS, 50).await;
    let bare = OBJECTS as f64 / bare.as_secs_f64();
    let share = rate / bare;
    vec![
        figure(
            "2. the same, 50 requests at a time: objects per second",
            format!("{rate:.0}"),
            "> 72",
            Some(rate > 72.0),
        ),
        figure(
            &format!("2. a bare writer, {writes} writes for each object, 50 objects at a time: objects per second"),
            format!("{bare:.0}"),
            "-",
            None,
        ),
        figure("2. share of the bare writer's speed", format!("{share:.2}"), ">= 0.85", Some(share >= 0.85)),
    ]
}

/// (4): one object every 200 ms, so that each is created while the caches still lag behind the previous one.
async fn one_by_one() -> Figure {
    const OBJECTS: usize = 100;
    let fleet =
        Fleet::start(PortalOptions { latency: LATENCY, concurrency: 4, per_second: ANY_RATE, id_in_response: true })
            .await;
    for index in 0..OBJECTS {
        fleet.create(index).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    fleet.wait_synced(OBJECTS).await;
    let asked = fleet.tokens_requested();
    figure(
        "4. tokens requested for 100 objects, created one every 200 ms",
        asked.to_string(),
        "100",
        Some(asked == OBJECTS),
    )
}

/// (5): resident memory at rest.
async fn memory() -> Vec<Figure> {
    let portal = PortalOptions {
        latency: Duration::from_millis(1),
        concurrency: 100,
        per_second: ANY_RATE,
        id_in_response: true,
    };
    let mut fleet = Fleet::start(portal).await;
    let mut figures = vec![];
    let mut created = 0;
    for (objects, target) in [(0_usize, Some(15.0)), (1000, None), (10_000, Some(45.0))] {
        fleet.create_range(created, objects).await;
        fleet.wait_synced(objects).await;
        created = objects;
        if objects == 10_000 {
            figures.push(resident(&fleet, "5. resident memory with 10,000 objects, right after the burst", target));
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        figures.push(resident(&fleet, &format!("5. resident memory with {objects} objects at rest"), target));
    }
    let (ready, writes) = fleet.restart().await;
    let what = "5. a restart with 10,000 objects: seconds until ready, then writes in 20 s";
    figures.push(figure(what, format!("{:.1} s, {writes} writes", ready.as_secs_f64()), "0 writes", Some(writes == 0)));
    figures.push(resident(&fleet, "5. resident memory with 10,000 objects, after a restart", Some(45.0)));
    figures
}

/// (6): a first token during a rotation of 1,000 objects, compared with one at rest. It includes login checks,
/// revocations and the API server's work, on a shared machine.
async fn rotation_wave() -> Vec<Figure> {
    const OBJECTS: usize = 1000;
    const SAMPLES: usize = 5;
    let fleet =
        Fleet::start(PortalOptions { latency: LATENCY, concurrency: 4, per_second: ANY_RATE, id_in_response: true })
            .await;
    fleet.create_range(0, OBJECTS).await;
    fleet.wait_synced(OBJECTS).await;
    let mut calm = vec![];
    for index in 0..SAMPLES {
        calm.push(fleet.first_token(OBJECTS + index).await);
    }
    fleet.wait_synced(OBJECTS + SAMPLES).await;
    let before = fleet.tokens_requested();
    let begun = Instant::now();
    fleet.rotate_all().await;
    let mut amid = vec![];
    for index in 0..SAMPLES {
        fleet.wait_requested(before + 100 * (index + 1)).await;
        amid.push(fleet.first_token(OBJECTS + SAMPLES + index).await);
    }
    let asked = fleet.tokens_requested() - before;
    assert!(asked < OBJECTS, "the rotation was over before the last sample: {asked} tokens");
    fleet.wait_requested(before + OBJECTS + 2 * SAMPLES).await;
    let rate = (OBJECTS + 2 * SAMPLES) as f64 / begun.elapsed().as_secs_f64();
    let (calm, amid) = (median(calm), median(amid));
    let delay = amid.saturating_sub(calm);
    vec![
        figure(
            "6. a first token at rest, and during a rotation of 1,000: what the rotation adds (median of 5)",
            format!("{} ms, {} ms: {} ms", calm.as_millis(), amid.as_millis(), delay.as_millis()),
            "<= 50 ms, one request",
            Some(delay <= LATENCY),
        ),
        figure("6. rotations per second, 4 requests at a time", format!("{rate:.0}"), "-", None),
    ]
}

/// (7): a scrape with all metrics on, and what the operator takes at rest while it is scraped.
async fn scrape() -> Vec<Figure> {
    const SCRAPES: usize = 20;
    const INTERVAL: Duration = Duration::from_secs(2);
    let objects = std::env::var("SCRAPE_OBJECTS").ok().and_then(|count| count.parse().ok()).unwrap_or(10_000);
    let portal = PortalOptions {
        latency: Duration::from_millis(1),
        concurrency: 100,
        per_second: ANY_RATE,
        id_in_response: true,
    };
    let fleet = Fleet::start_with_flags(portal, &["--metrics-per-object=10000"]).await;
    fleet.create_range(0, objects).await;
    fleet.wait_synced(objects).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (begun, cpu) = (Instant::now(), fleet.cpu_time());
    let (mut times, mut largest) = (vec![], 0);
    for _ in 0..SCRAPES {
        let (time, bytes) = fleet.scrape().await;
        times.push(time);
        largest = largest.max(bytes);
        tokio::time::sleep(INTERVAL).await;
    }
    let cpu = fleet.cpu_time().saturating_sub(cpu).as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0;
    let slowest = times.iter().max().copied().unwrap_or_default();
    let time = median(times);
    vec![
        figure(
            &format!("7. a scrape with {objects} objects and all metrics: time (median of {SCRAPES}, and the slowest)"),
            format!("{:.1} ms, {:.1} ms", time.as_secs_f64() * 1e3, slowest.as_secs_f64() * 1e3),
            "<= 50 ms",
            Some(time <= Duration::from_millis(50)),
        ),
        figure("7. its size", format!("{} kB", largest / 1000), "< 1000 kB", Some(largest < 1_000_000)),
        figure("7. CPU at rest with a scrape every 2 s, percent of a core", format!("{cpu:.1}"), "-", None),
        resident(&fleet, "7. resident memory at rest with these scrapes", Some(45.0)),
    ]
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

fn resident(fleet: &Fleet, what: &str, target: Option<f64>) -> Figure {
    let mebibytes = fleet.resident();
    let target_text = target.map_or_else(|| "-".to_owned(), |most| format!("<= {most:.0}"));
    figure(&format!("{what}, MiB"), format!("{mebibytes:.1}"), &target_text, target.map(|most| mebibytes <= most))
}

fn print(figures: &[Figure]) {
    println!("\nmachine: {}, shared by all components\n", measure::machine());
    println!("| figure | measured | target | |\n|---|---|---|---|");
    for Figure { what, measured, target, met } in figures {
        let rating = met.map_or("", |met| if met { "met" } else { "**missed**" });
        println!("| {what} | {measured} | {target} | {rating} |");
    }
}
