//! Which token a call affects: ids with the types of `$metadata`, usernames as SQL Server compares them, and which
//! parts of a response may be recorded.

use super::fixtures::{basic, delivery_and_reason, list_all, minimal_spec, portal_with_shape, settings, token_ref};
use super::minimal_portal::{MinimalPortal, PASSWORD, RequestFault, Shape, ShapeKey, ShapeList};
use registry_token_operator::api::{Reason, ShortDuration};
use registry_token_operator::domain::model::token::{RowQuery, TokenRef};
use registry_token_operator::portal::thinkwise::{ThinkwisePortal, ThinkwiseSettings};
use registry_token_operator::portal::{Delivery, Portal as _};
use serde_json::Value;
use std::time::Duration;

/// Sets the text of the portal's response.
fn respond_with(fake: &MinimalPortal, text: &str) {
    fake.fail("request_token", RequestFault::ActThenAnswer(200, Box::leak(text.to_owned().into_boxed_str())));
}

/// The portal's only token can be found, edited and revoked by this id.
async fn assert_usable_under(fake: &MinimalPortal, portal: &ThinkwisePortal, id: &str) {
    let meant = token_ref(id, "robot$1");
    let rows = portal.list(&RowQuery::WithId(id.to_owned())).await.expect("a list");
    assert_eq!(rows.len(), 1, "{id}: {rows:?}");
    portal.edit_description(&meant, "edited").await.expect("edited");
    assert_eq!(fake.ledger().tokens[&1].1, "edited", "{id}");
    portal.revoke(&meant).await.expect("revoked");
    assert!(fake.ledger().tokens.is_empty(), "{id}");
}

