//! Namespaces come and go, match and do not match any more.

use super::{Fleet, condition, uid};
use crate::control_plane::eventually;
use crate::fake_portal::Operation;
use crate::fixture::{LIMIT, until_gone};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn each_matching_namespace_gets_its_own_token_whose_secret_pulls() {
    let fleet = Fleet::new("many").await;
    let before = fleet.namespace("many-before").await;
    let other = fleet.team.control_plane.namespace("many-other").await.expect("a namespace");
    fleet
        .apply(json!({"template": {
            "metadata": {"labels": {"team": "$(NAMESPACE)"}, "annotations": {"note": "of $(NAMESPACE)"}},
            "spec": {"secret": {"labels": {"used-in": "$(NAMESPACE)"}}},
        }}))
        .await;
    let after = fleet.namespace("many-after").await;
    for namespace in [&before, &after] {
        let token = fleet.until_synced(namespace).await;
        assert_eq!(token.spec.description, format!("for {namespace}"));
        assert_eq!(token.labels()["team"], *namespace);
        assert_eq!(token.labels()["registry-token.dev/cluster-registry-token"], fleet.name);
        assert_eq!(token.annotations()["note"], format!("of {namespace}"));
        let owner = &token.owner_references()[0];
        assert_eq!((owner.kind.as_str(), owner.controller), ("ClusterRegistryToken", Some(true)));
        let secrets: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(fleet.client(), namespace);
        let secret = secrets.get(&fleet.name).await.expect("a Secret");
        assert_eq!(secret.labels()["used-in"], *namespace);
        let content = secret.data.and_then(|mut data| data.remove(".dockerconfigjson")).expect("its content").0;
        assert!(fleet.team.pull(&content).await.is_ok());
    }
    let object = fleet.until_counts([2, 2, 0, 0]).await;
    assert_eq!(condition(&object, "Ready"), Some(("True".to_owned(), "TokensReady".to_owned())));
    assert!(condition(&object, "Reconciling").is_none() && condition(&object, "Stalled").is_none());
    assert!(fleet.tokens(&other).list(&kube::api::ListParams::default()).await.expect("listed").items.is_empty());
    let mut shown: Vec<String> =
        fleet.team.portal.ledger().live().into_iter().filter_map(|token| token.description).collect();
    shown.sort();
    let mut wanted = [format!("for {after}"), format!("for {before}")];
    wanted.sort();
    assert_eq!(shown, wanted);
}

#[tokio::test]
async fn a_namespace_that_leaves_keeps_its_token_for_the_grace_period_and_is_then_revoked() {
    let fleet = Fleet::new("leaves").await;
    let (stays, leaves) = (fleet.namespace("leaves-not").await, fleet.namespace("leaves-soon").await);
    fleet.apply(json!({"unmatchedGracePeriod": "1h"})).await;
    let before = fleet.until_synced(&leaves).await;
    fleet.until_counts([2, 2, 0, 0]).await;
    fleet.label(&leaves, false).await;
    let marked = |token: &registry_token_operator::api::RegistryToken| {
        token.annotations().contains_key("registry-token.dev/unmatched-since")
    };
    let first = fleet.until_token(&leaves, "marked", marked).await;
    fleet.until_counts([1, 1, 0, 1]).await;
    assert_eq!(fleet.live(), 2);
    // A tenant who removes the time gains nothing.
    fleet
        .patch_token(&leaves, json!({"metadata": {"annotations": {"registry-token.dev/unmatched-since": null}}}))
        .await;
    let again = fleet.until_token(&leaves, "marked again", marked).await;
    let since = "registry-token.dev/unmatched-since";
    assert_eq!(again.annotations()[since], first.annotations()[since]);
    // It matches again: the same token.
    fleet.label(&leaves, true).await;
    let back = fleet.until_token(&leaves, "not marked", |token| !marked(token)).await;
    assert_eq!((uid(&back), fleet.team.portal.ledger().count(Operation::Request)), (uid(&before), 2));
    fleet.until_counts([2, 2, 0, 0]).await;
    // After a shorter grace period it is revoked.
    fleet.apply(json!({"unmatchedGracePeriod": "3s"})).await;
    fleet.label(&leaves, false).await;
    until_gone(&fleet.tokens(&leaves), &fleet.name).await;
    fleet.until_counts([1, 1, 0, 0]).await;
    eventually("one token to be live", LIMIT, async || {
        let live = fleet.live();
        if live == 1 { Ok(()) } else { Err(live.to_string()) }
    })
    .await;
    fleet.until_synced(&stays).await;
    assert_eq!(fleet.team.portal.ledger().count(Operation::Request), 2, "the other token is untouched");
}

