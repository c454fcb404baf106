//! Stops `ClusterRegistryToken`s, so that the operator neither creates nor changes `RegistryToken`s while they are drained.

use super::ignore_not_found;
use super::remaining::{ObjectKind, RemainingObject};
use crate::api::ClusterRegistryToken;
use crate::kube_client::objects::ObjectClient;
use kube::Client;
use kube::api::{Patch, PatchParams};
use serde_json::json;

/// Sets `spec.suspend` of each `ClusterRegistryToken`. Returns whether one was not suspended before.
pub(super) async fn suspend(client: &Client, all: &[RemainingObject]) -> Result<bool, kube::Error> {
    let objects: ObjectClient<ClusterRegistryToken> = ObjectClient::all(client.clone());
    let is_active =
        |one: &&RemainingObject| one.kind == ObjectKind::ClusterToken && !one.is_suspended() && !one.is_deleting();
    let mut any = false;
    for one in all.iter().filter(is_active) {
        any = true;
        let patch = Patch::Merge(json!({"spec": {"suspend": true}}));
        ignore_not_found(objects.patch_metadata(one.name(), &PatchParams::default(), &patch).await.map(drop))?;
    }
    Ok(any)
}
