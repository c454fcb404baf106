//! The login check against a realistic registry that works or fails.

#![allow(clippy::expect_used, reason = "a test stops at the first failure")]

mod egress;
mod malicious;
mod tls_trust;

use crate::fake_portal::{Challenge, Config, FakePortal, Fault, Operation, Record, Server};
use registry_token_operator::api::Reason;
use registry_token_operator::domain::model::login_result::LoginResult;
use registry_token_operator::registry::{EgressPolicy, LoginChecker as _, RegistryLogin, RegistryLoginChecker};
use secrecy::SecretString;
use std::time::Duration;

const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// A fake registry with one token, and a check with a short timeout.
struct RegistryFixture {
    portal: FakePortal,
    registry: String,
    username: String,
    secret: SecretString,
    ca_pem: String,
    registries: RegistryLoginChecker,
}

impl RegistryFixture {
    async fn new(config: Config) -> Self {
        let portal = FakePortal::start(config).await;
        let token = portal.ledger().add_as_colleague(Some("to try"));
        Self {
            registry: format!("{}/public/indicium", portal.registry_host()),
            username: token.username,
            secret: SecretString::from(token.secret),
            ca_pem: portal.ca_pem(),
            portal,
            registries: RegistryLoginChecker::with_timeout(CHECK_TIMEOUT),
        }
    }

    fn login(&self) -> RegistryLogin<'_> {
        RegistryLogin {
            registry: &self.registry,
            username: &self.username,
            secret: &self.secret,
            ca_pem: Some(&self.ca_pem),
            plain_http: false,
            egress: EgressPolicy::OPEN,
        }
    }

    async fn check(&self) -> LoginResult {
        self.registries.check(self.login()).await
    }

    fn requests(&self) -> Vec<Record> {
        self.portal.ledger().requests_since(0)
    }
}

async fn fixture(registry_challenge: Challenge) -> RegistryFixture {
    RegistryFixture::new(Config { registry_challenge, ..Config::default() }).await
}

fn reason(verdict: &LoginResult) -> Option<Reason> {
    match verdict {
        LoginResult::Unknown(problem) => Some(problem.reason),
        _ => None,
    }
}

#[tokio::test]
async fn a_token_is_accepted_until_it_is_revoked_by_either_way_to_log_in() {
    for challenge in [Challenge::Bearer, Challenge::Basic] {
        for http2 in [false, true] {
            let bench =
                RegistryFixture::new(Config { registry_challenge: challenge, http2, ..Config::default() }).await;
            assert_eq!(bench.check().await, LoginResult::Accepted);
            assert_eq!(bench.check().await, LoginResult::Accepted);
            let wrong = SecretString::from("wrong");
            let refused = bench.registries.check(RegistryLogin { secret: &wrong, ..bench.login() }).await;
            assert!(matches!(&refused, LoginResult::Rejected(message) if message.contains("401")), "{refused:?}");
            let token = bench.portal.ledger().live()[0].id;
            bench.portal.ledger().revoke_as_colleague(token);
            assert!(matches!(bench.check().await, LoginResult::Rejected(_)));
            let requests = bench.requests();
            assert!(requests.iter().all(|request| request.server == Server::Registry && request.method == "GET"));
            let first = requests[0].connection;
            assert!(requests.iter().all(|request| request.connection == first), "one connection serves them all");
        }
    }
}

#[tokio::test]
async fn credentials_go_to_the_token_endpoint_and_only_after_a_challenge() {
    let bench = fixture(Challenge::Bearer).await;
    bench.check().await;
    let seen: Vec<_> =
        bench.requests().into_iter().map(|seen| (seen.path, seen.query, seen.principal, seen.status)).collect();
    let user = Some(bench.username.clone());
    let service = Some("service=registry".to_owned());
    let expected = [
        ("/v2/".to_owned(), None, None, Some(401)),
        ("/token".to_owned(), service, user.clone(), Some(200)),
        ("/v2/".to_owned(), None, user, Some(200)),
    ];
    assert_eq!(seen, expected, "without a scope: a login, and nothing more");
}