#[tokio::test]
async fn an_id_is_the_same_however_the_response_and_the_list_write_it() {
    for (key, forms) in [
        (
            ShapeKey::Guid,
            &[r#""0F8FAD5B-D9CB-469F-A165-000000000001""#, r#""0f8fad5b-D9CB-469f-a165-000000000001""#][..],
        ),
        (ShapeKey::Integer, &["1", "1.0", r#""1""#, "1e0"]),
        (
            ShapeKey::Decimal,
            &["9007199254740993", "9007199254740993.00", r#""9007199254740993""#, "9.007199254740993E15"],
        ),
    ] {
        for form in forms {
            let (fake, portal) = portal_with_shape(Shape { key, ..Shape::default() }).await;
            respond_with(&fake, &format!(r#"{{"username":"robot$1","secret":"s","token_id":{form}}}"#));
            let token = portal.request("d [a/b]").await.expect(form);
            let id = token.id.expect("an id");
            assert_eq!(id, list_all(&portal).await.expect("a list")[0].token.id, "{form}");
            assert_usable_under(&fake, &portal, &id).await;
        }
    }
}

#[tokio::test]
async fn an_id_that_a_previous_version_recorded_is_the_same_too() {
    for (key, recorded) in [
        (ShapeKey::Guid, "0F8FAD5B-D9CB-469F-A165-000000000001"),
        (ShapeKey::Integer, "01"),
        (ShapeKey::Decimal, "9007199254740993.0"),
    ] {
        let (fake, portal) = portal_with_shape(Shape { key, ..Shape::default() }).await;
        portal.request("d [a/b]").await.expect("a token");
        assert_usable_under(&fake, &portal, recorded).await;
    }
}

#[tokio::test]
async fn ids_that_differ_in_the_last_digit_or_as_texts_are_different_tokens() {
    let (fake, portal) = portal_with_shape(Shape { key: ShapeKey::Decimal, ..Shape::default() }).await;
    for _ in 0..3 {
        portal.request("d").await.expect("a token");
    }
    portal.revoke(&token_ref("9007199254740994", "robot$2")).await.expect("revoked");
    assert_eq!(fake.ledger().tokens.keys().collect::<Vec<_>>(), [&1, &3]);
    let sent = fake.ledger().bodies.last().cloned().expect("a body");
    assert!(sent.contains("9007199254740994"), "{sent}");
    let (_fake, portal) = portal_with_shape(Shape { key: ShapeKey::Text, ..Shape::default() }).await;
    portal.request("d").await.expect("a token");
    assert!(
        portal.list(&RowQuery::WithId("O'X/É +1".to_owned())).await.expect("a list").is_empty(),
        "texts have letter case"
    );
}

#[tokio::test]
async fn trailing_blanks_of_a_listed_username_are_ignored() {
    let (fake, portal) = portal_with_shape(Shape { by_username: true, ..Shape::default() }).await;
    let token = portal.request("d").await.expect("a token");
    fake.ledger().tokens.get_mut(&1).expect("a token").0 = "robot$1      ".to_owned();
    assert_eq!(list_all(&portal).await.expect("a list")[0].token.username, token.username);
    assert_eq!(portal.list(&RowQuery::WithUsername("robot$1".to_owned())).await.expect("a list").len(), 1);
    // The id that was recorded while the list was hidden.
    fake.ledger().shape.by_username = false;
    assert_eq!(
        portal.list(&RowQuery::WithId("robot$1".to_owned())).await.map(|rows| rows.len()).unwrap_or_default(),
        1
    );
}

const INVALID_NAMES: [&str; 7] = ["a:b", "a\\u0000b", "a\\nb", "\\u001b[31mred", "a\\u0085", " a", "a "];

#[tokio::test]
async fn an_unrecordable_value_is_rejected_after_the_token_was_created_and_reported_without_its_value() {
    let long = "x".repeat(257);
    let names = INVALID_NAMES.into_iter().chain([long.as_str()]);
    let bad_names = names.map(|name| format!(r#"{{"username":"{name}","secret":"hush","token_id":1}}"#));
    let secrets = ["hush\\u0000", "hush\\r\\n", "hush\\n"];
    let bad_secrets = secrets.iter().map(|secret| format!(r#"{{"username":"u","secret":"{secret}","token_id":1}}"#));
    let ids = [r#""x""#, "1.5", r#"" 1""#, r#""1:2""#, "99999999999999999999"];
    let bad_ids = ids.iter().map(|id| format!(r#"{{"username":"u","secret":"hush","token_id":{id}}}"#));
    for answer in bad_names.chain(bad_secrets).chain(bad_ids) {
        for list in [ShapeList::Visible, ShapeList::Forbidden] {
            let (fake, portal) = portal_with_shape(Shape { list, ..Shape::default() }).await;
            respond_with(&fake, &answer);
            let failure = portal.request("d").await.expect_err(&answer);
            assert_eq!(
                delivery_and_reason(&failure),
                (Delivery::Unknown, Reason::InvalidResponse),
                "{answer}: {failure}"
            );
            assert!(failure.message.contains("tasks.request.outputs"), "{failure}");
            assert!(!format!("{failure}").contains("hush"), "{failure}");
            assert_eq!(fake.issued(), 1);
            // Each such response creates a token: the next request waits.
            assert_eq!(
                portal.request("d").await.expect_err("blocked by the circuit breaker").delivery,
                Delivery::NotSent
            );
            assert_eq!(fake.issued(), 1);
        }
    }
}

#[tokio::test]
async fn a_token_with_a_username_that_cannot_be_recorded_is_revoked_where_no_list_shows_it() {
    for (by_username, name) in [(true, "robot:1"), (true, "robot$1 "), (false, "robot:1")] {
        let (fake, portal) =
            portal_with_shape(Shape { by_username, list: ShapeList::Forbidden, ..Shape::default() }).await;
        respond_with(&fake, &format!(r#"{{"username":"{name}","secret":"s","token_id":1}}"#));
        let made = portal.request("d").await.expect_err("of no use").unusable_token.expect("it is known which one");
        fake.ledger().tokens.get_mut(&1).expect("a token").0 = name.to_owned();
        portal.revoke(&made).await.expect("revoked");
        assert!(fake.ledger().tokens.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn an_invalid_row_of_a_colleague_hides_no_other() {
    let (fake, portal) = portal_with_shape(Shape::default()).await;
    for (number, name) in ["a:b", "a\u{0}b", &"x".repeat(300), "plain"].into_iter().enumerate() {
        let number = i64::try_from(number).expect("a number");
        fake.ledger().tokens.insert(number, (name.to_owned(), String::new()));
    }
    assert_eq!(list_all(&portal).await.expect("a list").len(), 4);
}

#[tokio::test]
async fn an_id_that_the_list_contradicts_is_rejected_and_one_that_it_shows_is_proved_once() {
    for id in ["42", "2"] {
        let (fake, portal) = portal_with_shape(Shape::default()).await;
        // The list also has a colleague's token.
        fake.ledger().tokens.insert(2, ("colleague".to_owned(), "by hand".to_owned()));
        respond_with(&fake, &format!(r#"{{"username":"robot$1","secret":"hush","token_id":{id}}}"#));
        let failure = portal.request("d [a/b]").await.expect_err("another's id");
        assert_eq!(delivery_and_reason(&failure), (Delivery::Unknown, Reason::InvalidResponse), "{failure}");
        assert!(failure.message.contains("token_id is not the token's id"), "{failure}");
        assert!(!format!("{failure:?}").contains("hush"), "{failure:?}");
        assert_eq!(portal.request("d").await.expect_err("blocked by the circuit breaker").delivery, Delivery::NotSent);
        assert_eq!(fake.issued(), 1);
    }
    let (fake, portal) = portal_with_shape(Shape::default()).await;
    for _ in 0..3 {
        portal.request("d [a/b]").await.expect("a token");
    }
    assert_eq!(fake.request_count("container_token"), 1 + 1, "one to see whether it can be read, one to prove the id");
}

/// A portal whose list does not show a new token yet, and a client with this request timeout.
async fn portal_with_delayed_list(request_timeout: u64) -> (MinimalPortal, ThinkwisePortal) {
    let shape = Shape::default();
    let fake = MinimalPortal::with_shape(shape.clone()).await;
    let mut settings =
        ThinkwiseSettings { spec: minimal_spec(&fake.url, &shape), ..settings(&fake.url, basic(PASSWORD)) };
    settings.limits.request_timeout = ShortDuration(Duration::from_secs(request_timeout));
    let portal = ThinkwisePortal::new(settings).expect("a portal");
    portal.resolve().await.expect("it fits");
    fake.ledger().is_list_delayed = true;
    (fake, portal)
}

#[tokio::test]
async fn the_client_waits_for_a_delayed_list_before_it_trusts_an_id_or_a_description() {
    let three_seconds = || tokio::time::sleep(Duration::from_secs(3));
    let (fake, portal) = portal_with_delayed_list(10).await;
    respond_with(&fake, r#"{"username":"robot$1","secret":"hush","token_id":42}"#);
    let (asked, ()) = tokio::join!(portal.request("d [a/b]"), async {
        three_seconds().await;
        fake.ledger().is_list_delayed = false;
    });
    let failure = asked.expect_err("the customer's id");
    assert_eq!(delivery_and_reason(&failure), (Delivery::Unknown, Reason::InvalidResponse), "{failure}");
    assert!(failure.message.contains("token_id is not the token's id"), "{failure}");

    let (fake, portal) = portal_with_delayed_list(10).await;
    let (asked, ()) = tokio::join!(portal.request("d [a/b]"), async {
        three_seconds().await;
        fake.ledger().tokens.get_mut(&1).expect("a token").1.clear();
        fake.ledger().is_list_delayed = false;
    });
    let failure = asked.expect_err("the marker was dropped");
    assert!(failure.message.contains("the portal drops the description"), "{failure}");
    let made = TokenRef { id: "1".to_owned(), username: "robot$1".to_owned() };
    assert_eq!(failure.unusable_token.as_deref(), Some(&made));

    // The password was returned: an even later list still loses no token.
    let (_fake, portal) = portal_with_delayed_list(1).await;
    assert_eq!(portal.request("d [a/b]").await.expect("a token").id.as_deref(), Some("1"));
}

#[tokio::test]
async fn an_unreadable_list_contradicts_no_id() {
    for fault in [RequestFault::Answer(500, vec![], ""), RequestFault::Drop, RequestFault::ActThenAnswer(200, "<html>")]
    {
        let (fake, portal) = portal_with_shape(Shape::default()).await;
        portal.resolve().await.expect("it fits");
        for _ in 0..4 {
            fake.fail("container_token", fault.clone());
        }
        let token = portal.request("d [a/b]").await.expect("the secret is there");
        assert!(token.id.is_some());
    }
}

#[tokio::test]
async fn no_number_is_sent_as_another() {
    let (fake, portal) = portal_with_shape(Shape { key: ShapeKey::Decimal, ..Shape::default() }).await;
    let token = portal.request("d").await.expect("a token");
    portal.edit_description(&token_ref("9007199254740993", &token.username), "e").await.expect("edited");
    let sent: Value = serde_json::from_str(fake.ledger().bodies.last().expect("a body")).expect("JSON");
    assert_eq!(sent["token_id"].as_i64(), Some(9_007_199_254_740_993));
}
