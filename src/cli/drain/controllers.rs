//! Runs the controllers in this process if no operator is available.

use super::CONTROLLER_STOP_TIMEOUT;
use crate::cli::args::DrainArgs;
use crate::cli::cluster::api_server_address;
use crate::cli::error::CliError;
use crate::cli::process::random_suffix;
use crate::controller::{self, Clock, OperatorConfig};
use crate::health::readiness::Readiness;
use crate::kube_client::objects::ObjectClient;
use crate::kube_client::scope::WatchScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Client, Error, Resource};
use serde::Deserialize;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A Deployment as far as it is used. The code that parses Pod templates would make the binary larger.
#[derive(Clone, Debug, Deserialize, Resource)]
#[resource(inherit = Deployment)]
struct OperatorDeployment {
    metadata: ObjectMeta,
    #[serde(default)]
    status: Availability,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Availability {
    #[serde(default, rename = "availableReplicas")]
    available_replicas: i32,
}

pub(crate) struct LocalControllers {
    client: Client,
    settings: OperatorConfig,
    forced: bool,
    running: Option<JoinHandle<()>>,
    stop: CancellationToken,
}

impl LocalControllers {
    pub(crate) fn new(client: Client, clock: Arc<Clock>, arguments: &DrainArgs) -> Result<Self, CliError> {
        let settings = OperatorConfig {
            namespace: arguments.namespace.to_string(),
            identity: format!("drain-{}", random_suffix()?),
            clock,
            scope: arguments.scope.scope()?,
            policy: arguments.issuer_policy.clone().policy(api_server_address()),
            mac_key_secret: arguments.mac_key_secret.to_string(),
            metrics: Arc::default(),
            // Two active operators are safe, and these controllers have to work now.
            election: None,
        };
        Ok(Self { client, settings, forced: arguments.run_controllers, running: None, stop: CancellationToken::new() })
    }

    /// The namespaces that are drained.
    pub(crate) const fn scope(&self) -> &WatchScope {
        &self.settings.scope
    }

    pub(crate) const fn are_running(&self) -> bool {
        self.running.is_some()
    }

    /// Starts the controllers if no operator is available, or if `--run-controllers` is set.
    pub(crate) async fn start_unless_operator_available(&mut self) -> Result<(), Error> {
        if self.running.is_some() {
            return Ok(());
        }
        let namespace = self.settings.namespace.clone();
        if self.forced {
            println!("running the controllers here");
        } else if is_operator_available(&self.client, &namespace).await? {
            return Ok(());
        } else {
            println!("no operator is available in namespace {namespace}: running the controllers here");
        }
        let readiness = Arc::new(Readiness::default());
        let running = controller::run(self.client.clone(), self.settings.clone(), readiness, self.stop.clone());
        self.running = Some(tokio::spawn(running));
        Ok(())
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if let Some(running) = self.running {
            let _ = tokio::time::timeout(CONTROLLER_STOP_TIMEOUT, running).await;
        }
    }
}

/// Whether the operator's Deployment has an available Pod. If the Deployment may not be read, the answer is no.
pub(crate) async fn is_operator_available(client: &Client, namespace: &str) -> Result<bool, Error> {
    let deployments: ObjectClient<OperatorDeployment> = ObjectClient::namespaced(client.clone(), namespace);
    let ours = ListParams::default().labels("app.kubernetes.io/name=registry-token-operator");
    let found = match deployments.list(&ours).await {
        Ok(found) => found.items,
        Err(Error::Api(status)) if matches!(status.code, 403 | 404) => vec![],
        Err(error) => return Err(error),
    };
    Ok(found.iter().any(|one| one.status.available_replicas > 0))
}
