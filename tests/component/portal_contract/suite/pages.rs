//! Lists of several pages.

use super::stage::{Stage, described, own, sorted};
use super::under_test::LiveToken;
use crate::fault_proxy::Fault;
use registry_token_operator::domain::model::token::RowQuery;
use std::sync::Arc;

/// Adds tokens until the list has this length; those of others count.
async fn fill(stage: &Stage, length: usize) {
    let present = stage.portal.tokens().await.len();
    for number in present..length {
        stage.portal.add(&own(&format!("token {number}"))).await;
    }
}

/// The list contains each token once.
async fn check(stage: &Stage) {
    let read: Vec<String> = stage.scan().await.expect("a list").into_iter().map(|row| row.token.id).collect();
    let live = stage.portal.tokens().await.into_iter().map(|token| token.id).collect();
    assert_eq!(sorted(read), sorted(live));
}

pub async fn every_token_is_found_at_every_border_of_a_page(stage: &Stage) {
    let size = stage.traits.page_size;
    check(stage).await;
    // The first border after the tokens of others, and the one after it.
    let border = (stage.foreign.len() / size + 1) * size;
    stage.portal.add(&described('a')).await;
    for length in [border - 1, border, border + 1, border + size, border + size + 1] {
        fill(stage, length).await;
        check(stage).await;
        assert_eq!(stage.found('a').await.len(), 1, "the oldest of {length}");
    }
    stage.portal.add(&described('b')).await;
    assert_eq!((stage.found('a').await.len(), stage.found('b').await.len()), (1, 1), "the oldest and the newest");
    stage.proxy.take_lists();
    check(stage).await;
    let reads = stage.proxy.take_lists().len();
    assert!(reads > border / size + 1, "a list of {} tokens has pages of {size}: {reads} reads", border + size + 2);
}

pub async fn a_deletion_between_two_pages_hides_no_token(stage: &Stage) {
    let size = stage.traits.page_size;
    // Three pages, also after the deletions.
    fill(stage, (stage.foreign.len() / size + 2) * size + 10).await;
    let places: [fn(&[LiveToken]) -> &LiveToken; 3] =
        [|all| &all[0], |all| &all[all.len() / 2], |all| &all[all.len() - 1]];
    // Wherever the pages begin, and after the first or the second read of one.
    for (reads, place) in [0, 1].into_iter().flat_map(|reads| places.map(|place| (reads, place))) {
        let deleted = place(&stage.own().await).id.clone();
        let before = stage.portal.tokens().await;
        let (portal, id) = (Arc::clone(&stage.portal), deleted.clone());
        for _ in 0..reads {
            stage.fail_list(Fault::Then(Box::pin(std::future::ready(()))));
        }
        stage.fail_list(Fault::Then(Box::pin(async move { portal.remove(&id).await })));
        let read: Vec<String> = stage.scan().await.expect("a list").into_iter().map(|row| row.token.id).collect();
        let missed: Vec<_> = before.iter().filter(|token| token.id != deleted && !read.contains(&token.id)).collect();
        assert!(missed.is_empty() || stage.traits.rows_shift && missed.len() == 1, "{missed:?}");
        for token in missed {
            // So the operator looks up each token by its id before it takes it for absent.
            assert_eq!(stage.client.list(&RowQuery::WithId(token.id.clone())).await.expect("a list").len(), 1);
        }
        let mut once = sorted(read.clone());
        once.dedup();
        assert_eq!(once.len(), read.len(), "each token is passed on once");
        assert_eq!(stage.proxy.pending_faults(), 0, "it was deleted while the list was read");
    }
    check(stage).await;
}
