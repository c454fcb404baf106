//! A portal whose list of tokens our user may not see.

use super::fixtures::{delivery_and_reason, list_all, portal_with_shape};
use super::minimal_portal::{Shape, ShapeForm, ShapeKey, ShapeList};
use registry_token_operator::api::Reason;
use registry_token_operator::portal::{Delivery, Portal as _, Rows, TokenRef, TokenRow};

fn with_list(list: ShapeList) -> Shape {
    Shape { list, ..Shape::default() }
}

#[tokio::test]
async fn tokens_are_requested_edited_and_revoked_without_a_list() {
    for list in [ShapeList::Forbidden, ShapeList::Absent] {
        for (by_username, with_id) in [(false, true), (true, true), (true, false)] {
            let (fake, portal) = portal_with_shape(Shape { with_id, by_username, ..with_list(list) }).await;
            let resolved = portal.resolve().await.expect("it fits");
            assert_eq!(resolved.names.table, None);
            assert!(resolved.list_denied.is_some());
            let token = portal.request("d").await.expect("a token");
            // Without an id in the answer the username is the id.
            assert_eq!(token.id.as_deref(), Some(if with_id { "1" } else { "robot$1" }));
            let id = token.id.expect("an id");
            let meant = TokenRef { id: &id, username: &token.username };
            portal.edit_description(meant, "e").await.expect("edited");
            assert_eq!(fake.ledger().tokens[&1].1, "e");
            portal.revoke(meant).await.expect("revoked");
            assert!(fake.ledger().tokens.is_empty());
        }
    }
}

#[tokio::test]
async fn a_token_that_could_not_be_named_again_is_not_requested() {
    for (list, reason) in [(ShapeList::Forbidden, Reason::AccessDenied), (ShapeList::Absent, Reason::MetadataMismatch)] {
        let (fake, portal) = portal_with_shape(Shape { with_id: false, ..with_list(list) }).await;
        let failure = portal.request("d").await.expect_err("no id");
        assert_eq!(delivery_and_reason(&failure), (Delivery::NotSent, reason), "{failure}");
        assert!(failure.message.contains("tasks.request.outputs.id"), "{failure}");
        assert_eq!(fake.issued(), 0);
    }
}

#[tokio::test]
async fn rows_that_nobody_sees_can_be_bound_to_where_the_id_makes_their_key() {
    for form in [ShapeForm::Bound, ShapeForm::Staged] {
        let (fake, portal) = portal_with_shape(Shape { form, ..with_list(ShapeList::Forbidden) }).await;
        let token = portal.request("d").await.expect("a token");
        portal.revoke(TokenRef { id: &token.id.expect("an id"), username: &token.username }).await.expect("revoked");
        assert!(fake.ledger().tokens.is_empty());
        for shape in [Shape { composite: true, ..with_list(ShapeList::Forbidden) }, with_list(ShapeList::Absent)] {
            let (fake, portal) = portal_with_shape(Shape { form, ..shape.clone() }).await;
            let failure = portal.request("d").await.expect_err("rows that cannot be named");
            assert_eq!(failure.delivery, Delivery::NotSent, "{failure}");
            assert!(failure.message.contains("the right to"), "{failure}");
            assert_eq!(fake.issued(), 0);
        }
    }
}

#[tokio::test]
async fn the_list_is_told_to_be_hidden_and_not_taken_for_empty() {
    let (fake, portal) = portal_with_shape(with_list(ShapeList::Forbidden)).await;
    for failure in [
        list_all(&portal).await.expect_err("hidden"),
        portal.list(Rows::Containing("x")).await.expect_err("hidden"),
        portal.list(Rows::Probe).await.expect_err("hidden"),
    ] {
        assert_eq!(delivery_and_reason(&failure), (Delivery::NotSent, Reason::AccessDenied), "{failure}");
        assert!(failure.message.contains("not visible"), "{failure}");
    }
    assert_eq!(fake.request_count("container_token"), 1, "asked once");
    // Somebody gives our user the right to see it.
    fake.ledger().shape.list = ShapeList::Visible;
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(61)).await;
    tokio::time::resume();
    assert_eq!(portal.resolve().await.expect("it fits").list_denied, None);
    assert_eq!(list_all(&portal).await.expect("a list"), []);
}

/// Somebody gives our user the right to see the table.
async fn allow_list(fake: &super::minimal_portal::MinimalPortal) {
    fake.ledger().shape.list = ShapeList::Visible;
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(601)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_token_whose_id_was_hidden_is_known_by_its_username_when_the_list_is_shown() {
    for key in [ShapeKey::Integer, ShapeKey::Guid, ShapeKey::Text] {
        for by_username in [true, false] {
            let shape = Shape { with_id: false, by_username: true, key, ..with_list(ShapeList::Forbidden) };
            let (fake, portal) = portal_with_shape(shape).await;
            let name = portal.request("d [a/b]").await.expect("a token").username;
            portal.request("another").await.expect("a token");
            // With the list shown, the tasks may want the id, which the recorded one is not.
            fake.ledger().shape.by_username = by_username;
            allow_list(&fake).await;
            assert_eq!(portal.resolve().await.expect("it fits").list_denied, None);
            let row = TokenRow { id: name.clone(), username: name.clone(), description: "d [a/b]".into() };
            for rows in [Rows::WithId(&name), Rows::OfUser(&name)] {
                assert_eq!(portal.list(rows).await.expect("a row"), std::slice::from_ref(&row), "{key:?} {rows:?}");
            }
            let meant = TokenRef { id: &name, username: &name };
            portal.edit_description(meant, "e").await.expect("edited");
            assert_eq!(fake.ledger().tokens[&1].1, "e");
            portal.revoke(meant).await.expect("revoked");
            assert_eq!(fake.ledger().tokens.keys().collect::<Vec<_>>(), [&2]);
            assert_eq!(portal.list(Rows::OfUser(&name)).await.expect("no row"), []);
            if !by_username {
                let failure = portal.revoke(meant).await.expect_err("gone");
                assert_eq!(failure.delivery, Delivery::NotSent, "{failure}");
            }
        }
    }
}
