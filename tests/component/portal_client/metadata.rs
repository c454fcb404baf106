//! What is discovered from `$metadata`, when it is read, and the errors if it does not match.

use super::fixtures::{
    basic, delivery_and_reason, minimal_spec, portal_with_shape, response_fault, settings, token_ref, with_basic,
};
use super::minimal_portal::{MinimalPortal, PASSWORD, RequestFault, Shape, ShapeForm, ShapeKey, ShapeList, metadata};
use registry_token_operator::api::{Reason, ResolvedPortal, TaskForm};
use registry_token_operator::domain::model::capabilities::TokenList;
use registry_token_operator::domain::model::token::RowQuery;
use registry_token_operator::portal::thinkwise::{ThinkwisePortal, ThinkwiseSettings};
use registry_token_operator::portal::{Delivery, Portal as _, PortalError};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn the_resolved_interface_is_reported_and_read_once() {
    for (form, expected) in [
        (ShapeForm::Unbound, TaskForm::Unbound),
        (ShapeForm::Bound, TaskForm::Bound),
        (ShapeForm::Staged, TaskForm::BoundStaged),
    ] {
        let (fake, portal) = portal_with_shape(Shape { form, ..Shape::default() }).await;
        let resolved = portal.resolve().await.expect("it fits");
        let names = ResolvedPortal {
            table: Some("container_token".into()),
            request: "request_token".into(),
            form: expected,
            edit_description: "edit_token".into(),
            revoke: "revoke_token".into(),
        };
        let capabilities = resolved.capabilities;
        assert_eq!(
            (resolved.names.expect("names"), capabilities.description_max, capabilities.list_denied()),
            (names, Some(200), None)
        );
        portal.resolve().await.expect("it fits");
        portal.request("d").await.expect("a token");
        portal.list(&RowQuery::Probe).await.expect("a list");
        assert_eq!((fake.request_count("$metadata"), fake.ledger().bodies.len()), (1, 1), "{form:?}");
    }
}

async fn with_tasks(tasks: serde_json::Value) -> (MinimalPortal, PortalError) {
    let fake = MinimalPortal::with_shape(Shape::default()).await;
    let mut spec = minimal_spec(&fake.url, &Shape::default());
    spec.tasks = Some(serde_json::from_value(tasks).expect("tasks"));
    let settings = ThinkwiseSettings { spec, ..settings(&fake.url, basic(PASSWORD)) };
    let portal = ThinkwisePortal::new(settings).expect("a portal");
    let failure = portal.request("d").await.expect_err("it does not fit");
    assert_eq!(portal.resolve().await.expect_err("it does not fit").message, failure.message);
    (fake, failure)
}

#[tokio::test]
async fn a_name_that_is_missing_stops_every_call_before_it_is_sent() {
    let (fake, failure) = with_tasks(json!({"request": {"name": "request_tokens"}})).await;
    assert_eq!(delivery_and_reason(&failure), (Delivery::NotSent, Reason::MetadataMismatch));
    for words in ["request_tokens", "nearest: request_token", "spec.thinkwise.tasks.request.name"] {
        assert!(failure.message.contains(words), "{failure}");
    }
    assert_eq!((fake.issued(), fake.request_count("request_tokens"), fake.request_count("request_token")), (0, 0, 0));
}

#[tokio::test]
async fn invalid_metadata_is_reported_and_nothing_is_sent() {
    let huge: &'static str = Box::leak("<x/>".repeat(5 << 20).into_boxed_str());
    for (fault, reason) in [
        (RequestFault::ActThenAnswer(200, "<html><body>hush, log in</body></html>"), Reason::InvalidResponse),
        (RequestFault::ActThenAnswer(200, "{\"hush\": 1}"), Reason::InvalidResponse),
        (RequestFault::ActThenAnswer(200, ""), Reason::InvalidResponse),
        (RequestFault::ActThenAnswer(200, huge), Reason::InvalidResponse),
        (RequestFault::ActThenCut, Reason::Unreachable),
        (RequestFault::ActThenHang, Reason::TimedOut),
        (response_fault(302, &[("Location", "https://login.example.com/?s=hush")]), Reason::InvalidResponse),
        (response_fault(404, &[]), Reason::AccessDenied),
        (response_fault(503, &[("Retry-After", "7")]), Reason::RateLimited),
    ] {
        let (fake, portal) = portal_with_shape(Shape::default()).await;
        fake.fail("$metadata", fault);
        let failure = portal.request("d").await.expect_err("no metadata");
        assert_eq!(delivery_and_reason(&failure), (Delivery::NotSent, reason), "{failure}");
        assert!(!failure.message.contains("hush"), "{failure}");
        assert_eq!((fake.issued(), fake.request_count("request_token")), (0, 0));
        portal.request("d").await.expect("a token, once it is there");
    }
}

/// Lets a minute pass.
async fn pass_refresh_interval() {
    advance(Duration::from_secs(61)).await;
}

