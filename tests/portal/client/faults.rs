//! Calls that fail: what the client says, and what the ledger says.

use super::fake::{CLIENT_SECRET, Fake, Fault, Form, PASSWORD, Shape};
use super::world::{answer, basic, client_credentials, kind, of, portal, with_basic};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use registry_token_operator::api::Reason;
use registry_token_operator::portal::{Portal as _, Rows, Sent, TokenRef};
use std::time::Duration;

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
        let mut client = portal(&fake.url, credentials.clone());
        // A connection that is in use already, as pooled ones are where repetition threatens.
        client.list(Rows::Probe).await.expect("a list");
        let mut expected = 0;
        for (number, (fault, means, made)) in faults.clone().into_iter().enumerate() {
            fake.fail("request_token", fault);
            let failure = client.request("d").await.expect_err("a fault");
            assert_eq!(kind(&failure), means, "fault {number}: {failure}");
            assert!(!format!("{failure:?}").contains("hush"), "{failure:?}");
            let wish = (failure.reason == Reason::RateLimited).then(|| Duration::from_secs(7));
            assert_eq!(failure.retry_after, wish);
            expected += made;
            assert_eq!((fake.made(), fake.seen("request_token")), (expected, number + 1), "fault {number}");
            if client.ailment().is_some() {
                // It holds back after answers without a token.
                client = portal(&fake.url, credentials.clone());
                client.list(Rows::Probe).await.expect("a list");
            }
        }
    }
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
async fn an_answer_that_is_huge_or_never_ends_is_not_read_to_its_end() {
    let huge: &'static str = Box::leak("x".repeat(2 << 20).into_boxed_str());
    for form in [Form::Unbound, Form::Bound, Form::Staged] {
        let counts = match form {
            Form::Unbound => "request_token",
            Form::Bound => "task_request_token",
            Form::Staged => "commit",
        };
        for fault in [Fault::ActThenAnswer(200, huge), Fault::ActThenAnnounce(100 << 20), Fault::ActThenEndless] {
            let (fake, portal) = of(Shape { form, ..Shape::default() }).await;
            fake.fail(counts, fault);
            let failure = portal.request("d").await.expect_err("too much");
            assert_eq!(kind(&failure), (Sent::Perhaps, Reason::AnswerMalformed), "{form:?}: {failure}");
            assert!(failure.message.contains("larger than"), "{failure}");
            assert_eq!(fake.made(), 1);
        }
    }
    for place in ["$metadata", "container_token"] {
        let (fake, portal) = of(Shape::default()).await;
        fake.fail(place, Fault::ActThenEndless);
        let failure = portal.request("d").await.expect_err("too much");
        assert_eq!(kind(&failure), (Sent::No, Reason::AnswerMalformed), "{place}: {failure}");
        assert_eq!(fake.made(), 0);
    }
}

#[tokio::test]
async fn an_edit_or_revocation_needs_no_answer_that_can_be_read() {
    let (fake, portal) = with_basic().await;
    portal.request("d").await.expect("a token");
    let meant = TokenRef { id: "1", username: "robot$1" };
    for fault in [
        Fault::ActThenAnswer(200, "<html>"),
        Fault::ActThenAnswer(204, ""),
        Fault::ActThenEndless,
        Fault::ActThenCut,
        Fault::ActThenAnnounce(100 << 20),
    ] {
        fake.fail("edit_token", fault);
        portal.edit_description(meant, "e").await.expect("2xx is success");
    }
    assert_eq!(fake.seen("edit_token"), 5);
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let failure = portal("http://127.0.0.1:1/indicium", basic(PASSWORD)).request("d").await.expect_err("refused");
    assert_eq!(kind(&failure), (Sent::No, Reason::Unreachable));
    let unknown = portal("http://portal.invalid/indicium", basic(PASSWORD)).request("d").await.expect_err("unknown");
    assert_eq!(unknown.sent, Sent::No, "{unknown}");
}
