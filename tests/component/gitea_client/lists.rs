//! Lists: in one response, page by page, and while they change.

use super::fake::FakeGitea;
use super::{token_ref, with_gitea};
use crate::portal_faults::{Fault, marker};
use registry_token_operator::api::Reason;
use registry_token_operator::domain::model::token::{RowQuery, TokenRow};
use registry_token_operator::portal::gitea::GiteaPortal;
use registry_token_operator::portal::{Delivery, Portal as _, PortalError};

async fn scan(portal: &GiteaPortal) -> Result<Vec<String>, PortalError> {
    let mut ids = vec![];
    portal.scan(&mut |row: TokenRow| ids.push(row.token.id)).await?;
    Ok(ids)
}

/// A server that sends pages even if none is requested.
async fn paged(count: usize, max_items: usize) -> (FakeGitea, GiteaPortal) {
    let (fake, portal) = with_gitea().await;
    fake.add((1..=count).map(|number| format!("token {number}")));
    fake.state().pages_always = true;
    fake.state().max_items = max_items;
    (fake, portal)
}

fn all(count: usize) -> Vec<String> {
    (1..=count).rev().map(|id| id.to_string()).collect()
}

#[tokio::test]
async fn gitea_sends_the_whole_list_at_once() {
    for (count, calls) in [(0, 1), (1, 1), (49, 1), (50, 2), (51, 1), (1000, 1)] {
        let (fake, portal) = with_gitea().await;
        fake.add((1..=count).map(|number| format!("token {number}")));
        assert_eq!(scan(&portal).await.expect("read"), all(count), "{count}");
        assert_eq!(fake.calls().len(), calls, "{count}");
    }
}

#[tokio::test]
async fn each_token_is_found_at_every_border_of_a_page() {
    for (count, max_items, calls) in [
        (0, 50, 1),
        (49, 50, 1),
        (50, 50, 2),
        (51, 50, 2),
        (100, 50, 3),
        (101, 50, 3),
        (19, 20, 1),
        (21, 20, 2),
        (45, 20, 3),
    ] {
        let (fake, portal) = paged(count, max_items).await;
        assert_eq!(scan(&portal).await.expect("read"), all(count), "{count} in pages of {max_items}");
        assert_eq!(fake.calls().len(), calls, "{count} in pages of {max_items}");
    }
}

#[tokio::test]
async fn a_deletion_between_two_pages_hides_no_token() {
    let (fake, portal) = paged(120, 50).await;
    // The second page would begin with the token 69, and 70 would be missing.
    fake.fail("GET", Fault::Delete(120));
    let found = scan(&portal).await.expect("read");
    assert!((1..=119).all(|id| found.contains(&id.to_string())), "{found:?}");
    assert_eq!(found.len(), 120, "each once, also the one that was deleted meanwhile");
    assert_eq!(fake.calls(), ["GET page -", "GET page 2", "GET page -", "GET page 2", "GET page 3"]);
}

#[tokio::test]
async fn a_list_that_never_stands_still_proves_no_absence() {
    let (fake, portal) = paged(120, 50).await;
    for id in [120, 0, 119, 0, 118, 0] {
        fake.fail("GET", Fault::Delete(id));
    }
    let failure = portal.list(&RowQuery::WithMarker(marker('a'))).await.expect_err("no list");
    assert_eq!(failure.reason, Reason::PortalError, "{failure}");
    assert_eq!(fake.calls().len(), 6);
}

#[tokio::test]
async fn only_the_requested_tokens_are_returned() {
    let (fake, portal) = with_gitea().await;
    let marked = marker('a').append_to("prod");
    // The name is not unique in Gitea's database: a request that is delivered twice at once may create two tokens.
    fake.add(
        ["x".to_owned(), marked.clone(), format!("{marked}."), marked.clone()]
            .into_iter()
            .chain((5..=20).map(|_| "y".to_owned())),
    );
    let ids = |rows: Vec<TokenRow>| rows.into_iter().map(|row| row.token).collect::<Vec<_>>();
    let list = async |query| ids(portal.list(&query).await.expect("read"));
    assert_eq!(list(RowQuery::WithMarker(marker('a'))).await, [token_ref("4"), token_ref("2")]);
    assert_eq!(list(RowQuery::WithId("2".to_owned())).await, [token_ref("2")]);
    assert_eq!(list(RowQuery::WithId("21".to_owned())).await, []);
    assert_eq!(list(RowQuery::Probe).await, [token_ref("20")]);
    let failure = portal.list(&RowQuery::WithUsername("bot".to_owned())).await.expect_err("of every token");
    assert_eq!(failure.delivery, Delivery::NotSent);
}
