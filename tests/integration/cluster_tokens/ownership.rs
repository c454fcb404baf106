//! What tenants and other objects have in the namespaces.

use super::{Fleet, condition, failures, uid};
use crate::fake_portal::Operation;
use crate::fixture::until_gone;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;
use std::time::Duration;

/// What a quota counts.
const COUNT: &str = "count/registrytokens.registry-token.dev";

#[tokio::test]
async fn a_tenants_change_is_reverted_and_their_own_labels_stay() {
    let fleet = Fleet::new("edits").await;
    let namespace = fleet.namespace("edits-in").await;
    fleet.apply(json!({"template": {"metadata": {"labels": {"team": "a"}}}})).await;
    let before = fleet.until_synced(&namespace).await;
    fleet
        .patch_token(
            &namespace,
            json!({
                "metadata": {"labels": {"team": "mine", "own": "stays"}, "ownerReferences": null},
                "spec": {"rotation": {"interval": "1h"}, "suspend": true, "description": "mine"},
            }),
        )
        .await;
    let reverted = fleet
        .until_token(&namespace, "reverted", |token| {
            token.spec == before.spec && token.labels()["team"] == "a" && token.owner_references().len() == 1
        })
        .await;
    assert_eq!((reverted.labels()["own"].as_str(), uid(&reverted)), ("stays", uid(&before)));
    // A label that leaves the template is removed, and others stay.
    fleet.apply(json!({"template": {"metadata": {"labels": {"squad": "b"}}}})).await;
    let changed = fleet.until_token(&namespace, "changed", |token| token.labels().contains_key("squad")).await;
    assert!(!changed.labels().contains_key("team") && changed.labels().contains_key("own"));
    fleet.tokens(&namespace).delete(&fleet.name, &DeleteParams::default()).await.expect("deleted");
    let fresh = fleet.until_token(&namespace, "created again", |token| uid(token) != uid(&before)).await;
    assert!(fresh.metadata.deletion_timestamp.is_none());
    fleet.until_counts([1, 1, 0, 0]).await;
}

#[tokio::test]
async fn a_token_of_the_same_name_is_left_alone_and_named_until_it_goes() {
    let fleet = Fleet::new("taken").await;
    let namespace = fleet.namespace("taken-in").await;
    let own = json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken",
        "metadata": {"name": fleet.name, "namespace": namespace},
        "spec": {"description": "of the team", "issuerRef": {"name": fleet.name}},
    });
    crate::control_plane::apply_object(&fleet.client(), &own).await.expect("applied");
    let free = fleet.namespace("taken-free").await;
    fleet.apply(json!({})).await;
    fleet.until_synced(&free).await;
    let object = fleet.until_counts([2, 1, 1, 0]).await;
    assert_eq!(failures(&object), [(namespace.clone(), "TokenNotOwned".to_owned())]);
    assert_eq!(condition(&object, "Stalled"), Some(("True".to_owned(), "TokensFailing".to_owned())));
    let left = fleet.tokens(&namespace).get(&fleet.name).await.expect("there");
    assert!(left.spec.description == "of the team" && left.owner_references().is_empty());
    fleet.tokens(&namespace).delete(&fleet.name, &DeleteParams::default()).await.expect("deleted");
    fleet.until_counts([2, 2, 0, 0]).await;
    assert_eq!(fleet.until_synced(&namespace).await.owner_references().len(), 1);
}

#[tokio::test]
async fn two_objects_share_a_namespace_under_two_names_and_conflict_under_one() {
    let fleet = Fleet::new("pair").await;
    let namespace = fleet.namespace("pair-in").await;
    let (second, third) = (format!("{}-b", fleet.name), format!("{}-c", fleet.name));
    fleet.apply(json!({})).await;
    fleet.until_counts([1, 1, 0, 0]).await;
    fleet.apply_as(&second, json!({})).await;
    fleet.apply_as(&third, json!({"tokenName": fleet.name})).await;
    fleet.until_counts_of(&second, [1, 1, 0, 0]).await;
    let conflict = fleet.until_counts_of(&third, [1, 0, 1, 0]).await;
    assert_eq!(failures(&conflict), [(namespace.clone(), "TokenNotOwned".to_owned())]);
    assert_eq!((fleet.live(), fleet.team.portal.ledger().count(Operation::Request)), (2, 2));
    // The conflict ends with the first one.
    fleet.objects().delete(&fleet.name, &DeleteParams::default()).await.expect("deleted");
    until_gone(&fleet.objects(), &fleet.name).await;
    fleet.until_counts_of(&third, [1, 1, 0, 0]).await;
    for name in [&second, &third] {
        fleet.objects().delete(name, &DeleteParams::default()).await.expect("deleted");
        until_gone(&fleet.objects(), name).await;
    }
    assert_eq!(fleet.live(), 0);
}

#[tokio::test]
async fn a_description_that_is_too_long_and_a_quota_fail_in_their_namespaces_only() {
    let fleet = Fleet::new("limits").await;
    let (short, long) = (fleet.namespace("l").await, fleet.namespace("limits-of-a-long-name").await);
    let full = fleet.namespace("l-q").await;
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": full},
        "spec": {"hard": {COUNT: "0"}},
    });
    crate::control_plane::apply_object(&fleet.client(), &quota).await.expect("applied");
    let quotas: kube::Api<k8s_openapi::api::core::v1::ResourceQuota> = kube::Api::namespaced(fleet.client(), &full);
    // No controller counts custom resources in this control plane.
    let hard = async |number: &str| {
        let status = json!({"hard": {COUNT: number}, "used": {COUNT: "0"}});
        let patch = Patch::Merge(json!({"status": status}));
        quotas.patch_status("none", &PatchParams::default(), &patch).await.expect("patched");
    };
    hard("0").await;
    let description = format!("{} $(NAMESPACE)", "x".repeat(180));
    fleet.apply(json!({"template": {"spec": {"description": description}}})).await;
    let object = fleet.until_counts([3, 1, 2, 0]).await;
    let mut found = failures(&object);
    found.sort();
    let mut wanted = [(full.clone(), "TokenRejected".to_owned()), (long.clone(), "DescriptionTooLong".to_owned())];
    wanted.sort();
    assert_eq!(found, wanted, "{:?}", object.status);
    fleet.until_synced(&short).await;
    hard("1").await;
    fleet.apply(json!({})).await;
    fleet.until_counts([3, 3, 0, 0]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(fleet.live(), 3);
}

#[tokio::test]
async fn a_label_value_that_is_too_long_fails_in_its_namespace_only() {
    let fleet = Fleet::new("labels").await;
    let (short, long) = (fleet.namespace("l").await, fleet.namespace("labels-of-a-long-name").await);
    // A label value has at most 63 characters, in the template as well: 12 are left for the name of a namespace.
    let value = format!("{}$(NAMESPACE)", "x".repeat(51));
    let of_object = json!({"metadata": {"labels": {"team": value}}});
    let of_secret = json!({"spec": {"secret": {"labels": {"team": value}}}});
    for template in [of_object, of_secret] {
        fleet.apply(json!({"template": template})).await;
        let object = fleet.until_counts([2, 1, 1, 0]).await;
        assert_eq!(failures(&object), [(long.clone(), "TokenRejected".to_owned())], "{:?}", object.status);
        let message = &object.status.as_ref().expect("a status").failures[0].message;
        assert!(message.contains("63"), "{message}");
        fleet.until_synced(&short).await;
    }
    assert!(fleet.tokens(&long).list(&ListParams::default()).await.expect("listed").items.is_empty());
    assert_eq!(fleet.live(), 1);
}
