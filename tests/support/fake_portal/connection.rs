//! One connection of a client.

use super::server::Reachability;
use axum::Extension;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use std::future::pending;
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// A connection, as seen by its requests.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) number: u64,
    severed: Arc<Notify>,
    reach: watch::Receiver<Reachability>,
}

impl Connection {
    pub(super) fn new(number: u64, reach: watch::Receiver<Reachability>) -> Self {
        Self { number, severed: Arc::default(), reach }
    }

    /// Closes the connection.
    pub(super) fn sever(&self) {
        self.severed.notify_one();
    }

    /// Waits until it is closed.
    pub(super) async fn severed(&self) {
        self.severed.notified().await;
    }

    /// Waits until traffic passes. Requests that are stuck in a black hole are never answered: when the server comes
    /// back, the connection is closed.
    pub(super) async fn passable(&self) {
        if *self.reach.borrow() == Reachability::Blackhole {
            pending::<()>().await;
        }
    }
}

/// Blocks all traffic while the server is a black hole.
pub(super) async fn through(Extension(connection): Extension<Connection>, request: Request, next: Next) -> Response {
    connection.passable().await;
    let response = next.run(request).await;
    connection.passable().await;
    response
}
