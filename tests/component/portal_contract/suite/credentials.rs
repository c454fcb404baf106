//! Logins that the portal rejects.

use super::stage::{Stage, described};
use registry_token_operator::api::Reason;
use registry_token_operator::domain::model::token::RowQuery;
use registry_token_operator::portal::Delivery;

pub async fn rejected_credentials_are_reported_and_renewed_ones_work(stage: &Stage) {
    let token = stage.request('a').await;
    let old = stage.connect_with(stage.wrong_credentials());
    for failure in [
        old.list(&RowQuery::Probe).await.expect_err("a list"),
        old.scan(&mut |_| ()).await.expect_err("a list"),
        old.request(&described('b')).await.expect_err("a request"),
        old.revoke(&token).await.expect_err("a revocation"),
    ] {
        // A client that has to read how to use the portal first sends nothing else.
        assert!(matches!(failure.delivery, Delivery::Rejected | Delivery::NotSent), "{failure}");
        assert_eq!(failure.reason, Reason::Unauthorized, "{failure}");
        assert!(failure.message.contains("portal-login"), "it names the Secret to check: {failure}");
        stage.assert_no_secret(&format!("{failure} {failure:?}"));
    }
    assert_eq!(stage.own_ids().await, std::slice::from_ref(&token.id), "nothing was created or revoked");
    let renewed = stage.other_client().await;
    assert_eq!(renewed.location(), old.location(), "the tokens stay known");
    renewed.revoke(&token).await.expect("revoked");
    renewed.request(&described('b')).await.expect("a token");
}
