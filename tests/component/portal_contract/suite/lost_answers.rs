//! Calls that are lost on their way to the portal, or whose responses are lost on their way back.

use super::stage::{Stage, described};
use crate::fault_proxy::{Fault, Reply};
use crate::portal_faults::outcome;
use registry_token_operator::api::Reason;
use registry_token_operator::domain::model::token::{RowQuery, TokenRef};
use registry_token_operator::portal::Delivery;

fn gateway_timeout() -> Reply {
    Reply::new(504, "{}")
}

pub async fn a_request_that_is_lost_before_the_effect(stage: &Stage) {
    for fault in [Fault::LoseRequest, Fault::Answer(gateway_timeout())] {
        stage.fail_change(fault);
        let failure = stage.client.request(&described('a')).await.expect_err("lost");
        stage.assert_unknown(&failure);
        assert_eq!(stage.changes().len(), 1, "it is not repeated");
        assert_eq!(stage.found('a').await, Vec::<String>::new());
    }
    assert_eq!(stage.own().await, []);
}

pub async fn a_request_whose_answer_is_lost_after_the_effect(stage: &Stage) {
    let faults = [Fault::LoseResponse, Fault::CutResponse, Fault::Replace(gateway_timeout())];
    for (letter, fault) in ('a'..).zip(faults) {
        let client = stage.other_client().await;
        let before = stage.own_ids().await;
        stage.fail_change(fault);
        let failure = client.request(&described(letter)).await.expect_err("lost");
        stage.assert_unknown(&failure);
        assert_eq!(stage.changes().len(), 1, "it is not repeated");
        let mut created = stage.own_ids().await;
        created.retain(|id| !before.contains(id));
        assert_eq!((created.len(), stage.found(letter).await), (1, created), "the list tells the truth");
    }
}

/// Whether the list shows the token, by its id.
async fn is_listed(stage: &Stage, token: &TokenRef) -> bool {
    let rows = stage.client.list(&RowQuery::WithId(token.id.clone())).await.expect("a list");
    assert!(rows.iter().all(|row| row.token == *token), "{rows:?}");
    !rows.is_empty()
}

pub async fn a_revocation_that_is_lost_before_or_after_the_effect(stage: &Stage) {
    let cases = [
        (Fault::LoseRequest, true),
        (Fault::LoseResponse, false),
        (Fault::Answer(gateway_timeout()), true),
        (Fault::Replace(gateway_timeout()), false),
    ];
    for (letter, (fault, survives)) in ('a'..).zip(cases) {
        let token = stage.request(letter).await;
        stage.fail_change(fault);
        let failure = stage.client.revoke(&token).await.expect_err("lost");
        stage.assert_unknown(&failure);
        assert_eq!(stage.changes().len(), 1, "it is not repeated");
        assert_eq!(is_listed(stage, &token).await, survives, "the list tells the truth");
        assert_eq!(stage.own_ids().await.contains(&token.id), survives);
        if survives {
            stage.client.revoke(&token).await.expect("revoked");
            assert!(!is_listed(stage, &token).await);
        }
    }
}

pub async fn an_edit_that_is_lost_before_or_after_the_effect(stage: &Stage) {
    if !stage.capabilities.edit {
        let token = stage.request('a').await;
        let failure = stage.client.edit_description(&token, "contract edited").await.expect_err("not possible");
        assert_eq!(outcome(&failure), (Delivery::NotSent, Reason::EditUnsupported));
        assert_eq!(stage.changes().len(), 0, "nothing is lost where nothing is sent");
        return;
    }
    let cases = [
        (Fault::LoseRequest, false),
        (Fault::LoseResponse, true),
        (Fault::Answer(gateway_timeout()), false),
        (Fault::Replace(gateway_timeout()), true),
    ];
    for (letter, (fault, takes_effect)) in ('a'..).zip(cases) {
        let (token, edited) = (stage.request(letter).await, format!("contract edited {letter}"));
        stage.fail_change(fault);
        let failure = stage.client.edit_description(&token, &edited).await.expect_err("lost");
        stage.assert_unknown(&failure);
        assert_eq!(stage.changes().len(), 1, "it is not repeated");
        let description = if takes_effect { edited.clone() } else { described(letter) };
        let own = stage.own().await;
        assert!(own.iter().any(|row| row.id == token.id && row.description == description), "{own:?}");
        assert_eq!(stage.found(letter).await.is_empty(), takes_effect, "the list tells the truth");
        stage.client.edit_description(&token, &edited).await.expect("the same edit again");
        assert_eq!(stage.found(letter).await, Vec::<String>::new());
    }
}
