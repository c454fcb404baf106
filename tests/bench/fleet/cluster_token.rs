//! A `ClusterRegistryToken` and many namespaces.

use super::filled::wait_stored;
use super::{Fleet, WRITERS};
use crate::manifests::merge;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::PartialObjectMeta;
use kube::{Api, ResourceExt};
use registry_token_operator::api::TokenIssuer;
use serde_json::json;
use std::time::{Duration, Instant};

/// The name of the `ClusterRegistryToken`, of its issuer and of the label that selects a namespace.
const CLUSTER_TOKEN: &str = "everywhere";

impl Fleet {
    /// Creates a `ClusterRegistryToken` with an issuer like the other one.
    pub async fn create_cluster_token(&self) {
        let issuers: Api<TokenIssuer> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut spec = json!(issuers.get("portal").await.expect("there").spec);
        merge(&mut spec, json!({"thinkwise": {"auth": {"basic": {"secretRef": {"name": CLUSTER_TOKEN}}}}}));
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": CLUSTER_TOKEN, "namespace": "registry-token-operator"},
            "stringData": {"username": "k8s", "password": "portal-password"},
        });
        let issuer = json!({
            "apiVersion": "registry-token.dev/v1alpha1", "kind": "ClusterTokenIssuer",
            "metadata": {"name": CLUSTER_TOKEN}, "spec": spec,
        });
        let token = json!({
            "apiVersion": "registry-token.dev/v1alpha1", "kind": "ClusterRegistryToken",
            "metadata": {"name": CLUSTER_TOKEN},
            "spec": {
                "namespaceSelector": {"matchLabels": {CLUSTER_TOKEN: "true"}},
                "template": {"spec": {"description": "for $(NAMESPACE)", "issuerRef": {"name": CLUSTER_TOKEN}}},
            },
        });
        let manifests = format!("{secret}\n---\n{issuer}\n---\n{token}");
        self.control_plane.apply(&manifests).await.expect("applied");
    }

    /// Creates namespaces that nothing selects; returns their names.
    pub async fn create_namespaces(&self, count: usize) -> Vec<String> {
        let names: Vec<String> = (0..count).map(|number| format!("team-{number}")).collect();
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let create = async |name: &String| {
            let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
            let namespace = Namespace { metadata, ..Namespace::default() };
            namespaces.create(&PostParams::default(), &namespace).await.expect("created");
        };
        stream::iter(&names).for_each_concurrent(WRITERS, create).await;
        names
    }

    /// From the first label to the last filled Secret.
    pub async fn label_and_wait(&self, names: &[String]) -> Duration {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let patch = Patch::Merge(json!({"metadata": {"labels": {CLUSTER_TOKEN: "true"}}}));
        let label = async |name: &String| {
            namespaces.patch(name, &PatchParams::default(), &patch).await.expect("labeled");
        };
        let secrets: Api<PartialObjectMeta<Secret>> = Api::all(self.client.clone());
        let filled =
            wait_stored(secrets, |secret| names.contains(&secret.namespace().unwrap_or_default()), names.len());
        let begun = Instant::now();
        tokio::join!(stream::iter(names).for_each_concurrent(WRITERS, label), filled);
        begun.elapsed()
    }
}
