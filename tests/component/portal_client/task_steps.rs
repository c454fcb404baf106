//! Which step of a task determines the result when it fails.

use super::fixtures::{
    basic, client_credentials, delivery_and_reason, minimal_spec, portal_with_shape, response_fault, settings,
};
use super::minimal_portal::{CLIENT_SECRET, PASSWORD, RequestFault, Shape, ShapeForm};
use registry_token_operator::api::{Reason, ShortDuration};
use registry_token_operator::domain::model::token::RowQuery;
use registry_token_operator::portal::thinkwise::{ThinkwisePortal, ThinkwiseSettings};
use registry_token_operator::portal::{Delivery, Portal as _};
use std::time::Duration;

fn in_form(form: ShapeForm) -> Shape {
    Shape { form, ..Shape::default() }
}

/// The steps before the one that runs the task, and that one.
fn steps(form: ShapeForm) -> (&'static [&'static str], &'static str) {
    match form {
        ShapeForm::Unbound => (&[], "request_token"),
        ShapeForm::Bound => (&[], "task_request_token"),
        ShapeForm::Staged => (&["stage", "fill"], "commit"),
    }
}

#[tokio::test]
async fn faults_before_the_decisive_step_mean_not_sent() {
    let (before, counts) = steps(ShapeForm::Staged);
    for step in before {
        for (fault, means) in [
            (RequestFault::Drop, (Delivery::NotSent, Reason::Unreachable)),
            (RequestFault::ActThenDrop, (Delivery::NotSent, Reason::Unreachable)),
            (RequestFault::ActThenHang, (Delivery::NotSent, Reason::TimedOut)),
            (response_fault(500, &[]), (Delivery::NotSent, Reason::PortalError)),
            (response_fault(504, &[]), (Delivery::NotSent, Reason::PortalError)),
            (response_fault(503, &[("Retry-After", "7")]), (Delivery::NotSent, Reason::RateLimited)),
            (response_fault(400, &[]), (Delivery::Rejected, Reason::RequestRejected)),
            (response_fault(404, &[]), (Delivery::Rejected, Reason::AccessDenied)),
            (
                response_fault(302, &[("Location", "https://login.example.com/?s=hush")]),
                (Delivery::NotSent, Reason::InvalidResponse),
            ),
        ] {
            let (fake, portal) = portal_with_shape(in_form(ShapeForm::Staged)).await;
            portal.list(&RowQuery::Probe).await.expect("a connection");
            fake.fail(step, fault);
            let failure = portal.request("d").await.expect_err("a fault");
            assert_eq!(delivery_and_reason(&failure), means, "{step}: {failure}");
            assert!(!format!("{failure:?}").contains("hush"), "{failure:?}");
            assert_eq!((fake.issued(), fake.request_count(step), fake.request_count(counts)), (0, 1, 0), "{step}");
        }
    }
}

#[tokio::test]
async fn at_the_decisive_step_only_a_rejection_proves_that_nothing_was_done() {
    for form in [ShapeForm::Unbound, ShapeForm::Bound, ShapeForm::Staged] {
        let (_, counts) = steps(form);
        for (fault, sent, made) in [
            (RequestFault::Drop, Delivery::Unknown, 0),
            (RequestFault::ActThenDrop, Delivery::Unknown, 1),
            (RequestFault::ActThenCut, Delivery::Unknown, 1),
            (RequestFault::ActThenHang, Delivery::Unknown, 1),
            (RequestFault::ActThenAnswer(500, ""), Delivery::Unknown, 1),
            (RequestFault::ActThenAnswer(504, ""), Delivery::Unknown, 1),
            (response_fault(500, &[]), Delivery::Unknown, 0),
            (response_fault(302, &[("Location", "https://login.example.com/")]), Delivery::Unknown, 0),
            (response_fault(400, &[]), Delivery::Rejected, 0),
            (response_fault(403, &[]), Delivery::Rejected, 0),
            // The statuses of a proxy that has forwarded the request, and of a server that has run it.
            (RequestFault::ActThenAnswer(408, ""), Delivery::Unknown, 1),
            (RequestFault::ActThenAnswer(425, ""), Delivery::Unknown, 1),
            (RequestFault::ActThenAnswer(499, ""), Delivery::Unknown, 1),
            (RequestFault::ActThenAnswer(460, ""), Delivery::Unknown, 1),
            (RequestFault::ActThenAnswer(410, ""), Delivery::Unknown, 1),
            (RequestFault::ActThenAnswer(406, ""), Delivery::Unknown, 1),
            (response_fault(429, &[("Retry-After", "7")]), Delivery::Rejected, 0),
        ] {
            let (fake, portal) = portal_with_shape(in_form(form)).await;
            portal.list(&RowQuery::Probe).await.expect("a connection");
            fake.fail(counts, fault);
            let failure = portal.request("d").await.expect_err("a fault");
            assert_eq!(failure.delivery, sent, "{form:?}: {failure}");
            assert_eq!((fake.issued(), fake.request_count(counts)), (made, 1), "{form:?}: {failure}");
        }
    }
}

