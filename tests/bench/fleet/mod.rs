//! Many objects, one portal, one operator, on a separate control plane.

mod at_rest;
mod audit_log;
mod cluster_token;
mod creation;
mod deletion;
mod filled;
mod hanging_issuer;
mod restart;
mod timeline;

use crate::LATENCY;
use crate::control_plane::{ControlPlane, Options, Position};
use crate::fake_portal::{Config, FakePortal, Operation};
use crate::manifests::{issuer_spec, merge};
use crate::measure;
use crate::operator_process::{self, Operator};
use futures::{StreamExt, stream};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use registry_token_operator::api::{ROTATE_ANNOTATION, RegistryToken, TokenIssuer};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

pub use self::filled::wait_filled;
use self::filled::wait_stored;

/// The operator.
pub const BINARY: &str = env!("CARGO_BIN_EXE_registry-token-operator");

/// The number of an object that is not among those which are measured.
const WARM_UP: usize = 1_000_000;

/// How many tasks create objects concurrently.
pub const WRITERS: usize = 16;
/// The longest wait for a fleet.
const LIMIT: Duration = Duration::from_mins(10);

/// The portal's behavior.
#[derive(Clone, Copy)]
pub struct PortalOptions {
    /// How long a task takes.
    pub latency: Duration,
    /// Concurrent requests.
    pub concurrency: usize,
    /// Requests per second that the issuer allows.
    pub per_second: u32,
    /// Whether the response to a request contains the token's id.
    pub id_in_response: bool,
}

impl PortalOptions {
    /// Four requests of 50 ms at a time, whose responses contain the token's id.
    pub const FOUR_AT_A_TIME: Self =
        Self { latency: LATENCY, concurrency: 4, per_second: ANY_RATE, id_in_response: true };
    /// A hundred requests of a millisecond at a time: the portal is no limit.
    pub const NO_LIMIT: Self = Self { latency: Duration::from_millis(1), concurrency: 100, ..Self::FOUR_AT_A_TIME };
}

/// So many requests per second that only their number at a time is a limit.
const ANY_RATE: u32 = 10_000;

/// The environment of a benchmark.
pub struct Fleet {
    control_plane: ControlPlane,
    operator: Option<Operator>,
    /// Flags of the operator.
    flags: &'static [&'static str],
    portal: FakePortal,
    client: Client,
    namespace: String,
    begun: Position,
}

impl Fleet {
    /// Starts everything, and waits until the issuer is ready and has its finalizer.
    pub async fn start(portal: PortalOptions) -> Self {
        Self::start_with_flags(portal, &[]).await
    }

