//! `make simulate`: many random schedules, on every core.
//!
//! `SCHEDULES` says how many, `FIRST` from which seed on; `SEED` runs one and prints its trace.

#![allow(clippy::print_stdout, clippy::expect_used, reason = "a program for the terminal")]

#[path = "mod.rs"]
mod simulation;

use simulation::random::{Failure, run};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn main() -> ExitCode {
    if let Ok(seed) = std::env::var("SEED") {
        let outcome = run(seed.parse().expect("SEED is a number"), None);
        println!("{}", outcome.map_or_else(|failure| failure.to_string(), |events| format!("{events} events: fine")));
        return ExitCode::SUCCESS;
    }
    let (first, schedules) = (number("FIRST", 0), number("SCHEDULES", 1_000_000));
    let (next, events) = (AtomicU64::new(first), AtomicU64::new(0));
    let found: Mutex<BTreeMap<String, Failure>> = Mutex::default();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + schedules {
                        return;
                    }
                    match run(seed, None) {
                        Ok(count) => drop(events.fetch_add(count as u64, Ordering::Relaxed)),
                        Err(failure) => {
                            let kind: String = failure.what.chars().filter(|c| !c.is_ascii_digit()).take(24).collect();
                            found.lock().expect("no panic").entry(kind).or_insert(failure);
                        }
                    }
                    if (seed - first) % 50_000 == 49_999 {
                        println!("{} schedules after {} s", seed - first + 1, begun.elapsed().as_secs());
                    }
                }
            });
        }
    });
    let found = found.into_inner().expect("no panic");
    for failure in found.values() {
        println!("{failure}");
    }
    let events = events.into_inner();
    println!("{schedules} schedules from seed {first}, {events} events, {} s", begun.elapsed().as_secs());
    println!("{} kinds of failure", found.len());
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
