//! A portal that allows no further token.

use super::stage::{Stage, described, unlimited};
use crate::fault_proxy::Fault;
use crate::portal_faults::limits;
use registry_token_operator::api::Reason;
use registry_token_operator::portal::rate_limit::{Limiter, Priority};
use registry_token_operator::portal::{CallContext, CallError, Claim, Delivery, LimitedPortal, OnShutdown};
use std::sync::Arc;
use tokio::time::Instant;

/// The limit is recognized by the portal's words, in front of every client.
pub async fn a_portal_that_allows_no_further_token_says_so(stage: &Stage) {
    let limiter = Arc::new(Limiter::new(&limits()));
    let portal = LimitedPortal::new(stage.other_client().await, limiter, Claim::always(), Arc::new(|_| ()));
    let context = CallContext { priority: Priority::High, namespace: "team-a", on_shutdown: OnShutdown::KeepWaiting };
    stage.fail_change(Fault::Answer(stage.traits.token_limit.clone()));
    let failure = match portal.request(context, Instant::now(), unlimited(&described('a'))).await {
        Err(CallError::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    };
    assert_eq!((failure.delivery, failure.reason), (Delivery::Rejected, Reason::TokenLimitReached), "{failure}");
    assert_eq!(stage.changes().len(), 1);
    assert_eq!(stage.own().await, []);
    portal
        .request(context, Instant::now(), unlimited(&described('a')))
        .await
        .expect("a token, when there is room again");
}
