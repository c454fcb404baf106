//! Many requests at once through the limiter, as after a restart: they take as long as the portal needs for them, and it
//! never sees more at once than the limits allow.

use super::Started;
use super::suite::stage::{Stage, own, unlimited};
use crate::portal_faults::limits;
use futures::future::join_all;
use registry_token_operator::api::{Limits, PortalType, Reason, RecordedPortal};
use registry_token_operator::domain::model::marker::{IssuerTag, Marker, Nonce};
use registry_token_operator::domain::model::token::{RowQuery, TokenRef, TokenRow};
use registry_token_operator::portal::rate_limit::{Limiter, Priority};
use registry_token_operator::portal::{
    CallContext, Claim, Delivery, IssuedToken, LimitedPortal, OnShutdown, Portal, PortalError, PortalFuture,
    PortalInterface, RowSink,
};
use secrecy::SecretString;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

const AT_ONCE: u16 = 4;

fn limited(portal: Box<dyn Portal>) -> LimitedPortal {
    let limits = Limits { requests_per_second: 10_000, concurrency: AT_ONCE.into(), ..limits() };
    LimitedPortal::new(portal, Arc::new(Limiter::new(&limits)), Claim::always(), Arc::new(|_| ()))
}

/// Requests this many tokens at once, each as the operator does; returns how long it takes.
async fn burst(portal: &LimitedPortal, first: usize, count: usize) -> Duration {
    let start = Instant::now();
    let requests = (first..first + count).map(|number| async move {
        let namespace = format!("team-{}", number % 7);
        let on_shutdown = OnShutdown::KeepWaiting;
        let context = CallContext { priority: Priority::High, namespace: &namespace, on_shutdown };
        let _slot = portal.acquire_preparation(context).await.expect("a slot");
        portal.request(context, Instant::now(), unlimited(&description(number))).await.expect("a token");
    });
    join_all(requests).await;
    start.elapsed()
}

fn description(number: usize) -> String {
    let nonce: String = format!("{number:012}").bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
    Marker::new(IssuerTag::of("issuer"), Nonce::parse(&nonce).expect("a nonce")).append_to(&own("burst"))
}

/// The time that the portal needs.
fn needed(count: usize, call: Duration) -> Duration {
    call * u32::try_from(count).expect("a number") / u32::from(AT_ONCE)
}

/// A portal in this process whose requests take time and nothing else.
struct SlowPortal {
    location: RecordedPortal,
    call: Duration,
    in_progress: AtomicUsize,
    peak: Arc<AtomicUsize>,
}

impl SlowPortal {
    async fn issue(&self) -> Result<IssuedToken, PortalError> {
        let in_progress = self.in_progress.fetch_add(1, Ordering::SeqCst) + 1;
        self.peak.fetch_max(in_progress, Ordering::SeqCst);
        tokio::time::sleep(self.call).await;
        self.in_progress.fetch_sub(1, Ordering::SeqCst);
        let (username, secret) = ("u".to_owned(), SecretString::from("s"));
        Ok(IssuedToken { id: None, username, secret, expiration_time: None })
    }
}

fn not_needed<'a, T: Send + 'a>() -> PortalFuture<'a, T> {
    Box::pin(std::future::ready(Err(PortalError::new(Delivery::NotSent, Reason::PortalError, "not needed"))))
}

impl Portal for SlowPortal {
    fn location(&self) -> &RecordedPortal {
        &self.location
    }

    fn resolve(&self) -> PortalFuture<'_, PortalInterface> {
        not_needed()
    }

    fn request<'a>(&'a self, _: &'a str) -> PortalFuture<'a, IssuedToken> {
        Box::pin(self.issue())
    }

    fn edit_description<'a>(&'a self, _: &'a TokenRef, _: &'a str) -> PortalFuture<'a, ()> {
        not_needed()
    }

    fn revoke<'a>(&'a self, _: &'a TokenRef) -> PortalFuture<'a, ()> {
        not_needed()
    }

    fn list<'a>(&'a self, _: &'a RowQuery) -> PortalFuture<'a, Vec<TokenRow>> {
        not_needed()
    }

    fn scan<'a>(&'a self, _: &'a mut dyn RowSink) -> PortalFuture<'a, ()> {
        not_needed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_requests_take_as_long_as_the_portal_needs() {
    const COUNT: usize = 1_000;
    let (call, peak) = (Duration::from_millis(50), Arc::new(AtomicUsize::new(0)));
    let [url, scope, user] = ["https://portal.example.com", "", "u"].map(str::to_owned);
    let location = RecordedPortal { kind: PortalType::Gitea, url, scope, user };
    let portal = SlowPortal { location, call, in_progress: AtomicUsize::new(0), peak: Arc::clone(&peak) };
    let took = burst(&limited(Box::new(portal)), 0, COUNT).await;
    assert!(took >= needed(COUNT, call) && took <= needed(COUNT, call).mul_f32(1.2), "{took:?}");
    assert_eq!(peak.load(Ordering::SeqCst), usize::from(AT_ONCE));
}

/// The same over HTTP, with fewer requests of a portal that is slower: on a busy machine, the work of client and portal takes
/// time too. `BURST` sets the number of requests, which then take 50 ms each.
async fn check_burst(started: Started) {
    const TRIES: usize = 3;
    let burst_of: Option<usize> = std::env::var("BURST").ok().and_then(|count| count.parse().ok());
    let (count, call) = (burst_of.unwrap_or(100), Duration::from_millis(if burst_of.is_some() { 50 } else { 100 }));
    let limit = needed(count, call).mul_f32(1.2);
    let stage = Stage::new(started.expect("a fake portal")).await;
    stage.proxy.delay_changes(call);
    let portal = limited(stage.other_client().await);
    let mut times = vec![];
    while times.len() < TRIES && times.last().is_none_or(|took| *took > limit) {
        times.push(burst(&portal, times.len() * count, count).await);
    }
    println!("{count} requests of {call:?}, {AT_ONCE} at once: {times:?}");
    assert!(times.iter().any(|took| *took <= limit), "each took more than {limit:?}: {times:?}");
    assert_eq!(stage.proxy.peak(), usize::from(AT_ONCE), "all that is allowed, and no more");
    assert_eq!(stage.changes().len(), count * times.len(), "one call for each token");
    assert_eq!(stage.own().await.len(), count * times.len());
    stage.end().await;
}

#[tokio::test]
async fn a_burst_takes_as_long_as_gitea_needs() {
    check_burst(super::start_gitea().await).await;
}

#[tokio::test]
async fn a_burst_takes_as_long_as_harbor_needs() {
    check_burst(super::start_harbor().await).await;
}

#[tokio::test]
async fn a_burst_takes_as_long_as_gitlab_needs() {
    check_burst(super::start_gitlab().await).await;
}

#[tokio::test]
async fn a_burst_takes_as_long_as_thinkwise_needs() {
    check_burst(super::fake_thinkwise::start().await).await;
}
