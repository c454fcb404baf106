//! A bare writer: it makes the writes that the operator makes for a new object, without reading, deciding or asking a
//! portal. Its speed is that of the API server, with which the operator's is compared. Like the operator, it sends all
//! requests on one connection with HTTP/2.

use crate::control_plane::{ControlPlane, Options};
use crate::operator_process;
use futures::{StreamExt, stream};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams};
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::{Api, Client, Config};
use registry_token_operator::api::{FINALIZER, OWNER_LABEL, RegistryToken};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tower::ServiceBuilder;

/// Writes for this many objects, this many at a time; creates them with or without the finalizer. Returns how long it took.
pub async fn write(objects: usize, in_flight: usize, finalizer_at_creation: bool) -> Duration {
    let control_plane = ControlPlane::start(Options { audit: true, ..Options::default() }).await.expect("starts");
    operator_process::install(&control_plane).await.expect("installed");
    let namespace = control_plane.namespace("bench").await.expect("a namespace");
    let client = with_http2(&control_plane.admin_config().expect("a configuration"));
    let writer = Writer {
        tokens: Api::namespaced(client.clone(), &namespace),
        secrets: Api::namespaced(client, &namespace),
        finalizer_at_creation,
    };
    let begun = Instant::now();
    stream::iter(0..objects).for_each_concurrent(in_flight, |index| writer.write_object(index)).await;
    begun.elapsed()
}

/// kube's own client knows HTTP/1.1 only.
fn with_http2(config: &Config) -> Client {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let tls = config.rustls_client_config().expect("TLS");
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http2().wrap_connector(tcp);
    let client = legacy::Client::builder(TokioExecutor::new()).http2_only(true).build::<_, Body>(connector);
    let service = ServiceBuilder::new().layer(config.base_uri_layer()).service(client);
    ClientBuilder::new(service, config.default_namespace.clone()).build()
}

struct Writer {
    tokens: Api<RegistryToken>,
    secrets: Api<Secret>,
    finalizer_at_creation: bool,
}

impl Writer {
    /// Creates an object; then finalizer, reservation, commit, status, and the status after the edit of the description.
    async fn write_object(&self, index: usize) {
        let (name, merge) = (format!("pull-{index}"), PatchParams::default());
        let finalizers = if self.finalizer_at_creation { vec![FINALIZER] } else { vec![] };
        let token = json!({
            "apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken",
            "metadata": {"name": name, "finalizers": finalizers},
            "spec": {"description": format!("bench {index}"), "issuerRef": {"kind": "TokenIssuer", "name": "portal"}},
        });
        let token: RegistryToken = serde_json::from_value(token).expect("an object");
        let token = self.tokens.create(&PostParams::default(), &token).await.expect("created");
        let mut token = if self.finalizer_at_creation {
            token
        } else {
            let finalizer = json!({"metadata": {"finalizers": [FINALIZER]}});
            self.tokens.patch(&name, &merge, &Patch::Merge(finalizer)).await.expect("patched")
        };
        let uid = token.metadata.uid.clone().unwrap_or_default();
        let reserved = json!({
            "metadata": {
                "name": name, "labels": {(OWNER_LABEL): uid},
                "annotations": {"registry-token.dev/reservation": "aaaaaaaaaaaaaaaaaaaa registry-token-operator-7f2c5d2e3b-3ak3v"},
                "ownerReferences": [{
                    "apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken", "name": name, "uid": uid,
                    "controller": true, "blockOwnerDeletion": true,
                }],
            },
            "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "{\"auths\":{}}"},
        });
        let reserved: Secret = serde_json::from_value(reserved).expect("a Secret");
        self.secrets.create(&PostParams::default(), &reserved).await.expect("created");
        self.secrets.patch(&name, &merge, &Patch::Merge(commit(index))).await.expect("patched");
        for is_synced in [false, true] {
            token.status = Some(serde_json::from_value(status(&name, &uid, is_synced)).expect("a status"));
            token = self.tokens.replace_status(&name, &PostParams::default(), &token).await.expect("replaced");
        }
    }
}

/// A login, and what the operator records of it.
fn commit(index: usize) -> Value {
    let login = json!({"auths": {"registry.example.com:5000": {"username": format!("tw-{index}"), "password": "x".repeat(32)}}});
    json!({
        "metadata": {"annotations": {
            "registry-token.dev/reservation": null,
            "registry-token.dev/stored": "aaaaaaaaaaaaaaaaaaaa",
            "registry-token.dev/token-id": index.to_string(),
            "registry-token.dev/username": format!("tw-{index}"),
            "registry-token.dev/provenance": "abcdefghijkl 1900000000 -",
            "registry-token.dev/mac": "m".repeat(44),
            "registry-token.dev/checksum": "c".repeat(44),
        }},
        "stringData": {".dockerconfigjson": login.to_string()},
    })
}

fn status(name: &str, uid: &str, is_synced: bool) -> Value {
    let condition = |kind: &str, is_true: bool, reason: &str| {
        json!({
            "type": kind, "status": if is_true { "True" } else { "False" }, "reason": reason, "observedGeneration": 1,
            "lastTransitionTime": "2030-01-01T00:00:00Z", "message": "the Secret stores the current token",
        })
    };
    json!({
        "observedGeneration": 1, "uid": uid,
        "conditions": [
            condition("Ready", true, "TokenStored"),
            condition("LoginVerified", true, "LoginAccepted"),
            condition("DescriptionSynced", is_synced, if is_synced { "Synced" } else { "DescriptionPending" }),
        ],
        "secret": {"name": name, "uid": uid, "resourceVersion": "812", "mac": "m".repeat(44)},
        "portal": {"type": "Thinkwise", "url": "https://portal.example.com/indicium", "scope": "tcp", "user": "k8s"},
        "token": {
            "id": "17", "username": "tw-17", "nonce": "aaaaaaaaaaaa", "requestTime": "2030-01-01T00:00:00Z", "mac": "m".repeat(44),
        },
    })
}
