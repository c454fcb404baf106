//! A peer on the same machine: external-secrets, which fills Secrets from an HTTP server.
//!
//! `PEER` names its binary, and `PEER_CRDS` the file with its CRDs, `deploy/crds/bundle.yaml` in its repository. The binary is
//! built there with `go build -trimpath -tags webhook -ldflags '-s -w' -o external-secrets .`. The release 2.9.0 was measured.

use crate::LATENCY;
use crate::control_plane::{AuditEvent, ControlPlane, Options, Server, wait_for};
use crate::fleet::{WRITERS, wait_filled};
use crate::written::written_within;
use axum::{Router, extract, http::header::CONTENT_TYPE, routing::get};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DynamicObject, ListParams, PostParams};
use kube::core::{GroupVersionKind, PartialObjectMeta};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the peer may take from its start to its first Secret.
const FIRST_SECRET: Duration = Duration::from_mins(1);

/// The name of the first object, which is not counted.
const WARM_UP: &str = "first";

/// The peer's binary and CRDs.
pub struct Peer {
    binary: PathBuf,
    crds: String,
}

/// What was measured.
pub struct Outcome {
    /// From the first object to the last filled Secret.
    pub elapsed: Duration,
    /// From the first object to the last write, events excluded.
    pub written: Duration,
    /// Writes and reads at the API server, with events and without lists and watches.
    pub requests: (usize, usize),
}

impl Peer {
    /// The peer that the environment names. A wrong path ends the benchmark.
    ///
    /// # Errors
    /// What to set, if it names none.
    pub fn of_the_environment() -> Result<Self, String> {
        let path = |name: &str| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
            // The peer runs in a folder of its own.
            let path = std::fs::canonicalize(&value);
            assert!(path.is_ok(), "{name}={}: {path:?}", value.display());
            path.ok()
        };
        let (binary, crds) = (path("PEER"), path("PEER_CRDS"));
        assert_eq!(binary.is_some(), crds.is_some(), "PEER and PEER_CRDS are set together");
        let (Some(binary), Some(crds)) = (binary, crds) else {
            return Err("set PEER=<binary of external-secrets> and PEER_CRDS=<its deploy/crds/bundle.yaml>".to_owned());
        };
        let text = std::fs::read_to_string(&crds).expect("PEER_CRDS is a text file");
        Ok(Self { binary, crds: without_conversion(&text) })
    }

    /// Lets the peer fill this many Secrets, this many at a time, from a server that takes as long as the portal.
    pub async fn fill(&self, objects: usize, in_flight: usize) -> Outcome {
        let control_plane = ControlPlane::start(Options { audit: true, ..Options::default() }).await.expect("starts");
        control_plane.apply_crds(&self.crds).await.expect("the CRDs of the peer are applied");
        let namespace = control_plane.namespace("bench").await.expect("a namespace");
        let folder = tempfile::tempdir().expect("a folder");
        let kubeconfig = format!("KUBECONFIG={}", control_plane.kubeconfig_path().display());
        let flags = [
            &kubeconfig,
            &self.binary.display().to_string(),
            &format!("--concurrent={in_flight}"),
            "--client-qps=100000",
            "--client-burst=100000",
            "--enable-leader-election=false",
            "--loglevel=error",
            "--metrics-addr=127.0.0.1:0",
            "--live-addr=127.0.0.1:0",
            // Their CRDs need a webhook, which is not part of what is measured.
            "--enable-push-secret-reconciler=false",
            "--enable-cluster-push-secret-reconciler=false",
        ];
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut server =
            Server::start("the peer", Path::new("/usr/bin/env"), &flags, folder.path()).expect("it starts");
        let client = control_plane.client().await.expect("a client");
        let store = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
            "metadata": {"name": "upstream", "namespace": namespace},
            "spec": {"provider": {"webhook": {
                "url": format!("http://{}/{{{{ .remoteRef.key }}}}", upstream().await),
                "result": {"jsonPath": "$.token"},
            }}},
        });
        control_plane.apply(&store.to_string()).await.expect("applied");
        let writer = Writer { client, namespace };
        writer.fill_first(&mut server).await;
        let position = control_plane.audit().expect("audit").position().await.expect("a position");
        let begun = Instant::now();
        let create = stream::iter(0..objects).for_each_concurrent(WRITERS, |index| {
            let writer = &writer;
            async move { writer.create(&format!("pull-{index}")).await }
        });
        let is_filled = |secret: &PartialObjectMeta<Secret>| secret.name_any().starts_with("pull-");
        let filled = wait_filled(
            Api::namespaced(writer.client.clone(), &writer.namespace),
            watcher::Config::default(),
            is_filled,
            objects,
        );
        tokio::select! {
            _ = async { tokio::join!(create, filled) } => {}
            () = until_exit(&mut server) => {}
        }
        let elapsed = begun.elapsed();
        assert_eq!(writer.tokens_stored().await, objects, "the peer stored the token of each object");
        // The status follows the Secret.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let events = control_plane.audit().expect("audit").since(position).await.expect("read");
        // A client of Go names itself after its program.
        let user_agent = format!("{}/", self.binary.file_name().unwrap_or_default().display());
        let is_by_peer = |event: &&AuditEvent| {
            event.user_agent.starts_with(&user_agent) && !["list", "watch"].contains(&event.verb.as_str())
        };
        let written = events.iter().filter(is_by_peer).filter(|event| event.is_write()).count();
        let all = events.iter().filter(is_by_peer).count();
        assert!(written >= objects, "the requests of the peer are recognized by their User-Agent, but only {all} were");
        let written_within = written_within(&events, "externalsecrets", |event| is_by_peer(&event));
        Outcome { elapsed, written: written_within, requests: (written, all - written) }
    }
}

