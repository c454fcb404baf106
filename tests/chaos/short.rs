//! The short run of `make chaos`, for every `make test`.

use crate::chaos::run::{Plan, run};
use crate::fixture;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_kills_leak_no_token_and_lose_none() {
    let plan = Plan {
        seed: 7,
        objects: 40,
        kills: 30,
        pair_kills: 10,
        freezes: 1,
        outages: 1,
        pause: 300,
        leader_election: false,
    };
    let outcome = run(fixture::binary(), plan).await;
    println!("{outcome}");
    assert!(outcome.is_clean(), "{:?}", outcome.report);
    assert!(outcome.minted > 40, "every object had a token: {} were created", outcome.minted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_leaders_leak_no_token_and_lose_none() {
    let plan = Plan {
        seed: 11,
        objects: 40,
        kills: 12,
        pair_kills: 8,
        freezes: 1,
        outages: 1,
        pause: 300,
        leader_election: true,
    };
    let outcome = run(fixture::binary(), plan).await;
    println!("{outcome}");
    assert!(outcome.is_clean(), "{:?}", outcome.report);
    assert!(outcome.at_work > 5, "leaders were killed: {}", outcome.at_work);
}
