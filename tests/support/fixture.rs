//! The environment of tests: one control plane and one operator shared by all tests that do not disturb others, and a
//! namespace with its own portal for each test.

pub mod manifests;

pub use self::manifests::{issuer_spec, merge, token};

use crate::control_plane::{ControlPlane, apply_object, eventually, shared};
use crate::fake_portal::{Config, FakePortal};
use crate::operator_process::{self, Operator};
use k8s_openapi::api::core::v1::{Event, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use registry_token_operator::api::{RegistryToken, TokenIssuer};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

/// The maximum duration of any wait; a slow machine runs many of these at once.
pub const LIMIT: Duration = Duration::from_mins(1);

/// The operator's binary.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_registry-token-operator"))
}

/// The control plane that tests share, with a running operator.
pub fn stage() -> &'static ControlPlane {
    static OPERATOR: OnceLock<Operator> = OnceLock::new();
    let control_plane = shared();
    OPERATOR.get_or_init(|| {
        run_on_thread(move || async move { prepare(control_plane, &operator_process::Options::default()).await })
    });
    control_plane
}

/// A control plane with an audit log that no other test uses at the same time, and an operator on it. A test that changes
/// CRDs calls [`ControlPlane::mark_modified`].
pub async fn own_control_plane() -> (&'static ControlPlane, Operator) {
    own_control_plane_with(operator_process::Options::default()).await
}

/// The same, with these options for the operator.
pub async fn own_control_plane_with(options: operator_process::Options) -> (&'static ControlPlane, Operator) {
    let control_plane = ControlPlane::reuse_for_test().await.expect("a control plane");
    let operator = prepare(control_plane, &options).await;
    (control_plane, operator)
}

async fn prepare(control_plane: &ControlPlane, options: &operator_process::Options) -> Operator {
    operator_process::install(control_plane).await.expect("installed");
    start_operator_with(control_plane, options).await
}

/// Starts an operator with the permissions of the manifests under `deploy/`.
pub async fn start_operator(control_plane: &ControlPlane) -> Operator {
    start_operator_with(control_plane, &operator_process::Options::default()).await
}

/// The same, with these options for the operator.
pub async fn start_operator_with(control_plane: &ControlPlane, options: &operator_process::Options) -> Operator {
    let kubeconfig = operator_process::kubeconfig(control_plane).await.expect("kubeconfig");
    Operator::start(binary(), &kubeconfig, options).await.expect("the operator starts")
}

fn run_on_thread<T: Send + 'static, F: Future<Output = T>>(make: impl FnOnce() -> F + Send + 'static) -> T {
    let run = move || tokio::runtime::Runtime::new().expect("runtime").block_on(make());
    std::thread::spawn(run).join().expect("the control plane is ready")
}

/// A namespace with its own portal and issuer.
pub struct Team {
    pub control_plane: &'static ControlPlane,
    pub namespace: String,
    pub portal: FakePortal,
    pub client: Client,
}

impl Team {
    /// On the shared control plane.
    pub async fn new(name: &str) -> Self {
        Self::with(name, Config::default()).await
    }

    /// With this configuration of the portal.
    pub async fn with(name: &str, config: Config) -> Self {
        Self::on(stage(), name, config, json!({})).await
    }

    /// On a separate control plane, and with changes merged into the issuer's spec.
    pub async fn on(control_plane: &'static ControlPlane, name: &str, config: Config, changes: Value) -> Self {
        let team = Self::bare(control_plane, name, config).await;
        team.credentials("portal-password").await;
        team.issuer(changes).await;
        team
    }

    /// Without credentials and issuer.
    pub async fn bare(control_plane: &'static ControlPlane, name: &str, config: Config) -> Self {
        let portal = FakePortal::start(config).await;
        let namespace = control_plane.namespace(name).await.expect("a namespace");
        let client = control_plane.client().await.expect("a client");
        Self { control_plane, namespace, portal, client }
    }

