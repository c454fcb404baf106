//! Namespaces, which keep the tests of a binary apart, and the objects in them.

use super::error::{Context, Error, Result};
use super::start::ControlPlane;
use super::wait::wait_for;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{ApiResource, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams, ValidationDirective};
use kube::core::GroupVersion;
use kube::{Api, Client, ResourceExt as _};
use serde_json::Value;
use std::time::Duration;

/// The controller manager creates a `ServiceAccount` within milliseconds once it runs.
const SERVICE_ACCOUNT_LIMIT: Duration = Duration::from_mins(1);

impl ControlPlane {
    /// Creates a namespace `<prefix>-<random>` and waits until it is ready for pods, that is, until its `default`
    /// `ServiceAccount` exists (if a controller manager runs).
    pub async fn namespace(&self, prefix: &str) -> Result<String> {
        let client = self.client().await?;
        let wanted = Namespace {
            metadata: ObjectMeta { generate_name: Some(format!("{prefix}-")), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        let name = Api::all(client.clone())
            .create(&PostParams::default(), &wanted)
            .await
            .context(format!("creating a namespace {prefix}-..."))?
            .name_any();
        if self.options.controller_manager {
            let accounts: Api<ServiceAccount> = Api::namespaced(client, &name);
            let what = format!("the ServiceAccount {name}/default");
            wait_for(&what, SERVICE_ACCOUNT_LIMIT, async || {
                let account = accounts.get("default").await;
                account.map_err(|error| error.to_string())
            })
            .await
            // A dead controller manager is the most likely cause, and its error says more.
            .map_err(|timed_out| self.check_alive().err().unwrap_or(timed_out))?;
        }
        Ok(name)
    }
}

/// Applies an object in its namespace as `kubectl apply --server-side` does, with the same field manager and validation.
/// Starting kubectl would take a tenth of a second of CPU time.
pub async fn apply_object(client: &Client, object: &Value) -> Result<()> {
    let field = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version: GroupVersion = field(&object["apiVersion"]).parse().context("reading apiVersion")?;
    let kind = version.with_kind(&field(&object["kind"]));
    let (namespace, name) = (field(&object["metadata"]["namespace"]), field(&object["metadata"]["name"]));
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &ApiResource::from_gvk(&kind));
    let params = PatchParams {
        field_manager: Some("kubectl".to_owned()),
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::default()
    };
    let done = api.patch(&name, &params, &Patch::Apply(object)).await;
    done.map(drop).context(format!("applying {} {namespace}/{name}", kind.kind))
}
