//! An object that was stored under an older CRD and that this version cannot read blocks no other object and loses
//! nothing.

use crate::control_plane::eventually;
use crate::fake_portal::Config;
use crate::fixture::{LIMIT, Team, own_control_plane, ready, start_operator, token};
use crate::operator_process::crds;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

/// The CRDs, changed as if a previous version had accepted durations in any order.
fn lenient() -> String {
    let all = crds();
    let mut changed = all.clone();
    for strict in ["^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$", "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"] {
        assert!(changed.contains(strict), "{strict}");
        changed = changed.replace(strict, "^([0-9]+(h|m|s|ms))+$");
    }
    changed
}

#[tokio::test]
async fn an_invalid_object_keeps_its_token_and_blocks_no_other() {
    let (control_plane, operator) = own_control_plane().await;
    control_plane.mark_modified();
    let team = Team::bare(control_plane, "unreadable", Config::default()).await;
    team.credentials("portal-password").await;
    // Under `Permanent` an audit suspects each token whose owner is in no cache.
    team.issuer(json!({"ownershipMarker": "Permanent"})).await;
    team.token("kept", "kept").await;
    let before = team.until_synced("kept").await;
    let content = team.dockerconfigjson("kept").await;

    control_plane.apply(&lenient()).await.expect("applied");
    eventually("the older CRD to be in force", LIMIT, async || {
        let change = Patch::Merge(json!({"spec": {"rotation": {"interval": "30m2h"}}}));
        let patched = team.tokens().clone().into_client();
        let tokens: kube::Api<kube::api::DynamicObject> = kube::Api::namespaced_with(
            patched,
            &team.namespace,
            &kube::api::ApiResource::erase::<registry_token_operator::api::RegistryToken>(&()),
        );
        tokens.patch("kept", &PatchParams::default(), &change).await.map(drop).map_err(|error| error.to_string())
    })
    .await;
    let mut old = json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "TokenIssuer", "metadata": {"name": "old"},
        "spec": team.issuer_spec(json!({"audit": {"interval": "30m1h"}})),
    });
    old["metadata"]["namespace"] = json!(team.namespace);
    eventually("an issuer under the older CRD", LIMIT, async || {
        control_plane.apply(&old.to_string()).await.map(drop).map_err(|error| error.to_string())
    })
    .await;
    control_plane.apply(&crds()).await.expect("applied");

    for name in ["kept", "old"] {
        let event = team.until_event(name, "InvalidObject").await;
        assert_eq!(event.type_.as_deref(), Some("Warning"));
        let message = event.message.unwrap_or_default();
        assert!(message.contains("is not a duration") && message.contains("that the CRD accepts"), "{message}");
    }
    // A process that never saw a readable version of it becomes ready and serves other objects.
    operator.terminate().await;
    let operator = start_operator(control_plane).await;
    team.token("pull", "another user's").await;
    team.until_synced("pull").await;
    let mut waits = token("waits", "for an issuer that cannot be read");
    waits["spec"]["issuerRef"]["name"] = json!("old");
    team.apply(waits).await;
    let waits = team.until("waits", "False", "IssuerNotReady").await;
    assert!(ready(&waits).2.contains("that the CRD accepts"), "{:?}", ready(&waits));

    // An audit finds a token with a marker whose owner is in no cache, and looks for the owner with a live read.
    team.audit_until("an audit that looks for owners with a live read", async || {
        let log = operator.log();
        let looked = log.lines().any(|line| line.contains("\"audit\"") && line.contains("ListObjects"));
        if looked { Ok(()) } else { Err("no such line in the log".to_owned()) }
    })
    .await;
    let corrected = Patch::Merge(json!({"spec": {"rotation": {"interval": "2h30m"}}}));
    team.tokens().patch("kept", &PatchParams::default(), &corrected).await.expect("corrected");
    let after = team.until_synced("kept").await;
    let named = |object: &registry_token_operator::api::RegistryToken| {
        object.status.clone().and_then(|status| status.token).map(|token| token.id)
    };
    assert_eq!(named(&before), named(&after), "the same token");
    assert_eq!(team.dockerconfigjson("kept").await, content);
    assert!(team.pull(&content).await.is_ok(), "it was not revoked");
    assert_eq!(team.portal.ledger().live().len(), 2, "one per object");

    // This issuer can be deleted, because no token was requested with it; the objects of the other one are found.
    team.tokens().delete("waits", &DeleteParams::default()).await.expect("deleted");
    team.control_plane.kubectl_ok(&["delete", "tokenissuer", "old", "-n", &team.namespace], None).await.expect("goes");
}
