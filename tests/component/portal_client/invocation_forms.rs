//! The forms in which tasks are called, each one discovered.

use super::fixtures::{list_all, marker, portal_with_shape, token_ref};
use super::minimal_portal::{Shape, ShapeFlow, ShapeForm, ShapeKey, TOKEN_SECRET};
use registry_token_operator::domain::model::token::{RowQuery, TokenRow};
use registry_token_operator::portal::Portal as _;
use secrecy::ExposeSecret as _;

fn shapes() -> Vec<Shape> {
    let mut shapes = vec![];
    for form in [ShapeForm::Unbound, ShapeForm::Bound, ShapeForm::Staged] {
        for flow in [ShapeFlow::None, ShapeFlow::Waits, ShapeFlow::WaitsThenReturns] {
            for key in [ShapeKey::Integer, ShapeKey::Guid, ShapeKey::Text] {
                for bits in 0..8 {
                    let (composite, with_id, absolute) = (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0);
                    // The customer of an unbound task must be in the spec, and it is not in this one.
                    if !(composite && form == ShapeForm::Unbound) {
                        shapes.push(Shape { form, flow, key, composite, with_id, absolute, ..Shape::default() });
                    }
                }
            }
        }
    }
    shapes.push(Shape { form: ShapeForm::Staged, silent_commit: true, ..Shape::default() });
    shapes.push(Shape { by_username: true, ..Shape::default() });
    shapes.push(Shape { flow: ShapeFlow::Waits, flow_commits: true, ..Shape::default() });
    shapes
}

#[tokio::test]
async fn a_token_is_requested_edited_and_revoked_in_every_form_with_every_key() {
    for shape in shapes() {
        let (fake, portal) = portal_with_shape(shape.clone()).await;
        let token =
            portal.request(&marker(1).append_to("it's")).await.unwrap_or_else(|failure| panic!("{shape:?}: {failure}"));
        assert_eq!(token.username, "robot$1", "{shape:?}");
        assert_eq!(token.secret.expose_secret(), format!("{TOKEN_SECRET}-1"), "{shape:?}");
        assert_eq!(
            token.id.as_deref(),
            shape.id(1).as_str().or(Some("1")),
            "returned, or read from its row: {shape:?}"
        );
        let found = portal.list(&RowQuery::WithMarker(marker(1))).await.expect("a list");
        let [row] = &found[..] else { panic!("{shape:?}: {found:?}") };
        assert!(token.id.is_none_or(|id| id == row.token.id), "{shape:?}");
        let meant = token_ref(&row.token.id, &row.token.username);
        portal.edit_description(&meant, "new").await.unwrap_or_else(|failure| panic!("{shape:?}: {failure}"));
        let edited = TokenRow { description: "new".into(), ..row.clone() };
        assert_eq!(portal.list(&RowQuery::WithId(row.token.id.clone())).await.expect("a list"), [edited], "{shape:?}");
        portal.revoke(&meant).await.unwrap_or_else(|failure| panic!("{shape:?}: {failure}"));
        assert_eq!(list_all(&portal).await.expect("a list"), [], "{shape:?}");
        let ledger = fake.ledger();
        let finished = if shape.flow == ShapeFlow::None { 0 } else { 3 };
        assert_eq!((ledger.issued, ledger.finished, ledger.flows.len()), (1, finished, 0), "{shape:?}");
        assert_eq!(ledger.bodies.len(), 3, "{shape:?}");
    }
}

/// The requests of the tasks, without reads.
async fn requests(shape: Shape) -> Vec<String> {
    let (fake, portal) = portal_with_shape(shape.clone()).await;
    portal.request("d").await.expect("a token");
    let id = shape.id(1);
    let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    portal.revoke(&token_ref(&id, "robot$1")).await.expect("revoked");
    let ledger = fake.ledger();
    ledger
        .paths
        .iter()
        .filter(|path| !path.ends_with("$metadata") && !path.ends_with(" container_token"))
        .cloned()
        .collect()
}

#[tokio::test]
async fn each_form_takes_exactly_the_requests_that_it_needs() {
    assert_eq!(requests(Shape::default()).await, ["POST request_token", "POST revoke_token"]);
    let bound = Shape { form: ShapeForm::Bound, flow: ShapeFlow::Waits, ..Shape::default() };
    let expected = [
        "POST klant(42)/task_request_token",
        "GET flow(1)",
        "POST flow(1)/continue",
        "POST container_token(1)/task_revoke_token",
        "POST flow(2)/continue",
    ];
    assert_eq!(requests(bound).await, expected);
    let key = "container_token(klant_id=42,token_id=%27o%27%27x%2F%C3%A9%20%2B1%27)";
    let staged = Shape { form: ShapeForm::Staged, composite: true, key: ShapeKey::Text, ..Shape::default() };
    let (one, two) = ("0f8fad5b-d9cb-469f-a165-000000000001", "0f8fad5b-d9cb-469f-a165-000000000002");
    let expected = [
        "POST klant(42)/task_request_token/stage".to_owned(),
        format!("PATCH staged_request_token({one})"),
        format!("POST staged_request_token({one})/commit"),
        format!("POST {key}/task_revoke_token/stage"),
        format!("PATCH staged_revoke_token({two})"),
        format!("POST staged_revoke_token({two})/commit"),
    ];
    assert_eq!(requests(staged).await, expected);
}

#[tokio::test]
async fn a_missing_part_of_a_key_is_read_from_the_row() {
    let (fake, portal) = portal_with_shape(Shape { form: ShapeForm::Bound, composite: true, ..Shape::default() }).await;
    portal.request("d").await.expect("a token");
    portal.edit_description(&token_ref("1", "robot$1"), "e").await.expect("edited");
    let last = fake.ledger().queries.last().cloned().expect("a query");
    assert_eq!(last, "$select=token_id,username,klant_id&$orderby=klant_id,token_id&$filter=token_id%20eq%201");
    // A row whose id was reused for another token is not the operator's.
    let failure = portal.revoke(&token_ref("1", "robot$2")).await.expect_err("another token");
    assert_eq!(failure.delivery, registry_token_operator::portal::Delivery::NotSent, "{failure}");
    assert_eq!((fake.request_count("task_revoke_token"), fake.ledger().tokens.len()), (0, 1));
}