#[tokio::test]
async fn a_commit_that_finds_nothing_may_have_run() {
    for (form, sent) in [
        (ShapeForm::Unbound, Delivery::Rejected),
        (ShapeForm::Bound, Delivery::Rejected),
        (ShapeForm::Staged, Delivery::Unknown),
    ] {
        for (fault, made) in [(response_fault(404, &[]), 0), (RequestFault::ActThenAnswer(404, ""), 1)] {
            // In the other forms a server sends 404 before it runs the task, as the vendor's portal does.
            if made == 1 && form != ShapeForm::Staged {
                continue;
            }
            let (fake, portal) = portal_with_shape(in_form(form)).await;
            portal.list(&RowQuery::Probe).await.expect("a connection");
            let (_, counts) = steps(form);
            fake.fail(counts, fault);
            let failure = portal.request("d").await.expect_err("nothing there");
            assert_eq!(
                (failure.delivery, fake.issued(), fake.request_count(counts)),
                (sent, made, 1),
                "{form:?}: {failure}"
            );
            assert_eq!(fake.request_count("cancel"), 0, "what may still run is not canceled");
        }
    }
}

#[tokio::test]
async fn a_rate_limited_step_is_repeated_at_the_same_address() {
    for step in ["fill", "commit"] {
        let (fake, portal) = portal_with_shape(in_form(ShapeForm::Staged)).await;
        portal.list(&RowQuery::Probe).await.expect("a connection");
        for wait in ["0", "1"] {
            fake.fail(step, response_fault(429, &[("Retry-After", wait)]));
        }
        portal.request("d").await.expect("a token");
        assert_eq!(
            (fake.issued(), fake.request_count("stage"), fake.request_count(step), fake.request_count("cancel")),
            (1, 1, 3, 0),
            "{step}"
        );
    }
    let (fake, portal) = portal_with_shape(Shape { silent_commit: true, ..in_form(ShapeForm::Staged) }).await;
    fake.fail("staged", response_fault(429, &[("Retry-After", "0")]));
    portal.request("d").await.expect("a token, because its outputs were requested twice");
    // If the delay exceeds the remaining time, the task is abandoned, and nothing stays open.
    fake.fail("commit", response_fault(429, &[("Retry-After", "60")]));
    let failure = portal.request("d").await.expect_err("too late");
    assert_eq!(delivery_and_reason(&failure), (Delivery::Rejected, Reason::RateLimited), "{failure}");
    assert!(failure.message.contains("limits.requestTimeout"), "{failure}");
    let ledger = fake.ledger();
    assert_eq!((ledger.issued, ledger.cancelled, ledger.staged.len()), (1, 1, 1));
}

