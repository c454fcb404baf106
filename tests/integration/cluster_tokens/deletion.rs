//! Deletion of the object.

use super::{Fleet, condition};
use crate::control_plane::eventually;
use crate::fake_portal::Operation;
use crate::fixture::{LIMIT, token, until_gone, until_gone_within};
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, PropagationPolicy};
use serde_json::json;
use std::time::Duration;

/// Waits until the garbage collector knows the `RegistryToken`s of this namespace. It discovers new kinds every 30 seconds,
/// and may take an owner for one without dependents before: it would then delete what is to be orphaned.
async fn until_garbage_is_collected(fleet: &Fleet, namespace: &str) {
    let mut object = token("without-owner", "collected");
    object["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-0000-0000-000000000001",
    }]);
    object["spec"]["suspend"] = json!(true);
    let object = serde_json::from_value(object).expect("an object");
    fleet.tokens(namespace).create(&PostParams::default(), &object).await.expect("created");
    until_gone_within(Duration::from_mins(2), &fleet.tokens(namespace), "without-owner").await;
}

#[tokio::test]
async fn deletion_revokes_all_tokens_with_progress_in_the_status() {
    let fleet = Fleet::new("goes").await;
    let namespaces = [fleet.namespace("goes-one").await, fleet.namespace("goes-two").await];
    fleet.apply(json!({})).await;
    fleet.until_counts([2, 2, 0, 0]).await;
    // One of them is held back.
    let held = Patch::Merge(json!({"metadata": {"finalizers": ["example.com/held", "registry-token.dev/revoke"]}}));
    fleet.tokens(&namespaces[0]).patch(&fleet.name, &PatchParams::default(), &held).await.expect("patched");
    fleet.objects().delete(&fleet.name, &DeleteParams::default()).await.expect("deleted");
    let object = fleet.until_counts([0, 0, 0, 1]).await;
    assert_eq!(condition(&object, "Reconciling"), Some(("True".to_owned(), "TokensRevoking".to_owned())));
    assert_eq!(object.finalizers(), ["registry-token.dev/revoke"]);
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    eventually("its tokens to be revoked", LIMIT, async || {
        if fleet.live() == 0 { Ok(()) } else { Err(fleet.live().to_string()) }
    })
    .await;
    fleet.tokens(&namespaces[0]).patch(&fleet.name, &PatchParams::default(), &free).await.expect("patched");
    until_gone(&fleet.objects(), &fleet.name).await;
    for namespace in &namespaces {
        assert!(fleet.tokens(namespace).get_opt(&fleet.name).await.expect("read").is_none());
    }
    assert_eq!(fleet.team.portal.ledger().count(Operation::Request), 2);
}

#[tokio::test]
async fn foreground_deletion_ends_and_orphaned_tokens_stay_and_are_taken_over() {
    let fleet = Fleet::new("cascade").await;
    let namespace = fleet.namespace("cascade-in").await;
    fleet.apply(json!({})).await;
    let before = fleet.until_synced(&namespace).await;
    until_garbage_is_collected(&fleet, &namespace).await;
    let orphan = DeleteParams { propagation_policy: Some(PropagationPolicy::Orphan), ..DeleteParams::default() };
    fleet.objects().delete(&fleet.name, &orphan).await.expect("deleted");
    until_gone(&fleet.objects(), &fleet.name).await;
    let left = fleet.tokens(&namespace).get(&fleet.name).await.expect("it stays");
    assert!(left.owner_references().is_empty() && left.metadata.deletion_timestamp.is_none());
    fleet.apply(json!({})).await;
    let taken = fleet.until_token(&namespace, "owned", |token| !token.owner_references().is_empty()).await;
    assert_eq!((taken.uid(), fleet.team.portal.ledger().count(Operation::Request)), (before.uid(), 1));
    fleet.until_counts([1, 1, 0, 0]).await;
    fleet.objects().delete(&fleet.name, &DeleteParams::foreground()).await.expect("deleted");
    until_gone(&fleet.objects(), &fleet.name).await;
    assert!(fleet.tokens(&namespace).get_opt(&fleet.name).await.expect("read").is_none());
    assert_eq!(fleet.live(), 0);
}
