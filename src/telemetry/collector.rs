//! Sends traces to a collector with the operator's own HTTP client.

use crate::http::{self, Client, ClientOptions, EgressPolicy};
use futures::future::BoxFuture;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::header::RETRY_AFTER;
use rustls::ClientConfig;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

/// The time limit for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A collector responds with a few bytes.
const MAX_RESPONSE_BYTES: usize = 64 << 10;

/// The client of the collector. The exporter calls it from a thread of its own.
#[derive(Clone, Debug)]
pub(super) struct CollectorClient {
    client: Client,
    timeout: Duration,
    runtime: Handle,
    /// Whether the last request failed.
    is_failing: Arc<AtomicBool>,
}

impl CollectorClient {
    /// Creates a client; sends nothing.
    ///
    /// # Errors
    /// If no client can be created.
    pub(super) fn new(tls: ClientConfig, plain_http: bool, timeout: Duration) -> Result<Self, String> {
        let options = ClientOptions {
            tls,
            connect_timeout: CONNECT_TIMEOUT.min(timeout),
            plain_http,
            max_redirects: 0,
            egress: EgressPolicy::default(),
        };
        let client = Client::new(options).map_err(|error| http::classify(error).1)?;
        Ok(Self { client, timeout, runtime: Handle::current(), is_failing: Arc::default() })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        let deadline = Instant::now() + self.timeout;
        let request = reqwest::Request::try_from(request).map_err(|error| http::classify(error).1)?;
        let response = timeout_at(deadline, self.client.execute(request)).await;
        let response = response.map_err(|_| "no response in time")?.map_err(|error| http::classify(error).1)?;
        let (status, retry_after) = (response.status(), response.headers().get(RETRY_AFTER).cloned());
        let body = http::read(response, MAX_RESPONSE_BYTES, deadline).await;
        let body = body.map_err(|_| format!("the response with HTTP {} cannot be read", status.as_u16()))?;
        let mut response = Response::new(Bytes::copy_from_slice(&body));
        *response.status_mut() = status;
        response.headers_mut().extend(retry_after.map(|delay| (RETRY_AFTER, delay)));
        Ok(response)
    }

    /// Logs when requests begin to fail, and when they succeed again.
    fn report(&self, failure: Option<String>) {
        let was_failing = self.is_failing.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(detail) if !was_failing => tracing::warn!(detail, "traces cannot be exported, and are lost"),
            None if was_failing => tracing::info!("traces are exported again"),
            _ => {}
        }
    }
}

impl HttpClient for CollectorClient {
    fn send_bytes<'client, 'sent>(
        &'client self,
        request: Request<Bytes>,
    ) -> BoxFuture<'sent, Result<Response<Bytes>, HttpError>>
    where
        'client: 'sent,
        Self: 'sent,
    {
        let client = self.clone();
        let sent = self.runtime.spawn(async move {
            let result = client.send(request).await;
            let failure = match &result {
                Ok(response) if response.status().is_success() => None,
                Ok(response) => Some(format!("the collector responded with HTTP {}", response.status().as_u16())),
                Err(detail) => Some(detail.clone()),
            };
            client.report(failure);
            result
        });
        Box::pin(async move { Ok(sent.await??) })
    }
}
