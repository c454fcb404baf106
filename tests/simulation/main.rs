//! The simulation with low bounds. `make simulate` raises them.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails where it cannot continue")]

mod exhaustive;
#[path = "mod.rs"]
mod simulation;

use simulation::mutant::Mutant;
use simulation::random::{run, run_without_mutant};
use simulation::undisturbed;

/// Number of random schedules in `cargo test`.
const SCHEDULES: u64 = 20_000;

#[test]
fn random_schedules_leak_and_lose_no_token_and_become_idle() {
    let schedules = std::env::var("SCHEDULES").ok().and_then(|text| text.parse().ok()).unwrap_or(SCHEDULES);
    let mut events = 0;
    for seed in 0..schedules {
        events += run(seed, None).unwrap_or_else(|failure| panic!("{failure}"));
    }
    println!("{schedules} schedules, {events} events");
}

/// Number of undisturbed schedules in `cargo test`.
const UNDISTURBED_SCHEDULES: u64 = 2_000;

#[test]
fn each_token_has_a_reason_and_each_reason_results_in_a_token() {
    let minted: usize = (0..UNDISTURBED_SCHEDULES)
        .map(|seed| undisturbed::run(seed, None).unwrap_or_else(|failure| panic!("{failure}")))
        .sum();
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
    let missed: Vec<Mutant> = mutants.into_iter().filter(|mutant| !is_caught(*mutant)).collect();
    assert!(missed.is_empty(), "not detected: {missed:?}");
}

fn is_caught(mutant: Mutant) -> bool {
    if let Some(caught) = (0..UNDISTURBED_SCHEDULES / 10).find_map(|seed| undisturbed::run(seed, Some(mutant)).err()) {
        println!("{mutant:?}: undisturbed, {}", caught.chars().take(120).collect::<String>());
        return true;
    }
    let caught = (0..MUTANT_SCHEDULES).find_map(|seed| run(seed, Some(mutant)).err());
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
