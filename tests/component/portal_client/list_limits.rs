//! Endless lists, from a portal that ignores `$filter`.

use super::fixtures::{delivery_and_reason, list_all, marker, portal_with_shape, token_row, with_basic};
use super::minimal_portal::{MinimalPortal, Shape};

use registry_token_operator::api::Reason;
use registry_token_operator::domain::model::token::{RowQuery, TokenRow};
use registry_token_operator::portal::{Delivery, Portal as _};

/// A portal with an endless list.
async fn endless() -> (MinimalPortal, registry_token_operator::portal::thinkwise::ThinkwisePortal) {
    let (fake, portal) = portal_with_shape(Shape::default()).await;
    portal.resolve().await.expect("it fits");
    fake.ledger().is_list_endless = true;
    (fake, portal)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filtered_lookup_ends_after_a_few_pages() {
    for rows in [
        RowQuery::WithId("900000000".to_owned()),
        RowQuery::WithUsername("nobody".to_owned()),
        RowQuery::WithMarker(marker(1)),
    ] {
        let (fake, portal) = endless().await;
        let before = fake.request_count("container_token");
        let failure = portal.list(&rows).await.expect_err("no end");
        assert_eq!(delivery_and_reason(&failure), (Delivery::Unknown, Reason::InvalidResponse), "{failure}");
        assert!(failure.message.contains("$filter"), "{failure}");
        assert!(fake.request_count("container_token") - before <= 20, "{rows:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_ends_after_more_rows_than_any_list_has() {
    let (_fake, portal) = endless().await;
    let mut count = 0;
    let failure = portal.scan(&mut |_: TokenRow| count += 1).await.expect_err("no end");
    assert_eq!(delivery_and_reason(&failure), (Delivery::Unknown, Reason::InvalidResponse), "{failure}");
    assert!(failure.message.contains("more rows"), "{failure}");
    assert!((100_000..=200_000).contains(&count), "{count} rows");
}

#[tokio::test]
async fn a_portal_that_ignores_the_filter_is_read_past_it_while_its_list_is_short() {
    let (fake, portal) = with_basic().await;
    portal.resolve().await.expect("it fits");
    let description =
        |id: i64| format!("d{id} {}", marker(if id < 2000 { 1 } else { usize::try_from(id).expect("a number") }));
    fake.ledger().tokens = (1..=2500).map(|id| (id, (format!("u{id}"), description(id)))).collect();
    fake.ledger().ignores_filter = true;
    let row = |id: i64| token_row(&id.to_string(), &format!("u{id}"), &description(id));
    assert_eq!(portal.list(&RowQuery::WithId("2400".to_owned())).await.expect("a list"), [row(2400)]);
    assert_eq!(portal.list(&RowQuery::WithMarker(marker(2345))).await.expect("a list"), [row(2345)]);
    let by_name = portal.list(&RowQuery::WithUsername("u77".to_owned())).await.expect("a list");
    assert_eq!(by_name.iter().map(|row| row.description.clone()).collect::<Vec<_>>(), [description(77)]);
    assert_eq!(portal.list(&RowQuery::Probe).await.expect("a list").len(), 1);
    let failure = portal.list(&RowQuery::WithMarker(marker(1))).await.expect_err("of no token");
    assert!(failure.message.contains("more rows"), "{failure}");
    assert_eq!(list_all(&portal).await.expect("a list").len(), 2500, "the whole list is complete");
}