#[tokio::test]
async fn a_registry_that_lags_behind_rejects_for_a_while() {
    let lag = Duration::from_millis(700);
    let bench = RegistryFixture::new(Config { registry_lag: lag, ..Config::default() }).await;
    assert!(matches!(bench.check().await, LoginResult::Rejected(_)));
    tokio::time::sleep(lag).await;
    assert_eq!(bench.check().await, LoginResult::Accepted);
}

#[tokio::test]
async fn an_unreachable_registry_does_not_reject_the_login() {
    let bench = fixture(Challenge::Bearer).await;
    assert_eq!(bench.check().await, LoginResult::Accepted);
    bench.portal.registry_down().await;
    // The first check may still use the old connection, which is closed.
    bench.check().await;
    assert_eq!(reason(&bench.check().await), Some(Reason::Unreachable));
    bench.portal.registry_blackhole().await;
    let begun = std::time::Instant::now();
    assert_eq!(reason(&bench.check().await), Some(Reason::TimedOut));
    assert!(begun.elapsed() < CHECK_TIMEOUT + Duration::from_secs(1));
    bench.portal.registry_up().await;
    assert_eq!(bench.check().await, LoginResult::Accepted);

    let nowhere = bench.registries.check(RegistryLogin { registry: "registry.invalid", ..bench.login() }).await;
    assert_eq!(reason(&nowhere), Some(Reason::Unreachable));
    for ca_pem in [None, Some(crate::raw_server::self_signed_tls(&[]).1)] {
        let untrusted = bench.registries.check(RegistryLogin { ca_pem: ca_pem.as_deref(), ..bench.login() }).await;
        assert_eq!(reason(&untrusted), Some(Reason::TlsUntrusted), "{untrusted:?}");
    }
    let invalid = bench.registries.check(RegistryLogin { ca_pem: Some("no PEM"), ..bench.login() }).await;
    assert_eq!(reason(&invalid), Some(Reason::CABundleInvalid));
}

#[tokio::test]
async fn a_failing_registry_does_not_reject_the_login_at_any_step() {
    let faults = [
        (Fault::Status(500), Reason::RegistryError),
        (Fault::Status(502), Reason::RegistryError),
        (Fault::Status(404), Reason::InvalidResponse),
        (Fault::StatusAfter(504), Reason::RegistryError),
        (Fault::RetryAfter { status: 429, seconds: 7 }, Reason::RateLimited),
        (Fault::RetryAfter { status: 503, seconds: 7 }, Reason::RegistryError),
        (Fault::DropBefore, Reason::Unreachable),
        (Fault::HangBefore, Reason::TimedOut),
        (Fault::HangAfter, Reason::TimedOut),
    ];
    let bench = fixture(Challenge::Bearer).await;
    for (fault, expected) in faults {
        // At the first request, at the token endpoint, and with the bearer token.
        for earlier in 0..3 {
            let faults = bench.portal.faults();
            faults.times(Operation::Registry, Fault::DelayAfter(1), earlier);
            faults.once(Operation::Registry, fault.clone());
            let verdict = bench.check().await;
            assert_eq!(reason(&verdict), Some(expected), "{fault:?} after {earlier}: {verdict:?}");
            if let (Fault::RetryAfter { .. }, LoginResult::Unknown(problem)) = (&fault, &verdict) {
                assert_eq!(problem.retry_after, Some(Duration::from_secs(7)));
            }
            faults.clear();
        }
    }
    assert_eq!(bench.check().await, LoginResult::Accepted);
}

#[tokio::test]
async fn plain_http_is_used_only_if_configured() {
    let bench = RegistryFixture::new(Config { tls: false, ..Config::default() }).await;
    assert_eq!(
        bench.registries.check(RegistryLogin { plain_http: true, ..bench.login() }).await,
        LoginResult::Accepted
    );
    let heard = bench.requests().len();
    assert_eq!(reason(&bench.check().await), Some(Reason::Unreachable));
    assert_eq!(bench.requests().len(), heard, "nothing arrived");
}

#[tokio::test]
async fn no_secret_is_printed() {
    let bench = fixture(Challenge::Bearer).await;
    let wrong = SecretString::from("hush-secret");
    let login = RegistryLogin { secret: &wrong, ..bench.login() };
    let verdict = bench.registries.check(login).await;
    let printed = format!("{login:?} {verdict:?}");
    assert!(!printed.contains("hush"), "{printed}");
}
