//! Annotations of the object reach each of its tokens once.

use super::{Fleet, uid};
use crate::fake_portal::Operation;
use crate::helpers::current_id;
use kube::ResourceExt;
use serde_json::json;

#[tokio::test]
async fn rotate_and_replace_reach_all_tokens_once_and_a_new_namespace_is_not_rotated() {
    let fleet = Fleet::new("spins").await;
    let (one, two) = (fleet.namespace("spins-one").await, fleet.namespace("spins-two").await);
    fleet.apply(json!({})).await;
    let before = [fleet.until_synced(&one).await, fleet.until_synced(&two).await];
    fleet.annotate("replace", "1").await;
    for (namespace, before) in [&one, &two].into_iter().zip(&before) {
        let after = fleet
            .until_token(namespace, "replaced", |token| {
                token.status.as_ref().is_some_and(|status| status.token.is_some())
                    && current_id(token) != current_id(before)
            })
            .await;
        assert_eq!(uid(&after), uid(before));
        fleet.until_synced(namespace).await;
    }
    let third = fleet.namespace("spins-three").await;
    let made = fleet.until_synced(&third).await;
    assert_eq!(made.annotations()["registry-token.dev/replace"], "1");
    fleet.team.until_live_count(3).await;
    assert_eq!(fleet.team.portal.ledger().count(Operation::Request), 5);
    // A tenant rotates their own token, and it is not reverted.
    fleet.patch_token(&third, json!({"metadata": {"annotations": {"registry-token.dev/replace": "mine"}}})).await;
    fleet.until_token(&third, "replaced", |token| current_id(token) != current_id(&made)).await;
    fleet.until_synced(&third).await;
    fleet.team.assert_no_task_for(std::time::Duration::from_secs(3)).await;
    let kept = fleet.tokens(&third).get(&fleet.name).await.expect("there");
    assert_eq!(kept.annotations()["registry-token.dev/replace"], "mine");
    assert_eq!(fleet.team.portal.ledger().count(Operation::Request), 6);
}
