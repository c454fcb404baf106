//! The short run of `make torture`, for every `make test`.

#![allow(clippy::expect_used, clippy::panic, reason = "a test stops where it cannot go on")]

#[path = "../control_plane/mod.rs"]
mod control_plane;
#[path = "../operator/mod.rs"]
mod operator;
#[path = "../pull/mod.rs"]
mod pull;
#[path = "../simulator/mod.rs"]
mod simulator;
#[path = "../suite/stage.rs"]
#[allow(dead_code, reason = "the suite uses the rest of it")]
mod stage;

mod chance;
mod crowd;
mod moods;
mod run;
mod table;
mod verdict;

use run::{Plan, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_kills_leak_no_token_and_lose_none() {
    let plan = Plan { seed: 7, objects: 40, kills: 45, pair_kills: 15, freezes: 1, outages: 1, pause: 300 };
    let outcome = run(stage::binary(), plan).await;
    println!("{outcome}");
    assert!(outcome.is_clean(), "{:?}", outcome.report);
    assert!(outcome.minted > 40, "every object had a token: {} were made", outcome.minted);
}
