//! Malformed bodies.

use super::{Bench, bench};
use crate::fake_portal::{Fault, Operation};
use std::time::{Duration, Instant};

/// Injects a fault into the next read of `$metadata`, and reads it.
async fn look(bench: &Bench, fault: Fault) -> reqwest::Response {
    bench.portal.faults().once(Operation::Metadata, fault);
    bench.get("$metadata").send().await.unwrap()
}

async fn whole(bench: &Bench) -> String {
    bench.get("$metadata").send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn a_body_can_be_replaced() {
    let bench = bench().await;
    let text = "<html>Log in</html>".to_owned();
    let answer = look(&bench, Fault::Body { content_type: "text/html".to_owned(), text: text.clone() }).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (200, &"text/html".parse().unwrap()));
    assert_eq!(answer.text().await.unwrap(), text);
    let answer = look(&bench, Fault::ContentType("text/plain".to_owned())).await;
    assert_eq!(answer.headers()["content-type"], "text/plain");
    assert_eq!(answer.text().await.unwrap(), whole(&bench).await);
}

#[tokio::test]
async fn a_body_can_be_truncated_with_or_without_a_broken_connection() {
    let bench = bench().await;
    let whole = whole(&bench).await;
    let half = look(&bench, Fault::Truncated).await.text().await.unwrap();
    assert_eq!(half, whole[..whole.len() / 2]);
    let mut answer = look(&bench, Fault::BreakOff).await;
    assert_eq!(answer.content_length(), Some(whole.len() as u64));
    let mut read = 0;
    let error = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => read += chunk.len(),
            Ok(None) => panic!("it ended as if it were whole"),
            Err(error) => break error,
        }
    };
    assert!(read <= whole.len() / 2 && !error.is_timeout(), "{read} {error:?}");
}

#[tokio::test]
async fn a_body_may_be_huge() {
    let bench = bench().await;
    let whole = whole(&bench).await;
    let blanks = 20_000_000;
    for announced in [false, true] {
        let mut answer = look(&bench, Fault::Huge { blanks, announced }).await;
        let total = whole.len() as u64 + blanks;
        assert_eq!(answer.content_length(), announced.then_some(total));
        let mut read = 0;
        while let Some(chunk) = answer.chunk().await.unwrap() {
            read += chunk.len() as u64;
        }
        assert_eq!(read, total);
    }
    bench.portal.faults().once(Operation::Request, Fault::Huge { blanks: 100_000, announced: false });
    assert!(bench.request("x").await["secret"].is_string(), "blanks do not change the content");
}

#[tokio::test]
async fn a_body_may_never_end() {
    let bench = bench().await;
    bench.portal.faults().once(Operation::Metadata, Fault::Endless(20));
    let begun = Instant::now();
    let mut answer = bench.get("$metadata").timeout(Duration::from_millis(600)).send().await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(400), "the head comes at once");
    let mut chunks = 0;
    let error = loop {
        match answer.chunk().await {
            Ok(Some(_)) => chunks += 1,
            Ok(None) => panic!("it ended"),
            Err(error) => break error,
        }
    };
    assert!(error.is_timeout() && chunks > 5, "{chunks} {error:?}");
}

#[tokio::test]
async fn any_field_may_be_missing() {
    let bench = bench().await;
    bench.portal.configure(|config| config.names.request.id = Some("id".to_owned()));
    bench.portal.faults().once(Operation::Request, Fault::Without("id".to_owned()));
    assert!(bench.request("x").await.get("id").is_none());
    assert_eq!(bench.request("x").await["id"], 2);
}
