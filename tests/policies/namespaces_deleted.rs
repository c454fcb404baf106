//! The operator for single namespaces, when one of them is deleted, or contains an object that cannot be parsed.

use crate::control_plane::{Options as ControlPlaneOptions, eventually};
use crate::fixture::{LIMIT, binary, until_gone_within};
use crate::operator_process::Operator;
use crate::policies::flows;
use crate::policies::namespaces::{permitted, start, watching};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use registry_token_operator::api::RegistryToken;
use serde_json::json;

#[tokio::test]
async fn a_watched_namespace_that_is_deleted_with_live_tokens_delays_no_other_and_is_freed_by_drain() {
    let (control_plane, kubeconfig) = start(ControlPlaneOptions::default()).await;
    let (kept, gone) = (permitted(control_plane, "kept").await, permitted(control_plane, "gone").await);
    let names = [kept.namespace.as_str(), gone.namespace.as_str()];
    let running = Operator::start(binary(), &kubeconfig, &watching(&names, &[])).await.expect("starts");
    for team in [&kept, &gone] {
        team.token("pull", "lives in its namespace").await;
        team.until_synced("pull").await;
    }
    let namespaces: Api<Namespace> = Api::all(kept.client.clone());
    namespaces.delete(&gone.namespace, &DeleteParams::default()).await.expect("deleted");
    // The Role is deleted with the namespace, and with it the permission to remove the last finalizer.
    eventually("the log to name the namespace", LIMIT, async || {
        let text = running.log();
        let refused = text.contains("is forbidden") && text.contains(&gone.namespace);
        if refused { Ok(()) } else { Err("it does not".to_owned()) }
    })
    .await;
    kept.token("later", "is not delayed").await;
    kept.until_synced("later").await;
    assert_eq!(running.health("livez").await, "ok\n");

    let (kubeconfig, only) = (control_plane.kubeconfig_path(), format!("--namespaces={}", gone.namespace));
    flows::drain(&kubeconfig, &[&only, "--timeout=2m"]).await;
    assert!(gone.portal.ledger().live().is_empty(), "an admin's drain revokes its token");
    until_gone_within(LIMIT * 2, &namespaces, &gone.namespace).await;
    assert_eq!(kept.portal.ledger().live().len(), 2, "and touches no other namespace");
}

#[tokio::test]
async fn an_object_that_cannot_be_parsed_delays_neither_its_namespace_nor_another() {
    let (control_plane, kubeconfig) = start(ControlPlaneOptions::default()).await;
    let (good, bad) = (permitted(control_plane, "valid").await, permitted(control_plane, "invalid").await);
    let names = [good.namespace.as_str(), bad.namespace.as_str()];
    bad.token("broken", "has an invalid status").await;
    let far =
        json!({"status": {"token": {"id": "1", "username": "u", "nonce": "n", "requestTime": "9999-12-31T23:59:59Z"}}});
    let untyped: Api<DynamicObject> =
        Api::namespaced_with(bad.client.clone(), &bad.namespace, &ApiResource::erase::<RegistryToken>(&()));
    untyped.patch_status("broken", &PatchParams::default(), &Patch::Merge(far)).await.expect("patched");
    let running = Operator::start(binary(), &kubeconfig, &watching(&names, &[])).await.expect("starts");
    for team in [&good, &bad] {
        team.token("pull", "is not delayed").await;
        team.until_synced("pull").await;
    }
    bad.until_event("broken", "InvalidObject").await;
    bad.tokens().delete("broken", &DeleteParams::default()).await.expect("deleted");
    until_gone_within(LIMIT, &bad.tokens(), "broken").await;
    eventually("no invalid object to be counted", LIMIT, async || {
        let metrics = running.metrics().await;
        let none = metrics.contains("registry_token_operator_invalid_objects{kind=\"RegistryToken\"} 0");
        if none { Ok(()) } else { Err(metrics) }
    })
    .await;
}
