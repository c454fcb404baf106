//! Calls to the API server: bounded in time, and their failures told apart.

use std::fmt;
use std::future::Future;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Longest time that a call may take. The API server itself gives up after 60 s.
const CALL: Duration = Duration::from_secs(20);

/// Calls at a time. The API server turns away (429) whoever brings it more than its fair share;
/// waiting here costs less than being turned away in the midst of an attempt.
static TURNS: Semaphore = Semaphore::const_new(32);

/// Waits for one's turn to call the API server. Ends, since every call is bounded in time.
pub async fn turn() -> Option<SemaphorePermit<'static>> {
    // Only a closed semaphore gives none, and this one is never closed.
    TURNS.acquire().await.ok()
}

/// Why a call to the API server failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// The object has another version than the one that was read.
    #[error("{0}: somebody else wrote meanwhile")]
    Conflict(&'static str),
    /// There is no such object.
    #[error("{0}: not found")]
    NotFound(&'static str),
    /// There is one already.
    #[error("{0}: exists already")]
    Exists(&'static str),
    /// Quota, admission, validation or permissions.
    #[error("{0} is refused: {1}")]
    Refused(&'static str, String),
    /// No answer, or none that says what became of it.
    #[error("{0}: the API server did not answer as it should: {1}")]
    Unavailable(&'static str, String),
}

/// Awaits a call; `what` says in logs and messages what it was for.
pub async fn call<T, F>(what: &'static str, request: F) -> Result<T, ClusterError>
where
    F: Future<Output = Result<T, kube::Error>>,
{
    let _turn = turn().await;
    match tokio::time::timeout(CALL, request).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(classify(what, &error)),
        Err(_) => Err(ClusterError::Unavailable(what, format!("no answer within {} s", CALL.as_secs()))),
    }
}

fn classify(what: &'static str, error: &kube::Error) -> ClusterError {
    let kube::Error::Api(status) = error else {
        return ClusterError::Unavailable(what, short(error));
    };
    if status.is_already_exists() {
        return ClusterError::Exists(what);
    }
    match status.code {
        404 => ClusterError::NotFound(what),
        409 => ClusterError::Conflict(what),
        // A namespace that is going answers 403 to a create, like a quota does.
        400 | 403 | 405 | 413 | 422 => ClusterError::Refused(what, short(&status.message)),
        _ => ClusterError::Unavailable(what, short(&status.message)),
    }
}

/// Long messages, such as an admission webhook's, are cut for conditions and events.
fn short(text: &impl fmt::Display) -> String {
    let text = text.to_string();
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
