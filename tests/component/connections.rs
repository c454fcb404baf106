//! How many connections one issuer's client opens, with the rate limiter in front of it as in the operator.

use crate::fake_portal::{Config, FakePortal, Operation, Profile, Server};
use crate::portal_client::fixtures::{basic, basic_as, list_all, read_response, settings};
use crate::portal_client::minimal_portal::PASSWORD;
use crate::raw_server::{ConnectionAction, RawRequest, RawServer, response, self_signed_tls};
use futures::future::join_all;
use registry_token_operator::api::Limits;
use registry_token_operator::domain::model::token::RowQuery;
use registry_token_operator::portal::Portal as _;
use registry_token_operator::portal::rate_limit::{Limiter, Priority};
use registry_token_operator::portal::thinkwise::{ThinkwisePortal, ThinkwiseSettings};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const REQUESTS: usize = 1000;
const CONCURRENCY: i32 = 4;

/// Limits that allow many concurrent requests.
fn busy_limits() -> Limits {
    Limits { concurrency: CONCURRENCY, requests_per_second: 10_000, ..Limits::default() }
}

/// A client that has discovered the fake portal's names.
async fn portal(fake: &FakePortal, limits: &Limits) -> ThinkwisePortal {
    let profile = Profile::named("unbound").expect("a profile");
    let settings = ThinkwiseSettings {
        spec: serde_json::from_value(profile.minimal(fake)).expect("a spec"),
        ca_pem: Some(fake.ca_pem()),
        limits: limits.clone(),
        ..settings(&fake.portal_url(), basic_as("k8s", "portal-password"))
    };
    let portal = ThinkwisePortal::new(settings).expect("a portal");
    portal.resolve().await.expect("it fits");
    portal
}

/// The read responses of a portal without tokens.
fn empty_portal_response(request: &RawRequest) -> String {
    read_response(request.path()).expect("nothing else is requested")
}

/// A portal without tokens that responds after this time.
async fn empty_portal_after(delay: Duration) -> RawServer {
    let late = move |seen: &RawRequest| {
        let body = empty_portal_response(seen);
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        ConnectionAction::SendLater(delay, text)
    };
    RawServer::responding(None, late).await
}

#[tokio::test]
async fn a_thousand_requests_need_no_more_connections_than_concurrent_requests() {
    for http2 in [false, true] {
        let fake = FakePortal::start(Config { http2, ..Config::default() }).await;
        let limits = busy_limits();
        let (gate, portal) = (Limiter::new(&limits), portal(&fake, &limits).await);
        let resolved = fake.ledger().position();
        join_all((0..REQUESTS).map(async |index| {
            let (priority, namespace) = match index % 3 {
                0 => (Priority::High, "a"),
                1 => (Priority::Normal, "b"),
                _ => (Priority::Low, ""),
            };
            let permit = gate.acquire(priority, namespace).await;
            if index % 2 == 0 {
                portal.request("one of many").await.map(drop).expect("a token");
            } else {
                portal.list(&RowQuery::Probe).await.map(drop).expect("a list");
            }
            drop(permit);
        }))
        .await;
        let ledger = fake.ledger();
        let requests = ledger.requests_since(resolved);
        assert_eq!((requests.len(), ledger.count(Operation::Request)), (REQUESTS, REQUESTS / 2));
        assert!(requests.iter().all(|request| request.server == Server::Portal));
        let mut connections = BTreeMap::<u64, usize>::new();
        for request in &ledger.requests_since(0) {
            *connections.entry(request.connection).or_default() += 1;
        }
        let most = usize::try_from(CONCURRENCY).expect("a number");
        assert!(connections.len() <= most, "{connections:?} over HTTP/2: {http2}");
        assert!(ledger.max_concurrent_tasks() <= most);
        println!("{connections:?}");
        let busy: BTreeSet<_> = connections.values().collect();
        assert!(busy.first() > Some(&&1), "none was made for one request: {connections:?}");
    }
}

/// Counted where they are accepted, which includes connections that are opened and then not needed.
#[tokio::test]
async fn no_unused_connection_is_opened() {
    let (acceptor, pem) = self_signed_tls(&[]);
    let server = RawServer::responding(Some(acceptor), |seen| response(200, &[], &empty_portal_response(seen))).await;
    let url = format!("https://{}/indicium", server.address);
    let limits = busy_limits();
    let settings = ThinkwiseSettings { ca_pem: Some(pem), limits: limits.clone(), ..settings(&url, basic(PASSWORD)) };
    let (gate, portal) = (Limiter::new(&limits), ThinkwisePortal::new(settings).expect("a portal"));
    portal.resolve().await.expect("it fits");
    let before = server.requests().len();
    join_all((0..REQUESTS).map(async |_| {
        let _permit = gate.acquire(Priority::Low, "").await;
        list_all(&portal).await.expect("a list");
    }))
    .await;
    assert_eq!(server.requests().len() - before, REQUESTS);
    assert!(server.connections() <= usize::try_from(CONCURRENCY).expect("a number"));
}

/// The connection becomes idle just when the next request needs one.
#[tokio::test]
async fn a_request_waits_briefly_for_a_connection_to_become_idle() {
    let server = empty_portal_after(Duration::from_millis(4)).await;
    let url = format!("http://{}/indicium", server.address);
    let portal = Arc::new(ThinkwisePortal::new(settings(&url, basic(PASSWORD))).expect("a portal"));
    portal.resolve().await.expect("it fits");
    let before = server.requests().len();
    let list = || {
        let portal = Arc::clone(&portal);
        tokio::spawn(async move { list_all(&portal).await.expect("a list") })
    };
    let first = list();
    while server.requests().len() == before {
        tokio::task::yield_now().await;
    }
    assert!(!first.is_finished(), "it is in flight");
    let second = list();
    first.await.expect("no panic");
    second.await.expect("no panic");
    // Nor is an unused one opened afterwards.
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!((server.requests().len() - before, server.connections()), (2, 1));
}

/// A burst of requests leaves no more memory than that of a few connections.
#[tokio::test]
async fn of_the_connections_of_a_burst_thirty_two_remain() {
    let server = empty_portal_after(Duration::from_millis(300)).await;
    let url = format!("http://{}/indicium", server.address);
    let portal = ThinkwisePortal::new(settings(&url, basic(PASSWORD))).expect("a portal");
    portal.resolve().await.expect("it fits");
    let burst = || join_all((0..50).map(async |_| list_all(&portal).await.expect("a list")));
    burst().await;
    let opened = server.connections();
    assert!(opened >= 50, "{opened} for 50 requests at a time");
    burst().await;
    assert_eq!(server.connections() - opened, 50 - 32, "the second burst finds the idle connections");
}