/// Creates objects of the peer.
struct Writer {
    client: Client,
    namespace: String,
}

impl Writer {
    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn objects(&self) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("external-secrets.io", "v1", "ExternalSecret");
        Api::namespaced_with(self.client.clone(), &self.namespace, &ApiResource::from_gvk(&kind))
    }

    /// Creates the first object, and waits until its Secret has the token: it shows that everything works.
    async fn fill_first(&self, server: &mut Server) {
        self.create(WARM_UP).await;
        let filled = wait_for("the peer's first Secret", FIRST_SECRET, async || {
            server.check_alive().map_err(|error| error.to_string())?;
            let secret = self.secrets().get_opt(WARM_UP).await.map_err(|error| error.to_string())?;
            if secret.is_some_and(|secret| has_token(&secret)) {
                return Ok(());
            }
            let object = self.objects().get(WARM_UP).await.map_err(|error| error.to_string())?;
            // A line of its log has a long stack trace.
            let log: String = server.log_tail().lines().last().unwrap_or_default().chars().take(500).collect();
            Err(format!("status {}; the peer's log ends with {log}", object.data["status"]))
        });
        filled.await.expect("the peer fills a Secret");
    }

    /// How many Secrets have the token of their object, without the first.
    async fn tokens_stored(&self) -> usize {
        let secrets = self.secrets().list(&ListParams::default()).await.expect("listed");
        secrets.iter().filter(|secret| secret.name_any() != WARM_UP && has_token(secret)).count()
    }

    async fn create(&self, name: &str) {
        let object = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": name},
            "spec": {
                "refreshInterval": "1h",
                "secretStoreRef": {"kind": "SecretStore", "name": "upstream"},
                "target": {"name": name},
                "data": [{"secretKey": "token", "remoteRef": {"key": name}}],
            },
        });
        let object = serde_json::from_value(object).expect("an object");
        self.objects().create(&PostParams::default(), &object).await.expect("created");
    }
}

/// Ends the benchmark when the peer exits.
async fn until_exit(server: &mut Server) {
    loop {
        server.check_alive().expect("the peer runs");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The CRDs without their conversion webhook.
fn without_conversion(bundle: &str) -> String {
    let documents = bundle.split("\n---\n").map(|text| {
        let document: Value = serde_saphyr::from_str(text).expect("PEER_CRDS is YAML");
        document
    });
    let stripped = documents.filter(Value::is_object).map(|mut crd| {
        if let Some(spec) = crd.get_mut("spec").and_then(Value::as_object_mut) {
            spec.remove("conversion");
        }
        crd.to_string()
    });
    stripped.collect::<Vec<_>>().join("\n---\n")
}

/// What the upstream returns for this name.
fn token(name: &str) -> String {
    format!("{name:x<32}")
}

fn has_token(secret: &Secret) -> bool {
    let stored = secret.data.as_ref().and_then(|data| data.get("token"));
    stored.is_some_and(|stored| stored.0 == token(&secret.name_any()).as_bytes())
}

/// Starts a server that answers each request with a token, after the latency of a portal. Returns its address.
async fn upstream() -> String {
    let answer = async |extract::Path(name): extract::Path<String>| {
        tokio::time::sleep(LATENCY).await;
        ([(CONTENT_TYPE, "application/json")], json!({"token": token(&name)}).to_string())
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let routes = Router::new().route("/{name}", get(answer));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}
