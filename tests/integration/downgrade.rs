//! Back to this release from a later one, whose CRDs and objects have fields that this release does not know. The later
//! release is simulated: its CRD has more fields, and its values are in the object and the Secret.

use crate::control_plane::{ControlPlane, eventually};
use crate::fake_portal::{Config, Operation};
use crate::fixture::{LIMIT, Team, own_control_plane, start_operator};
use crate::helpers::{current, current_id};
use crate::operator_process::crds;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use registry_token_operator::api::RegistryToken;
use serde_json::{Value, json};
use std::time::Duration;

/// The CRD of a later release, with a field in the spec, in the status, and in the status of a token.
fn later_crd() -> Value {
    let all = crds();
    let mut documents = all.split("\n---\n").filter(|text| text.contains("kind: RegistryToken\n"));
    let mut crd: Value = serde_saphyr::from_str(documents.next().expect("the CRD")).expect("YAML");
    let schema = "/spec/versions/0/schema/openAPIV3Schema/properties";
    for parent in ["spec", "status", "status/properties/token"] {
        let properties = crd.pointer_mut(&format!("{schema}/{parent}/properties")).expect("properties");
        properties["later"] = json!({"type": "string"});
    }
    crd
}

fn untyped(team: &Team) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<RegistryToken>(&());
    Api::namespaced_with(team.client.clone(), &team.namespace, &resource)
}

/// Adds what a later release wrote.
async fn write_later_values(team: &Team, control_plane: &ControlPlane) {
    control_plane.apply(&later_crd().to_string()).await.expect("applied");
    eventually("the later CRD to be in force", LIMIT, async || {
        let change = Patch::Merge(json!({"spec": {"later": "value"}}));
        let object =
            untyped(team).patch("pull", &PatchParams::default(), &change).await.map_err(|error| error.to_string())?;
        if object.data["spec"]["later"] == "value" { Ok(()) } else { Err("the field is pruned".to_owned()) }
    })
    .await;
    let status = Patch::Merge(json!({"status": {"later": "value", "token": {"later": "value"}}}));
    untyped(team).patch_status("pull", &PatchParams::default(), &status).await.expect("patched");
    team.patch_secret("pull", json!({"metadata": {"annotations": {"registry-token.dev/later": "value"}}})).await;
}

#[tokio::test]
async fn values_of_a_later_release_cost_no_token() {
    let (control_plane, operator) = own_control_plane().await;
    control_plane.mark_modified();
    let team = Team::on(control_plane, "downgrade", Config::default(), json!({})).await;
    team.token("pull", "outlives a downgrade").await;
    let before = team.until_synced("pull").await;
    let content = team.dockerconfigjson("pull").await;
    operator.terminate().await;
    write_later_values(&team, control_plane).await;

    let _operator = start_operator(control_plane).await;
    team.audit_until("an audit", async || {
        let requests = team.portal.ledger().count(Operation::List);
        if requests > 2 { Ok(()) } else { Err(format!("{requests} lists")) }
    })
    .await;
    team.until_synced("pull").await;
    team.assert_idle_for("pull", Duration::from_secs(3)).await;
    let kept = untyped(&team).get("pull").await.expect("there");
    assert_eq!(kept.data["spec"]["later"], "value", "the operator does not write the spec");
    assert_eq!(team.dockerconfigjson("pull").await, content);

    // Then the CRDs of this release, under which the API server drops the fields.
    control_plane.apply(&crds()).await.expect("applied");
    team.patch("pull", json!({"spec": {"description": "after a downgrade"}})).await;
    let after = team.until_synced("pull").await;
    assert_eq!(current(&after).id, current(&before).id);
    let ledger = team.portal.ledger();
    assert_eq!((ledger.count(Operation::Request), ledger.count(Operation::Revoke)), (1, 0), "the token is kept");
    assert!(team.pull(&content).await.is_ok());
    team.delete("pull").await;
    assert!(!ledger.token(current_id(&before)).expect("known").is_live(), "and it can still be revoked");
}
