//! Lists: page by page, while they change, and of a project that was created again.

use super::fake::{FakeHarbor, PROJECT};
use super::with_harbor;
use crate::portal_faults::{Fault, marker, outcome};
use registry_token_operator::api::Reason;
use registry_token_operator::domain::model::token::{RowQuery, TokenRow};
use registry_token_operator::portal::harbor::HarborPortal;
use registry_token_operator::portal::{Delivery, Portal as _, PortalError};
use serde_json::json;

async fn scan(portal: &HarborPortal) -> Result<Vec<String>, PortalError> {
    let mut ids = vec![];
    portal.scan(&mut |row: TokenRow| ids.push(row.token.id)).await?;
    Ok(ids)
}

/// A server with this many robot accounts.
async fn with_robots(count: usize, max_items: usize) -> (FakeHarbor, HarborPortal) {
    let (fake, portal) = with_harbor().await;
    fake.add((1..=count).map(|number| format!("token {number}")));
    fake.state().max_items = max_items;
    (fake, portal)
}

fn all(ids: impl IntoIterator<Item = usize>) -> Vec<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}

#[tokio::test]
async fn each_robot_account_is_found_at_every_border_of_a_page() {
    for (count, max_items, pages) in
        [(0, 100, 1), (1, 100, 1), (99, 100, 1), (100, 100, 1), (101, 100, 2), (250, 100, 3), (45, 20, 3)]
    {
        let (fake, portal) = with_robots(count, max_items).await;
        assert_eq!(scan(&portal).await.expect("read"), all(1..=count), "{count} in pages of {max_items}");
        assert_eq!(fake.calls().len(), 1 + pages, "{count} in pages of {max_items}");
    }
}

#[tokio::test]
async fn a_deletion_between_two_pages_hides_no_robot_account() {
    let (fake, portal) = with_robots(250, 100).await;
    for id in [50, 150] {
        fake.fail("GET", Fault::Delete(id));
    }
    assert_eq!(scan(&portal).await.expect("read"), all(1..=250));
    assert_eq!(fake.calls().len(), 4);
    assert_eq!(scan(&portal).await.expect("read").len(), 248);
}

#[tokio::test]
async fn a_list_that_is_not_sorted_as_requested_is_refused() {
    let (fake, portal) = with_harbor().await;
    let robots = json!([{"id": 2, "name": "robot$b"}, {"id": 1, "name": "robot$a"}]).to_string();
    fake.fail("GET", Fault::Replace(200, robots));
    let failure = scan(&portal).await.expect_err("not sorted");
    assert_eq!(outcome(&failure), (Delivery::Unknown, Reason::InvalidResponse));
}

#[tokio::test]
async fn only_the_requested_robot_accounts_are_returned() {
    let (fake, portal) = with_harbor().await;
    let marked = marker('a').append_to("prod");
    fake.add(["x".to_owned(), marked.clone(), format!("{marked}."), String::new()]);
    let list = async |query| {
        let rows = portal.list(&query).await.expect("read");
        rows.into_iter().map(|row| row.token.id).collect::<Vec<_>>()
    };
    assert_eq!(list(RowQuery::WithMarker(marker('a'))).await, ["2"]);
    assert_eq!(list(RowQuery::WithMarker(marker('b'))).await, Vec::<String>::new());
    assert_eq!(list(RowQuery::WithId("2".to_owned())).await, ["2"]);
    for absent in ["5", "02", "x", ""] {
        assert_eq!(list(RowQuery::WithId(absent.to_owned())).await, Vec::<String>::new(), "{absent}");
    }
    assert_eq!(list(RowQuery::Probe).await, ["1"]);
    let username = format!("robot${PROJECT}+x9998");
    assert_eq!(list(RowQuery::WithUsername(username.clone())).await, [username], "nothing else is known of it");
    assert_eq!(list(RowQuery::WithUsername(format!("{PROJECT}+x9998"))).await, Vec::<String>::new());
    fake.calls();
    list(RowQuery::WithId("2".to_owned())).await;
    assert_eq!(
        fake.calls(),
        [format!("GET project {PROJECT}"), "GET robots Level=project,ProjectID=7,id=[2~2]".to_owned()]
    );
}

#[tokio::test]
async fn a_project_that_was_created_again_has_another_list() {
    let (fake, portal) = with_robots(3, 100).await;
    fake.state().project = None;
    let failure = scan(&portal).await.expect_err("no project");
    assert_eq!(outcome(&failure), (Delivery::Rejected, Reason::AccessDenied), "it proves no absence");
    fake.state().project = Some(8);
    assert_eq!(scan(&portal).await.expect("read"), Vec::<String>::new());
    portal.request(&marker('a').append_to("prod")).await.expect("a token");
    assert_eq!(scan(&portal).await.expect("read"), ["4"]);
}
