//! The short run of `make chaos`, for every `make test`.

#![allow(clippy::expect_used, clippy::panic, reason = "a test stops at the first failure")]

#[path = "../support/control_plane/mod.rs"]
mod control_plane;
#[path = "../support/fake_portal/mod.rs"]
mod fake_portal;
#[path = "../support/fixture.rs"]
#[allow(dead_code, reason = "the integration tests use the rest of it")]
mod fixture;
#[path = "../support/operator_process/mod.rs"]
mod operator_process;
#[path = "../support/oci_client/mod.rs"]
mod pull;

mod fault_schedule;
mod report;
mod rng;
mod run;
mod table;
mod workload;

use run::{Plan, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_kills_leak_no_token_and_lose_none() {
    let plan = Plan { seed: 7, objects: 40, kills: 30, pair_kills: 10, freezes: 1, outages: 1, pause: 300 };
    let outcome = run(fixture::binary(), plan).await;
    println!("{outcome}");
    assert!(outcome.is_clean(), "{:?}", outcome.report);
    assert!(outcome.minted > 40, "every object had a token: {} were created", outcome.minted);
}
