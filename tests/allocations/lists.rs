//! Memory for reading an endless list.

use super::minimal_portal::{MinimalPortal, Shape};
use super::{ALLOCATOR, SERIAL, portal};
use registry_token_operator::domain::model::marker::{IssuerTag, Marker, Nonce};
use registry_token_operator::domain::model::token::{RowQuery, TokenRow};
use registry_token_operator::portal::Portal as _;

#[tokio::test]
async fn an_endless_list_takes_the_memory_of_a_few_pages() {
    let _alone = SERIAL.lock().await;
    let fake = MinimalPortal::with_shape(Shape::default()).await;
    let portal = portal(&fake.url);
    portal.resolve().await.expect("it fits");
    fake.ledger().is_list_endless = true;
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let marker = Marker::new(IssuerTag::of("issuer"), Nonce::parse("aaaaaaaaaaaa").expect("a nonce"));
    for rows in [
        RowQuery::WithId("900000000".to_owned()),
        RowQuery::WithUsername("nobody".to_owned()),
        RowQuery::WithMarker(marker),
    ] {
        portal.list(&rows).await.expect_err("no end");
    }
    portal.scan(&mut |_: TokenRow| ()).await.expect_err("no end");
    let taken = ALLOCATOR.peak_usage().saturating_sub(before);
    println!("endless lists: {} KiB", taken >> 10);
    assert!(taken < 8 << 20, "{taken} bytes");
}
