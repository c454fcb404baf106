//! Tasks that start a process flow.

use super::fixtures::{delivery_and_reason, marker, portal_with_shape, response_fault, token_ref};
use super::minimal_portal::{RequestFault, Shape, ShapeFlow, ShapeForm, TOKEN_SECRET};
use registry_token_operator::api::Reason;
use registry_token_operator::domain::model::token::RowQuery;
use registry_token_operator::portal::{Delivery, Portal as _};
use secrecy::ExposeSecret as _;

const FORMS: [ShapeForm; 3] = [ShapeForm::Unbound, ShapeForm::Bound, ShapeForm::Staged];

fn with_flow(form: ShapeForm, flow: ShapeFlow) -> Shape {
    Shape { form, flow, ..Shape::default() }
}

#[tokio::test]
async fn a_flow_that_ends_without_outputs_may_have_created_a_token() {
    for form in FORMS {
        let (fake, portal) = portal_with_shape(with_flow(form, ShapeFlow::Ends)).await;
        let failure = portal.request(&marker(1).append_to("nodes")).await.expect_err("no outputs");
        assert_eq!(delivery_and_reason(&failure), (Delivery::Unknown, Reason::InvalidResponse), "{failure}");
        // The caller finds it by its marker, and revokes it.
        let found = portal.list(&RowQuery::WithMarker(marker(1))).await.expect("a list");
        let [row] = &found[..] else { panic!("{found:?}") };
        portal.revoke(&token_ref(&row.token.id, &row.token.username)).await.expect("revoked");
        assert_eq!((fake.issued(), fake.ledger().tokens.len()), (1, 0), "{form:?}");
    }
}

#[tokio::test]
async fn a_failure_to_finish_never_loses_the_password() {
    for form in FORMS {
        for fault in [
            response_fault(500, &[]),
            response_fault(404, &[]),
            RequestFault::Drop,
            RequestFault::ActThenDrop,
            RequestFault::ActThenHang,
        ] {
            let (fake, portal) = portal_with_shape(with_flow(form, ShapeFlow::Waits)).await;
            fake.fail("finish", fault);
            let token = portal.request("d").await.expect("a token");
            assert_eq!(token.secret.expose_secret(), format!("{TOKEN_SECRET}-1"));
            assert_eq!((fake.issued(), fake.request_count("finish")), (1, 1), "{form:?}");
        }
    }
}

#[tokio::test]
async fn a_flow_is_finished_even_if_its_outputs_cannot_be_read() {
    for form in FORMS {
        for fault in [
            response_fault(500, &[]),
            response_fault(404, &[]),
            RequestFault::Drop,
            RequestFault::ActThenAnswer(200, "hush"),
            RequestFault::ActThenCut,
        ] {
            let (fake, portal) = portal_with_shape(with_flow(form, ShapeFlow::Waits)).await;
            fake.fail("flow", fault);
            let failure = portal.request("d").await.expect_err("no outputs");
            assert_eq!(failure.delivery, Delivery::Unknown, "{failure}");
            assert!(!format!("{failure:?}").contains("hush"), "{failure:?}");
            assert_eq!((fake.issued(), fake.request_count("flow"), fake.ledger().finished), (1, 1, 1), "{form:?}");
        }
    }
}

#[tokio::test]
async fn a_flow_is_continued_as_documented_and_committed_where_that_is_unknown() {
    for form in FORMS {
        for flow_commits in [false, true] {
            let (fake, portal) = portal_with_shape(Shape { flow_commits, ..with_flow(form, ShapeFlow::Waits) }).await;
            portal.request("d").await.expect("a token");
            let commits = usize::from(flow_commits);
            let seen = (fake.request_count("finish"), fake.request_count("commit_flow"), fake.ledger().finished);
            assert_eq!(seen, (1, commits, 1), "{form:?}");
        }
    }
}

