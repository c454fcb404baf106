//! How much memory reading the portal's list takes. A binary of its own, for it counts what is
//! allocated in the whole process.

#![allow(clippy::expect_used, reason = "a test stops where it cannot go on")]
#![allow(dead_code, unused_imports, reason = "of the fake portal only the list is used here")]

#[path = "../portal/client/fake/mod.rs"]
mod fake;

use fake::{Fake, PASSWORD, Shape, USER};
use peak_alloc::PeakAlloc;
use registry_token_operator::api::Limits;
use registry_token_operator::portal::thinkwise::{Credentials, Settings, ThinkwisePortal};
use registry_token_operator::portal::{Portal as _, PortalRow};
use secrecy::SecretString;
use serde_json::json;
use std::time::Duration;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

fn portal(url: &str) -> ThinkwisePortal {
    let spec = json!({
        "url": url,
        "allowInsecureHTTP": true,
        "auth": {"type": "Basic", "basic": {"secretRef": {"name": "portal-login"}}},
    });
    let credentials = Credentials::Basic { username: USER.to_owned(), password: SecretString::from(PASSWORD) };
    let spec = serde_json::from_value(spec).expect("a spec");
    ThinkwisePortal::new(Settings {
        spec,
        limits: Limits::default(),
        credentials,
        ca_pem: None,
        keep: Duration::from_mins(10),
    })
    .expect("a portal")
}

/// What reading a list of so many tokens, 1,000 a page, takes beside what was there before.
async fn taken(tokens: i64) -> usize {
    let fake = Fake::of(Shape::default()).await;
    fake.ledger().tokens = (1..=tokens).map(|id| (id, (format!("robot${id}"), "x".repeat(150)))).collect();
    let portal = portal(&fake.url);
    portal.resolve().await.expect("it fits");
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let mut count = 0;
    portal.scan(&mut |_: PortalRow| count += 1).await.expect("a list");
    let taken = MEMORY.peak_usage() - before;
    assert_eq!(count, tokens);
    taken
}

#[tokio::test]
async fn reading_ten_thousand_tokens_takes_what_a_page_takes() {
    let (page, list) = (taken(1_000).await, taken(10_000).await);
    println!("a page of 1,000: {} KiB; a list of 10,000: {} KiB", page >> 10, list >> 10);
    assert!(list < page * 3 / 2, "a page takes {page} bytes, ten of them {list}");
}
