//! Login, and trusted CAs.

use super::fixtures::{basic, client_credentials, delivery_and_reason, list_all, portal, response_fault, settings};
use super::minimal_portal::{CLIENT_SECRET, MinimalPortal, PASSWORD, RequestFault, TOKEN_SECRET, USER};
use registry_token_operator::api::{Reason, ShortDuration};
use registry_token_operator::domain::model::token::RowQuery;
use registry_token_operator::portal::thinkwise::{ThinkwisePortal, ThinkwiseSettings};
use registry_token_operator::portal::{CallKind, Delivery, OnCall, Portal as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

#[tokio::test]
async fn wrong_credentials_are_unauthorized_and_create_nothing() {
    let fake = MinimalPortal::start(None).await;
    let refused = portal(&fake.url, basic("wrong")).request("d").await.expect_err("a wrong password");
    assert_eq!(
        delivery_and_reason(&refused),
        (Delivery::NotSent, Reason::Unauthorized),
        "$metadata is refused already"
    );
    assert!(refused.message.contains("portal-login"), "{refused}");
    let unsent = portal(&fake.url, client_credentials("wrong")).request("d").await.expect_err("a wrong secret");
    assert_eq!(delivery_and_reason(&unsent), (Delivery::NotSent, Reason::Unauthorized));
    assert!(unsent.message.contains("invalid_client") && !unsent.message.contains("echo"), "{unsent}");
    assert_eq!((fake.issued(), fake.request_count("request_token"), fake.request_count("$metadata")), (0, 0, 1));
}
#[tokio::test]
async fn a_rejected_bearer_is_renewed_once() {
    let fake = MinimalPortal::start(None).await;
    let portal = portal(&fake.url, client_credentials(CLIENT_SECRET));
    list_all(&portal).await.expect("a list");
    fake.ledger().access_tokens.clear();
    portal.request("d").await.expect("a token");
    assert_eq!((fake.issued(), fake.request_count("request_token"), fake.access_tokens_issued()), (1, 2, 2));
    for _ in 0..2 {
        fake.fail("request_token", response_fault(401, &[]));
    }
    let failure = portal.request("d").await.expect_err("a second 401");
    assert_eq!(delivery_and_reason(&failure), (Delivery::Rejected, Reason::Unauthorized));
    assert_eq!((fake.issued(), fake.request_count("request_token"), fake.access_tokens_issued()), (1, 4, 3));
}

#[tokio::test]
async fn a_bearer_is_renewed_before_it_expires_and_so_never_rejected() {
    let fake = MinimalPortal::start(None).await;
    fake.ledger().access_token_lifetime = 100;
    let portal = portal(&fake.url, client_credentials(CLIENT_SECRET));
    portal.resolve().await.expect("it fits");
    for (seconds, bearers) in [(0, 1), (88, 1), (3, 2), (91, 3)] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
        let before = fake.request_count("container_token");
        list_all(&portal).await.expect("a list");
        assert_eq!(
            (fake.request_count("container_token"), fake.access_tokens_issued()),
            (before + 1, bearers),
            "no 401, asked once"
        );
        // The portal no longer accepts the previous one.
        let newest = fake.ledger().access_tokens.pop().expect("a bearer");
        fake.ledger().access_tokens = vec![newest];
    }
}

#[tokio::test]
async fn many_calls_fetch_one_bearer() {
    let fake = MinimalPortal::start(None).await;
    let portal = portal(&fake.url, client_credentials(CLIENT_SECRET));
    let query = RowQuery::Probe;
    let lists = futures::future::join_all((0..20).map(|_| portal.list(&query))).await;
    assert!(lists.iter().all(Result::is_ok));
    assert_eq!(
        (fake.access_tokens_issued(), fake.request_count("openid-configuration"), fake.request_count("$metadata")),
        (1, 1, 1)
    );
}

#[tokio::test]
async fn without_a_bearer_nothing_was_sent() {
    let fake = MinimalPortal::start(None).await;
    let portal = portal(&fake.url, client_credentials(CLIENT_SECRET));
    for (fault, reason) in [
        (response_fault(500, &[]), Reason::PortalError),
        (response_fault(429, &[("Retry-After", "7")]), Reason::RateLimited),
        (RequestFault::ActThenHang, Reason::TimedOut),
        (RequestFault::ActThenDrop, Reason::Unreachable),
        (RequestFault::ActThenAnswer(200, "hush"), Reason::InvalidResponse),
    ] {
        fake.fail("token", fault);
        let failure = portal.request("d").await.expect_err("no bearer");
        assert_eq!(delivery_and_reason(&failure), (Delivery::NotSent, reason), "{failure}");
    }
    assert_eq!(fake.request_count("request_token"), 0);
    portal.request("d").await.expect("a token");
}

