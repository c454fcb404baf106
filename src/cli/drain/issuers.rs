//! Removes the finalizer from an unused issuer, from the objects that it protected, and finally from the MAC key.

use super::remaining::{ObjectKind, RemainingObject};
use crate::api::{ClusterTokenIssuer, FINALIZER, TokenIssuer};
use crate::kube_client::objects::ObjectClient;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::{Client, Error, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::fmt::Debug;

/// Finalizes an issuer without a final audit. The Secrets and `ConfigMaps` come first, so that none keeps the
/// finalizer.
pub(crate) async fn remove_issuer_finalizers(
    client: &Client,
    operator: &str,
    issuer: &RemainingObject,
) -> Result<(), Error> {
    let namespace = if issuer.kind == ObjectKind::ClusterIssuer { operator } else { issuer.namespace() };
    let (secrets, maps) = issuer.protected_names();
    for name in secrets {
        remove_finalizer(&ObjectClient::<Secret>::namespaced(client.clone(), namespace), name).await?;
    }
    for name in maps {
        remove_finalizer(&ObjectClient::<ConfigMap>::namespaced(client.clone(), namespace), name).await?;
    }
    let client = client.clone();
    println!("{issuer}: finalizers removed without a final audit of its portal");
    match issuer.kind {
        ObjectKind::ClusterIssuer => {
            remove_finalizer(&ObjectClient::<ClusterTokenIssuer>::all(client), issuer.name()).await?
        }
        ObjectKind::Issuer => {
            remove_finalizer(&ObjectClient::<TokenIssuer>::namespaced(client, issuer.namespace()), issuer.name())
                .await?
        }
        ObjectKind::Token | ObjectKind::ClusterToken => true,
    };
    Ok(())
}

/// Removes the finalizer from the MAC key, which no token needs any more. Returns whether it is removed; false if the
/// Secret was written in the meantime and may have the finalizer again.
pub(crate) async fn remove_mac_key_finalizer(client: &Client, namespace: &str, name: &str) -> Result<bool, Error> {
    remove_finalizer(&ObjectClient::<Secret>::namespaced(client.clone(), namespace), name).await
}

async fn remove_finalizer<K>(objects: &ObjectClient<K>, name: &str) -> Result<bool, Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let Some(found) = objects.get_metadata_opt(name).await? else { return Ok(true) };
    let Some(body) = finalizer_removal_patch(&found) else { return Ok(true) };
    match objects.patch_metadata(name, &PatchParams::default(), &Patch::Merge(&body)).await {
        // The object was deleted or written in the meantime: the next round reads it again.
        Err(Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(status.code == 404),
        done => done.map(|_| true),
    }
}

fn finalizer_removal_patch<K: Resource<DynamicType = ()>>(found: &PartialObjectMeta<K>) -> Option<serde_json::Value> {
    let present = found.finalizers();
    let others: Vec<&String> = present.iter().filter(|one| *one != FINALIZER).collect();
    let changed = others.len() != present.len();
    changed.then(|| json!({"metadata": {"resourceVersion": found.resource_version(), "finalizers": others}}))
}
