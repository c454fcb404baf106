//! The Thinkwise client against a portal that keeps a ledger: what the client says about a failed
//! call must never be better than what the ledger says about it.

#![allow(clippy::expect_used, reason = "a test stops where it cannot go on")]

#[path = "client/fake.rs"]
pub mod fake;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fake::{CLIENT_SECRET, Fake, Fault, PASSWORD, TOKEN_SECRET, USER};
use registry_token_operator::api::{Limits, Reason, ShortDuration, Thinkwise};
use registry_token_operator::portal::thinkwise::{Credentials, Settings, ThinkwisePortal};
use registry_token_operator::portal::{Failure, Portal as _, PortalRow, Rows, Sent, TokenRef};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use std::time::Duration;

pub fn spec(url: &str) -> Thinkwise {
    let text = json!({
        "url": url,
        "allowInsecureHTTP": true,
        "auth": {"type": "Basic", "basic": {"secretRef": {"name": "portal-login"}}},
        "table": {
            "name": "container_token",
            "key": [{"column": "token_id", "from": "TokenID"}],
            "columns": {"username": "username", "description": "description"},
        },
        "tasks": {
            "request": {
                "name": "request_token",
                "parameters": [{"name": "z_first", "value": "1"}, {"name": "description", "from": "Description"}],
                "outputs": {"username": "username", "secret": "secret", "id": "token_id"},
            },
            "editDescription": {
                "name": "edit_token",
                "parameters": [{"name": "token_id", "from": "TokenID"}, {"name": "description", "from": "Description"}],
            },
            "revoke": {
                "name": "revoke_token",
                "parameters": [{"name": "token_id", "from": "TokenID"}, {"name": "confirm", "value": "true"}],
            },
        },
    });
    serde_json::from_value(text).expect("a spec")
}

pub fn basic(password: &str) -> Credentials {
    basic_as(USER, password)
}

pub fn basic_as(username: &str, password: &str) -> Credentials {
    Credentials::Basic { username: username.to_owned(), password: SecretString::from(password) }
}

fn client_credentials(secret: &str) -> Credentials {
    Credentials::ClientCredentials { client_id: "operator".to_owned(), client_secret: SecretString::from(secret) }
}

pub fn settings(url: &str, credentials: Credentials) -> Settings {
    let limits = Limits {
        connect_timeout: "1s".parse().expect("a duration"),
        first_byte_timeout: "2s".parse().expect("a duration"),
        request_timeout: "3s".parse().expect("a duration"),
        ..Limits::default()
    };
    Settings { spec: spec(url), limits, credentials, ca_pem: None }
}

fn portal(url: &str, credentials: Credentials) -> ThinkwisePortal {
    ThinkwisePortal::new(settings(url, credentials)).expect("a portal")
}

async fn with_basic() -> (Fake, ThinkwisePortal) {
    let fake = Fake::start(None).await;
    let portal = portal(&fake.url, basic(PASSWORD));
    (fake, portal)
}

pub fn kind(failure: &Failure) -> (Sent, Reason) {
    (failure.sent, failure.reason)
}

#[tokio::test]
async fn a_token_is_requested_edited_and_revoked_with_either_login() {
    for credentials in [basic(PASSWORD), client_credentials(CLIENT_SECRET)] {
        let fake = Fake::start(None).await;
        let portal = portal(&fake.url, credentials);
        let token = portal.request("for [nodes]").await.expect("a token");
        assert_eq!((token.id.as_deref(), token.username.as_str()), (Some("1"), "robot$1"));
        assert_eq!(token.secret.expose_secret(), format!("{TOKEN_SECRET}-1"));
        let meant = TokenRef { id: "1", username: &token.username };
        portal.edit_description(meant, "it's new").await.expect("edited");
        let row = PortalRow { id: "1".into(), username: "robot$1".into(), description: "it's new".into() };
        for rows in [Rows::All, Rows::Probe, Rows::WithId("1"), Rows::Containing("it's n")] {
            assert_eq!(portal.list(rows).await.expect("a list"), std::slice::from_ref(&row), "{rows:?}");
        }
        assert_eq!(portal.list(Rows::Containing("other")).await.expect("a list"), []);
        portal.revoke(meant).await.expect("revoked");
        assert_eq!(portal.list(Rows::All).await.expect("a list"), []);
        let ledger = fake.ledger();
        let sent = [
            r#"{"z_first":"1","description":"for [nodes]"}"#,
            r#"{"token_id":1,"description":"it's new"}"#,
            r#"{"token_id":1,"confirm":true}"#,
        ];
        assert_eq!(ledger.bodies, sent);
        assert!(ledger.bearers_made <= 1);
        assert_eq!(ledger.connections, 1, "connections are reused");
    }
}

