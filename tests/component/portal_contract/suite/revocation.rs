//! Revocations of tokens that do not exist (any more).

use super::stage::{Stage, described, own, sorted};
use registry_token_operator::domain::model::token::{RowQuery, TokenRef};
use registry_token_operator::portal::Delivery;

pub async fn a_second_revocation_changes_nothing(stage: &Stage) {
    let (token, other) = (stage.request('a').await, stage.request('b').await);
    stage.client.revoke(&token).await.expect("revoked");
    for client in [&stage.client, &stage.other_client().await] {
        let failure = client.revoke(&token).await.expect_err("it does not claim that it revoked it");
        assert_eq!(failure.delivery, Delivery::Rejected, "{failure}");
        assert_eq!(failure.reason, stage.traits.missing_token, "{failure}");
    }
    assert_eq!(stage.own_ids().await, [other.id]);
}

pub async fn an_unknown_token_is_not_revoked(stage: &Stage) {
    let other = stage.request('a').await;
    let unknown = TokenRef { id: "987654321".to_owned(), username: other.username.clone() };
    assert_eq!(stage.client.list(&RowQuery::WithId(unknown.id.clone())).await.expect("a list"), []);
    let failure = stage.client.revoke(&unknown).await.expect_err("there is none");
    assert_eq!(failure.delivery, Delivery::Rejected, "{failure}");
    assert_eq!(failure.reason, stage.traits.missing_token, "{failure}");
    stage.changes();
    // What is no id of this portal is not sent: it may be the name of another token, or another address.
    let name = own("of another client");
    stage.portal.add(&name).await;
    for id in [&name, "b", "0x2", "", "2/../1"] {
        let nothing = TokenRef { id: id.to_owned(), username: other.username.clone() };
        let revoked = stage.client.revoke(&nothing).await.expect_err("no id");
        let edited = stage.client.edit_description(&nothing, &own("edited")).await.expect_err("no id");
        for failure in [revoked, edited] {
            assert_eq!(failure.delivery, Delivery::NotSent, "{id:?}: {failure}");
        }
        assert_eq!(stage.changes(), Vec::<String>::new(), "{id:?}");
    }
    let descriptions: Vec<String> = stage.own().await.into_iter().map(|token| token.description).collect();
    assert_eq!(sorted(descriptions), sorted(vec![described('a'), name]));
}