async fn advance(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn names_are_resolved_again_after_the_refresh_interval_without_a_failure() {
    let (fake, portal) = with_basic().await;
    portal.resolve().await.expect("it fits");
    let renamed = metadata(&Shape::default()).replace("edit_token", "edit_token_text");
    fake.ledger().metadata = Some(renamed);
    advance(Duration::from_secs(599)).await;
    portal.resolve().await.expect("still cached");
    advance(Duration::from_secs(2)).await;
    for _ in 0..2 {
        let failure = portal.resolve().await.expect_err("renamed");
        assert_eq!(delivery_and_reason(&failure), (Delivery::NotSent, Reason::MetadataMismatch), "{failure}");
        assert!(failure.message.contains("edit_token_text"), "{failure}");
    }
    fake.ledger().metadata = None;
    portal.resolve().await.expect("named so again");
    assert_eq!(fake.request_count("$metadata"), 4);
}

#[tokio::test]
async fn a_changed_permission_is_detected_after_the_refresh_interval_without_a_failure() {
    let (fake, portal) = portal_with_shape(Shape::default()).await;
    for (list, is_hidden) in [
        (ShapeList::Visible, false),
        (ShapeList::Forbidden, true),
        (ShapeList::Absent, true),
        (ShapeList::Visible, false),
    ] {
        fake.ledger().shape.list = list;
        advance(Duration::from_secs(601)).await;
        assert_eq!(
            portal.resolve().await.expect("it fits").capabilities.list_denied().is_some(),
            is_hidden,
            "{list:?}"
        );
    }
    // One invalid response, and a long interval: audits do not stop for that long.
    let settings = ThinkwiseSettings { metadata_ttl: Duration::from_hours(24), ..settings(&fake.url, basic(PASSWORD)) };
    let portal = ThinkwisePortal::new(settings).expect("a portal");
    fake.fail("container_token", response_fault(404, &[]));
    assert!(portal.resolve().await.expect("it fits").capabilities.list_denied().is_some());
    advance(Duration::from_secs(601)).await;
    assert_eq!(portal.resolve().await.expect("it fits").capabilities.list, TokenList::Description);
}

#[tokio::test]
async fn calls_continue_while_metadata_is_refreshed() {
    let (fake, portal) = with_basic().await;
    portal.request("d").await.expect("a token");
    advance(Duration::from_secs(601)).await;
    fake.fail("$metadata", RequestFault::ActThenHang);
    let (read, ()) = tokio::join!(portal.resolve(), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let begun = std::time::Instant::now();
        portal.request("d").await.expect("a token");
        assert!(begun.elapsed() < Duration::from_secs(1), "it does not wait");
    });
    read.expect("the cached interface");
    assert_eq!(fake.issued(), 2);
}

#[tokio::test]
async fn metadata_is_read_again_after_a_failure_that_hints_at_a_change_but_not_at_once() {
    let (fake, portal) = portal_with_shape(Shape::default()).await;
    portal.request("d").await.expect("a token");
    fake.ledger().shape.key = ShapeKey::Guid;
    portal.revoke(&token_ref("1", "robot$1")).await.expect_err("another type");
    portal.list(&RowQuery::Probe).await.expect("a list");
    assert_eq!(fake.request_count("$metadata"), 1, "a rejection may be final");
    pass_refresh_interval().await;
    portal.list(&RowQuery::Probe).await.expect("a list");
    assert_eq!(fake.request_count("$metadata"), 2);
    let id = "0f8fad5b-d9cb-469f-a165-000000000001";
    let token = token_ref(id, "robot$1");
    portal.revoke(&token).await.expect("by its new type");
    pass_refresh_interval().await;
    portal.list(&RowQuery::Probe).await.expect("a list");
    assert_eq!(fake.request_count("$metadata"), 2, "nothing hints at a change");
}

#[tokio::test]
async fn a_metadata_outage_keeps_the_cached_interface() {
    let (fake, portal) = with_basic().await;
    portal.request("d").await.expect("a token");
    fake.fail("request_token", response_fault(404, &[]));
    portal.request("d").await.expect_err("refused");
    pass_refresh_interval().await;
    fake.fail("$metadata", response_fault(500, &[]));
    portal.request("d").await.expect("a token");
    assert_eq!((fake.issued(), fake.request_count("$metadata")), (2, 2));
}

#[tokio::test]
async fn a_removed_name_is_reported_after_metadata_was_read_again() {
    let (fake, portal) = with_basic().await;
    portal.request("d").await.expect("a token");
    fake.ledger().shape.form = ShapeForm::Bound;
    let refused = portal.request("d").await.expect_err("no such task");
    assert_eq!(delivery_and_reason(&refused), (Delivery::Rejected, Reason::AccessDenied));
    pass_refresh_interval().await;
    let failure = portal.request("d").await.expect_err("bound now");
    assert_eq!(delivery_and_reason(&failure), (Delivery::NotSent, Reason::MetadataMismatch), "{failure}");
}
