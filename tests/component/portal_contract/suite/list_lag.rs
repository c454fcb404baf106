//! A list that shows a new token later.

use super::stage::Stage;

pub async fn a_token_that_the_list_shows_later_is_found_later(stage: &Stage) {
    assert_eq!(stage.found('a').await, Vec::<String>::new());
    stage.proxy.set_stale(true);
    let token = stage.client.request(&super::stage::described('a')).await.expect("a token");
    for _ in 0..2 {
        assert_eq!(stage.found('a').await, Vec::<String>::new(), "no error");
    }
    stage.proxy.set_stale(false);
    let found = stage.found('a').await;
    assert_eq!(found, stage.own_ids().await);
    assert!(token.id.is_none_or(|id| found == [id]));
    assert_eq!(stage.changes().len(), 1, "no second request");
}
