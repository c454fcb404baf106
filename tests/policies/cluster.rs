//! A control plane with the CRDs, the operator's permissions and all policies, and requests as different users.

use crate::control_plane::{ControlPlane, Options, eventually};
use crate::fixture::LIMIT;
use crate::operator_process;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const SECRET: &str = "v1/Secret";

/// Namespace and name of the operator's ServiceAccount.
pub const OPERATOR: &str = "registry-token-operator";

/// Starts the control plane, without an operator. Returns the kubeconfig of the operator's ServiceAccount too.
pub async fn start() -> (&'static ControlPlane, PathBuf) {
    prepare(ControlPlane::reuse_for_test().await.expect("a control plane")).await
}

/// The same, with these options.
pub async fn start_with(options: Options) -> (&'static ControlPlane, PathBuf) {
    prepare(ControlPlane::start_for_test(options).await.expect("starts")).await
}

async fn prepare(control_plane: &'static ControlPlane) -> (&'static ControlPlane, PathBuf) {
    operator_process::install(control_plane).await.expect("installed");
    let kubeconfig = operator_process::kubeconfig(control_plane).await.expect("kubeconfig");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/policies").display().to_string();
    let policies = control_plane.kubectl_ok(&["kustomize", &folder], None).await.expect("built");
    control_plane.apply(&policies).await.expect("applied");
    until_enforced(control_plane).await;
    (control_plane, kubeconfig)
}

/// The API server enforces a policy some time after it was created.
async fn until_enforced(control_plane: &ControlPlane) {
    let admin = Actor::of(control_plane.client().await.expect("a client"), "default");
    admin
        .apply(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}}))
        .await
        .expect("applied");
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "probe"},
        "rules": [{"apiGroups": ["", "registry-token.dev"], "resources": ["*"], "verbs": ["*"]}],
    });
    admin.apply(&role).await.expect("applied");
    let tenant = tenant(control_plane, "default", "probe").await;
    let token = crate::fixture::token("probe", "is probed");
    admin.apply(&token).await.expect("applied");
    let operator = operator(control_plane, "default").await;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "probe", "annotations": {"registry-token.dev/mac": "forged"}}});
    let kept = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "kept"}});
    admin.apply(&kept).await.expect("applied");
    eventually("the policies to be enforced", LIMIT, async || {
        let attempts = [
            ("secrets", operator.dry_run().create(&secret).await),
            ("finalizers", operator.dry_run().patch("v1/ConfigMap", "probe", json!({"data": {"a": "b"}})).await),
            ("deletions", operator.dry_run().try_delete(SECRET, "kept").await),
            ("annotations", tenant.dry_run().create(&secret).await),
            ("status", tenant.dry_run().patch_status("probe", json!({"uid": "forged"})).await),
        ];
        for (policy, attempt) in attempts {
            match attempt {
                Err(kube::Error::Api(status)) if status.message.contains(&format!("{OPERATOR}-{policy}")) => {}
                other => return Err(format!("{policy}: {other:?}")),
            }
        }
        Ok(())
    })
    .await;
    admin.delete("v1/ConfigMap", "probe").await;
    admin.delete(SECRET, "kept").await;
    admin.delete("registry-token.dev/v1alpha1/RegistryToken", "probe").await;
}

/// The operator's credential, used by someone else.
pub async fn operator(control_plane: &ControlPlane, namespace: &str) -> Actor {
    let config = control_plane.service_account_config(OPERATOR, OPERATOR).await.expect("a token");
    Actor::of(Client::try_from(config).expect("a client"), namespace)
}

/// A user of this name with every permission in this namespace except on roles: more than a tenant should have.
pub async fn tenant(control_plane: &ControlPlane, namespace: &str, name: &str) -> Actor {
    let admin = Actor::of(control_plane.client().await.expect("a client"), namespace);
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name},
        "rules": [{"apiGroups": ["", "registry-token.dev"], "resources": ["*"], "verbs": ["*"]}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}],
    });
    admin.apply(&role).await.expect("applied");
    admin.apply(&binding).await.expect("applied");
    let config = control_plane.config_for(name, &[]).expect("a configuration");
    Actor::of(Client::try_from(config).expect("a client"), namespace)
}

