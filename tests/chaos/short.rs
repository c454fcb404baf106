//! The short run of `make chaos`, for every `make test`.

use crate::chaos::run::{Plan, run};
use crate::fixture;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_kills_leak_no_token_and_lose_none() {
    let plan = Plan { seed: 7, objects: 40, kills: 45, pair_kills: 15, freezes: 1, outages: 1, pause: 300 };
    let outcome = run(fixture::binary(), plan).await;
    println!("{outcome}");
    assert!(outcome.is_clean(), "{:?}", outcome.report);
    assert!(outcome.minted > 40, "every object had a token: {} were created", outcome.minted);
}