#[tokio::test]
async fn an_id_that_the_answer_lacks_is_looked_up() {
    let (fake, portal) = with_basic().await;
    fake.ledger().with_id = false;
    let token = portal.request("nodes [abc/def]").await.expect("a token");
    assert_eq!(token.id, None);
    let rows = portal.list(Rows::Containing("[abc/def]")).await.expect("a list");
    assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["1"]);
}

#[tokio::test]
async fn all_pages_are_read() {
    let (fake, portal) = with_basic().await;
    fake.ledger().tokens = (1..=2500).map(|id| (id, (format!("u{id}"), String::new()))).collect();
    let rows = portal.list(Rows::All).await.expect("a list");
    let ids: Vec<String> = rows.into_iter().map(|row| row.id).collect();
    assert_eq!(ids, (1..=2500).map(|id| id.to_string()).collect::<Vec<_>>());
    assert_eq!(fake.seen("container_token"), 3);
    let first = "$select=token_id,username,description&$orderby=token_id";
    assert_eq!(fake.ledger().queries.first().map(String::as_str), Some(first));
}

#[tokio::test]
async fn a_list_that_leads_astray_or_in_circles_is_no_list() {
    let (fake, portal) = with_basic().await;
    for link in ["container_token?$skip=1", "http://elsewhere.example.com/x", "https://127.0.0.1/x"] {
        fake.ledger().next_link = Some(link.to_owned());
        let failure = portal.list(Rows::All).await.expect_err(link);
        assert_eq!(failure.reason, Reason::AnswerMalformed, "{link}");
    }
    assert_eq!(fake.seen("container_token"), 4);
}

#[tokio::test]
async fn wrong_credentials_are_unauthorised_and_make_nothing() {
    let fake = Fake::start(None).await;
    let refused = portal(&fake.url, basic("wrong")).request("d").await.expect_err("a wrong password");
    assert_eq!(kind(&refused), (Sent::Refused, Reason::Unauthorised));
    assert!(refused.message.contains("portal-login"), "{refused}");
    let unsent = portal(&fake.url, client_credentials("wrong")).request("d").await.expect_err("a wrong secret");
    assert_eq!(kind(&unsent), (Sent::No, Reason::Unauthorised));
    assert!(unsent.message.contains("invalid_client") && !unsent.message.contains("echo"), "{unsent}");
    assert_eq!((fake.made(), fake.seen("request_token")), (0, 1));
}

