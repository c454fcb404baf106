//! The client of a command for the API server.

use super::error::CliError;
use crate::controller::{CONTROLLER_NAME, Clock, filter_response};
use crate::kube_client::observe::ObserveLayer;
use crate::kube_client::proxy;
use crate::metrics::Metrics;
use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{DATE, USER_AGENT};
use axum::http::{HeaderValue, Method, Response};
use kube::config::KubeConfigOptions;
use kube::{Client, Config};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tower::util::MapResponseLayer;

/// kube requires a process-wide TLS provider; ring is the only one.
pub(crate) fn install_crypto_provider() -> Result<(), CliError> {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return Err("another TLS provider is already installed".into());
    }
    Ok(())
}

/// The configuration that kube infers, for the current or the given context of the kubeconfig. The API server is
/// reached through the proxy that the kubeconfig names, never through the environment's.
///
/// # Errors
/// If there is no configuration, or it cannot be read.
pub(crate) async fn kube_config(context: Option<&str>) -> Result<Config, CliError> {
    let mut config = match context {
        None => Config::infer().await?,
        Some(name) => {
            let options = KubeConfigOptions { context: Some(name.to_owned()), ..KubeConfigOptions::default() };
            Config::from_kubeconfig(&options).await?
        }
    };
    proxy::configure_proxy(&mut config, context)?;
    Ok(config)
}

/// The client never retries by itself: after a write with an unknown outcome, the object is read instead. The `Date`
/// header of every response sets the clock, and every request is counted.
pub(crate) fn kube_client(mut config: Config, clock: Arc<Clock>, metrics: Arc<Metrics>) -> Result<Client, CliError> {
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    let agent = format!("{CONTROLLER_NAME}/{}", env!("CARGO_PKG_VERSION"));
    config.headers.push((USER_AGENT, HeaderValue::from_str(&agent)?));
    let host = config.cluster_url.authority().map(ToString::to_string).unwrap_or_default();
    let observe = ObserveLayer(Arc::new(move |method: &Method, status| {
        metrics.record_api_request(method.as_str(), &host, status);
    }));
    proxy::client(&config, response_layer(clock), observe)
}

fn response_layer<B>(clock: Arc<Clock>) -> MapResponseLayer<impl FnOnce(Response<B>) -> Response<Body> + Clone>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    MapResponseLayer::new(move |response: Response<B>| {
        if let Some(date) = response.headers().get(DATE).and_then(|date| date.to_str().ok()) {
            clock.observe_date(date);
        }
        filter_response(response)
    })
}

/// The API server's address inside the cluster. Issuers have no reason to connect to it.
pub(crate) fn api_server_address() -> Option<IpAddr> {
    std::env::var("KUBERNETES_SERVICE_HOST").ok()?.trim_matches(['[', ']']).parse().ok()
}
