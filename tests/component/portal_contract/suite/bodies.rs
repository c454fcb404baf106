//! Responses that cannot be read: cut off, too large, HTML, other JSON, redirects.

use super::stage::{Stage, described, own};
use crate::fault_proxy::{Fault, Reply};
use crate::portal_faults::{marker, outcome};
use registry_token_operator::api::Reason;
use registry_token_operator::domain::model::token::RowQuery;
use registry_token_operator::portal::{Delivery, Portal};

const PAGE: &str = "<!doctype html><title>Sign in</title>";
const ELSEWHERE: &str = "http://elsewhere.example.com/?session=none";

/// Responses with status 200 that no client can read.
fn unreadable() -> Vec<Reply> {
    let html = |reply: Reply| reply.with("content-type", "text/html; charset=utf-8");
    vec![
        Reply::new(200, ""),
        Reply::new(200, "{}"),
        Reply::new(200, "[{"),
        Reply::new(200, "\"text\""),
        Reply::new(200, PAGE),
        html(Reply::new(200, PAGE)),
        html(Reply::new(200, "Sign in")),
        too_large(),
    ]
}

/// Larger than any client reads.
fn too_large() -> Reply {
    Reply::blanks(129)
}

fn redirects() -> [Reply; 4] {
    [301, 302, 303, 307].map(|status| Reply::new(status, "").with("location", ELSEWHERE))
}

/// Each way to read the list fails, and no row of a token is returned.
async fn check_list(stage: &Stage, fault: impl Fn() -> Fault, what: &str) -> [(Delivery, Reason); 2] {
    stage.fail_list(fault());
    let by_marker = stage.client.list(&RowQuery::WithMarker(marker('a'))).await.expect_err(what);
    stage.fail_list(fault());
    let scan = stage.scan().await.expect_err(what);
    for failure in [&by_marker, &scan] {
        stage.assert_no_secret(&format!("{failure} {failure:?}"));
    }
    assert_eq!(stage.changes().len(), 0);
    [outcome(&by_marker), outcome(&scan)]
}

pub async fn a_list_that_cannot_be_read_is_no_empty_list(stage: &Stage) {
    stage.request('a').await;
    let broken = stage.traits.broken_lists.iter().map(|body| Reply::new(200, body.clone()));
    for reply in unreadable().into_iter().chain(broken) {
        let what = format!("{reply:?}");
        let outcomes = check_list(stage, || Fault::Replace(reply.clone()), &what).await;
        assert_eq!(outcomes, [(Delivery::Unknown, Reason::InvalidResponse); 2], "{what}");
    }
    stage.fail_list(Fault::Replace(too_large()));
    let failure = stage.scan().await.expect_err("too large");
    assert!(failure.message.contains("larger than"), "{failure}");
    let outcomes = check_list(stage, || Fault::CutResponse, "cut off").await;
    assert!(outcomes.iter().all(|(delivery, _)| *delivery == Delivery::Unknown), "{outcomes:?}");
    assert_eq!(stage.found('a').await.len(), 1, "it can be read again");
}

pub async fn a_request_whose_response_cannot_be_read_may_have_created_a_token(stage: &Stage) {
    for (letter, reply) in ('a'..).zip(unreadable().into_iter().chain([Reply::new(201, "{}")])) {
        // A client of its own: after such a response it may send no further request for a while.
        let client = stage.other_client().await;
        let what = format!("{reply:?}");
        stage.fail_change(Fault::Replace(reply));
        let failure = client.request(&described(letter)).await.expect_err(&what);
        stage.assert_unknown(&failure);
        assert_eq!(failure.reason, Reason::InvalidResponse, "{what}: {failure}");
        assert_eq!(stage.changes().len(), 1, "it is not repeated");
        assert_eq!(stage.found(letter).await.len(), 1, "{what}");
    }
    let client = stage.other_client().await;
    stage.fail_change(Fault::CutResponse);
    stage.assert_unknown(&client.request(&described('z')).await.expect_err("cut off"));
    assert_eq!(stage.found('z').await.len(), 1);
}

async fn check_redirected_changes(stage: &Stage, client: &dyn Portal, reply: Reply, letter: char) {
    let what = format!("{reply:?}");
    for (fault, count) in [(Fault::Answer(reply.clone()), 0), (Fault::Replace(reply.clone()), 1)] {
        stage.fail_change(fault);
        let failure = client.request(&described(letter)).await.expect_err(&what);
        stage.assert_unknown(&failure);
        assert!(!failure.message.contains("session"), "{failure}");
        assert_eq!((stage.changes().len(), stage.found(letter).await.len()), (1, count), "{what}");
    }
    let token = stage.request('y').await;
    stage.fail_change(Fault::Answer(reply));
    stage.assert_unknown(&client.revoke(&token).await.expect_err(&what));
    client.revoke(&token).await.expect("revoked");
    stage.changes();
}

pub async fn a_redirect_is_not_followed_and_proves_nothing(stage: &Stage) {
    for (letter, reply) in ('a'..).zip(redirects()) {
        let client = stage.other_client().await;
        check_redirected_changes(stage, &*client, reply.clone(), letter).await;
        let outcomes = check_list(stage, || Fault::Answer(reply.clone()), "redirected").await;
        assert_eq!(outcomes, [(Delivery::Unknown, Reason::InvalidResponse); 2], "{reply:?}");
    }
}

pub async fn a_rejection_of_another_program_proves_nothing(stage: &Stage) {
    stage.portal.add(&own("of another client")).await;
    let reply = Reply::new(400, "<html>Bad Request</html>");
    if stage.traits.explains_refusals {
        stage.fail_change(Fault::Replace(reply));
        stage.assert_unknown(&stage.client.request(&described('a')).await.expect_err("no token"));
        assert_eq!(stage.found('a').await.len(), 1);
    } else {
        // The portal sends a 400 without a message before it acts.
        stage.fail_change(Fault::Answer(reply));
        let failure = stage.client.request(&described('a')).await.expect_err("no token");
        assert_eq!(failure.delivery, Delivery::Rejected, "{failure}");
        assert_eq!(stage.found('a').await, Vec::<String>::new());
    }
}
