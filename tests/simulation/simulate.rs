//! `make simulate`: all schedules up to a bound, and many random schedules, on all cores.
//!
//! The exhaustive phase is first: every schedule of `EVENTS` events from the empty state, and of `AFTER` more from
//! each point of an undisturbed first token. `EVENTS=0` skips it. Then random schedules: `SCHEDULES` is their number,
//! `FIRST` the first seed. `SEED` runs the schedules of one seed, prints their traces, and exits with status 1 on a violation.

#![allow(clippy::print_stdout, clippy::expect_used, reason = "a command-line program")]

mod exhaustive;
#[path = "mod.rs"]
mod simulation;

use exhaustive::every_schedule;
use simulation::progress::{line, with_progress};
use simulation::random::{Failure, Schedule, run_schedule, run_traced};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A third of the time is spent on memory allocation.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Bounds of the exhaustive phase, which is first.
const EVENTS: u64 = 10;
const AFTER: u64 = 2;

fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Prints the traces of the schedules of a seed.
fn trace_seed(seed: u64) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for schedule in Schedule::of(seed) {
        let (outcome, trace) = run_traced(seed, schedule);
        trace.iter().enumerate().for_each(|(index, line)| println!("{index:4} {line}"));
        match outcome {
            Ok(events) => println!("seed {seed}, {schedule:?}: {events} events, no violation"),
            Err(what) => {
                println!("seed {seed}, {schedule:?}: {what}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

fn main() -> ExitCode {
    if let Ok(seed) = std::env::var("SEED") {
        return trace_seed(seed.parse().expect("SEED is a number"));
    }
    let bound = |name, otherwise| usize::try_from(number(name, otherwise)).expect("a small number");
    let (events, after) = (bound("EVENTS", EVENTS), bound("AFTER", AFTER));
    if events > 0
        && let Err(found) = every_schedule(threads(), events, after)
    {
        println!("{found}");
        return ExitCode::FAILURE;
    }
    let (first, schedules) = (number("FIRST", 0), number("SCHEDULES", 1_000_000));
    let (next, events) = (AtomicU64::new(first), AtomicU64::new(0));
    let found = Found::default();
    let started = Instant::now();
    let describe = |elapsed: Duration| {
        let done = next.load(Ordering::Relaxed).min(first + schedules) - first;
        let rate = events.load(Ordering::Relaxed) / elapsed.as_secs().max(1);
        format!("{}, {rate} events/s", line("schedules", done, Some(schedules), elapsed))
    };
    with_progress(describe, || {
        std::thread::scope(|scope| {
            for _ in 0..threads() {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= first + schedules {
                            return;
                        }
                        for schedule in Schedule::of(seed) {
                            match run_schedule(seed, schedule) {
                                Ok(count) => drop(events.fetch_add(count as u64, Ordering::Relaxed)),
                                Err(failure) => record(&found, &failure, schedule),
                            }
                        }
                    }
                });
            }
        });
    });
    let found = found.into_inner().expect("no panic");
    let events = events.into_inner();
    println!("{schedules} schedules from seed {first}, {events} events, {} s", started.elapsed().as_secs());
    for (kind, seeds) in &found {
        println!("{kind}: {} times, seeds {:?}", seeds.len(), &seeds[..seeds.len().min(10)]);
    }
    println!("{} kinds of failure", found.len());
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The seeds of each kind of failure.
type Found = Mutex<BTreeMap<String, Vec<u64>>>;

/// The first failure of a kind is printed at once: a run of a million schedules is often stopped before its end.
fn record(found: &Found, failure: &Failure, schedule: Schedule) {
    let kind: String = failure.what.chars().filter(|c| !c.is_ascii_digit()).take(24).collect();
    let mut found = found.lock().expect("no panic");
    let seeds = found.entry(kind).or_default();
    if seeds.is_empty() {
        println!("{schedule:?}, {failure}");
    }
    seeds.push(failure.seed);
}
