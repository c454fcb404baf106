//! Calls that succeed.

use super::fixtures::{
    basic, client_credentials, list_all, marker, portal, portal_with_shape, token_ref, token_row, with_basic,
};
use super::minimal_portal::{CLIENT_SECRET, MinimalPortal, PASSWORD, RequestFault, Shape, TOKEN_SECRET};
use registry_token_operator::api::Reason;
use registry_token_operator::domain::model::token::{RowQuery, TokenRow};
use registry_token_operator::portal::Portal as _;
use secrecy::ExposeSecret as _;

#[tokio::test]
async fn a_token_is_requested_edited_and_revoked_with_either_login() {
    for credentials in [basic(PASSWORD), client_credentials(CLIENT_SECRET)] {
        let fake = MinimalPortal::start(None).await;
        let portal = portal(&fake.url, credentials);
        let token = portal.request("for [nodes]").await.expect("a token");
        assert_eq!((token.id.as_deref(), token.username.as_str()), (Some("1"), "robot$1"));
        assert_eq!(token.secret.expose_secret(), format!("{TOKEN_SECRET}-1"));
        let meant = token_ref("1", &token.username);
        let row = token_row("1", "robot$1", &format!("it's new {}", marker(1)));
        portal.edit_description(&meant, &row.description).await.expect("edited");
        for rows in [RowQuery::Probe, RowQuery::WithId("1".to_owned()), RowQuery::WithMarker(marker(1))] {
            assert_eq!(portal.list(&rows).await.expect("a list"), std::slice::from_ref(&row), "{rows:?}");
        }
        assert_eq!(list_all(&portal).await.expect("a list"), [row]);
        assert_eq!(portal.list(&RowQuery::WithMarker(marker(2))).await.expect("a list"), []);
        portal.revoke(&meant).await.expect("revoked");
        assert_eq!(list_all(&portal).await.expect("a list"), []);
        let ledger = fake.ledger();
        let sent = [
            r#"{"z_first":"1","description":"for [nodes]"}"#,
            &format!(r#"{{"token_id":1,"description":"it's new {}"}}"#, marker(1)),
            r#"{"token_id":1,"confirm":true}"#,
        ];
        assert_eq!(ledger.bodies, sent);
        assert!(ledger.access_tokens_issued <= 1);
        assert_eq!(ledger.connections, 1, "connections are reused");
    }
}

#[tokio::test]
async fn an_id_missing_from_the_response_is_looked_up() {
    let (_fake, portal) = portal_with_shape(Shape { with_id: false, ..Shape::default() }).await;
    let token = portal.request(&marker(1).append_to("nodes")).await.expect("a token");
    assert_eq!(token.id.as_deref(), Some("1"));
    let rows = portal.list(&RowQuery::WithMarker(marker(1))).await.expect("a list");
    assert_eq!(rows.iter().map(|row| row.token.id.as_str()).collect::<Vec<_>>(), ["1"]);
}

#[tokio::test]
async fn all_pages_are_read() {
    let (fake, portal) = with_basic().await;
    fake.ledger().tokens = (1..=2500).map(|id| (id, (format!("u{id}"), String::new()))).collect();
    let rows = list_all(&portal).await.expect("a list");
    let ids: Vec<String> = rows.into_iter().map(|row| row.token.id).collect();
    assert_eq!(ids, (1..=2500).map(|id| id.to_string()).collect::<Vec<_>>());
    assert_eq!(fake.request_count("container_token"), 1 + 3, "one to see whether it can be read, and three pages");
    let first = "$select=token_id,username,description&$orderby=token_id";
    assert_eq!(fake.ledger().queries.get(1).map(String::as_str), Some(first));
}

#[tokio::test]
async fn a_list_with_a_foreign_or_circular_next_link_is_invalid() {
    let (fake, portal) = with_basic().await;
    for link in ["container_token?$skip=1", "http://elsewhere.example.com/x", "https://127.0.0.1/x"] {
        fake.ledger().next_link = Some(link.to_owned());
        let failure = list_all(&portal).await.expect_err(link);
        assert_eq!(failure.reason, Reason::InvalidResponse, "{link}");
    }
    assert_eq!(fake.request_count("container_token"), 1 + 4);
}

#[tokio::test]
async fn a_thousand_calls_use_no_more_connections_than_concurrent_calls() {
    let (fake, portal) = with_basic().await;
    let (portal, at_a_time) = (&portal, 4);
    let workers = (0..at_a_time).map(|_| async move {
        for _ in 0..250 {
            portal.list(&RowQuery::WithMarker(marker(1))).await.expect("a list");
        }
    });
    futures::future::join_all(workers).await;
    let ledger = fake.ledger();
    assert_eq!(ledger.request_counts["container_token"], 1 + 1000);
    assert!(ledger.connections <= at_a_time, "{}", ledger.connections);
}

#[tokio::test]
async fn rows_before_a_failure_are_no_list() {
    let (fake, portal) = with_basic().await;
    fake.ledger().tokens = (1..=1500).map(|id| (id, (format!("u{id}"), String::new()))).collect();
    portal.resolve().await.expect("it fits");
    fake.fail(
        "container_token",
        RequestFault::ActThenAnswer(
            200,
            r#"{"value":[{"token_id":1,"username":"u"},{"token_id":2,"username":"v","description":{}}]}"#,
        ),
    );
    let mut given = 0;
    let failure = portal.scan(&mut |_: TokenRow| given += 1).await.expect_err("a row whose description is no text");
    assert_eq!((failure.reason, given), (Reason::InvalidResponse, 1));
    assert!(failure.message.contains("description"), "{failure}");
}

#[tokio::test]
async fn invalid_rows_of_a_scan_are_skipped_unless_all_are_invalid() {
    let (fake, portal) = with_basic().await;
    portal.resolve().await.expect("it fits");
    let long = "9".repeat(300);
    let odd = [
        r#"{"token_id":2}"#.to_owned(),
        r#"{"token_id":3,"username":null}"#.to_owned(),
        r#"{"token_id":4,"username":"  "}"#.to_owned(),
        format!(r#"{{"token_id":"{long}","username":"v"}}"#),
    ];
    let page = |rows: &[String]| {
        let text = format!(r#"{{"value":[{}]}}"#, rows.join(","));
        fake.fail("container_token", RequestFault::ActThenAnswer(200, Box::leak(text.into_boxed_str())));
    };
    page(&[&odd[..], &[r#"{"token_id":1,"username":"u"}"#.to_owned()]].concat());
    let rows = list_all(&portal).await.expect("a list");
    assert_eq!(rows.iter().map(|row| row.token.username.as_str()).collect::<Vec<_>>(), ["u"]);
    page(&odd);
    let failure = list_all(&portal).await.expect_err("no row is usable");
    assert_eq!(failure.reason, Reason::InvalidResponse);
    assert!(failure.message.contains("username"), "{failure}");
    page(&odd);
    assert!(portal.list(&RowQuery::Probe).await.expect("it can be read").is_empty());
}
