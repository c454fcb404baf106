//! The life of a token without faults.

use super::stage::{Stage, described, own, unlimited};
use crate::portal_faults::{marker, outcome};
use registry_token_operator::api::Reason;
use registry_token_operator::domain::model::capabilities::LoginName;
use registry_token_operator::domain::model::token::{RowQuery, TokenRef, TokenRow};
use registry_token_operator::portal::{Delivery, TokenRequest};
use secrecy::ExposeSecret as _;

async fn list(stage: &Stage, query: RowQuery) -> Vec<TokenRow> {
    stage.client.list(&query).await.expect("a list")
}

pub async fn a_token_is_requested_found_and_revoked(stage: &Stage) {
    let issued = stage.client.request(&described('a')).await.expect("a token");
    assert!(!issued.secret.expose_secret().is_empty());
    stage.assert_no_secret(&format!("{issued:?}"));
    assert_eq!(stage.changes().len(), 1, "one request");
    let token = TokenRef { id: issued.id.expect("an id"), username: issued.username };
    let row = TokenRow { token, description: described('a'), expiration_time: issued.expiration_time };
    for query in [RowQuery::WithMarker(marker('a')), RowQuery::WithId(row.token.id.clone())] {
        assert_eq!(list(stage, query).await, std::slice::from_ref(&row));
    }
    assert_eq!(list(stage, RowQuery::WithMarker(marker('b'))).await, []);
    assert_eq!(list(stage, RowQuery::Probe).await.len(), 1);
    let all = stage.scan().await.expect("a list");
    assert_eq!((all.len(), all.contains(&row)), (stage.foreign.len() + 1, true));
    // All that the list says of a token stays the same.
    assert_eq!(stage.other_client().await.location(), stage.client.location());
    stage.client.revoke(&row.token).await.expect("revoked");
    assert_eq!(stage.changes().len(), 1, "one revocation");
    assert_eq!(list(stage, RowQuery::WithId(row.token.id.clone())).await, []);
    assert_eq!(list(stage, RowQuery::WithMarker(marker('a'))).await, []);
    assert_eq!(stage.own().await, []);
}

pub async fn a_description_is_edited_or_the_edit_is_refused_unsent(stage: &Stage) {
    let token = stage.request('a').await;
    let result = stage.client.edit_description(&token, &own("edited")).await;
    let description = if stage.capabilities.edit {
        result.expect("edited");
        assert_eq!(stage.changes().len(), 1, "one edit");
        own("edited")
    } else {
        assert_eq!(outcome(&result.expect_err("not possible")), (Delivery::NotSent, Reason::EditUnsupported));
        assert_eq!(stage.changes().len(), 0);
        described('a')
    };
    let rows = list(stage, RowQuery::WithId(token.id)).await;
    assert_eq!(rows.into_iter().map(|row| row.description).collect::<Vec<_>>(), [description]);
    assert_eq!(stage.found('a').await.is_empty(), stage.capabilities.edit, "with the marker, or without it");
}

pub async fn a_scope_that_is_not_allowed_is_refused_unsent(stage: &Stage) {
    let (description, projects) = (described('a'), ["of-another-team".to_owned()]);
    let allowed = &stage.capabilities.projects;
    assert!(allowed.as_ref().is_none_or(|allowed| !allowed.allows(&projects[0])), "{allowed:?}");
    let limited = TokenRequest { projects: &projects, ..unlimited(&description) };
    let failure = stage.client.request_for(limited).await.expect_err("not allowed");
    assert_eq!(outcome(&failure), (Delivery::NotSent, Reason::ScopeNotAllowed), "{failure}");
    assert_eq!(stage.changes().len(), 0);
    stage.client.request_for(unlimited(&description)).await.expect("a token without a scope");
    assert_eq!((stage.changes().len(), stage.found('a').await.len()), (1, 1));
}

pub async fn a_token_is_found_by_its_username_if_it_has_one_of_its_own(stage: &Stage) {
    let (token, other) = (stage.request('a').await, stage.request('b').await);
    let query = RowQuery::WithUsername(token.username.clone());
    stage.proxy.take_lists();
    match stage.capabilities.login_name {
        LoginName::PerToken => {
            assert_ne!(token.username, other.username);
            let usernames: Vec<String> = list(stage, query).await.into_iter().map(|row| row.token.username).collect();
            assert_eq!(usernames, [token.username]);
        }
        LoginName::Shared => {
            assert_eq!(token.username, other.username);
            let failure = stage.client.list(&query).await.expect_err("it is that of every token");
            assert_eq!(failure.delivery, Delivery::NotSent, "{failure}");
            assert_eq!(stage.proxy.take_lists(), Vec::<String>::new());
        }
    }
}
