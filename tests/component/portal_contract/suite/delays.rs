//! Delays that a portal asks for with `Retry-After`.

use super::stage::{Stage, described};
use crate::fault_proxy::{Fault, Reply};
use crate::portal_faults::{marker, outcome};
use registry_token_operator::api::Reason;
use registry_token_operator::domain::model::token::RowQuery;
use registry_token_operator::portal::{Delivery, PortalError};
use std::time::Duration;

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// Each form of `Retry-After` that HTTP allows, and one that it does not.
const FORMS: [(&str, Option<u64>); 5] = [
    ("7", Some(7)),
    ("Sun, 06 Nov 1994 08:49:44 GMT", Some(7)),
    ("Sunday, 06-Nov-94 08:49:44 GMT", Some(7)),
    ("Sun Nov  6 08:49:44 1994", Some(7)),
    ("soon", None),
];

fn reply(status: u16, retry_after: &str) -> Fault {
    Fault::Answer(Reply::new(status, "").with("retry-after", retry_after).with("date", DATE))
}

fn check(failure: &PortalError, delivery: Delivery, seconds: Option<u64>) {
    assert_eq!(outcome(failure), (delivery, Reason::RateLimited), "{failure}");
    assert_eq!(failure.retry_after, seconds.map(Duration::from_secs), "{failure}");
}

pub async fn the_delay_that_a_rejected_request_asks_for_is_reported(stage: &Stage) {
    let token = stage.request('z').await;
    for (text, seconds) in FORMS {
        stage.fail_change(reply(429, text));
        let failure = stage.client.request(&described('a')).await.expect_err("too many");
        check(&failure, Delivery::Rejected, seconds);
        stage.fail_change(reply(429, text));
        check(&stage.client.revoke(&token).await.expect_err("too many"), Delivery::Rejected, seconds);
        assert_eq!(stage.changes().len(), 2, "neither is repeated");
    }
    // A portal that is overloaded may have acted.
    stage.fail_change(reply(503, "7"));
    check(&stage.client.request(&described('a')).await.expect_err("overloaded"), Delivery::Unknown, Some(7));
    assert_eq!(stage.own_ids().await, [token.id], "nothing was created or revoked");
}

pub async fn the_delay_that_a_rejected_read_asks_for_is_reported(stage: &Stage) {
    stage.request('a').await;
    stage.proxy.take_lists();
    for (text, seconds) in FORMS {
        stage.fail_list(reply(429, text));
        let failure = stage.client.list(&RowQuery::WithMarker(marker('a'))).await.expect_err("too many");
        check(&failure, Delivery::Rejected, seconds);
        stage.fail_list(reply(429, text));
        check(&stage.scan().await.expect_err("too many"), Delivery::Rejected, seconds);
        assert_eq!(stage.proxy.take_lists().len(), 2, "neither is repeated");
    }
    assert_eq!(stage.found('a').await.len(), 1);
}
