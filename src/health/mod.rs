//! Serves `/livez`, `/readyz` and `/metrics`.

mod connections;
pub mod readiness;
pub mod watch_health;

use self::readiness::Readiness;
use crate::metrics::{DECISIONS, STATUS_WRITE_FAILURES};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

/// Serves until `stop` completes.
///
/// # Errors
/// If the address cannot be bound.
pub async fn run(
    listen: SocketAddr,
    readiness: Arc<Readiness>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(readiness);
    let listeners = connections::listen(listen).await?;
    for listener in &listeners {
        tracing::info!(address = %listener.local_addr()?, "health server listening");
    }
    connections::serve(listeners, routes, connections::ConnectionLimits::default(), stop).await;
    Ok(())
}

async fn livez(State(readiness): State<Arc<Readiness>>) -> (StatusCode, String) {
    health_response(&readiness.hung_loops())
}

async fn readyz(State(readiness): State<Arc<Readiness>>) -> (StatusCode, String) {
    health_response(&readiness.not_ready_reasons())
}

async fn metrics(State(readiness): State<Arc<Readiness>>) -> String {
    STATUS_WRITE_FAILURES.text() + &DECISIONS.text() + &readiness.metrics()
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