#[tokio::test]
async fn a_terminating_namespace_gets_no_new_token() {
    let fleet = Fleet::new("ends").await;
    let namespace = fleet.namespace("ends-soon").await;
    fleet.apply(json!({})).await;
    fleet.until_synced(&namespace).await;
    let namespaces: Api<Namespace> = Api::all(fleet.client());
    // It holds the namespace back after its token is gone.
    let held = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
        "name": "held", "namespace": namespace, "finalizers": ["example.com/held"],
    }});
    crate::control_plane::apply_object(&fleet.client(), &held).await.expect("applied");
    namespaces.delete(&namespace, &DeleteParams::default()).await.expect("deleted");
    until_gone(&fleet.tokens(&namespace), &fleet.name).await;
    fleet.until_counts([0, 0, 0, 0]).await;
    fleet.team.assert_no_task_for(Duration::from_secs(3)).await;
    assert_eq!((fleet.live(), fleet.team.portal.ledger().count(Operation::Request)), (0, 1));
    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> = Api::namespaced(fleet.client(), &namespace);
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    maps.patch("held", &PatchParams::default(), &free).await.expect("patched");
}

#[tokio::test]
async fn a_selector_that_matches_nothing_is_ready_and_one_by_name_excludes_namespaces() {
    let fleet = Fleet::new("none").await;
    fleet.apply(json!({})).await;
    let object = fleet.until_counts([0, 0, 0, 0]).await;
    assert_eq!(condition(&object, "Ready").expect("said").0, "True");
    let (one, two) = (fleet.namespace("none-one").await, fleet.namespace("none-two").await);
    let by_name = json!([{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [one]}]);
    fleet
        .apply_as(
            "none-by-name",
            json!({
                "namespaceSelector": {"matchExpressions": by_name}, "tokenName": "none-by-name",
                "template": {"spec": {"suspend": true}},
            }),
        )
        .await;
    let other = fleet.tokens(&two);
    eventually("the second namespace to have a token", LIMIT, async || {
        other.get("none-by-name").await.map_err(|error| error.to_string())
    })
    .await;
    assert!(fleet.tokens(&one).get_opt("none-by-name").await.expect("read").is_none());
    fleet.objects().delete("none-by-name", &DeleteParams::default()).await.expect("deleted");
    until_gone(&fleet.objects(), "none-by-name").await;
    assert!(other.get_opt("none-by-name").await.expect("read").is_none());
}

#[tokio::test]
async fn a_suspended_object_creates_changes_and_deletes_nothing() {
    let fleet = Fleet::new("stops").await;
    let (first, second) = (fleet.namespace("stops-one").await, fleet.namespace("stops-two").await);
    fleet.apply(json!({"unmatchedGracePeriod": "0s"})).await;
    fleet.until_counts([2, 2, 0, 0]).await;
    fleet.apply(json!({"unmatchedGracePeriod": "0s", "suspend": true})).await;
    eventually("it to be suspended", LIMIT, async || {
        let object = fleet.objects().get(&fleet.name).await.map_err(|error| error.to_string())?;
        condition(&object, "Suspended").map(|_| ()).ok_or_else(|| format!("{:?}", object.status))
    })
    .await;
    fleet.label(&first, false).await;
    fleet.patch_token(&second, json!({"spec": {"description": "changed"}})).await;
    let third = fleet.namespace("stops-three").await;
    fleet.until_counts([2, 1, 0, 1]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(fleet.tokens(&third).get_opt(&fleet.name).await.expect("read").is_none());
    assert_eq!(fleet.tokens(&second).get(&fleet.name).await.expect("there").spec.description, "changed");
    assert!(fleet.tokens(&first).get_opt(&fleet.name).await.expect("read").is_some());
    fleet.apply(json!({"unmatchedGracePeriod": "0s", "suspend": false})).await;
    fleet.until_synced(&third).await;
    until_gone(&fleet.tokens(&first), &fleet.name).await;
    fleet.until_token(&second, "reverted", |token| token.spec.description.starts_with("for ")).await;
}
