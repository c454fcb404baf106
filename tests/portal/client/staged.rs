//! Which step of a task counts, when it fails.

use super::fake::{CLIENT_SECRET, Fault, Form, Shape};
use super::world::{answer, client_credentials, kind, of, open, settings};
use registry_token_operator::api::Reason;
use registry_token_operator::portal::thinkwise::{Settings, ThinkwisePortal};
use registry_token_operator::portal::{Portal as _, Rows, Sent};

fn in_form(form: Form) -> Shape {
    Shape { form, ..Shape::default() }
}

/// The steps before the one that counts, and that one.
fn steps(form: Form) -> (&'static [&'static str], &'static str) {
    match form {
        Form::Unbound => (&[], "request_token"),
        Form::Bound => (&[], "task_request_token"),
        Form::Staged => (&["stage", "fill"], "commit"),
    }
}

#[tokio::test]
async fn whatever_happens_before_the_step_that_counts_nothing_was_done() {
    let (before, counts) = steps(Form::Staged);
    for step in before {
        for (fault, means) in [
            (Fault::Drop, (Sent::No, Reason::Unreachable)),
            (Fault::ActThenDrop, (Sent::No, Reason::Unreachable)),
            (Fault::ActThenHang, (Sent::No, Reason::TimedOut)),
            (answer(500, &[]), (Sent::No, Reason::PortalFailed)),
            (answer(504, &[]), (Sent::No, Reason::PortalFailed)),
            (answer(503, &[("Retry-After", "7")]), (Sent::No, Reason::RateLimited)),
            (answer(400, &[]), (Sent::Refused, Reason::RequestRefused)),
            (answer(404, &[]), (Sent::Refused, Reason::NoAccess)),
            (answer(302, &[("Location", "https://login.example.com/?s=hush")]), (Sent::No, Reason::AnswerMalformed)),
        ] {
            let (fake, portal) = of(in_form(Form::Staged)).await;
            portal.list(Rows::Probe).await.expect("a connection");
            fake.fail(step, fault);
            let failure = portal.request("d").await.expect_err("a fault");
            assert_eq!(kind(&failure), means, "{step}: {failure}");
            assert!(!format!("{failure:?}").contains("hush"), "{failure:?}");
            assert_eq!((fake.made(), fake.seen(step), fake.seen(counts)), (0, 1, 0), "{step}");
        }
    }
}

#[tokio::test]
async fn at_the_step_that_counts_only_a_refusal_proves_that_nothing_was_done() {
    for form in [Form::Unbound, Form::Bound, Form::Staged] {
        let (_, counts) = steps(form);
        for (fault, sent, made) in [
            (Fault::Drop, Sent::Perhaps, 0),
            (Fault::ActThenDrop, Sent::Perhaps, 1),
            (Fault::ActThenCut, Sent::Perhaps, 1),
            (Fault::ActThenHang, Sent::Perhaps, 1),
            (Fault::ActThenAnswer(500, ""), Sent::Perhaps, 1),
            (Fault::ActThenAnswer(504, ""), Sent::Perhaps, 1),
            (answer(500, &[]), Sent::Perhaps, 0),
            (answer(302, &[("Location", "https://login.example.com/")]), Sent::Perhaps, 0),
            (answer(400, &[]), Sent::Refused, 0),
            (answer(404, &[]), Sent::Refused, 0),
            (answer(429, &[("Retry-After", "7")]), Sent::Refused, 0),
        ] {
            let (fake, portal) = of(in_form(form)).await;
            portal.list(Rows::Probe).await.expect("a connection");
            fake.fail(counts, fault);
            let failure = portal.request("d").await.expect_err("a fault");
            assert_eq!(failure.sent, sent, "{form:?}: {failure}");
            assert_eq!((fake.made(), fake.seen(counts)), (made, 1), "{form:?}: {failure}");
        }
    }
}

#[tokio::test]
async fn what_is_staged_and_then_refused_is_left() {
    let (fake, portal) = of(in_form(Form::Staged)).await;
    portal.list(Rows::Probe).await.expect("a list");
    fake.fail("commit", answer(400, &[]));
    portal.request("d").await.expect_err("refused");
    let paths = fake.ledger().paths.clone();
    assert!(paths.last().expect("a request").ends_with("/commit"), "{paths:?}");
    portal.request("d").await.expect("a token, of a new staging");
    assert_eq!((fake.made(), fake.seen("stage")), (1, 2));
}

#[tokio::test]
async fn a_bearer_that_ends_on_the_way_is_renewed_for_the_refused_step_alone() {
    let shape = in_form(Form::Staged);
    let (fake, _) = of(shape.clone()).await;
    let settings = Settings { spec: open(&fake.url, &shape), ..settings(&fake.url, client_credentials(CLIENT_SECRET)) };
    let portal = ThinkwisePortal::new(settings).expect("a portal");
    portal.list(Rows::Probe).await.expect("a list");
    fake.fail("commit", answer(401, &[]));
    portal.request("d").await.expect("a token");
    let seen = |step| fake.seen(step);
    assert_eq!((seen("stage"), seen("fill"), seen("commit"), fake.made()), (1, 1, 2, 1));
    assert_eq!(fake.bearers_made(), 2);
}

#[tokio::test]
async fn a_staged_task_that_lies_elsewhere_is_not_followed() {
    for place in
        ["https://elsewhere.example.com/staged(1)", "//elsewhere.example.com/x", "http://u:p@127.0.0.1/x", "https://["]
    {
        let (fake, portal) = of(in_form(Form::Staged)).await;
        fake.fail("stage", answer(201, &[("Location", place)]));
        let failure = portal.request("d").await.expect_err(place);
        assert_eq!(kind(&failure), (Sent::No, Reason::AnswerMalformed), "{place}: {failure}");
        assert_eq!((fake.made(), fake.seen("fill"), fake.seen("commit")), (0, 0, 0));
    }
    let (fake, portal) = of(in_form(Form::Staged)).await;
    fake.fail("stage", answer(201, &[]));
    let failure = portal.request("d").await.expect_err("no place");
    assert_eq!(kind(&failure), (Sent::No, Reason::AnswerMalformed), "{failure}");
    assert!(failure.message.contains("Location"), "{failure}");
}
