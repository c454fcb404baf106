//! `ClusterRegistryToken`: one object, and a token for each matching namespace.

mod deletion;
mod drain;
mod lifecycle;
mod ownership;
mod pace;
mod requests;
mod restart;
pub mod validation;

use crate::control_plane::{ControlPlane, apply_object, eventually};
use crate::fake_portal::Config;
use crate::fixture::{LIMIT, Team, merge, ready, stage};
use crate::issuers::cluster_issuer;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use registry_token_operator::api::{ClusterRegistryToken, NamespaceCounts, RegistryToken};
use serde_json::{Value, json};

/// The label that a test's objects select; its value is the name of the object.
const LABEL: &str = "test.example.com/pull";

/// A portal, an issuer for the cluster, and a `ClusterRegistryToken`.
struct Fleet {
    team: Team,
    /// The name of the object, of its `RegistryToken`s and of its issuer.
    name: String,
}

impl Fleet {
    async fn new(name: &str) -> Self {
        Self::on(stage(), name).await
    }

    async fn on(control_plane: &'static ControlPlane, name: &str) -> Self {
        let team = Team::bare(control_plane, name, Config::default()).await;
        let name = cluster_issuer(&team, json!({"limits": {"requestsPerSecond": 50, "concurrency": 8}})).await;
        Self { team, name }
    }

    fn client(&self) -> Client {
        self.team.client.clone()
    }

    fn objects(&self) -> Api<ClusterRegistryToken> {
        Api::all(self.client())
    }

    fn tokens(&self, namespace: &str) -> Api<RegistryToken> {
        Api::namespaced(self.client(), namespace)
    }

    /// Applies the object of this name, with changes merged into its spec.
    async fn apply_as(&self, name: &str, changes: Value) {
        let mut spec = json!({
            "namespaceSelector": {"matchLabels": {LABEL: self.name}},
            "template": {"spec": {"description": "for $(NAMESPACE)", "issuerRef": {"name": self.name}}},
        });
        merge(&mut spec, changes);
        let object = json!({
            "apiVersion": "registry-token.dev/v1alpha1", "kind": "ClusterRegistryToken",
            "metadata": {"name": name}, "spec": spec,
        });
        apply_object(&self.client(), &object).await.expect("applied");
    }

    async fn apply(&self, changes: Value) {
        self.apply_as(&self.name, changes).await;
    }

    /// A new namespace that the object selects.
    async fn namespace(&self, prefix: &str) -> String {
        let name = self.team.control_plane.namespace(prefix).await.expect("a namespace");
        self.label(&name, true).await;
        name
    }

    /// Adds or removes the label of a namespace.
    async fn label(&self, namespace: &str, wanted: bool) {
        let value = if wanted { json!(self.name) } else { Value::Null };
        let patch = Patch::Merge(json!({"metadata": {"labels": {LABEL: value}}}));
        let namespaces: Api<Namespace> = Api::all(self.client());
        namespaces.patch(namespace, &PatchParams::default(), &patch).await.expect("labeled");
    }

    /// Annotates the object.
    async fn annotate(&self, key: &str, value: &str) {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {format!("registry-token.dev/{key}"): value}}}));
        self.objects().patch(&self.name, &PatchParams::default(), &patch).await.expect("annotated");
    }

    async fn patch_token(&self, namespace: &str, change: Value) {
        let patch = Patch::Merge(change);
        self.tokens(namespace).patch(&self.name, &PatchParams::default(), &patch).await.expect("patched");
    }

    /// Waits until the namespace has a working token whose description is shown in the portal.
    async fn until_synced(&self, namespace: &str) -> RegistryToken {
        self.until_token(namespace, "synced", |token| {
            let synced = crate::fixture::condition(token, "DescriptionSynced");
            ready(token).0 == "True" && synced.is_some_and(|synced| synced["status"] == "True")
        })
        .await
    }

    async fn until_token(&self, namespace: &str, what: &str, wanted: impl Fn(&RegistryToken) -> bool) -> RegistryToken {
        eventually(&format!("the token of {namespace}: {what}"), LIMIT, async || {
            let token = self.tokens(namespace).get(&self.name).await.map_err(|error| error.to_string())?;
            if wanted(&token) { Ok(token) } else { Err(format!("{:?} {:?}", token.metadata, token.status)) }
        })
        .await
    }

    /// Waits until the status of the object of this name has these counts: matched, ready, failing, leaving.
    async fn until_counts_of(&self, name: &str, counts: [i64; 4]) -> ClusterRegistryToken {
        let [matched, ready, failing, leaving] = counts;
        let wanted = NamespaceCounts { matched, ready, failing, leaving, waiting: matched - ready - failing };
        eventually(&format!("{name} to have {counts:?}"), LIMIT, async || {
            let object = self.objects().get(name).await.map_err(|error| error.to_string())?;
            let status = object.status.clone().unwrap_or_default();
            if status.namespaces == Some(wanted) { Ok(object) } else { Err(format!("{status:?}")) }
        })
        .await
    }

    async fn until_counts(&self, counts: [i64; 4]) -> ClusterRegistryToken {
        self.until_counts_of(&self.name, counts).await
    }

    /// The ids of the live tokens.
    fn live(&self) -> usize {
        self.team.portal.ledger().live().len()
    }
}

/// Status and reason of a condition.
fn condition(object: &ClusterRegistryToken, kind: &str) -> Option<(String, String)> {
    let conditions = object.status.as_ref().map(|status| status.conditions.clone()).unwrap_or_default();
    let found = conditions.into_iter().find(|one| one.type_ == kind)?;
    Some((found.status, found.reason))
}

/// Namespace and reason of each failure.
fn failures(object: &ClusterRegistryToken) -> Vec<(String, String)> {
    let status = object.status.clone().unwrap_or_default();
    status.failures.into_iter().map(|failure| (failure.namespace, failure.reason)).collect()
}

fn uid(token: &RegistryToken) -> String {
    token.uid().expect("a UID")
}
