use super::*;
use crate::api::{Limits, PortalType, Reason};
use crate::portal::rate_limit::Priority;
use crate::portal::{CompletedCall, Delivery};
use secrecy::SecretString;
use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// What the portal was sent, and the permission to respond: one for each response.
struct Script {
    sent: Mutex<Vec<&'static str>>,
    responses: Semaphore,
    failure: Mutex<Option<PortalError>>,
}

impl Script {
    fn sent(&self) -> Vec<&'static str> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next call fails like this.
    fn fail(&self, reason: Reason, retry_after: u64) {
        let retry_after = Some(Duration::from_secs(retry_after));
        let failure = PortalError { retry_after, ..PortalError::new(Delivery::Rejected, reason, "no") };
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }

    async fn respond<T>(&self, call: &'static str, value: T) -> Result<T, PortalError> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        self.responses.acquire().await.expect("open").forget();
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(value), Err)
    }
}

struct ScriptedPortal {
    script: Arc<Script>,
    location: RecordedPortal,
}

impl Portal for ScriptedPortal {
    fn location(&self) -> &RecordedPortal {
        &self.location
    }

    fn resolve(&self) -> PortalFuture<'_, PortalInterface> {
        Box::pin(async { Err(PortalError::new(Delivery::NotSent, Reason::MetadataMismatch, "not needed")) })
    }

    fn request<'a>(&'a self, _description: &'a str) -> PortalFuture<'a, IssuedToken> {
        let token =
            IssuedToken { id: None, username: "u".to_owned(), secret: SecretString::from("s"), expiration_time: None };
        Box::pin(self.script.respond("request", token))
    }

    fn edit_description<'a>(&'a self, _token: &'a TokenRef, _description: &'a str) -> PortalFuture<'a, ()> {
        Box::pin(self.script.respond("edit", ()))
    }

    fn revoke<'a>(&'a self, _token: &'a TokenRef) -> PortalFuture<'a, ()> {
        Box::pin(self.script.respond("revoke", ()))
    }

    fn list<'a>(&'a self, _rows: &'a RowQuery) -> PortalFuture<'a, Vec<TokenRow>> {
        Box::pin(self.script.respond("list", vec![]))
    }

    /// Two pages of one row each.
    fn scan<'a>(&'a self, sink: &'a mut dyn RowSink) -> PortalFuture<'a, ()> {
        Box::pin(async move {
            for _ in 0..2 {
                sink.before_page().await;
                self.script.respond("page", ()).await?;
                sink.push(TokenRow { token: token(), description: String::new(), expiration_time: None });
            }
            Ok(())
        })
    }
}

thread_local! {
    static CALLS: RefCell<Vec<(CallKind, Option<Reason>)>> = const { RefCell::new(vec![]) };
}

/// What each object asks for.
const fn wanted() -> TokenRequest<'static> {
    TokenRequest { namespace: "a", description: "d", projects: &[] }
}

fn record(call: CompletedCall<'_>) {
    CALLS.with_borrow_mut(|calls| calls.push((call.kind, call.failure.map(|failure| failure.reason))));
}

fn token() -> TokenRef {
    TokenRef { id: "17".to_owned(), username: "tw-17".to_owned() }
}

/// A portal with one call at a time, which may respond this often.
fn portal(responses: usize) -> (Arc<LimitedPortal>, Arc<Script>) {
    portal_with(Claim::always(), responses)
}

fn portal_with(claim: Claim, responses: usize) -> (Arc<LimitedPortal>, Arc<Script>) {
    let limits = Limits { concurrency: 1, requests_per_second: 1000, ..Limits::default() };
    let script =
        Arc::new(Script { sent: Mutex::default(), responses: Semaphore::new(responses), failure: Mutex::default() });
    let text = || "x".to_owned();
    let location = RecordedPortal { kind: PortalType::Thinkwise, url: text(), scope: text(), user: text() };
    let portal = Box::new(ScriptedPortal { script: Arc::clone(&script), location });
    (Arc::new(LimitedPortal::new(portal, Arc::new(Limiter::new(&limits)), claim, Arc::new(record))), script)
}

