//! Logging in, and whom to trust.

use super::fake::{CLIENT_SECRET, Fake, Fault, PASSWORD, TOKEN_SECRET, USER};
use super::world::{all, answer, basic, client_credentials, kind, portal, settings};
use registry_token_operator::api::{Reason, ShortDuration};
use registry_token_operator::portal::thinkwise::{Settings, ThinkwisePortal};
use registry_token_operator::portal::{Portal as _, Rows, Sent};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

#[tokio::test]
async fn wrong_credentials_are_unauthorised_and_make_nothing() {
    let fake = Fake::start(None).await;
    let refused = portal(&fake.url, basic("wrong")).request("d").await.expect_err("a wrong password");
    assert_eq!(kind(&refused), (Sent::No, Reason::Unauthorised), "$metadata is refused already");
    assert!(refused.message.contains("portal-login"), "{refused}");
    let unsent = portal(&fake.url, client_credentials("wrong")).request("d").await.expect_err("a wrong secret");
    assert_eq!(kind(&unsent), (Sent::No, Reason::Unauthorised));
    assert!(unsent.message.contains("invalid_client") && !unsent.message.contains("echo"), "{unsent}");
    assert_eq!((fake.made(), fake.seen("request_token"), fake.seen("$metadata")), (0, 0, 1));
}
#[tokio::test]
async fn a_bearer_that_is_refused_is_renewed_once() {
    let fake = Fake::start(None).await;
    let portal = portal(&fake.url, client_credentials(CLIENT_SECRET));
    all(&portal).await.expect("a list");
    fake.ledger().bearers.clear();
    portal.request("d").await.expect("a token");
    assert_eq!((fake.made(), fake.seen("request_token"), fake.bearers_made()), (1, 2, 2));
    for _ in 0..2 {
        fake.fail("request_token", answer(401, &[]));
    }
    let failure = portal.request("d").await.expect_err("a second 401");
    assert_eq!(kind(&failure), (Sent::Refused, Reason::Unauthorised));
    assert_eq!((fake.made(), fake.seen("request_token"), fake.bearers_made()), (1, 4, 3));
}

#[tokio::test]
async fn a_bearer_is_renewed_before_its_end_and_so_never_refused() {
    let fake = Fake::start(None).await;
    fake.ledger().bearer_seconds = 100;
    let portal = portal(&fake.url, client_credentials(CLIENT_SECRET));
    portal.resolve().await.expect("it fits");
    for (seconds, bearers) in [(0, 1), (88, 1), (3, 2), (91, 3)] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
        let before = fake.seen("container_token");
        all(&portal).await.expect("a list");
        assert_eq!((fake.seen("container_token"), fake.bearers_made()), (before + 1, bearers), "no 401, asked once");
        // The portal would not take the former one any more.
        let newest = fake.ledger().bearers.pop().expect("a bearer");
        fake.ledger().bearers = vec![newest];
    }
}

#[tokio::test]
async fn many_calls_fetch_one_bearer() {
    let fake = Fake::start(None).await;
    let portal = portal(&fake.url, client_credentials(CLIENT_SECRET));
    let lists = futures::future::join_all((0..20).map(|_| portal.list(Rows::Probe))).await;
    assert!(lists.iter().all(Result::is_ok));
    assert_eq!((fake.bearers_made(), fake.seen("openid-configuration"), fake.seen("$metadata")), (1, 1, 1));
}

#[tokio::test]
async fn without_a_bearer_nothing_was_sent() {
    let fake = Fake::start(None).await;
    let portal = portal(&fake.url, client_credentials(CLIENT_SECRET));
    for (fault, reason) in [
        (answer(500, &[]), Reason::PortalFailed),
        (answer(429, &[("Retry-After", "7")]), Reason::RateLimited),
        (Fault::ActThenHang, Reason::TimedOut),
        (Fault::ActThenDrop, Reason::Unreachable),
        (Fault::ActThenAnswer(200, "hush"), Reason::AnswerMalformed),
    ] {
        fake.fail("token", fault);
        let failure = portal.request("d").await.expect_err("no bearer");
        assert_eq!(kind(&failure), (Sent::No, reason), "{failure}");
    }
    assert_eq!(fake.seen("request_token"), 0);
    portal.request("d").await.expect("a token");
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
    let fake = Fake::start(Some(tls)).await;
    let mut trusting = Settings { ca_pem: Some(pem), ..settings(&fake.url, basic(PASSWORD)) };
    trusting.spec.allow_insecure_http = false;
    ThinkwisePortal::new(trusting).expect("a portal").request("d").await.expect("a token");
    let (_, other) = certificate();
    for ca_pem in [None, Some(other)] {
        let settings = Settings { ca_pem, ..settings(&fake.url, basic(PASSWORD)) };
        let failure = ThinkwisePortal::new(settings).expect("a portal").request("d").await.expect_err("untrusted");
        assert_eq!(kind(&failure), (Sent::No, Reason::TlsUntrusted), "{failure}");
        assert!(failure.message.contains("spec.thinkwise.tls"), "{failure}");
    }
    assert_eq!(fake.made(), 1);
}

#[tokio::test]
async fn what_cannot_work_is_said_before_anything_is_sent() {
    let none = Settings { ca_pem: Some("no PEM".into()), ..settings("https://portal.invalid", basic(PASSWORD)) };
    assert_eq!(kind(&ThinkwisePortal::new(none).expect_err("no CA")), (Sent::No, Reason::TrustMissing));
    let mut clear = settings("http://portal.invalid", basic(PASSWORD));
    clear.spec.allow_insecure_http = false;
    assert_eq!(ThinkwisePortal::new(clear).expect_err("http").sent, Sent::No);
}

#[tokio::test]
async fn no_secret_is_ever_printed() {
    for (credentials, user) in [(basic(PASSWORD), USER), (client_credentials(CLIENT_SECRET), "operator")] {
        let fake = Fake::start(None).await;
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
async fn the_limits_hold_while_a_connection_does_not_come_about() {
    // Accepts connections and never says a word, so that TLS does not come about.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}", silent.local_addr().expect("an address"));
    let mut settings = settings(&url, basic(PASSWORD));
    settings.limits.connect_timeout = ShortDuration(Duration::from_millis(200));
    settings.limits.first_byte_timeout = ShortDuration(Duration::from_millis(200));
    let failure = ThinkwisePortal::new(settings).expect("a portal").request("d").await.expect_err("silence");
    assert_eq!(kind(&failure), (Sent::No, Reason::TimedOut), "{failure}");
}