/// Someone who sends requests in a namespace.
#[derive(Clone)]
pub struct Actor {
    client: Client,
    namespace: String,
    dry_run: bool,
}

impl Actor {
    pub fn of(client: Client, namespace: &str) -> Self {
        Self { client, namespace: namespace.to_owned(), dry_run: false }
    }

    /// The same, without effects.
    pub fn dry_run(&self) -> Self {
        Self { dry_run: true, ..self.clone() }
    }

    /// The same in another namespace.
    pub fn within(&self, namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), ..self.clone() }
    }

    /// The API of a kind, written as `group/version/Kind` or `version/Kind`.
    fn api(&self, kind: &str) -> Api<DynamicObject> {
        let parts: Vec<&str> = kind.split('/').collect();
        let kind = match parts[..] {
            [version, kind] => GroupVersionKind::gvk("", version, kind),
            [group, version, kind] => GroupVersionKind::gvk(group, version, kind),
            _ => panic!("{kind}"),
        };
        let resource = ApiResource::from_gvk(&kind);
        let is_cluster_wide = kind.kind.starts_with("Cluster");
        if is_cluster_wide {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
        }
    }

    fn api_of(&self, object: &Value) -> Api<DynamicObject> {
        let text = |key: &str| object[key].as_str().expect("a manifest");
        self.api(&format!("{}/{}", text("apiVersion"), text("kind")))
    }

    pub async fn create(&self, object: &Value) -> kube::Result<DynamicObject> {
        let mut object = object.clone();
        let api = self.api_of(&object);
        object["metadata"]["namespace"] = json!(self.namespace);
        let params = PostParams { dry_run: self.dry_run, ..PostParams::default() };
        api.create(&params, &serde_json::from_value(object).expect("an object")).await
    }

    pub async fn apply(&self, object: &Value) -> kube::Result<DynamicObject> {
        let params = PatchParams { dry_run: self.dry_run, ..PatchParams::apply("test").force() };
        let name = object["metadata"]["name"].as_str().expect("a name");
        self.api_of(object).patch(name, &params, &Patch::Apply(object)).await
    }

    fn patch_params(&self) -> PatchParams {
        PatchParams { dry_run: self.dry_run, ..PatchParams::default() }
    }

    /// Merge-patches an object.
    pub async fn patch(&self, kind: &str, name: &str, change: Value) -> kube::Result<DynamicObject> {
        self.api(kind).patch(name, &self.patch_params(), &Patch::Merge(change)).await
    }

    /// Merge-patches the status of a RegistryToken.
    pub async fn patch_status(&self, name: &str, status: Value) -> kube::Result<DynamicObject> {
        let api = self.api("registry-token.dev/v1alpha1/RegistryToken");
        api.patch_status(name, &self.patch_params(), &Patch::Merge(json!({"status": status}))).await
    }

    pub async fn get(&self, kind: &str, name: &str) -> DynamicObject {
        self.api(kind).get(name).await.expect("there")
    }

    pub async fn delete(&self, kind: &str, name: &str) {
        let _ = self.try_delete(kind, name).await.expect("deleted");
    }

    /// Deletes an object, and returns it as it was.
    pub async fn try_delete(&self, kind: &str, name: &str) -> kube::Result<DynamicObject> {
        let object = self.api(kind).get(name).await?;
        let params = kube::api::DeleteParams { dry_run: self.dry_run, ..kube::api::DeleteParams::default() };
        self.api(kind).delete(name, &params).await.map(|_| object)
    }
}

/// That a request was refused by a policy with a message that contains this.
#[track_caller]
pub fn assert_refused(what: &str, done: kube::Result<DynamicObject>, message: &str) {
    match done {
        Err(kube::Error::Api(status)) => {
            assert_eq!(status.code, 403, "{what}: {status:?}");
            assert!(status.message.contains("ValidatingAdmissionPolicy"), "{what}: {status:?}");
            assert!(status.message.contains(message), "{what}: {status:?}");
        }
        other => panic!("{what} was not refused: {other:?}"),
    }
}

/// The result of a request that must be accepted.
#[track_caller]
pub fn assert_accepted(what: &str, done: kube::Result<DynamicObject>) -> DynamicObject {
    done.unwrap_or_else(|error| panic!("{what}: {error:?}"))
}
