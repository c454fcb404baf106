//! Requests that arrive more than once. A refusal because of our own name never says that there is no token.

use super::stage::{Stage, described, sorted};
use crate::fault_proxy::Fault;
use registry_token_operator::domain::model::capabilities::TokenHandle;
use registry_token_operator::portal::{IssuedToken, PortalError};

/// Checks what the second of two deliveries leads to.
async fn check(stage: &Stage, second: Result<IssuedToken, PortalError>) {
    let own = stage.own_ids().await;
    assert_eq!(stage.found('a').await, sorted(own.clone()), "the marker identifies each of them");
    if stage.traits.refuses_duplicates {
        stage.assert_unknown(&second.expect_err("the name is taken"));
        assert_eq!(own.len(), 1);
    } else {
        assert_eq!(stage.capabilities.handle, TokenHandle::Marker, "names are not unique");
        let token = second.expect("a second token");
        assert!(own.len() == 2 && own.contains(&token.id.expect("an id")), "{own:?}");
    }
}

pub async fn a_request_that_is_delivered_twice(stage: &Stage) {
    stage.fail_change(Fault::Twice);
    let second = stage.client.request(&described('a')).await;
    assert_eq!(stage.changes().len(), 1, "it is sent once");
    check(stage, second).await;
}

/// As after a restart, with the same attempt.
pub async fn a_request_that_is_sent_again(stage: &Stage) {
    stage.request('a').await;
    let second = stage.other_client().await.request(&described('a')).await;
    assert_eq!(stage.changes().len(), 1, "it is not repeated");
    check(stage, second).await;
}
