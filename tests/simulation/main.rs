//! The simulation with low bounds. `make simulate` raises them.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails where it cannot continue")]

mod exhaustive;
#[path = "mod.rs"]
mod simulation;

use exhaustive::every_schedule;
use simulation::mutant::Mutant;
use simulation::portal_traits::PortalTraits;
use simulation::random::{Schedule, run_mutant, run_schedule, run_without_mutant};
use simulation::undisturbed;
use std::sync::Mutex;

/// Number of random schedules with `LONG_TESTS`, and without. `SCHEDULES` sets another number.
const SCHEDULES: (u64, u64) = (20_000, 3_000);

/// Whether to run the tests in full, as `make test-long` does. `make test` runs a part: the first random schedules, and
/// a lower bound of the exhaustive phase. It tries every mutant.
fn is_long() -> bool {
    std::env::var_os("LONG_TESTS").is_some()
}

#[test]
fn random_schedules_leak_and_lose_no_token_and_become_idle() {
    let default = if is_long() { SCHEDULES.0 } else { SCHEDULES.1 };
    let schedules = std::env::var("SCHEDULES").ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let mut events = 0;
    for seed in 0..schedules {
        events += run_schedule(seed, Schedule::Plain).unwrap_or_else(|failure| panic!("{failure}"));
    }
    println!("{schedules} schedules, {events} events");
}

/// Number of schedules in which namespaces are denied and allowed, with `LONG_TESTS`, and without.
const DENIED_SCHEDULES: (u64, u64) = (20_000, 2_000);

#[test]
fn a_denied_namespace_keeps_its_tokens_for_the_grace_period_and_then_has_none() {
    let schedules = if is_long() { DENIED_SCHEDULES.0 } else { DENIED_SCHEDULES.1 };
    for seed in 0..schedules {
        run_schedule(seed, Schedule::DeniedNamespaces).unwrap_or_else(|failure| panic!("{failure}"));
    }
    println!("{schedules} schedules");
}

/// Number of schedules with other portals, with `LONG_TESTS`, and without.
const OTHER_PORTAL_SCHEDULES: (u64, u64) = (20_000, 2_000);

#[test]
fn no_token_is_leaked_or_lost_at_a_portal_without_edits_with_shared_logins_unique_names_or_expiry() {
    let schedules = if is_long() { OTHER_PORTAL_SCHEDULES.0 } else { OTHER_PORTAL_SCHEDULES.1 };
    let mut events = 0;
    for seed in 0..schedules {
        events += run_schedule(seed, Schedule::OtherPortal).unwrap_or_else(|failure| panic!("{failure}"));
    }
    println!("{schedules} schedules, {events} events");
}

/// Seeds whose schedules once showed a violation.
const FORMER_VIOLATIONS: [u64; 9] = [51_545, 86_275, 156_930, 189_170, 195_985, 355_620, 495_105, 527_306, 624_990];

#[test]
fn schedules_that_once_failed_succeed() {
    for seed in FORMER_VIOLATIONS {
        for schedule in Schedule::of(seed) {
            run_schedule(seed, schedule).unwrap_or_else(|failure| panic!("{schedule:?}, {failure}"));
        }
    }
}

/// Number of events of the exhaustive phase from the empty state, with `LONG_TESTS`, and without.
const EVENTS: (usize, usize) = (8, 7);

#[test]
fn every_schedule_of_two_operators_up_to_a_bound_becomes_idle() {
    // A first token takes eleven events from the empty state: what follows its request is visited from the points of an
    // undisturbed first token.
    let from_empty = if is_long() { EVENTS.0 } else { EVENTS.1 };
    assert_eq!(every_schedule(1, from_empty, 1), Ok(()));
}

/// Number of undisturbed schedules in `cargo test`.
const UNDISTURBED_SCHEDULES: u64 = 2_000;

#[test]
fn each_token_has_a_reason_and_each_reason_results_in_a_token() {
    let minted: usize = (0..UNDISTURBED_SCHEDULES)
        .map(|seed| undisturbed::run(seed, None).unwrap_or_else(|failure| panic!("{failure}")))
        .sum();
    for (seed, portal) in (0..).zip([PortalTraits::GITEA, PortalTraits::HARBOR, PortalTraits::GITLAB].repeat(100)) {
        undisturbed::run_on(portal, seed).unwrap_or_else(|failure| panic!("{portal:?}: {failure}"));
    }
    println!("{UNDISTURBED_SCHEDULES} undisturbed schedules, {minted} tokens");
}

/// Maximum number of random schedules to detect a mutant.
const MUTANT_SCHEDULES: u64 = 60_000;

/// `MUTANT` is the name of the only mutant to try, as in `mutant.rs`.
#[test]
fn every_broken_operator_is_caught() {
    let only = std::env::var("MUTANT").ok();
    let wanted = |mutant: &Mutant| only.as_ref().is_none_or(|only| *only == format!("{mutant:?}"));
    let mutants: Vec<Mutant> = Mutant::ALL.into_iter().filter(wanted).collect();
    assert!(!mutants.is_empty(), "{only:?} is not a mutant");
    // A few mutants take most of the time, so all threads take the next one from the same list.
    let (left, missed) = (Mutex::new(mutants.into_iter()), Mutex::new(vec![]));
    let next = || left.lock().expect("no panic").next();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(mutant) = next() {
                    if !is_caught(mutant) {
                        missed.lock().expect("no panic").push(mutant);
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().expect("no panic");
    assert!(missed.is_empty(), "not detected: {missed:?}");
}

fn is_caught(mutant: Mutant) -> bool {
    if let Some(caught) = (0..UNDISTURBED_SCHEDULES / 10).find_map(|seed| undisturbed::run(seed, Some(mutant)).err()) {
        println!("{mutant:?}: undisturbed, {}", caught.chars().take(120).collect::<String>());
        return true;
    }
    let caught = (0..MUTANT_SCHEDULES).find_map(|seed| run_mutant(seed, mutant).err());
    // The mutant's fault must be the cause: the same schedule succeeds with the unmodified operator.
    if let Some(caught) = &caught {
        run_without_mutant(caught.seed, mutant)
            .unwrap_or_else(|failure| panic!("the unmodified operator fails too: {failure}"));
    }
    if let Some(caught) = &caught {
        println!("{mutant:?}: seed {}: {}", caught.seed, caught.what.chars().take(120).collect::<String>());
    }
    caught.is_some()
}
