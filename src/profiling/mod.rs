//! Serves `/debug/pprof/heap` for `go tool pprof`, on a loopback port of its own: a profile costs CPU time and shows names of
//! functions, so only those who may forward a port of the Pod can read it.

pub mod address;
pub mod heap;

use self::address::LoopbackAddress;
use self::heap::{HeapProfileError, HeapProfiler};
use crate::http_server::{self, ConnectionLimits};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

/// The first profile reads the symbols of the binary, and a debug build has many of them.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);
/// Only port forwarding connects.
const MAX_CONNECTIONS: usize = 8;

/// Why profiles cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ProfilingError {
    /// There is no heap profile.
    #[error(transparent)]
    Heap(#[from] HeapProfileError),
    /// The address cannot be bound.
    #[error(
        "cannot serve profiles on {address}: {error}: set another address with --pprof-bind-address (PPROF_BIND_ADDRESS)"
    )]
    Listen {
        /// The address.
        address: LoopbackAddress,
        /// The error.
        error: io::Error,
    },
}

/// Listens, and serves nothing yet.
pub struct Profiling {
    listeners: Vec<TcpListener>,
    profiler: HeapProfiler,
}

impl Profiling {
    /// Checks that there are profiles, and listens on this address.
    ///
    /// # Errors
    /// If jemalloc records no profile, if it cannot be written, or if the address cannot be bound.
    pub async fn listen(address: LoopbackAddress) -> Result<Self, ProfilingError> {
        let profiler = HeapProfiler::start().await?;
        let listeners = http_server::listen(address.get()).await;
        let listeners = listeners.map_err(|error| ProfilingError::Listen { address, error })?;
        tracing::info!(%address, "heap profile served at /debug/pprof/heap");
        Ok(Self { listeners, profiler })
    }

    /// Serves until `stop` completes.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) {
        let limits = ConnectionLimits {
            request_timeout: REQUEST_TIMEOUT,
            max_connections: MAX_CONNECTIONS,
            ..ConnectionLimits::default()
        };
        let profiler = self.profiler;
        http_server::serve("pprof", self.listeners, routes(move || profiler.dump()), limits, stop).await;
    }
}

fn routes<F>(dump: F) -> Router
where
    F: Fn() -> Result<Vec<u8>, HeapProfileError> + Send + Sync + 'static,
{
    Router::new().route("/debug/pprof/heap", get(serve_heap::<F>)).with_state(Arc::new(HeapProfiles::new(dump)))
}

struct HeapProfiles<F> {
    dump: Arc<F>,
    /// Locked while a profile is written.
    in_progress: Arc<Mutex<()>>,
}

impl<F> HeapProfiles<F> {
    fn new(dump: F) -> Self {
        Self { dump: Arc::new(dump), in_progress: Arc::default() }
    }
}

async fn serve_heap<F>(State(profiles): State<Arc<HeapProfiles<F>>>) -> Response
where
    F: Fn() -> Result<Vec<u8>, HeapProfileError> + Send + Sync + 'static,
{
    // The lock is held by the thread that writes, also after the client has disconnected.
    let Ok(lock) = Arc::clone(&profiles.in_progress).try_lock_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "another heap profile is being written: try again\n").into_response();
    };
    let dump = Arc::clone(&profiles.dump);
    let dumped = spawn_blocking(move || {
        let _locked = lock;
        dump()
    });
    match dumped.await {
        Ok(Ok(profile)) => ([(CONTENT_TYPE, "application/octet-stream")], profile).into_response(),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::error::Error) -> Response {
    tracing::warn!(%error, "heap profile failed");
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response()
}

#[cfg(test)]
mod tests;
