//! Tasks that begin a process flow.

use super::fake::{Fault, Flow, Form, Shape, TOKEN_SECRET};
use super::world::{answer, kind, of};
use registry_token_operator::api::Reason;
use registry_token_operator::portal::{Portal as _, Rows, Sent, TokenRef};
use secrecy::ExposeSecret as _;

const FORMS: [Form; 3] = [Form::Unbound, Form::Bound, Form::Staged];

fn with_flow(form: Form, flow: Flow) -> Shape {
    Shape { form, flow, ..Shape::default() }
}

#[tokio::test]
async fn a_flow_that_ends_without_outputs_may_have_made_a_token() {
    for form in FORMS {
        let (fake, portal) = of(with_flow(form, Flow::Ends)).await;
        let failure = portal.request("nodes [a/b]").await.expect_err("no outputs");
        assert_eq!(kind(&failure), (Sent::Perhaps, Reason::AnswerMalformed), "{failure}");
        // Whoever called finds it by its marker, and takes it back.
        let found = portal.list(Rows::Containing("[a/b]")).await.expect("a list");
        let [row] = &found[..] else { panic!("{found:?}") };
        portal.revoke(TokenRef { id: &row.id, username: &row.username }).await.expect("revoked");
        assert_eq!((fake.made(), fake.ledger().tokens.len()), (1, 0), "{form:?}");
    }
}

#[tokio::test]
async fn a_failure_to_finish_never_loses_the_secret() {
    for form in FORMS {
        for fault in [answer(500, &[]), answer(404, &[]), Fault::Drop, Fault::ActThenDrop, Fault::ActThenHang] {
            let (fake, portal) = of(with_flow(form, Flow::Waits)).await;
            fake.fail("finish", fault);
            let token = portal.request("d").await.expect("a token");
            assert_eq!(token.secret.expose_secret(), format!("{TOKEN_SECRET}-1"));
            assert_eq!((fake.made(), fake.seen("finish")), (1, 1), "{form:?}");
        }
    }
}

#[tokio::test]
async fn a_flow_is_finished_even_if_its_outputs_cannot_be_had() {
    for form in FORMS {
        for fault in
            [answer(500, &[]), answer(404, &[]), Fault::Drop, Fault::ActThenAnswer(200, "hush"), Fault::ActThenCut]
        {
            let (fake, portal) = of(with_flow(form, Flow::Waits)).await;
            fake.fail("flow", fault);
            let failure = portal.request("d").await.expect_err("no outputs");
            assert_eq!(failure.sent, Sent::Perhaps, "{failure}");
            assert!(!format!("{failure:?}").contains("hush"), "{failure:?}");
            assert_eq!((fake.made(), fake.seen("flow"), fake.ledger().finished), (1, 1, 1), "{form:?}");
        }
    }
}

#[tokio::test]
async fn a_flow_is_continued_as_documented_and_committed_where_that_is_unknown() {
    for form in FORMS {
        for flow_commits in [false, true] {
            let (fake, portal) = of(Shape { flow_commits, ..with_flow(form, Flow::Waits) }).await;
            portal.request("d").await.expect("a token");
            let commits = usize::from(flow_commits);
            let seen = (fake.seen("finish"), fake.seen("commit_flow"), fake.ledger().finished);
            assert_eq!(seen, (1, commits, 1), "{form:?}");
        }
    }
}

#[tokio::test]
async fn a_flow_under_a_rate_limit_ends_and_one_that_is_given_up_is_cancelled() {
    let (fake, portal) = of(with_flow(Form::Bound, Flow::Waits)).await;
    for step in ["flow", "finish"] {
        fake.fail(step, answer(429, &[("Retry-After", "0")]));
    }
    portal.request("d").await.expect("a token");
    assert_eq!((fake.seen("flow"), fake.seen("finish"), fake.ledger().finished), (2, 2, 1));
    fake.fail("finish", answer(429, &[("Retry-After", "60")]));
    portal.request("d").await.expect("a token, whose flow was given up");
    let ledger = fake.ledger();
    assert_eq!((ledger.finished, ledger.cancelled, ledger.flows.len()), (1, 1, 0));
}

#[tokio::test]
async fn what_may_be_a_row_is_never_deleted() {
    // 201 and the address of what was made, as other servers answer a POST.
    let (fake, portal) = of(Shape::default()).await;
    let made = r#"{"username":"robot$1","secret":"s"}"#;
    for row in ["container_token(1)", "klant(42)", "Klant(42)", "klant(42)/tokens(1)", "flow(1)/x"] {
        fake.fail("request_token", Fault::Answer(201, vec![("Location", format!("/indicium/iam/tcp/{row}"))], made));
        portal.request("d").await.expect("a token");
        assert!(fake.ledger().paths.iter().all(|path| !path.starts_with("DELETE")), "{row}");
    }
}

#[tokio::test]
async fn a_flow_whose_reading_fails_may_still_tell_when_it_is_finished() {
    let (fake, portal) = of(with_flow(Form::Bound, Flow::WaitsThenTells)).await;
    fake.fail("flow", answer(500, &[]));
    portal.request("d").await.expect("a token");
    assert_eq!((fake.made(), fake.ledger().finished), (1, 1));
}

#[tokio::test]
async fn a_flow_that_leads_elsewhere_is_not_followed_and_may_have_made_a_token() {
    let (fake, portal) = of(Shape::default()).await;
    fake.fail("request_token", answer(201, &[("Location", "https://elsewhere.example.com/flow(1)")]));
    let failure = portal.request("d").await.expect_err("elsewhere");
    assert_eq!(kind(&failure), (Sent::Perhaps, Reason::AnswerMalformed), "{failure}");
    assert_eq!((fake.seen("flow"), fake.seen("finish")), (0, 0));
}

#[tokio::test]
async fn a_revocation_or_edit_whose_flow_is_not_finished_is_not_taken_for_done() {
    for form in FORMS {
        let (fake, portal) = of(with_flow(form, Flow::Waits)).await;
        portal.request("d").await.expect("a token");
        let meant = TokenRef { id: "1", username: "robot$1" };
        for fault in [answer(500, &[]), answer(404, &[]), Fault::Drop] {
            fake.fail("finish", fault);
            let failure = portal.edit_description(meant, "e").await.expect_err("it waits");
            assert_eq!(failure.sent, Sent::Perhaps, "{failure}");
        }
        fake.fail("finish", Fault::Drop);
        let failure = portal.revoke(meant).await.expect_err("it waits");
        assert_eq!(failure.sent, Sent::Perhaps, "{failure}");
    }
}

#[tokio::test]
async fn a_flow_without_an_end_is_left_after_a_few_steps() {
    let (fake, portal) = of(with_flow(Form::Unbound, Flow::Waits)).await;
    portal.list(Rows::Probe).await.expect("a list");
    for step in 2..9 {
        let next = format!("/indicium/iam/tcp/flow({step})");
        fake.fail("finish", answer(201, &[("Location", &next)]));
    }
    // The secret was shown at its first step.
    portal.request("d").await.expect("a token");
    assert_eq!(fake.seen("finish"), 4);
}
