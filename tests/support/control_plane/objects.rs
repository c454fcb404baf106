//! Namespaces, which keep the tests of a binary apart.

use super::error::{Context, Error, Result};
use super::start::ControlPlane;
use super::wait::wait_for;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, ResourceExt as _};
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
