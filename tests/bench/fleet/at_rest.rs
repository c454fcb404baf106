//! What happens while the objects are at rest: an audit, and objects of others.

use super::{Fleet, LIMIT};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use registry_token_operator::api::TokenIssuer;
use serde_json::json;
use std::time::{Duration, Instant};

/// The time of the last audit. It has whole seconds.
const LAST_AUDIT: &str = "registry_token_operator_audit_last_success_timestamp_seconds{";

impl Fleet {
    /// Requests an audit of the portal. Returns how long it took, how many requests the portal got, and the highest
    /// resident memory meanwhile, in MiB.
    pub async fn audit(&self) -> (Duration, usize, f64) {
        let (before, position) = (self.last_audit().await, self.portal.ledger().position());
        let issuers: Api<TokenIssuer> = Api::namespaced(self.client.clone(), &self.namespace);
        let now = Timestamp::now().to_string();
        let patch = Patch::Merge(json!({"metadata": {"annotations": {"registry-token.dev/reconcile": now}}}));
        let begun = Instant::now();
        issuers.patch("portal", &PatchParams::default(), &patch).await.expect("annotated");
        let (mut peak, mut asked_at) = (self.resident(), Instant::now());
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            peak = peak.max(self.resident());
            if asked_at.elapsed() > Duration::from_millis(200) {
                asked_at = Instant::now();
                if self.last_audit().await != before {
                    break;
                }
            }
            assert!(begun.elapsed() < LIMIT, "waited for an audit");
        }
        let elapsed = begun.elapsed();
        let requests = self.portal.ledger().requests_since(position).len();
        (elapsed, requests, peak)
    }

    async fn last_audit(&self) -> String {
        let text = self.operator.as_ref().expect("runs").metrics().await;
        text.lines().find(|line| line.starts_with(LAST_AUDIT)).unwrap_or_default().to_owned()
    }

    /// Creates this many Secrets of a MiB, and this many `ServiceAccounts`, in a namespace of others.
    pub async fn create_foreign_objects(&self, secrets: usize, accounts: usize) {
        let namespace = self.control_plane.namespace("foreign").await.expect("a namespace");
        let all: Api<Secret> = Api::namespaced(self.client.clone(), &namespace);
        let create = async |index: usize| {
            let metadata = json!({"name": format!("foreign-{index}")});
            // The limit of a Secret is a MiB of data, with its keys.
            let object = json!({"metadata": metadata, "stringData": {"blob": "x".repeat((1 << 20) - 64)}});
            let object = serde_json::from_value(object).expect("a Secret");
            let _: Secret = all.create(&PostParams::default(), &object).await.expect("created");
        };
        stream::iter(0..secrets).for_each_concurrent(4, create).await;
        eprintln!("bench: {secrets} foreign Secrets exist");
        let all: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &namespace);
        let create = async |index: usize| {
            let object = json!({"metadata": {"name": format!("foreign-{index}")}});
            let object = serde_json::from_value(object).expect("a ServiceAccount");
            let _: ServiceAccount = all.create(&PostParams::default(), &object).await.expect("created");
        };
        stream::iter(0..accounts).for_each_concurrent(super::WRITERS, create).await;
    }

    /// From now on a task takes this long at the portal.
    pub fn set_latency(&self, latency: Duration) {
        self.portal.configure(|config| config.latency = latency);
    }
}
