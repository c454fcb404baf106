//! Endless lists, from a portal that ignores `$filter`.

use super::fixtures::{delivery_and_reason, list_all, portal_with_shape, with_basic};
use super::minimal_portal::{MinimalPortal, Shape};

use registry_token_operator::api::Reason;
use registry_token_operator::portal::{Delivery, Portal as _, Rows, TokenRow};

/// A portal with an endless list.
async fn endless() -> (MinimalPortal, registry_token_operator::portal::thinkwise::ThinkwisePortal) {
    let (fake, portal) = portal_with_shape(Shape::default()).await;
    portal.resolve().await.expect("it fits");
    fake.ledger().is_list_endless = true;
    (fake, portal)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filtered_lookup_ends_after_a_few_pages() {
    for rows in [Rows::WithId("900000000"), Rows::OfUser("nobody"), Rows::Containing("[a/b]")] {
        let (fake, portal) = endless().await;
        let before = fake.request_count("container_token");
        let failure = portal.list(rows).await.expect_err("no end");
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
    fake.ledger().tokens = (1..=2500).map(|id| (id, (format!("u{id}"), format!("d{id}")))).collect();
    fake.ledger().ignores_filter = true;
    let row = |id: &str| TokenRow { id: id.into(), username: format!("u{id}"), description: format!("d{id}") };
    assert_eq!(portal.list(Rows::WithId("2400")).await.expect("a list"), [row("2400")]);
    assert_eq!(portal.list(Rows::Containing("d1234")).await.expect("a list"), [row("1234")]);
    let by_name = portal.list(Rows::OfUser("u77")).await.expect("a list");
    assert_eq!(by_name.iter().map(|row| row.description.as_str()).collect::<Vec<_>>(), ["d77"]);
    assert_eq!(portal.list(Rows::Probe).await.expect("a list").len(), 1);
    let failure = portal.list(Rows::Containing("d")).await.expect_err("of no token");
    assert!(failure.message.contains("more rows"), "{failure}");
    assert_eq!(list_all(&portal).await.expect("a list").len(), 2500, "the whole list is complete");
}
