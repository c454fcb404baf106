//! Serves `/livez`, `/readyz` and `/metrics`.

pub mod invalid_objects;
pub mod readiness;
pub mod watch_health;

use self::readiness::Readiness;
use crate::http_server::{self, ConnectionLimits};
use crate::metrics::{Format, Metrics};
use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::routing::get;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Listens on this address.
///
/// # Errors
/// If the address cannot be bound.
pub async fn listen(address: SocketAddr) -> std::io::Result<Vec<TcpListener>> {
    let listeners = http_server::listen(address).await?;
    for listener in &listeners {
        tracing::info!(address = %listener.local_addr()?, "health server listening");
    }
    Ok(listeners)
}

/// Serves until `stop` completes.
pub async fn serve(
    listeners: Vec<TcpListener>,
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let routes = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .with_state(readiness)
        .merge(Router::new().route("/metrics", get(serve_metrics)).with_state(metrics));
    http_server::serve("health", listeners, routes, ConnectionLimits::default(), stop).await;
}

async fn livez(State(readiness): State<Arc<Readiness>>) -> (StatusCode, String) {
    health_response(&readiness.hung_loops())
}

async fn readyz(State(readiness): State<Arc<Readiness>>) -> (StatusCode, String) {
    let (code, mut text) = health_response(&readiness.not_ready_reasons());
    for waiting in readiness.absent_namespaces() {
        text.push_str(&waiting);
        text.push('\n');
    }
    (code, text)
}

async fn serve_metrics(
    State(metrics): State<Arc<Metrics>>,
    headers: HeaderMap,
) -> ([(HeaderName, &'static str); 1], String) {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accept);
    ([(CONTENT_TYPE, format.content_type())], metrics.encode(format))
}

fn health_response(problems: &[String]) -> (StatusCode, String) {
    if problems.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, problems.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn metrics_are_served_in_the_accepted_format() {
        let accept =
            HeaderMap::from_iter([(ACCEPT, "application/openmetrics-text;version=1.0.0".parse().expect("valid"))]);
        let (headers, text) = serve_metrics(State(Arc::default()), accept).await;
        assert_eq!(headers, [(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")]);
        assert!(text.ends_with("# EOF\n"), "{text}");
        let (headers, text) = serve_metrics(State(Arc::default()), HeaderMap::new()).await;
        assert_eq!(headers, [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")]);
        assert!(text.contains("# TYPE registry_token_operator_events_dropped_total counter\n"), "{text}");
        assert!(!text.contains("# EOF"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_hung_loop_and_shutdown_return_503() {
        let readiness = Arc::new(Readiness::default());
        let _never_polled = Arc::clone(&readiness).heartbeat::<()>("objects");
        readiness.set_caches_synced();
        let (live, ready) = (livez(State(Arc::clone(&readiness))).await, readyz(State(Arc::clone(&readiness))).await);
        assert_eq!((live.0, ready.0), (StatusCode::OK, StatusCode::OK));
        tokio::time::advance(Duration::from_mins(10)).await;
        let (code, text) = livez(State(Arc::clone(&readiness))).await;
        assert_eq!((code, text.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "the loop over objects is hung\n"));
        readiness.set_stopping();
        let (code, text) = readyz(State(readiness)).await;
        assert_eq!((code, text.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"));
    }
}
