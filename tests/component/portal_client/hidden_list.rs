//! A portal whose list of tokens the operator's user may not see.

use super::fixtures::{delivery_and_reason, list_all, marker, portal_with_shape, token_ref, token_row};
use super::minimal_portal::{Shape, ShapeForm, ShapeKey, ShapeList};
use registry_token_operator::api::Reason;
use registry_token_operator::domain::model::capabilities::TokenList;
use registry_token_operator::domain::model::token::RowQuery;
use registry_token_operator::portal::{Delivery, Portal as _};

fn with_list(list: ShapeList) -> Shape {
    Shape { list, ..Shape::default() }
}

#[tokio::test]
async fn tokens_are_requested_edited_and_revoked_without_a_list() {
    for list in [ShapeList::Forbidden, ShapeList::Absent] {
        for (by_username, with_id) in [(false, true), (true, true), (true, false)] {
            let (fake, portal) = portal_with_shape(Shape { with_id, by_username, ..with_list(list) }).await;
            let resolved = portal.resolve().await.expect("it fits");
            assert_eq!(resolved.names.expect("names").table, None);
            assert!(resolved.capabilities.list_denied().is_some());
            let token = portal.request("d").await.expect("a token");
            // Without an id in the response, the username is the id.
            assert_eq!(token.id.as_deref(), Some(if with_id { "1" } else { "robot$1" }));
            let id = token.id.expect("an id");
            let meant = token_ref(&id, &token.username);
            portal.edit_description(&meant, "e").await.expect("edited");
            assert_eq!(fake.ledger().tokens[&1].1, "e");
            portal.revoke(&meant).await.expect("revoked");
            assert!(fake.ledger().tokens.is_empty());
        }
    }
}

#[tokio::test]
async fn a_token_that_could_not_be_identified_later_is_not_requested() {
    for (list, reason) in [(ShapeList::Forbidden, Reason::AccessDenied), (ShapeList::Absent, Reason::MetadataMismatch)]
    {
        let (fake, portal) = portal_with_shape(Shape { with_id: false, ..with_list(list) }).await;
        let failure = portal.request("d").await.expect_err("no id");
        assert_eq!(delivery_and_reason(&failure), (Delivery::NotSent, reason), "{failure}");
        assert!(failure.message.contains("tasks.request.outputs.id"), "{failure}");
        assert_eq!(fake.issued(), 0);
    }
}

#[tokio::test]
async fn hidden_rows_can_be_bound_to_if_the_id_is_their_key() {
    for form in [ShapeForm::Bound, ShapeForm::Staged] {
        let (fake, portal) = portal_with_shape(Shape { form, ..with_list(ShapeList::Forbidden) }).await;
        let token = portal.request("d").await.expect("a token");
        portal.revoke(&token_ref(&token.id.expect("an id"), &token.username)).await.expect("revoked");
        assert!(fake.ledger().tokens.is_empty());
        for shape in [Shape { composite: true, ..with_list(ShapeList::Forbidden) }, with_list(ShapeList::Absent)] {
            let (fake, portal) = portal_with_shape(Shape { form, ..shape.clone() }).await;
            let failure = portal.request("d").await.expect_err("rows that cannot be named");
            assert_eq!(failure.delivery, Delivery::NotSent, "{failure}");
            assert!(failure.message.contains("grant the user"), "{failure}");
            assert_eq!(fake.issued(), 0);
        }
    }
}

#[tokio::test]
async fn a_hidden_list_is_reported_and_does_not_count_as_empty() {
    let (fake, portal) = portal_with_shape(with_list(ShapeList::Forbidden)).await;
    for failure in [
        list_all(&portal).await.expect_err("hidden"),
        portal.list(&RowQuery::WithMarker(marker(1))).await.expect_err("hidden"),
        portal.list(&RowQuery::Probe).await.expect_err("hidden"),
    ] {
        assert_eq!(delivery_and_reason(&failure), (Delivery::NotSent, Reason::AccessDenied), "{failure}");
        assert!(failure.message.contains("cannot read the list of tokens"), "{failure}");
    }
    assert_eq!(fake.request_count("container_token"), 1, "asked once");
    // An admin permits the operator's user to see the table.
    fake.ledger().shape.list = ShapeList::Visible;
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(61)).await;
    tokio::time::resume();
    assert_eq!(portal.resolve().await.expect("it fits").capabilities.list, TokenList::Description);
    assert_eq!(list_all(&portal).await.expect("a list"), []);
}

/// An admin permits the operator's user to see the table.
async fn allow_list(fake: &super::minimal_portal::MinimalPortal) {
    fake.ledger().shape.list = ShapeList::Visible;
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(601)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_token_with_a_hidden_id_is_identified_by_its_username_when_the_list_is_shown() {
    for key in [ShapeKey::Integer, ShapeKey::Guid, ShapeKey::Text] {
        for by_username in [true, false] {
            let shape = Shape { with_id: false, by_username: true, key, ..with_list(ShapeList::Forbidden) };
            let (fake, portal) = portal_with_shape(shape).await;
            let name = portal.request("d [a/b]").await.expect("a token").username;
            portal.request("another").await.expect("a token");
            // Once the list is shown, the tasks may need the id, and the recorded id is the username.
            fake.ledger().shape.by_username = by_username;
            allow_list(&fake).await;
            assert_eq!(portal.resolve().await.expect("it fits").capabilities.list, TokenList::Description);
            let row = token_row(&name, &name, "d [a/b]");
            for rows in [RowQuery::WithId(name.clone()), RowQuery::WithUsername(name.clone())] {
                assert_eq!(portal.list(&rows).await.expect("a row"), std::slice::from_ref(&row), "{key:?} {rows:?}");
            }
            let meant = token_ref(&name, &name);
            portal.edit_description(&meant, "e").await.expect("edited");
            assert_eq!(fake.ledger().tokens[&1].1, "e");
            portal.revoke(&meant).await.expect("revoked");
            assert_eq!(fake.ledger().tokens.keys().collect::<Vec<_>>(), [&2]);
            assert_eq!(portal.list(&RowQuery::WithUsername(name.clone())).await.expect("no row"), []);
            if !by_username {
                let failure = portal.revoke(&meant).await.expect_err("gone");
                assert_eq!(failure.delivery, Delivery::NotSent, "{failure}");
            }
        }
    }
}
