//! Reports the result of each request to the API server.

use axum::http::{Method, Request, Response};
use futures::future::BoxFuture;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::{Layer, Service};

/// Receives the method of each request, and the status of its response if there was one.
pub(crate) type OnResponse = Arc<dyn Fn(&Method, Option<u16>) + Send + Sync>;

/// Reports the result of each request.
#[derive(Clone)]
pub(crate) struct ObserveLayer(pub(crate) OnResponse);

/// A client whose requests are reported.
#[derive(Clone)]
pub(crate) struct Observed<S> {
    inner: S,
    on_response: OnResponse,
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed { inner, on_response: Arc::clone(&self.0) }
    }
}

impl<S, B, R> Service<Request<B>> for Observed<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (method, on_response) = (request.method().clone(), Arc::clone(&self.on_response));
        let response = self.inner.call(request);
        Box::pin(async move {
            let result = response.await;
            on_response(&method, result.as_ref().ok().map(|response| response.status().as_u16()));
            result
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tower::ServiceExt;

    #[tokio::test]
    async fn each_request_is_reported_with_its_status_or_without_one() {
        let seen = Arc::new(Mutex::new(vec![]));
        let record = Arc::clone(&seen);
        let layer = ObserveLayer(Arc::new(move |method: &Method, status| {
            record.lock().expect("not poisoned").push((method.clone(), status));
        }));
        let server = tower::service_fn(|request: Request<u16>| async move {
            let status = *request.body();
            if status == 0 { Err("broken") } else { Ok(Response::builder().status(status).body(()).expect("valid")) }
        });
        let client = layer.layer(server);
        for (method, status) in [(Method::GET, 200), (Method::PATCH, 409), (Method::GET, 0)] {
            let request = Request::builder().method(method).body(status).expect("valid");
            let _ = client.clone().oneshot(request).await;
        }
        let expected = [(Method::GET, Some(200)), (Method::PATCH, Some(409)), (Method::GET, None)];
        assert_eq!(*seen.lock().expect("not poisoned"), expected);
    }
}