fn answer(status: u16, headers: &[(&'static str, &str)]) -> Fault {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Fault::Answer(status, headers, "a body that holds hush-body")
}

#[tokio::test]
async fn no_failure_is_milder_than_the_ledger_and_nothing_is_sent_twice() {
    let faults: Vec<(Fault, (Sent, Reason), usize)> = vec![
        (
            answer(302, &[("Location", "https://login.example.com/?s=hush")]),
            (Sent::Perhaps, Reason::AnswerMalformed),
            0,
        ),
        (answer(400, &[]), (Sent::Refused, Reason::RequestRefused), 0),
        (answer(403, &[]), (Sent::Refused, Reason::NoAccess), 0),
        (answer(404, &[]), (Sent::Refused, Reason::NoAccess), 0),
        (answer(429, &[("Retry-After", "7")]), (Sent::Refused, Reason::RateLimited), 0),
        (answer(500, &[]), (Sent::Perhaps, Reason::PortalFailed), 0),
        (answer(503, &[("Retry-After", "7")]), (Sent::Perhaps, Reason::RateLimited), 0),
        (Fault::ActThenAnswer(500, ""), (Sent::Perhaps, Reason::PortalFailed), 1),
        (Fault::ActThenAnswer(504, ""), (Sent::Perhaps, Reason::PortalFailed), 1),
        (Fault::ActThenAnswer(200, "<html>hush"), (Sent::Perhaps, Reason::AnswerMalformed), 1),
        (Fault::ActThenAnswer(200, r#"{"username":"u"}"#), (Sent::Perhaps, Reason::AnswerMalformed), 1),
        (Fault::ActThenAnswer(204, ""), (Sent::Perhaps, Reason::AnswerMalformed), 1),
        (Fault::Drop, (Sent::Perhaps, Reason::Unreachable), 0),
        (Fault::ActThenDrop, (Sent::Perhaps, Reason::Unreachable), 1),
        (Fault::ActThenCut, (Sent::Perhaps, Reason::Unreachable), 1),
        (Fault::ActThenHang, (Sent::Perhaps, Reason::TimedOut), 1),
    ];
    for credentials in [basic(PASSWORD), client_credentials(CLIENT_SECRET)] {
        let fake = Fake::start(None).await;
        let portal = portal(&fake.url, credentials);
        // A connection that is in use already, as pooled ones are where repetition threatens.
        portal.list(Rows::Probe).await.expect("a list");
        let mut expected = 0;
        for (number, (fault, means, made)) in clone(&faults).into_iter().enumerate() {
            fake.fail("request_token", fault);
            let failure = portal.request("d").await.expect_err("a fault");
            assert_eq!(kind(&failure), means, "fault {number}: {failure}");
            assert!(!format!("{failure:?}").contains("hush"), "{failure:?}");
            let wish = (failure.reason == Reason::RateLimited).then(|| Duration::from_secs(7));
            assert_eq!(failure.retry_after, wish);
            expected += made;
            assert_eq!((fake.made(), fake.seen("request_token")), (expected, number + 1), "fault {number}");
        }
    }
}

fn clone(faults: &[(Fault, (Sent, Reason), usize)]) -> Vec<(Fault, (Sent, Reason), usize)> {
    let copy = |fault: &Fault| match fault {
        Fault::Answer(status, headers, body) => Fault::Answer(*status, headers.clone(), body),
        Fault::ActThenAnswer(status, body) => Fault::ActThenAnswer(*status, body),
        Fault::Drop => Fault::Drop,
        Fault::ActThenDrop => Fault::ActThenDrop,
        Fault::ActThenCut => Fault::ActThenCut,
        Fault::ActThenHang => Fault::ActThenHang,
    };
    faults.iter().map(|(fault, means, made)| (copy(fault), *means, *made)).collect()
}

#[tokio::test]
async fn indiciums_own_words_are_told() {
    let (fake, portal) = with_basic().await;
    let message = r#"{"MessageType":"ApplicationDbMessage","RawMessage":"<msg id=\"too_many_tokens\"></msg>"}"#;
    fake.fail("request_token", answer(400, &[("TSFMessages", &STANDARD.encode(message))]));
    let failure = portal.request("d").await.expect_err("a refusal");
    assert!(failure.message.contains("too_many_tokens"), "{failure}");
}

#[tokio::test]
async fn a_huge_answer_is_not_read() {
    let (fake, portal) = with_basic().await;
    let huge: &'static str = Box::leak("x".repeat(2 << 20).into_boxed_str());
    fake.fail("request_token", Fault::ActThenAnswer(200, huge));
    let failure = portal.request("d").await.expect_err("too much");
    assert_eq!(kind(&failure), (Sent::Perhaps, Reason::AnswerMalformed));
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let failure = portal("http://127.0.0.1:1/indicium", basic(PASSWORD)).request("d").await.expect_err("refused");
    assert_eq!(kind(&failure), (Sent::No, Reason::Unreachable));
    let unknown = portal("http://portal.invalid/indicium", basic(PASSWORD)).request("d").await.expect_err("unknown");
    assert_eq!(unknown.sent, Sent::No, "{unknown}");
}

#[tokio::test]
async fn a_bearer_that_is_refused_is_renewed_once() {
    let fake = Fake::start(None).await;
    let portal = portal(&fake.url, client_credentials(CLIENT_SECRET));
    portal.list(Rows::All).await.expect("a list");
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
async fn many_calls_fetch_one_bearer() {
    let fake = Fake::start(None).await;
    let portal = portal(&fake.url, client_credentials(CLIENT_SECRET));
    let lists = futures::future::join_all((0..20).map(|_| portal.list(Rows::Probe))).await;
    assert!(lists.iter().all(Result::is_ok));
    assert_eq!((fake.bearers_made(), fake.seen("openid-configuration")), (1, 1));
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

#[tokio::test]
async fn exactly_the_given_ca_is_trusted() {
    let (tls, pem) = crate::raw::tls(&[]);
    let fake = Fake::start(Some(tls)).await;
    let mut trusting = Settings { ca_pem: Some(pem), ..settings(&fake.url, basic(PASSWORD)) };
    trusting.spec.allow_insecure_http = false;
    ThinkwisePortal::new(trusting).expect("a portal").request("d").await.expect("a token");
    let (_, other) = crate::raw::tls(&[]);
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
