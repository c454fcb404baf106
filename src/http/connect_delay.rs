//! Opens a connection only when none comes back.
//!
//! A connection is fit for the next request a moment after its answer was read to the end. Whoever asks
//! within that moment finds none, and the pool opens another, which goes on being opened even if the
//! former comes back first: a busy portal would see more connections than requests at a time.

use futures::future::BoxFuture;
use std::error::Error;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::sleep;
use tower::{Layer, Service};

/// Long enough for a connection to come back on a busy machine, and short beside the handshakes that
/// a new one takes.
const CONNECT_DELAY: Duration = Duration::from_millis(20);

tokio::task_local! {
    /// Set while a request is driven by its caller. An opening that has lost against a connection that
    /// came back is driven on by a task of its own, where it is not set.
    static CONNECT_ALLOWED: ();
}

/// Drives a request; only within this are connections opened.
pub(super) async fn allow_connect<T>(request: impl Future<Output = T>) -> T {
    CONNECT_ALLOWED.scope((), request).await
}

/// Waits a moment before it opens a connection, and gives up when it is not wanted any more.
#[derive(Clone, Copy)]
pub(super) struct DelayedConnectLayer;

/// The connector behind it.
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
        // The one that is ready is used, and a copy of it kept.
        let kept = self.0.clone();
        let mut connector = std::mem::replace(&mut self.0, kept);
        Box::pin(async move {
            sleep(CONNECT_DELAY).await;
            if CONNECT_ALLOWED.try_with(|()| ()).is_err() {
                return Err("another connection came back first".into());
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

    /// A connector that counts, and the opening of a connection by it.
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
        let (count, begun) = (Arc::default(), Instant::now());
        allow_connect(opening(&count)).await.expect("a connection");
        assert_eq!((count.load(Ordering::SeqCst), begun.elapsed() >= CONNECT_DELAY), (1, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_no_longer_needed_is_not_opened() {
        let count = Arc::default();
        let mut opening = Box::pin(opening(&count));
        allow_connect(async { assert!(futures::poll!(opening.as_mut()).is_pending()) }).await;
        // As the pool does it when another connection came back first.
        tokio::spawn(opening).await.expect("no panic").expect_err("no connection");
        assert_eq!(count.load(Ordering::SeqCst), 0);
    }
}
