//! Runs long computations outside the threads of the async runtime.

use crate::api::Reason;
use crate::portal::thinkwise::{Delivery, PortalError};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

/// One at a time in the whole process: each needs a multiple of its document's size in memory.
static METADATA_SLOT: Semaphore = Semaphore::const_new(1);

/// Processes the portal's `$metadata`.
///
/// # Errors
/// The error of the work; `TimedOut`, not sent, if no slot becomes free in time.
pub(crate) async fn process_metadata<T: Send + 'static>(
    deadline: Instant,
    work: impl FnOnce() -> Result<T, PortalError> + Send + 'static,
) -> Result<T, PortalError> {
    let timed_out = || {
        PortalError::new(Delivery::NotSent, Reason::TimedOut, "there was no time left to read the portal's $metadata")
    };
    let slot = timeout_at(deadline, METADATA_SLOT.acquire()).await.ok().and_then(Result::ok).ok_or_else(timed_out)?;
    let result = spawn_blocking(move || {
        let _slot = slot;
        work()
    });
    result.await.unwrap_or_else(|_| {
        Err(PortalError::new(Delivery::NotSent, Reason::InvalidResponse, "the portal's $metadata could not be read"))
    })
}
