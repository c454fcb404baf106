//! Which step of a task counts, when it fails.

use super::fake::{CLIENT_SECRET, Fault, Form, PASSWORD, Shape};
use super::world::{answer, basic, client_credentials, kind, of, open, settings};
use registry_token_operator::api::{Reason, ShortDuration};
use registry_token_operator::portal::thinkwise::{Settings, ThinkwisePortal};
use registry_token_operator::portal::{Portal as _, Rows, Sent};
use std::time::Duration;

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
            (answer(403, &[]), Sent::Refused, 0),
            // What a proxy sends that has forwarded the request, and what the server may send once it has run it.
            (Fault::ActThenAnswer(408, ""), Sent::Perhaps, 1),
            (Fault::ActThenAnswer(425, ""), Sent::Perhaps, 1),
            (Fault::ActThenAnswer(499, ""), Sent::Perhaps, 1),
            (Fault::ActThenAnswer(460, ""), Sent::Perhaps, 1),
            (Fault::ActThenAnswer(410, ""), Sent::Perhaps, 1),
            (Fault::ActThenAnswer(406, ""), Sent::Perhaps, 1),
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
async fn a_commit_that_finds_nothing_may_have_run() {
    for (form, sent) in [(Form::Unbound, Sent::Refused), (Form::Bound, Sent::Refused), (Form::Staged, Sent::Perhaps)] {
        for (fault, made) in [(answer(404, &[]), 0), (Fault::ActThenAnswer(404, ""), 1)] {
            // The others say it before they begin; so does the vendor.
            if made == 1 && form != Form::Staged {
                continue;
            }
            let (fake, portal) = of(in_form(form)).await;
            portal.list(Rows::Probe).await.expect("a connection");
            let (_, counts) = steps(form);
            fake.fail(counts, fault);
            let failure = portal.request("d").await.expect_err("nothing there");
            assert_eq!((failure.sent, fake.made(), fake.seen(counts)), (sent, made, 1), "{form:?}: {failure}");
            assert_eq!(fake.seen("cancel"), 0, "what may be at work is left alone");
        }
    }
}

#[tokio::test]
async fn a_step_that_meets_a_rate_limit_is_repeated_at_the_same_address() {
    for step in ["fill", "commit"] {
        let (fake, portal) = of(in_form(Form::Staged)).await;
        portal.list(Rows::Probe).await.expect("a connection");
        for wait in ["0", "1"] {
            fake.fail(step, answer(429, &[("Retry-After", wait)]));
        }
        portal.request("d").await.expect("a token");
        assert_eq!((fake.made(), fake.seen("stage"), fake.seen(step), fake.seen("cancel")), (1, 1, 3, 0), "{step}");
    }
    let (fake, portal) = of(Shape { silent_commit: true, ..in_form(Form::Staged) }).await;
    fake.fail("staged", answer(429, &[("Retry-After", "0")]));
    portal.request("d").await.expect("a token, for its outputs were asked for twice");
    // Longer than there is time for it is given up, and nothing stays open.
    fake.fail("commit", answer(429, &[("Retry-After", "60")]));
    let failure = portal.request("d").await.expect_err("too late");
    assert_eq!(kind(&failure), (Sent::Refused, Reason::RateLimited), "{failure}");
    assert!(failure.message.contains("limits.requestTimeout"), "{failure}");
    let ledger = fake.ledger();
    assert_eq!((ledger.made, ledger.cancelled, ledger.staged.len()), (1, 1, 1));
}

#[tokio::test]
async fn what_is_staged_and_given_up_is_cancelled() {
    for fault in [answer(400, &[]), answer(500, &[]), answer(404, &[]), Fault::Drop] {
        let (fake, portal) = of(in_form(Form::Staged)).await;
        fake.fail("fill", fault);
        portal.request("d").await.expect_err("not filled");
        let ledger = fake.ledger();
        assert_eq!((ledger.made, ledger.cancelled, ledger.staged.len()), (0, 1, 0));
    }
    // So is what was given up since there was no time left.
    let shape = in_form(Form::Staged);
    let (fake, _) = of(shape.clone()).await;
    let mut settings = Settings { spec: open(&fake.url, &shape), ..settings(&fake.url, basic(PASSWORD)) };
    (settings.limits.first_byte_timeout, settings.limits.request_timeout) =
        (ShortDuration(Duration::from_secs(1)), ShortDuration(Duration::from_secs(1)));
    let portal = ThinkwisePortal::new(settings).expect("a portal");
    portal.list(Rows::Probe).await.expect("a connection");
    fake.fail("fill", Fault::ActThenHang);
    let failure = portal.request("d").await.expect_err("not filled");
    assert_eq!(kind(&failure), (Sent::No, Reason::TimedOut), "{failure}");
    assert_eq!((fake.made(), fake.ledger().cancelled), (0, 1));
    // A portal that does not allow it changes nothing.
    let (fake, portal) = of(in_form(Form::Staged)).await;
    fake.fail("commit", answer(400, &[]));
    fake.fail("cancel", answer(405, &[]));
    let failure = portal.request("d").await.expect_err("refused");
    assert_eq!(kind(&failure), (Sent::Refused, Reason::RequestRefused), "{failure}");
}

#[tokio::test]
async fn what_is_staged_and_then_refused_is_not_used_again() {
    let (fake, portal) = of(in_form(Form::Staged)).await;
    portal.list(Rows::Probe).await.expect("a list");
    fake.fail("commit", answer(400, &[]));
    portal.request("d").await.expect_err("refused");
    let paths = fake.ledger().paths.clone();
    assert!(paths[paths.len() - 2].ends_with("/commit") && paths[paths.len() - 1].starts_with("DELETE"), "{paths:?}");
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
