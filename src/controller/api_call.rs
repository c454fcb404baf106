//! Calls to the API server: bounded in time, and their failures told apart.

use futures::AsyncReadExt;
use kube::Client;
use std::fmt;
use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

/// Longest time that a call may take. The API server itself gives up after 60 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Calls at a time. The API server turns away (429) whoever brings it more than its fair share;
/// waiting here costs less than being turned away in the midst of an attempt.
static API_CONCURRENCY: Semaphore = Semaphore::const_new(32);

/// Cancelled when the process is to end.
static SHUTDOWN: OnceLock<CancellationToken> = OnceLock::new();

tokio::task_local! {
    /// A token is in hand that is in no Secret yet: whoever holds it waits for its turn all the same.
    static WAITS_DURING_SHUTDOWN: bool;
}

/// From now on nobody waits for a turn after this is cancelled.
pub fn set_shutdown_token(stop: &CancellationToken) {
    let _ = SHUTDOWN.set(stop.clone());
}

/// Has calls within `future` wait for their turn even when the process is to end, where `insists`.
pub async fn with_waits_during_shutdown<F: Future>(waits: bool, future: F) -> F::Output {
    WAITS_DURING_SHUTDOWN.scope(waits, future).await
}

/// Waits for one's turn to call the API server; none when the process is to end before it comes. Ends, since
/// every call is bounded in time.
pub async fn acquire_slot() -> Option<SemaphorePermit<'static>> {
    let stopped = async {
        match SHUTDOWN.get().filter(|_| !WAITS_DURING_SHUTDOWN.try_with(|insists| *insists).unwrap_or_default()) {
            Some(stop) => stop.cancelled().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        // Only a closed semaphore gives none, and this one is never closed.
        turn = API_CONCURRENCY.acquire() => turn.ok(),
        () = stopped => None,
    }
}

/// Why a call to the API server failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The object has another version than the one that was read.
    #[error("{0}: somebody else wrote meanwhile")]
    Conflict(&'static str),
    /// There is no such object.
    #[error("{0}: not found")]
    NotFound(&'static str),
    /// There is one already.
    #[error("{0}: exists already")]
    AlreadyExists(&'static str),
    /// Quota, admission, validation or permissions.
    #[error("{0} is refused: {1}")]
    Rejected(&'static str, String),
    /// No answer, or none that says what became of it.
    #[error("{0}: the API server did not answer as it should: {1}")]
    Unavailable(&'static str, String),
}

/// Awaits a call; `what` says in logs and messages what it was for.
pub async fn call<T, F>(what: &'static str, request: F) -> Result<T, ApiError>
where
    F: Future<Output = Result<T, kube::Error>>,
{
    let Some(_turn) = acquire_slot().await else {
        return Err(ApiError::Unavailable(what, "the operator is asked to end".to_owned()));
    };
    match tokio::time::timeout(CALL_TIMEOUT, request).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(to_api_error(what, &error)),
        Err(_) => Err(ApiError::Unavailable(what, format!("no answer within {} s", CALL_TIMEOUT.as_secs()))),
    }
}

/// The body of an answer, for the caller to parse: kube's own parser logs what it cannot parse, and takes one
/// byte that is no text for a failure of the whole.
pub async fn read_body(client: &Client, request: axum::http::Request<Vec<u8>>) -> kube::Result<Vec<u8>> {
    let mut body = vec![];
    let mut stream = std::pin::pin!(client.request_stream(request).await?);
    stream.read_to_end(&mut body).await.map_err(kube::Error::ReadEvents)?;
    Ok(body)
}

/// What kube makes of an answer with an error status whose body is no `Status`; the message is then that body.
const STATUS_PARSE_FAILURE: &str = "Failed to parse error data";

/// Why a call failed, without anything of an answer that is not a message of the API server: it may be a Secret.
pub fn safe_error_message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.reason == STATUS_PARSE_FAILURE => {
            format!("HTTP {} without a Status, as a proxy in between answers", status.code)
        }
        kube::Error::Api(status) => truncate_message(&status.message),
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => "its answer cannot be parsed".to_owned(),
        other => truncate_message(other),
    }
}

/// What kind of failure this is.
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
        // A namespace that is going answers 403 to a create, like a quota does.
        400 | 403 | 405 | 413 | 422 => ApiError::Rejected(what, safe_error_message(error)),
        _ => ApiError::Unavailable(what, safe_error_message(error)),
    }
}

/// Long messages, such as an admission webhook's, are cut for conditions and events.
pub fn truncate_message(text: &impl fmt::Display) -> String {
    let text = text.to_string();
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
