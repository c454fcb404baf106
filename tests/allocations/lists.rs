//! Memory for reading an endless list.

use super::minimal_portal::{MinimalPortal, Shape};
use super::{ALLOCATOR, SERIAL, portal};
use registry_token_operator::portal::{Portal as _, Rows, TokenRow};

#[tokio::test]
async fn an_endless_list_takes_the_memory_of_a_few_pages() {
    let _alone = SERIAL.lock().await;
    let fake = MinimalPortal::with_shape(Shape::default()).await;
    let portal = portal(&fake.url);
    portal.resolve().await.expect("it fits");
    fake.ledger().is_list_endless = true;
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    for rows in [Rows::WithId("900000000"), Rows::OfUser("nobody"), Rows::Containing("[a/b]")] {
        portal.list(rows).await.expect_err("no end");
    }
    portal.scan(&mut |_: TokenRow| ()).await.expect_err("no end");
    let taken = ALLOCATOR.peak_usage().saturating_sub(before);
    println!("endless lists: {} KiB", taken >> 10);
    assert!(taken < 8 << 20, "{taken} bytes");
}