    pub fn tokens(&self) -> Api<RegistryToken> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn issuers(&self) -> Api<TokenIssuer> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Applies the credentials Secret.
    pub async fn credentials(&self, password: &str) {
        self.apply(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "portal", "labels": {"registry-token.dev/credentials": "true"}},
            "stringData": {"username": "k8s", "password": password},
        }))
        .await;
    }

    /// Applies the issuer, with changes merged into its spec.
    pub async fn issuer(&self, changes: Value) {
        self.apply(json!({
            "apiVersion": "registry-token.dev/v1alpha1", "kind": "TokenIssuer", "metadata": {"name": "portal"},
            "spec": self.issuer_spec(changes),
        }))
        .await;
    }

    pub fn issuer_spec(&self, changes: Value) -> Value {
        let mut spec = issuer_spec(&self.portal);
        merge(&mut spec, changes);
        spec
    }

    /// Applies a `RegistryToken` of the team's issuer.
    pub async fn token(&self, name: &str, description: &str) {
        self.apply(token(name, description)).await;
    }

    /// Server-side apply, as a user with kubectl would.
    pub async fn apply(&self, mut object: Value) {
        object["metadata"]["namespace"] = json!(self.namespace);
        apply_object(&self.client, &object).await.expect("applied");
    }

    /// Waits until `Ready` has this status and reason; returns the object.
    pub async fn until(&self, name: &str, status: &str, reason: &str) -> RegistryToken {
        self.until_within(LIMIT, name, status, reason).await
    }

    /// The same, within this time.
    pub async fn until_within(&self, limit: Duration, name: &str, status: &str, reason: &str) -> RegistryToken {
        let what = format!("RegistryToken {name} to be Ready={status}, {reason}");
        eventually(&what, limit, async || {
            let object = self.tokens().get(name).await.map_err(|error| error.to_string())?;
            let (is, why, message) = ready(&object);
            if is == status && why == reason { Ok(object) } else { Err(format!("Ready={is} {why}: {message}")) }
        })
        .await
    }

    /// Waits until the token is stored and the portal shows the description without a marker.
    pub async fn until_synced(&self, name: &str) -> RegistryToken {
        self.until(name, "True", "TokenStored").await;
        eventually(&format!("the description of {name} to be synced"), LIMIT, async || {
            let object = self.tokens().get(name).await.map_err(|error| error.to_string())?;
            let synced = condition(&object, "DescriptionSynced");
            let current = object.metadata.generation;
            match synced {
                Some(one) if one["status"] == "True" && one["observedGeneration"] == json!(current) => Ok(object),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    /// Deletes an object and waits until it no longer exists.
    pub async fn delete(&self, name: &str) {
        self.tokens().delete(name, &DeleteParams::default()).await.expect("deleted");
        until_gone(&self.tokens(), name).await;
    }

    /// The content of a pull secret.
    pub async fn dockerconfigjson(&self, name: &str) -> Vec<u8> {
        let secret = self.secrets().get(name).await.expect("a Secret");
        secret.data.and_then(|mut data| data.remove(".dockerconfigjson")).expect("its content").0
    }

    /// Pulls with only the pull secret of this name.
    pub async fn pull(&self, content: &[u8]) -> Result<usize, String> {
        crate::pull::pull(content, &self.portal.registry_host(), &self.portal.ca_pem()).await
    }

    /// Merge-patches an object.
    pub async fn patch(&self, name: &str, change: Value) {
        self.tokens().patch(name, &PatchParams::default(), &Patch::Merge(change)).await.expect("patched");
    }

    /// Waits for an event about the object of this name with this reason.
    pub async fn until_event(&self, name: &str, reason: &str) -> Event {
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        eventually(&format!("an event {reason} about {name}"), LIMIT, async || {
            let all = events.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
            let mut about = all.items.into_iter().filter(|event| event.involved_object.name.as_deref() == Some(name));
            let mut seen = vec![];
            about
                .find(|event| {
                    seen.push(event.reason.clone());
                    event.reason.as_deref() == Some(reason)
                })
                .ok_or_else(|| format!("{seen:?}"))
        })
        .await
    }
}

/// Waits until no object of this name exists.
pub async fn until_gone<K>(api: &Api<K>, name: &str)
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    until_gone_within(LIMIT, api, name).await;
}

/// The same, within this time.
pub async fn until_gone_within<K>(limit: Duration, api: &Api<K>, name: &str)
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    eventually(&format!("{name} to be deleted"), limit, async || match api.get_opt(name).await {
        Ok(None) => Ok(()),
        Ok(Some(object)) => Err(format!("{object:?}")),
        Err(error) => Err(error.to_string()),
    })
    .await;
}

/// A condition as JSON.
pub fn condition(object: &RegistryToken, kind: &str) -> Option<Value> {
    let status = object.status.as_ref()?;
    status.conditions.iter().find(|one| one.type_ == kind).map(|one| json!(one))
}

/// Status, reason and message of `Ready`.
pub fn ready(object: &RegistryToken) -> (String, String, String) {
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    condition(object, "Ready").map_or_else(
        || ("absent".to_owned(), String::new(), object.name_any()),
        |one| (text(&one, "status"), text(&one, "reason"), text(&one, "message")),
    )
}
