//! Calls that fail: what the client reports, and what the ledger says.

use super::fixtures::{
    basic, client_credentials, delivery_and_reason, portal, portal_with_shape, response_fault, token_ref, with_basic,
};
use super::minimal_portal::{CLIENT_SECRET, MinimalPortal, PASSWORD, RequestFault, Shape, ShapeForm};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use registry_token_operator::api::Reason;
use registry_token_operator::domain::model::token::RowQuery;
use registry_token_operator::portal::{Delivery, Portal as _};
use std::time::Duration;

#[tokio::test]
async fn no_failure_is_milder_than_the_ledger_and_nothing_is_sent_twice() {
    let faults: Vec<(RequestFault, (Delivery, Reason), usize)> = vec![
        (
            response_fault(302, &[("Location", "https://login.example.com/?s=hush")]),
            (Delivery::Unknown, Reason::InvalidResponse),
            0,
        ),
        (response_fault(400, &[]), (Delivery::Rejected, Reason::RequestRejected), 0),
        (response_fault(403, &[]), (Delivery::Rejected, Reason::AccessDenied), 0),
        (response_fault(404, &[]), (Delivery::Rejected, Reason::AccessDenied), 0),
        (response_fault(429, &[("Retry-After", "7")]), (Delivery::Rejected, Reason::RateLimited), 0),
        (response_fault(500, &[]), (Delivery::Unknown, Reason::PortalError), 0),
        (response_fault(503, &[("Retry-After", "7")]), (Delivery::Unknown, Reason::RateLimited), 0),
        (RequestFault::ActThenAnswer(500, ""), (Delivery::Unknown, Reason::PortalError), 1),
        (RequestFault::ActThenAnswer(504, ""), (Delivery::Unknown, Reason::PortalError), 1),
        (RequestFault::ActThenAnswer(200, "<html>hush"), (Delivery::Unknown, Reason::InvalidResponse), 1),
        (RequestFault::ActThenAnswer(200, r#"{"username":"u"}"#), (Delivery::Unknown, Reason::InvalidResponse), 1),
        (RequestFault::ActThenAnswer(204, ""), (Delivery::Unknown, Reason::InvalidResponse), 1),
        (RequestFault::Drop, (Delivery::Unknown, Reason::Unreachable), 0),
        (RequestFault::ActThenDrop, (Delivery::Unknown, Reason::Unreachable), 1),
        (RequestFault::ActThenCut, (Delivery::Unknown, Reason::Unreachable), 1),
        (RequestFault::ActThenHang, (Delivery::Unknown, Reason::TimedOut), 1),
    ];
    for credentials in [basic(PASSWORD), client_credentials(CLIENT_SECRET)] {
        let fake = MinimalPortal::start(None).await;
        let mut client = portal(&fake.url, credentials.clone());
        // A connection that was used before: a pooled connection is where a request could be repeated.
        client.list(&RowQuery::Probe).await.expect("a list");
        let mut expected = 0;
        for (number, (fault, means, made)) in faults.clone().into_iter().enumerate() {
            fake.fail("request_token", fault);
            let failure = client.request("d").await.expect_err("a fault");
            assert_eq!(delivery_and_reason(&failure), means, "fault {number}: {failure}");
            assert!(!format!("{failure:?}").contains("hush"), "{failure:?}");
            let wish = (failure.reason == Reason::RateLimited).then(|| Duration::from_secs(7));
            assert_eq!(failure.retry_after, wish);
            expected += made;
            assert_eq!((fake.issued(), fake.request_count("request_token")), (expected, number + 1), "fault {number}");
            if client.open_reason().is_some() {
                // Its circuit breaker opens after responses without a token.
                client = portal(&fake.url, credentials.clone());
                client.list(&RowQuery::Probe).await.expect("a list");
            }
        }
    }
}
#[tokio::test]
async fn indiciums_error_messages_are_reported() {
    let (fake, portal) = with_basic().await;
    let message = r#"{"MessageType":"ApplicationDbMessage","RawMessage":"<msg id=\"too_many_tokens\"></msg>"}"#;
    fake.fail("request_token", response_fault(400, &[("TSFMessages", &STANDARD.encode(message))]));
    let failure = portal.request("d").await.expect_err("a refusal");
    assert!(failure.message.contains("too_many_tokens"), "{failure}");
}

#[tokio::test]
async fn a_huge_or_endless_response_is_not_read_to_its_end() {
    let huge: &'static str = Box::leak("x".repeat(2 << 20).into_boxed_str());
    for form in [ShapeForm::Unbound, ShapeForm::Bound, ShapeForm::Staged] {
        let counts = match form {
            ShapeForm::Unbound => "request_token",
            ShapeForm::Bound => "task_request_token",
            ShapeForm::Staged => "commit",
        };
        for fault in [
            RequestFault::ActThenAnswer(200, huge),
            RequestFault::ActThenAnnounce(100 << 20),
            RequestFault::ActThenEndless,
        ] {
            let (fake, portal) = portal_with_shape(Shape { form, ..Shape::default() }).await;
            fake.fail(counts, fault);
            let failure = portal.request("d").await.expect_err("too much");
            assert_eq!(
                delivery_and_reason(&failure),
                (Delivery::Unknown, Reason::InvalidResponse),
                "{form:?}: {failure}"
            );
            assert!(failure.message.contains("larger than"), "{failure}");
            assert_eq!(fake.issued(), 1);
        }
    }
    for place in ["$metadata", "container_token"] {
        let (fake, portal) = portal_with_shape(Shape::default()).await;
        fake.fail(place, RequestFault::ActThenEndless);
        let failure = portal.request("d").await.expect_err("too much");
        assert_eq!(delivery_and_reason(&failure), (Delivery::NotSent, Reason::InvalidResponse), "{place}: {failure}");
        assert_eq!(fake.issued(), 0);
    }
}

#[tokio::test]
async fn an_edit_or_revocation_needs_no_readable_response() {
    let (fake, portal) = with_basic().await;
    portal.request("d").await.expect("a token");
    let meant = token_ref("1", "robot$1");
    for fault in [
        RequestFault::ActThenAnswer(200, "<html>"),
        RequestFault::ActThenAnswer(204, ""),
        RequestFault::ActThenEndless,
        RequestFault::ActThenCut,
        RequestFault::ActThenAnnounce(100 << 20),
    ] {
        fake.fail("edit_token", fault);
        portal.edit_description(&meant, "e").await.expect("2xx is success");
    }
    assert_eq!(fake.request_count("edit_token"), 5);
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let failure = portal("http://127.0.0.1:1/indicium", basic(PASSWORD)).request("d").await.expect_err("refused");
    assert_eq!(delivery_and_reason(&failure), (Delivery::NotSent, Reason::Unreachable));
    let unknown = portal("http://portal.invalid/indicium", basic(PASSWORD)).request("d").await.expect_err("unknown");
    assert_eq!(unknown.delivery, Delivery::NotSent, "{unknown}");
}
