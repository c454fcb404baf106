//! Lists: page by page, while they change, and single tokens.

use super::fake::FakeGitLab;
use super::{token_ref, with_gitlab};
use crate::portal_faults::{Fault, marker, outcome};
use registry_token_operator::api::Reason;
use registry_token_operator::domain::model::token::{RowQuery, TokenRow};
use registry_token_operator::portal::gitlab::GitLabPortal;
use registry_token_operator::portal::{Delivery, Portal as _, PortalError};
use serde_json::json;

/// The ids in the list, sorted.
async fn scan(portal: &GitLabPortal) -> Result<Vec<i64>, PortalError> {
    let mut ids = vec![];
    portal.scan(&mut |row: TokenRow| ids.push(row.token.id.parse().expect("a number"))).await?;
    ids.sort_unstable();
    Ok(ids)
}

async fn with_tokens(count: i64) -> (FakeGitLab, GitLabPortal) {
    let (fake, portal) = with_gitlab().await;
    fake.add((1..=count).map(|number| format!("token {number}")));
    (fake, portal)
}

#[tokio::test]
async fn each_token_is_found_at_every_border_of_a_page() {
    for (count, calls) in [(0, 1), (1, 1), (99, 1), (100, 1), (101, 3), (200, 3), (201, 4)] {
        let (fake, portal) = with_tokens(count).await;
        assert_eq!(scan(&portal).await.expect("read"), (1..=count).collect::<Vec<_>>(), "{count}");
        assert_eq!(fake.calls().len(), calls, "{count}");
    }
}

#[tokio::test]
async fn the_end_of_a_list_that_is_not_counted_is_looked_for() {
    for (count, calls) in [(99, 1), (100, 4), (101, 4), (250, 6)] {
        let (fake, portal) = with_tokens(count).await;
        fake.state().uncounted = 0;
        assert_eq!(scan(&portal).await.expect("read"), (1..=count).collect::<Vec<_>>(), "{count}");
        assert_eq!(fake.calls().len(), calls, "{count}");
    }
}

#[tokio::test]
async fn a_deletion_between_two_pages_hides_no_token() {
    let (fake, portal) = with_tokens(250).await;
    for id in [1, 2, 101, 3] {
        fake.fail("GET", Fault::Delete(id));
    }
    let found = scan(&portal).await.expect("read");
    assert!((4..=250).filter(|id| *id != 101).all(|id| found.contains(&id)), "{found:?}");
    assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "each once");
    assert_eq!(fake.calls(), ["GET page 1", "GET page 3", "GET page 2", "GET page 1"]);
}

#[tokio::test]
async fn a_revoked_token_counts_as_absent() {
    let (fake, portal) = with_tokens(3).await;
    fake.state().tokens[1].revoked = true;
    assert_eq!(scan(&portal).await.expect("read"), [1, 3]);
    assert_eq!(portal.list(&RowQuery::WithId("2".to_owned())).await.expect("read"), []);
}

#[tokio::test]
async fn only_the_requested_tokens_are_returned() {
    let (fake, portal) = with_gitlab().await;
    let marked = marker('a').append_to("prod");
    fake.add(["x".to_owned(), marked.clone(), format!("{marked}."), marked.clone()]);
    let list = async |query| {
        let rows = portal.list(&query).await.expect("read");
        rows.into_iter().map(|row| row.token.id).collect::<Vec<_>>()
    };
    assert_eq!(list(RowQuery::WithMarker(marker('a'))).await, ["2", "4"]);
    assert_eq!(list(RowQuery::Probe).await, ["1"]);
    assert_eq!(list(RowQuery::WithUsername(token_ref("3").username)).await, [token_ref("3").username]);
    fake.calls();
    assert_eq!(list(RowQuery::WithId("2".to_owned())).await, ["2"]);
    for absent in ["5", "02", "x", ""] {
        assert_eq!(list(RowQuery::WithId(absent.to_owned())).await, Vec::<String>::new(), "{absent}");
    }
    assert_eq!(fake.calls(), ["GET 2", "GET 5"], "the list is not read");
}

#[tokio::test]
async fn a_missing_endpoint_is_no_missing_token() {
    for body in [json!({"error": "404 Not Found"}).to_string(), "<html>".to_owned()] {
        let (fake, portal) = with_tokens(1).await;
        fake.fail("GET", Fault::Reject(404, body));
        let failure = portal.list(&RowQuery::WithId("1".to_owned())).await.expect_err("it may exist");
        assert_eq!(outcome(&failure), (Delivery::Rejected, Reason::AccessDenied), "{failure}");
    }
}
