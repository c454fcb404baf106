//! Responses without a usable token, although one was created.

use super::fixtures::{delivery_and_reason, portal_with_shape, token_ref, with_basic};
use super::minimal_portal::{RequestFault, Shape, ShapeList};
use registry_token_operator::api::Reason;
use registry_token_operator::domain::model::token::TokenRef;
use registry_token_operator::portal::{Delivery, Portal as _};
use std::time::Duration;

const WITHOUT_SECRET: RequestFault = RequestFault::ActThenAnswer(200, r#"{"username":"robot$1"}"#);

async fn advance(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn with_a_hidden_list_the_error_names_the_created_token_so_that_it_can_be_revoked() {
    let made = |id: &str, username: &str| Some(TokenRef { id: id.into(), username: username.into() });
    for (by_username, with_id, answer, expected) in [
        (false, true, r#"{"token_id":1,"username":"robot$1"}"#, made("1", "robot$1")),
        (false, true, r#"{"token_id":1,"secret":"hush"}"#, made("1", "")),
        (false, true, r#"{"username":"robot$1"}"#, None),
        (false, true, r#"{"username":"robot$1","secret":"hush"}"#, None),
        (true, true, r#"{"username":"robot$1"}"#, made("robot$1", "robot$1")),
        (true, false, r#"{"username":"robot$1","secret":""}"#, made("robot$1", "robot$1")),
        (true, false, r#"{"secret":"hush"}"#, None),
    ] {
        let (fake, portal) =
            portal_with_shape(Shape { by_username, with_id, list: ShapeList::Forbidden, ..Shape::default() }).await;
        fake.fail("request_token", RequestFault::ActThenAnswer(200, answer));
        let failure = portal.request("d").await.expect_err("of no use");
        assert_eq!(delivery_and_reason(&failure), (Delivery::Unknown, Reason::InvalidResponse), "{answer}: {failure}");
        assert!(!format!("{failure:?}").contains("hush"), "{failure:?}");
        assert_eq!(failure.unusable_token.as_deref(), expected.as_ref(), "{answer}");
        assert_eq!(fake.issued(), 1);
        if let Some(token) = expected {
            portal.revoke(&token).await.expect("revoked");
            assert!(fake.ledger().tokens.is_empty(), "{answer}");
        }
    }
    // Without an id, if no task needs one, the username is enough.
    let shape = Shape { by_username: true, list: ShapeList::Forbidden, ..Shape::default() };
    let (fake, portal) = portal_with_shape(shape).await;
    fake.fail("request_token", RequestFault::ActThenAnswer(200, r#"{"username":"robot$1","secret":"s"}"#));
    assert_eq!(portal.request("d").await.expect("a token").id.as_deref(), Some("robot$1"));
}

#[tokio::test]
async fn with_a_list_the_marker_identifies_the_created_token() {
    let (fake, portal) = with_basic().await;
    fake.fail("request_token", WITHOUT_SECRET);
    assert_eq!(portal.request("d").await.expect_err("no secret").unusable_token, None);
}

#[tokio::test]
async fn a_portal_whose_responses_contain_no_token_gets_fewer_and_fewer_requests() {
    let (fake, portal) = with_basic().await;
    for _ in 0..3 {
        fake.fail("request_token", WITHOUT_SECRET);
    }
    portal.request("d").await.expect_err("no secret");
    for (round, wait) in [(1, 11), (2, 21)] {
        for _ in 0..20 {
            let failure = portal.request("d").await.expect_err("blocked by the circuit breaker");
            assert_eq!(delivery_and_reason(&failure), (Delivery::NotSent, Reason::InvalidResponse), "{failure}");
            assert!(failure.message.contains("tasks.request.outputs"), "{failure}");
        }
        assert_eq!(fake.issued(), round, "no further token");
        assert!(portal.open_reason().expect("it is reported").retry_after.is_some());
        portal.resolve().await.expect("everything else works");
        portal.revoke(&token_ref(&round.to_string(), "robot$")).await.expect("revoked");
        advance(wait).await;
        assert_eq!(portal.open_reason().expect("it is still reported").retry_after, None);
        portal.request("d").await.expect_err("no secret");
    }
    assert_eq!(fake.issued(), 3);
    advance(41).await;
    portal.request("d").await.expect("a token at last");
    assert!(portal.open_reason().is_none());
    portal.request("d").await.expect("and another at once");
}

#[tokio::test]
async fn a_lost_response_does_not_open_the_circuit_breaker() {
    let (fake, portal) = with_basic().await;
    for fault in [RequestFault::ActThenCut, RequestFault::ActThenDrop, RequestFault::ActThenAnswer(504, "")] {
        fake.fail("request_token", fault);
        portal.request("d").await.expect_err("lost");
        assert!(portal.open_reason().is_none());
    }
    portal.request("d").await.expect("a token");
}