#[tokio::test]
async fn a_flow_under_a_rate_limit_completes_and_an_abandoned_one_is_canceled() {
    let (fake, portal) = portal_with_shape(with_flow(ShapeForm::Bound, ShapeFlow::Waits)).await;
    for step in ["flow", "finish"] {
        fake.fail(step, response_fault(429, &[("Retry-After", "0")]));
    }
    portal.request("d").await.expect("a token");
    assert_eq!((fake.request_count("flow"), fake.request_count("finish"), fake.ledger().finished), (2, 2, 1));
    fake.fail("finish", response_fault(429, &[("Retry-After", "60")]));
    portal.request("d").await.expect("a token, whose flow was canceled");
    let ledger = fake.ledger();
    assert_eq!((ledger.finished, ledger.cancelled, ledger.flows.len()), (1, 1, 0));
}

#[tokio::test]
async fn what_may_be_a_row_is_never_deleted() {
    // 201 and the address of the created resource, as other servers answer a POST.
    let (fake, portal) = portal_with_shape(Shape::default()).await;
    let made = r#"{"username":"robot$1","secret":"s"}"#;
    for row in ["container_token(1)", "klant(42)", "Klant(42)", "klant(42)/tokens(1)", "flow(1)/x"] {
        fake.fail(
            "request_token",
            RequestFault::Answer(201, vec![("Location", format!("/indicium/iam/tcp/{row}"))], made),
        );
        portal.request("d").await.expect("a token");
        assert!(fake.ledger().paths.iter().all(|path| !path.starts_with("DELETE")), "{row}");
    }
}

#[tokio::test]
async fn a_flow_that_cannot_be_read_may_return_outputs_when_it_is_finished() {
    let (fake, portal) = portal_with_shape(with_flow(ShapeForm::Bound, ShapeFlow::WaitsThenReturns)).await;
    fake.fail("flow", response_fault(500, &[]));
    portal.request("d").await.expect("a token");
    assert_eq!((fake.issued(), fake.ledger().finished), (1, 1));
}

#[tokio::test]
async fn a_flow_at_another_origin_is_not_followed_and_may_have_created_a_token() {
    let (fake, portal) = portal_with_shape(Shape::default()).await;
    fake.fail("request_token", response_fault(201, &[("Location", "https://elsewhere.example.com/flow(1)")]));
    let failure = portal.request("d").await.expect_err("elsewhere");
    assert_eq!(delivery_and_reason(&failure), (Delivery::Unknown, Reason::InvalidResponse), "{failure}");
    assert_eq!((fake.request_count("flow"), fake.request_count("finish")), (0, 0));
}

#[tokio::test]
async fn a_revocation_or_edit_with_an_unfinished_flow_does_not_count_as_done() {
    for form in FORMS {
        let (fake, portal) = portal_with_shape(with_flow(form, ShapeFlow::Waits)).await;
        portal.request("d").await.expect("a token");
        let meant = token_ref("1", "robot$1");
        for fault in [response_fault(500, &[]), response_fault(404, &[]), RequestFault::Drop] {
            fake.fail("finish", fault);
            let failure = portal.edit_description(&meant, "e").await.expect_err("it waits");
            assert_eq!(failure.delivery, Delivery::Unknown, "{failure}");
        }
        fake.fail("finish", RequestFault::Drop);
        let failure = portal.revoke(&meant).await.expect_err("it waits");
        assert_eq!(failure.delivery, Delivery::Unknown, "{failure}");
    }
}

#[tokio::test]
async fn an_endless_flow_is_abandoned_after_a_few_steps() {
    let (fake, portal) = portal_with_shape(with_flow(ShapeForm::Unbound, ShapeFlow::Waits)).await;
    portal.list(&RowQuery::Probe).await.expect("a list");
    for step in 2..9 {
        let next = format!("/indicium/iam/tcp/flow({step})");
        fake.fail("finish", response_fault(201, &[("Location", &next)]));
    }
    // The password was shown at the flow's first step.
    portal.request("d").await.expect("a token");
    assert_eq!(fake.request_count("finish"), 4);
}