fn context(priority: Priority, namespace: &str) -> CallContext<'_> {
    CallContext { priority, namespace, on_shutdown: OnShutdown::KeepWaiting }
}

/// Lets other tasks run until all of them wait.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_held_until_the_response() {
    let (portal, script) = portal(0);
    let (first, second) = (Arc::clone(&portal), Arc::clone(&portal));
    let first = tokio::spawn(async move { first.revoke(context(Priority::Low, "a"), &token()).await });
    settle().await;
    let second =
        tokio::spawn(async move { second.request(context(Priority::High, "b"), Instant::now(), wanted()).await });
    settle().await;
    assert_eq!(script.sent(), ["revoke"], "the second call waits for the response to the first");
    script.responses.add_permits(2);
    first.await.expect("no panic").expect("revoked");
    second.await.expect("no panic").expect("a token");
    assert_eq!(script.sent(), ["revoke", "request"]);
}

#[tokio::test(start_paused = true)]
async fn a_delay_that_the_portal_requests_pauses_every_call() {
    for (namespace, reason, pauses) in [
        ("a", Reason::RateLimited, true),
        ("", Reason::PortalError, true),
        // It may only concern the object.
        ("a", Reason::PortalError, false),
    ] {
        let (portal, script) = portal(2);
        script.fail(reason, 30);
        let failed = portal.edit_description(context(Priority::Low, namespace), &token(), "d").await;
        assert!(matches!(failed, Err(CallError::Failed(failure)) if failure.reason == reason));
        let before = Instant::now();
        portal.list(context(Priority::High, "b"), &RowQuery::Probe).await.expect("a list");
        let waited = before.elapsed() >= Duration::from_secs(29);
        assert_eq!(waited, pauses, "{namespace} {reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_expired_read_of_the_issuer_sends_nothing() {
    let (portal, script) = portal(0);
    let other = Arc::clone(&portal);
    let other = tokio::spawn(async move { other.revoke(context(Priority::Low, "a"), &token()).await });
    settle().await;
    let waiting = Arc::clone(&portal);
    let read_at = Instant::now();
    let waiting = tokio::spawn(async move { waiting.request(context(Priority::High, "a"), read_at, wanted()).await });
    tokio::time::sleep(ISSUER_READ_TTL + Duration::from_secs(1)).await;
    script.responses.add_permits(1);
    other.await.expect("no panic").expect("revoked");
    let result = waiting.await.expect("no panic");
    assert!(matches!(result, Err(CallError::IssuerReadExpired)), "it expired while the call waited");
    assert_eq!(script.sent(), ["revoke"]);
    script.responses.add_permits(1);
    portal.request(context(Priority::High, "a"), Instant::now(), wanted()).await.expect("the permit is free again");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_while_a_call_waits_sends_nothing() {
    let (portal, script) = portal(0);
    let stop = CancellationToken::new();
    let occupying = Arc::clone(&portal);
    let occupying = tokio::spawn(async move { occupying.revoke(context(Priority::Low, "a"), &token()).await });
    settle().await;
    let (waiting, stopped) = (Arc::clone(&portal), stop.clone());
    let waiting = tokio::spawn(async move {
        let on_shutdown = OnShutdown::GiveUp(&stopped);
        waiting.edit_description(CallContext { on_shutdown, ..context(Priority::Low, "a") }, &token(), "d").await
    });
    let patient = Arc::clone(&portal);
    let patient = tokio::spawn(async move { patient.list(context(Priority::Low, "a"), &RowQuery::Probe).await });
    settle().await;
    stop.cancel();
    assert!(matches!(waiting.await.expect("no panic"), Err(CallError::ShuttingDown)));
    script.responses.add_permits(2);
    occupying.await.expect("no panic").expect("a call that was sent is completed");
    patient.await.expect("no panic").expect("an uncommitted token cannot wait for the restart");
    assert_eq!(script.sent(), ["revoke", "list"]);
}

#[tokio::test(start_paused = true)]
async fn without_the_claim_nothing_is_changed_and_everything_can_be_read() {
    let claim = Claim::of_standby();
    let (portal, script) = portal_with(claim.clone(), 9);
    let context = context(Priority::Low, "a");
    let begin = Vec::new;
    assert!(matches!(portal.acquire_preparation(context).await, Err(CallError::NotLeader)));
    assert!(matches!(portal.request(context, Instant::now(), wanted()).await, Err(CallError::NotLeader)));
    assert!(matches!(portal.edit_description(context, &token(), "d").await, Err(CallError::NotLeader)));
    assert!(matches!(portal.revoke(context, &token()).await, Err(CallError::NotLeader)));
    assert!(script.sent().is_empty());
    portal.list(context, &RowQuery::Probe).await.expect("a list");
    portal.scan(context, begin, |rows: &mut Vec<TokenRow>, row| rows.push(row)).await.expect("a list");
    assert!(!claim.hold_until(Instant::now() + Duration::from_secs(10)), "it starts now");
    portal.revoke(context, &token()).await.expect("revoked");
    assert_eq!(script.sent(), ["list", "page", "page", "revoke"]);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_ends_while_a_call_waits_sends_nothing_and_a_sent_call_is_completed() {
    let claim = Claim::of_standby();
    assert!(!claim.hold_until(Instant::now() + Duration::from_secs(10)), "it starts now");
    let (portal, script) = portal_with(claim, 0);
    let sent = Arc::clone(&portal);
    let sent = tokio::spawn(async move { sent.request(context(Priority::High, "a"), Instant::now(), wanted()).await });
    settle().await;
    let waiting = Arc::clone(&portal);
    let waiting = tokio::spawn(async move { waiting.revoke(context(Priority::Low, "a"), &token()).await });
    tokio::time::sleep(Duration::from_secs(10)).await;
    script.responses.add_permits(1);
    sent.await.expect("no panic").expect("a token");
    assert!(matches!(waiting.await.expect("no panic"), Err(CallError::NotLeader)));
    assert_eq!(script.sent(), ["request"]);
}

#[tokio::test(start_paused = true)]
async fn a_long_list_does_not_delay_a_call_that_a_pod_waits_for() {
    let (portal, script) = portal(0);
    let scanning = Arc::clone(&portal);
    let scanning = tokio::spawn(async move {
        scanning.scan(context(Priority::Low, ""), Vec::new, |rows: &mut Vec<TokenRow>, row| rows.push(row)).await
    });
    settle().await;
    let urgent = Arc::clone(&portal);
    let urgent =
        tokio::spawn(async move { urgent.request(context(Priority::High, "a"), Instant::now(), wanted()).await });
    settle().await;
    script.responses.add_permits(3);
    urgent.await.expect("no panic").expect("a token");
    assert_eq!(scanning.await.expect("no panic").expect("a list").len(), 2);
    assert_eq!(script.sent(), ["page", "request", "page"]);
}

#[tokio::test(start_paused = true)]
async fn each_call_that_was_sent_is_reported_once() {
    let (portal, script) = portal(2);
    let expired = Instant::now();
    tokio::time::sleep(ISSUER_READ_TTL * 2).await;
    portal.request(context(Priority::High, "a"), expired, wanted()).await.expect_err("expired");
    portal.revoke(context(Priority::Low, "a"), &token()).await.expect("revoked");
    script.fail(Reason::RequestRejected, 0);
    portal.list(context(Priority::Low, "a"), &RowQuery::Probe).await.expect_err("rejected");
    let calls = CALLS.with_borrow(Clone::clone);
    assert_eq!(calls, [(CallKind::Revoke, None), (CallKind::List, Some(Reason::RequestRejected))]);
}