#[tokio::test]
async fn each_login_at_the_token_endpoint_is_reported_with_its_own_outcome() {
    let fake = MinimalPortal::start(None).await;
    let reported = Arc::new(Mutex::new(vec![]));
    let seen = Arc::clone(&reported);
    let on_call: OnCall = Arc::new(move |call| {
        assert_eq!(call.kind, CallKind::Login, "the calls themselves are reported by their limiter");
        seen.lock().expect("unpoisoned").push(call.failure.map(|failure| failure.delivery));
    });
    let client = portal(&fake.url, client_credentials(CLIENT_SECRET)).with_login_report(Arc::clone(&on_call));
    let unlike_a_token = RequestFault::ActThenAnswer(200, "hush");
    for fault in [response_fault(401, &[]), response_fault(503, &[]), unlike_a_token, RequestFault::ActThenDrop] {
        fake.fail("token", fault);
        client.request("d").await.expect_err("no bearer");
    }
    client.request("d").await.expect("a token");
    client.request("d").await.expect("a token, with the same bearer");
    let unreachable = portal("http://127.0.0.1:1", client_credentials(CLIENT_SECRET)).with_login_report(on_call);
    unreachable.request("d").await.expect_err("nobody listens");
    let refused = Some(Delivery::Rejected);
    let (ambiguous, unsent) = (Some(Delivery::Unknown), Some(Delivery::NotSent));
    let expected = [refused, refused, ambiguous, ambiguous, None, unsent];
    assert_eq!(*reported.lock().expect("unpoisoned"), expected);
    let basic = portal(&fake.url, basic(PASSWORD)).with_login_report(Arc::new(|_| panic!("HTTP Basic has no login")));
    basic.request("d").await.expect("a token");
}

fn certificate() -> (TlsAcceptor, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a server");
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem())
}

#[tokio::test]
async fn exactly_the_given_ca_is_trusted() {
    let (tls, pem) = certificate();
    let fake = MinimalPortal::start(Some(tls)).await;
    let mut trusting = ThinkwiseSettings { ca_pem: Some(pem), ..settings(&fake.url, basic(PASSWORD)) };
    trusting.spec.allow_insecure_http = false;
    ThinkwisePortal::new(trusting).expect("a portal").request("d").await.expect("a token");
    let (_, other) = certificate();
    for ca_pem in [None, Some(other)] {
        let settings = ThinkwiseSettings { ca_pem, ..settings(&fake.url, basic(PASSWORD)) };
        let failure = ThinkwisePortal::new(settings).expect("a portal").request("d").await.expect_err("untrusted");
        assert_eq!(delivery_and_reason(&failure), (Delivery::NotSent, Reason::TlsUntrusted), "{failure}");
        assert!(failure.message.contains("spec.thinkwise.tls"), "{failure}");
    }
    assert_eq!(fake.issued(), 1);
}

#[tokio::test]
async fn invalid_settings_are_reported_before_anything_is_sent() {
    let none =
        ThinkwiseSettings { ca_pem: Some("no PEM".into()), ..settings("https://portal.invalid", basic(PASSWORD)) };
    assert_eq!(
        delivery_and_reason(&ThinkwisePortal::new(none).expect_err("no CA")),
        (Delivery::NotSent, Reason::CABundleInvalid)
    );
    let mut clear = settings("http://portal.invalid", basic(PASSWORD));
    clear.spec.allow_insecure_http = false;
    assert_eq!(ThinkwisePortal::new(clear).expect_err("http").delivery, Delivery::NotSent);
}

#[tokio::test]
async fn no_secret_is_ever_printed() {
    for (credentials, user) in [(basic(PASSWORD), USER), (client_credentials(CLIENT_SECRET), "operator")] {
        let fake = MinimalPortal::start(None).await;
        let settings = settings(&fake.url, credentials);
        let printed = format!("{settings:?}");
        let portal = ThinkwisePortal::new(settings).expect("a portal");
        let token = portal.request("d").await.expect("a token");
        assert_eq!(portal.location().user, user);
        let all = format!("{printed} {portal:?} {token:?}");
        for secret in [PASSWORD, CLIENT_SECRET, TOKEN_SECRET, "hush"] {
            assert!(!all.contains(secret), "{all}");
        }
    }
}

#[tokio::test]
async fn the_limits_apply_while_a_connection_cannot_be_established() {
    // Accepts connections and never sends anything, so the TLS handshake does not complete.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}", silent.local_addr().expect("an address"));
    let mut settings = settings(&url, basic(PASSWORD));
    settings.limits.connect_timeout = ShortDuration(Duration::from_millis(200));
    settings.limits.first_byte_timeout = ShortDuration(Duration::from_millis(200));
    let failure = ThinkwisePortal::new(settings).expect("a portal").request("d").await.expect_err("silence");
    assert_eq!(delivery_and_reason(&failure), (Delivery::NotSent, Reason::TimedOut), "{failure}");
}
