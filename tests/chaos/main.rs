//! `make chaos`: kills the release binary a thousand times.
//!
//! `KILLS` is the number of kills, `SEED` the seed of the random choices; with `LEADER_ELECTION=1` the operators elect a leader; the argument is the binary. Exits with status
//! 1 if a token leaked or was lost.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a program for the terminal")]

#[path = "../support/control_plane/mod.rs"]
mod control_plane;
#[path = "../support/fake_portal/mod.rs"]
mod fake_portal;
#[path = "../support/fixture.rs"]
#[allow(dead_code, unused_imports, reason = "the integration tests use the rest of it")]
mod fixture;
#[path = "../support/operator_process/mod.rs"]
mod operator_process;
#[path = "../support/oci_client/mod.rs"]
mod pull;

#[path = "mod.rs"]
mod chaos;

use chaos::run::{Plan, run};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[tokio::main]
async fn main() -> ExitCode {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    let kills = number("KILLS", 1000);
    let pair_kills = kills / 5;
    let plan = Plan {
        seed: number("SEED", now),
        objects: 220,
        kills: kills - pair_kills,
        pair_kills,
        freezes: 3,
        outages: 3,
        pause: 150,
        leader_election: number("LEADER_ELECTION", 0) == 1,
    };
    // Cargo adds `--bench` to the arguments.
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let binary = given.map_or_else(|| fixture::binary().to_owned(), PathBuf::from);
    let outcome = run(&binary, plan).await;
    println!("{outcome}");
    if outcome.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
