//! `run`: runs the operator.

use super::args::RunArgs;
use super::cluster::{api_server_address, install_crypto_provider, kube_client, kube_config};
use super::error::CliError;
use super::process::{random_suffix, shutdown_signal};
use crate::controller::{self, Clock, OperatorConfig};
use crate::health::readiness::Readiness;
use crate::metrics::{GIT_COMMIT, Metrics};
use crate::profiling::Profiling;
use crate::{health, telemetry};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub(crate) async fn run(run: RunArgs) -> Result<(), CliError> {
    install_crypto_provider()?;
    let traces = telemetry::init(run.log_format)?;
    let scope = run.scope.scope()?;
    let installation = format!("{}/{}", run.namespace, run.mac_key_secret);
    // Without cluster-wide permissions, the Lease is in the operator's own namespace.
    let own_namespace = (!scope.is_cluster_wide()).then_some(&run.namespace);
    let election = run.leader_election.settings(installation, own_namespace)?;
    let clock = Arc::new(Clock::default());
    let readiness = Arc::new(Readiness::default());
    let metrics = Arc::new(Metrics::with_objects(usize::try_from(run.metrics_per_object)?));
    let listeners = health::listen(run.listen).await.map_err(|error| cannot_listen(run.listen, &error))?;
    let profiling = match run.pprof_bind_address {
        Some(address) => Some(Profiling::listen(address).await?),
        None => None,
    };
    let client = kube_client(kube_config(None).await?, Arc::clone(&clock), Arc::clone(&metrics))?;
    let stop = CancellationToken::new();
    cancel_on_signal(shutdown_signal()?, stop.clone(), Arc::clone(&readiness));
    let identity = match run.identity {
        Some(name) => format!("{name}-{}", random_suffix()?),
        None => random_suffix()?,
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), commit = GIT_COMMIT, identity, namespace = %run.namespace, "starting");
    // Health is served until the last pass has ended, so that probes see the state `stopping`.
    let health_stop = CancellationToken::new();
    let health =
        health::serve(listeners, Arc::clone(&readiness), Arc::clone(&metrics), health_stop.clone().cancelled_owned());
    let health = tokio::spawn(health);
    if let Some(profiling) = profiling {
        tokio::spawn(profiling.serve(health_stop.clone().cancelled_owned()));
    }
    let settings = OperatorConfig {
        namespace: run.namespace.to_string(),
        identity,
        clock,
        scope,
        policy: run.issuer_policy.policy(api_server_address()),
        mac_key_secret: run.mac_key_secret.to_string(),
        metrics,
        election,
    };
    tokio::select! {
        () = controller::run(client, settings, readiness, stop) => {}
        ended = health => {
            ended?;
            return Err("health server stopped unexpectedly".into());
        }
    }
    health_stop.cancel();
    traces.flush().await;
    tracing::info!("stopped");
    Ok(())
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> CliError {
    format!(
        "cannot serve health and metrics on port {} of {}: {error}: set another address with --listen (LISTEN)",
        address.port(),
        address.ip()
    )
    .into()
}

fn cancel_on_signal(
    shutdown: impl Future<Output = ()> + Send + 'static,
    stop: CancellationToken,
    readiness: Arc<Readiness>,
) {
    tokio::spawn(async move {
        shutdown.await;
        tracing::info!("shutdown requested, draining");
        readiness.set_stopping();
        stop.cancel();
    });
}
