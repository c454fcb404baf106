//! A bounded share of the simulation; `make simulate` runs more.

#![allow(clippy::expect_used, clippy::panic, reason = "a test stops where it cannot go on")]

mod exhaustive;
#[path = "mod.rs"]
mod simulation;

use simulation::mutant::Mutant;
use simulation::random::{run, run_without_mutant};
use simulation::undisturbed;

/// Random schedules in `cargo test`.
const SCHEDULES: u64 = 20_000;

#[test]
fn random_schedules_leak_nothing_lose_nothing_and_come_to_rest() {
    let schedules = std::env::var("SCHEDULES").ok().and_then(|text| text.parse().ok()).unwrap_or(SCHEDULES);
    let mut events = 0;
    for seed in 0..schedules {
        events += run(seed, None).unwrap_or_else(|failure| panic!("{failure}"));
    }
    println!("{schedules} schedules, {events} events");
}

/// Calm schedules in `cargo test`.
const UNDISTURBED_SCHEDULES: u64 = 2_000;

#[test]
fn each_token_has_its_reason_and_each_reason_its_token() {
    let minted: usize = (0..UNDISTURBED_SCHEDULES)
        .map(|seed| undisturbed::run(seed, None).unwrap_or_else(|what| panic!("{what}")))
        .sum();
    println!("{UNDISTURBED_SCHEDULES} calm schedules, {minted} tokens");
}

/// Schedules within which each broken operator is caught.
const MUTANT_SCHEDULES: u64 = 60_000;

/// `MUTANT` names the only one that is tried, as it is called in `mutant.rs`.
#[test]
fn every_broken_operator_is_caught() {
    let only = std::env::var("MUTANT").ok();
    let wanted = |mutant: &Mutant| only.as_ref().is_none_or(|only| *only == format!("{mutant:?}"));
    let mutants: Vec<Mutant> = Mutant::ALL.into_iter().filter(wanted).collect();
    assert!(!mutants.is_empty(), "{only:?} is no mutant");
    let missed: Vec<Mutant> = mutants.into_iter().filter(|mutant| !is_caught(*mutant)).collect();
    assert!(missed.is_empty(), "not caught: {missed:?}");
}

fn is_caught(mutant: Mutant) -> bool {
    if let Some(caught) = (0..UNDISTURBED_SCHEDULES / 10).find_map(|seed| undisturbed::run(seed, Some(mutant)).err()) {
        println!("{mutant:?}: calm, {}", caught.chars().take(120).collect::<String>());
        return true;
    }
    let caught = (0..MUTANT_SCHEDULES).find_map(|seed| run(seed, Some(mutant)).err());
    // It is caught by what it does wrong, and not by something that befalls the whole one too.
    if let Some(caught) = &caught {
        run_without_mutant(caught.seed, mutant)
            .unwrap_or_else(|failure| panic!("an operator that is whole: {failure}"));
    }
    if let Some(caught) = &caught {
        println!("{mutant:?}: seed {}: {}", caught.seed, caught.what.chars().take(120).collect::<String>());
    }
    caught.is_some()
}
