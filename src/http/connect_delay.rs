//! Opens a connection only if no idle one becomes available.
//!
//! A connection becomes available for the next request a moment after its response was read completely. A request
//! that is sent within that moment finds none, and the pool opens another, which it continues to open even if the
//! earlier connection becomes available first: a busy portal would see more connections than concurrent requests.

use futures::future::BoxFuture;
use std::error::Error;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::sleep;
use tower::{Layer, Service};

/// Long enough for a connection to become available on a busy machine, and short compared to the handshakes of a new
/// one.
const CONNECT_DELAY: Duration = Duration::from_millis(20);

tokio::task_local! {
    /// Set while a request is polled by its caller. If another connection becomes available first, the pool continues
    /// to open the new one in a separate task, where it is not set.
    static CONNECT_ALLOWED: ();
}

/// Runs a request; connections are opened only within this scope.
pub(super) async fn allow_connect<T>(request: impl Future<Output = T>) -> T {
    CONNECT_ALLOWED.scope((), request).await
}

/// Delays opening a connection, and cancels it when it is no longer needed.
#[derive(Clone, Copy)]
pub(super) struct DelayedConnectLayer;

/// The connector with a delay.
#[derive(Clone)]
pub(super) struct DelayedConnect<S>(S);

impl<S> Layer<S> for DelayedConnectLayer {
    type Service = DelayedConnect<S>;

    fn layer(&self, connector: S) -> DelayedConnect<S> {
        DelayedConnect(connector)
    }
}

impl<S, R> Service<R> for DelayedConnect<S>
where
    S: Service<R, Error = Box<dyn Error + Send + Sync>> + Clone + Send + 'static,
    S::Response: Send,
    S::Future: Send,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, destination: R) -> Self::Future {
        // The ready connector is used, and replaced by a clone.
        let next = self.0.clone();
        let mut connector = std::mem::replace(&mut self.0, next);
        Box::pin(async move {
            sleep(CONNECT_DELAY).await;
            if CONNECT_ALLOWED.try_with(|()| ()).is_err() {
                return Err("another connection became available first".into());
            }
            connector.call(destination).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::time::Instant;
    use tower::service_fn;

    /// A connector that counts, and a connection that it opens.
    fn opening(count: &Arc<AtomicUsize>) -> impl Future<Output = Result<(), Box<dyn Error + Send + Sync>>> + 'static {
        let count = Arc::clone(count);
        let connector = service_fn(move |()| {
            count.fetch_add(1, Ordering::SeqCst);
            async { Ok(()) }
        });
        DelayedConnectLayer.layer(connector).call(())
    }

    #[tokio::test(start_paused = true)]
    async fn an_allowed_connection_is_opened_after_the_delay() {
        let (count, started) = (Arc::default(), Instant::now());
        allow_connect(opening(&count)).await.expect("a connection");
        assert_eq!((count.load(Ordering::SeqCst), started.elapsed() >= CONNECT_DELAY), (1, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_no_longer_needed_is_not_opened() {
        let count = Arc::default();
        let mut opening = Box::pin(opening(&count));
        allow_connect(async { assert!(futures::poll!(opening.as_mut()).is_pending()) }).await;
        // The pool does this when another connection becomes available first.
        tokio::spawn(opening).await.expect("no panic").expect_err("no connection");
        assert_eq!(count.load(Ordering::SeqCst), 0);
    }
}