    /// The same with further flags of the operator.
    pub async fn start_with_flags(portal: PortalOptions, flags: &'static [&'static str]) -> Self {
        let control_plane = ControlPlane::start(Options { audit: true, ..Options::default() }).await.expect("starts");
        operator_process::install(&control_plane).await.expect("installed");
        let mut config = Config { latency: portal.latency, ..Config::default() };
        config.names.request.id = portal.id_in_response.then(|| "container_token_id".to_owned());
        let fake = FakePortal::start(config).await;
        let namespace = control_plane.namespace("bench").await.expect("a namespace");
        let operator = start_operator(&control_plane, flags).await;
        let client = control_plane.client().await.expect("a client");
        let manifests = manifests("portal", &fake, &namespace, &portal);
        control_plane.apply(&manifests).await.expect("applied");
        tokio::time::sleep(Duration::from_secs(3)).await;
        let begun = control_plane.audit().expect("audit").position().await.expect("a position");
        Self { control_plane, operator: Some(operator), flags, portal: fake, client, namespace, begun }
    }

    fn tokens(&self) -> Api<RegistryToken> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// An object of this issuer.
    fn object(&self, name: &str, issuer: &str) -> RegistryToken {
        serde_json::from_value(json!({
            "apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"description": format!("bench {name}"), "issuerRef": {"kind": "TokenIssuer", "name": issuer}},
        }))
        .expect("an object")
    }

    /// Creates one object.
    pub async fn create(&self, index: usize) {
        let object = self.object(&format!("pull-{index}"), "portal");
        self.tokens().create(&PostParams::default(), &object).await.expect("created");
    }

    /// Creates objects, many concurrently.
    pub async fn create_range(&self, from: usize, to: usize) {
        stream::iter(from..to).for_each_concurrent(WRITERS, |index| self.create(index)).await;
    }

    /// From the first create to the last filled Secret.
    pub async fn create_and_wait(&self, objects: usize) -> Duration {
        let begun = Instant::now();
        let secrets = Api::namespaced(self.client.clone(), &self.namespace);
        let warm_up = format!("pull-{WARM_UP}");
        let filled = wait_stored(secrets, |secret| secret.name_any() != warm_up, objects);
        tokio::join!(self.create_range(0, objects), filled);
        begun.elapsed()
    }

    /// Lets one object use the issuer, which gets its finalizer then.
    pub async fn warm_up(&mut self) {
        let _ = self.first_token(WARM_UP).await;
        self.wait_synced(1).await;
        self.begun = self.position().await;
    }

    /// Waits until every description matches its spec.
    pub async fn wait_synced(&self, objects: usize) {
        let begun = Instant::now();
        loop {
            let marked = |text: &Option<String>| text.as_ref().is_none_or(|text| text.ends_with(']'));
            let live = self.portal.ledger().live();
            let settled = live.iter().filter(|token| !marked(&token.description)).count();
            if settled >= objects {
                break;
            }
            assert!(begun.elapsed() < LIMIT, "waited for {objects} synced descriptions, got {settled}");
            eprintln!("bench: {settled} of {objects} synced after {:.0} s", begun.elapsed().as_secs_f32());
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        // The last status write and its event follow the last edit.
        tokio::time::sleep(Duration::from_secs(3)).await;
    }

    /// Requests a new token for every object, by an annotation of their issuer.
    pub async fn rotate_all(&self) {
        let issuers: Api<TokenIssuer> = Api::namespaced(self.client.clone(), &self.namespace);
        let patch = Patch::Merge(json!({"metadata": {"annotations": {(ROTATE_ANNOTATION): "wave"}}}));
        issuers.patch("portal", &PatchParams::default(), &patch).await.expect("annotated");
    }

    /// Waits until this many tokens have been requested.
    pub async fn wait_requested(&self, tokens: usize) {
        let begun = Instant::now();
        while self.tokens_requested() < tokens {
            assert!(begun.elapsed() < LIMIT, "waited for {tokens} tokens, got {}", self.tokens_requested());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Tokens requested since the start.
    pub fn tokens_requested(&self) -> usize {
        self.portal.ledger().count(Operation::Request)
    }

    /// Resident memory of the operator in MiB.
    pub fn resident(&self) -> f64 {
        measure::resident(self.operator.as_ref().expect("runs").pid())
    }

    /// The time of a scrape of all metrics, and its size in bytes.
    pub async fn scrape(&self) -> (Duration, usize) {
        let begun = Instant::now();
        let text = self.operator.as_ref().expect("runs").metrics().await;
        (begun.elapsed(), text.len())
    }

    /// CPU time that the operator has used.
    pub fn cpu_time(&self) -> Duration {
        measure::cpu_time(self.operator.as_ref().expect("runs").pid())
    }
}

async fn start_operator(control_plane: &ControlPlane, flags: &[&'static str]) -> Operator {
    let kubeconfig = operator_process::kubeconfig(control_plane).await.expect("a kubeconfig");
    Operator::start(Path::new(BINARY), &kubeconfig, &options(flags)).await.expect("the operator starts")
}

fn options(flags: &[&'static str]) -> operator_process::Options {
    let mut options = operator_process::Options { log: "warn", ..operator_process::Options::default() };
    options.flags.extend(flags);
    options
}

fn manifests(name: &str, portal: &FakePortal, namespace: &str, like: &PortalOptions) -> String {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace, "labels": {"registry-token.dev/credentials": "true"}},
        "stringData": {"username": "k8s", "password": "portal-password"},
    });
    let mut spec = issuer_spec(portal);
    let id = like.id_in_response.then_some("container_token_id");
    let changes = json!({
        "thinkwise": {"tasks": {"request": {"outputs": {"id": id}}}, "auth": {"basic": {"secretRef": {"name": name}}}},
        "limits": {
            "requestsPerSecond": like.per_second, "concurrency": like.concurrency,
            "connectTimeout": null, "firstByteTimeout": null, "requestTimeout": null,
        },
    });
    merge(&mut spec, changes);
    let issuer = json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "TokenIssuer",
        "metadata": {"name": name, "namespace": namespace}, "spec": spec,
    });
    format!("{secret}\n---\n{issuer}")
}
