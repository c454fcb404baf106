//! Emptying a control plane, so that another test can use it.

use super::error::{Context as _, Result};
use super::start::ControlPlane;
use super::wait::wait_for;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingWebhookConfiguration,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Resource, ResourceExt as _};
use registry_token_operator::api::{ClusterRegistryToken, ClusterTokenIssuer, RegistryToken, TokenIssuer};
use serde_json::json;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A namespace is gone within a few seconds after its deletion.
const LIMIT: Duration = Duration::from_mins(1);

type Found = PartialObjectMeta<DynamicObject>;

/// The namespaces of a new control plane.
const SYSTEM: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

impl ControlPlane {
    /// Marks it as unusable for another test: this test changes CRDs or API server settings.
    pub fn mark_modified(&self) {
        self.modified.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_modified(&self) -> bool {
        self.modified.load(Ordering::Relaxed)
    }

    /// Removes what tests create, and waits until it is gone. The operators of the test must have stopped. CRDs stay.
    pub(super) async fn empty(&self) -> Result<()> {
        self.check_alive()?;
        let client = self.client().await?;
        self.wait_until_none_is_left("the objects of a test to be gone", async || remove_objects(&client).await)
            .await?;
        // Deleting a namespace is most of the work, so nothing else is asked for meanwhile.
        self.wait_until_none_is_left("the namespaces of a test to be gone", async || remove_namespaces(&client).await)
            .await?;
        // kube-apiserver appends to it, so the next line is the first one.
        let log =
            std::fs::OpenOptions::new().write(true).open(self.files.audit_log()).context("opening the audit log")?;
        log.set_len(0).context("emptying the audit log")
    }

    /// Repeats this until it finds no object.
    async fn wait_until_none_is_left(
        &self,
        what: &str,
        mut remove: impl AsyncFnMut() -> kube::Result<usize>,
    ) -> Result<()> {
        let removed = wait_for(what, LIMIT, async || {
            self.check_alive().map_err(|error| error.to_string())?;
            match remove().await {
                Ok(0) => Ok(Ok(())),
                Ok(left) => Err(format!("{left} objects are left")),
                // A test left an object that cannot be parsed. It stays as it is.
                Err(error @ kube::Error::SerdeError(_)) => Ok(Err(error)),
                Err(error) => Err(error.to_string()),
            }
        });
        removed.await?.context(what)
    }
}

/// Starts to remove all objects of tests but namespaces; returns how many there were.
async fn remove_objects(client: &Client) -> kube::Result<usize> {
    // Policies first: they may forbid the rest.
    let mut left = 0;
    let other = "kubernetes.io/bootstrapping!=rbac-defaults";
    left += remove::<ValidatingAdmissionPolicyBinding>(client, "").await?;
    left += remove::<ValidatingAdmissionPolicy>(client, "").await?;
    left += remove::<ValidatingWebhookConfiguration>(client, "").await?;
    left += remove::<MutatingWebhookConfiguration>(client, "").await?;
    left += remove::<ClusterRoleBinding>(client, other).await?;
    left += remove::<ClusterRole>(client, other).await?;
    left += remove::<ClusterRegistryToken>(client, "").await?;
    left += remove::<RegistryToken>(client, "").await?;
    left += remove::<TokenIssuer>(client, "").await?;
    left += remove::<ClusterTokenIssuer>(client, "").await?;
    left += remove::<Secret>(client, "").await?;
    remove_finalizers::<ConfigMap>(client, "").await?;
    left += remove_leases(client).await?;
    Ok(left)
}

/// Starts to delete the namespaces of tests; returns how many there were.
async fn remove_namespaces(client: &Client) -> kube::Result<usize> {
    let mut left = 0;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for namespace in namespaces.list(&ListParams::default()).await? {
        if SYSTEM.contains(&namespace.name_any().as_str()) {
            continue;
        }
        left += 1;
        if namespace.metadata.deletion_timestamp.is_none() {
            ignore_gone(namespaces.delete(&namespace.name_any(), &DeleteParams::default()).await)?;
        }
    }
    Ok(left)
}

/// Deletes the Leases of operators; servers have some of their own.
async fn remove_leases(client: &Client) -> kube::Result<usize> {
    let all: Api<Lease> = Api::all(client.clone());
    let mut leases = all.list_metadata(&ListParams::default()).await?.items;
    leases.retain(|lease| lease.name_any().contains("registry-token-operator"));
    for lease in &leases {
        let namespace = lease.namespace().unwrap_or_default();
        let one: Api<Lease> = Api::namespaced(client.clone(), &namespace);
        ignore_gone(one.delete(&lease.name_any(), &DeleteParams::default()).await)?;
    }
    Ok(leases.len())
}

/// Deletes all objects of a kind that have these labels, and removes their finalizers; returns how many there were.
async fn remove<K: Resource<DynamicType = ()>>(client: &Client, labels: &str) -> kube::Result<usize> {
    let found = remove_finalizers::<K>(client, labels).await?;
    for one in found.iter().filter(|one| one.metadata.deletion_timestamp.is_none()) {
        ignore_gone(api_of::<K>(client, one).delete(&one.name_any(), &DeleteParams::default()).await)?;
    }
    Ok(found.len())
}

async fn remove_finalizers<K: Resource<DynamicType = ()>>(client: &Client, labels: &str) -> kube::Result<Vec<Found>> {
    let all: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::erase::<K>(&()));
    let found = match all.list_metadata(&ListParams::default().labels(labels)).await {
        Ok(found) => found.items,
        // The kind is not installed.
        Err(kube::Error::Api(error)) if error.code == 404 => return Ok(vec![]),
        Err(error) => return Err(error),
    };
    let found: Vec<_> = found.into_iter().filter(|one| one.namespace().as_deref() != Some("kube-system")).collect();
    for one in found.iter().filter(|one| !one.finalizers().is_empty()) {
        let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        let patched = api_of::<K>(client, one).patch_metadata(&one.name_any(), &PatchParams::default(), &patch).await;
        ignore_gone(patched)?;
    }
    Ok(found)
}

fn api_of<K: Resource<DynamicType = ()>>(client: &Client, one: &Found) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<K>(&());
    match one.namespace() {
        Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

fn ignore_gone<T>(result: kube::Result<T>) -> kube::Result<()> {
    match result {
        Err(kube::Error::Api(error)) if error.code == 404 => Ok(()),
        other => other.map(drop),
    }
}