#[tokio::test]
async fn an_abandoned_staged_task_is_canceled() {
    for fault in [response_fault(400, &[]), response_fault(500, &[]), response_fault(404, &[]), RequestFault::Drop] {
        let (fake, portal) = portal_with_shape(in_form(ShapeForm::Staged)).await;
        fake.fail("fill", fault);
        portal.request("d").await.expect_err("not filled");
        let ledger = fake.ledger();
        assert_eq!((ledger.issued, ledger.cancelled, ledger.staged.len()), (0, 1, 0));
    }
    // The same when a task is abandoned because the time is up.
    let shape = in_form(ShapeForm::Staged);
    let (fake, _) = portal_with_shape(shape.clone()).await;
    let mut settings =
        ThinkwiseSettings { spec: minimal_spec(&fake.url, &shape), ..settings(&fake.url, basic(PASSWORD)) };
    (settings.limits.first_byte_timeout, settings.limits.request_timeout) =
        (ShortDuration(Duration::from_secs(1)), ShortDuration(Duration::from_secs(1)));
    let portal = ThinkwisePortal::new(settings).expect("a portal");
    portal.list(&RowQuery::Probe).await.expect("a connection");
    fake.fail("fill", RequestFault::ActThenHang);
    let failure = portal.request("d").await.expect_err("not filled");
    assert_eq!(delivery_and_reason(&failure), (Delivery::NotSent, Reason::TimedOut), "{failure}");
    assert_eq!((fake.issued(), fake.ledger().cancelled), (0, 1));
    // If the portal does not support canceling, the result is the same.
    let (fake, portal) = portal_with_shape(in_form(ShapeForm::Staged)).await;
    fake.fail("commit", response_fault(400, &[]));
    fake.fail("cancel", response_fault(405, &[]));
    let failure = portal.request("d").await.expect_err("refused");
    assert_eq!(delivery_and_reason(&failure), (Delivery::Rejected, Reason::RequestRejected), "{failure}");
}

#[tokio::test]
async fn a_rejected_staged_task_is_not_used_again() {
    let (fake, portal) = portal_with_shape(in_form(ShapeForm::Staged)).await;
    portal.list(&RowQuery::Probe).await.expect("a list");
    fake.fail("commit", response_fault(400, &[]));
    portal.request("d").await.expect_err("refused");
    let paths = fake.ledger().paths.clone();
    assert!(paths[paths.len() - 2].ends_with("/commit") && paths[paths.len() - 1].starts_with("DELETE"), "{paths:?}");
    portal.request("d").await.expect("a token, from a newly staged task");
    assert_eq!((fake.issued(), fake.request_count("stage")), (1, 2));
}

#[tokio::test]
async fn a_bearer_that_expires_between_steps_is_renewed_for_the_rejected_step_only() {
    let shape = in_form(ShapeForm::Staged);
    let (fake, _) = portal_with_shape(shape.clone()).await;
    let settings = ThinkwiseSettings {
        spec: minimal_spec(&fake.url, &shape),
        ..settings(&fake.url, client_credentials(CLIENT_SECRET))
    };
    let portal = ThinkwisePortal::new(settings).expect("a portal");
    portal.list(&RowQuery::Probe).await.expect("a list");
    fake.fail("commit", response_fault(401, &[]));
    portal.request("d").await.expect("a token");
    let seen = |step| fake.request_count(step);
    assert_eq!((seen("stage"), seen("fill"), seen("commit"), fake.issued()), (1, 1, 2, 1));
    assert_eq!(fake.access_tokens_issued(), 2);
}

#[tokio::test]
async fn a_staged_task_at_another_origin_is_not_followed() {
    for place in
        ["https://elsewhere.example.com/staged(1)", "//elsewhere.example.com/x", "http://u:p@127.0.0.1/x", "https://["]
    {
        let (fake, portal) = portal_with_shape(in_form(ShapeForm::Staged)).await;
        fake.fail("stage", response_fault(201, &[("Location", place)]));
        let failure = portal.request("d").await.expect_err(place);
        assert_eq!(delivery_and_reason(&failure), (Delivery::NotSent, Reason::InvalidResponse), "{place}: {failure}");
        assert_eq!((fake.issued(), fake.request_count("fill"), fake.request_count("commit")), (0, 0, 0));
    }
    let (fake, portal) = portal_with_shape(in_form(ShapeForm::Staged)).await;
    fake.fail("stage", response_fault(201, &[]));
    let failure = portal.request("d").await.expect_err("no place");
    assert_eq!(delivery_and_reason(&failure), (Delivery::NotSent, Reason::InvalidResponse), "{failure}");
    assert!(failure.message.contains("Location"), "{failure}");
}
