//! Calls to the API server with a timeout and a concurrency limit, and the classification of their errors.

use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::api_server_unavailable;
use futures::AsyncReadExt;
use kube::Client;
use std::fmt;
use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

/// Timeout of a call. The API server itself gives up after 60 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Maximum number of concurrent calls. The API server rejects clients that exceed their fair share with 429; waiting
/// here costs less than a rejection in the middle of an attempt.
static API_CONCURRENCY: Semaphore = Semaphore::const_new(32);

/// Cancelled on shutdown.
static SHUTDOWN: OnceLock<CancellationToken> = OnceLock::new();

tokio::task_local! {
    /// Set while a token is uncommitted: its calls wait for a slot even during shutdown.
    static WAITS_DURING_SHUTDOWN: bool;
}

/// After this token is cancelled, calls no longer wait for a slot.
pub fn set_shutdown_token(stop: &CancellationToken) {
    let _ = SHUTDOWN.set(stop.clone());
}

/// Whether the operator is stopping: its connections may be closed while a watch still reads from them.
pub fn is_stopping() -> bool {
    SHUTDOWN.get().is_some_and(CancellationToken::is_cancelled)
}

/// If `waits` is true, calls within `future` wait for a slot even during shutdown.
pub async fn with_waits_during_shutdown<F: Future>(waits: bool, future: F) -> F::Output {
    WAITS_DURING_SHUTDOWN.scope(waits, future).await
}

/// Waits for a slot to call the API server; `None` if shutdown starts first. The wait is bounded, because every call
/// has a timeout.
pub async fn acquire_slot() -> Option<SemaphorePermit<'static>> {
    let stopped = async {
        match SHUTDOWN.get().filter(|_| !WAITS_DURING_SHUTDOWN.try_with(|waits| *waits).unwrap_or_default()) {
            Some(stop) => stop.cancelled().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        // `acquire` only fails on a closed semaphore, and this one is never closed.
        slot = API_CONCURRENCY.acquire() => slot.ok(),
        () = stopped => None,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The object has another version than the one that was read.
    #[error("{0}: the object has been modified")]
    Conflict(&'static str),
    #[error("{0}: not found")]
    NotFound(&'static str),
    #[error("{0}: already exists")]
    AlreadyExists(&'static str),
    /// Rejected by quota, admission, validation or permissions.
    #[error("{0}: rejected: {1}")]
    Rejected(&'static str, String),
    /// No response, or one that leaves the outcome unknown.
    #[error("{0}: no valid response from the API server: {1}")]
    Unavailable(&'static str, String),
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        api_server_unavailable(&error.to_string())
    }
}

/// Awaits a call; `what` describes it in logs and messages.
pub async fn call<T, F>(what: &'static str, request: F) -> Result<T, ApiError>
where
    F: Future<Output = Result<T, kube::Error>>,
{
    let Some(_slot) = acquire_slot().await else {
        return Err(ApiError::Unavailable(what, "the operator is shutting down".to_owned()));
    };
    match tokio::time::timeout(CALL_TIMEOUT, request).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(to_api_error(what, &error)),
        Err(_) => Err(ApiError::Unavailable(what, format!("no response within {} s", CALL_TIMEOUT.as_secs()))),
    }
}

/// Reads a response body for the caller to parse. kube's own parser logs what it cannot parse, and one byte that is not
/// UTF-8 makes it fail altogether.
pub async fn read_body(client: &Client, request: axum::http::Request<Vec<u8>>) -> kube::Result<Vec<u8>> {
    let mut body = vec![];
    let mut stream = std::pin::pin!(client.request_stream(request).await?);
    stream.read_to_end(&mut body).await.map_err(kube::Error::ReadEvents)?;
    Ok(body)
}

/// The reason that kube sets for an error response whose body is not a `Status`; the message is then that body.
const STATUS_PARSE_FAILURE: &str = "Failed to parse error data";

/// The error message, without any content of a response that is not a message of the API server: it may be a Secret.
pub fn safe_error_message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.reason == STATUS_PARSE_FAILURE => {
            format!("HTTP {} without a Status, probably from a proxy", status.code)
        }
        kube::Error::Api(status) => truncate_message(&status.message),
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => "the response cannot be parsed".to_owned(),
        other => truncate_message(other),
    }
}

pub fn to_api_error(what: &'static str, error: &kube::Error) -> ApiError {
    let kube::Error::Api(status) = error else {
        return ApiError::Unavailable(what, safe_error_message(error));
    };
    if status.is_already_exists() {
        return ApiError::AlreadyExists(what);
    }
    match status.code {
        404 => ApiError::NotFound(what),
        409 => ApiError::Conflict(what),
        // A namespace that is being deleted answers a create with 403, as a quota does.
        400 | 403 | 405 | 413 | 422 => ApiError::Rejected(what, safe_error_message(error)),
        _ => ApiError::Unavailable(what, safe_error_message(error)),
    }
}

/// Truncates long messages, such as those of an admission webhook, for conditions and events.
pub fn truncate_message(text: &impl fmt::Display) -> String {
    let text = text.to_string();
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
