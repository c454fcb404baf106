//! Work that takes long, off the threads that drive everything else.

use crate::api::Reason;
use crate::portal::thinkwise::{Delivery, PortalError};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

/// One at a time in the whole process: each takes a multiple of its document in memory.
static METADATA_SLOT: Semaphore = Semaphore::const_new(1);

/// Does something with the portal's `$metadata`.
///
/// # Errors
/// What the work fails with; `TimedOut`, unsent, where its turn does not come in time.
pub(crate) async fn process_metadata<T: Send + 'static>(
    deadline: Instant,
    work: impl FnOnce() -> Result<T, PortalError> + Send + 'static,
) -> Result<T, PortalError> {
    let late = || {
        PortalError::new(Delivery::NotSent, Reason::TimedOut, "there was no time left to read the portal's $metadata")
    };
    let turn = timeout_at(deadline, METADATA_SLOT.acquire()).await.ok().and_then(Result::ok).ok_or_else(late)?;
    let done = spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    done.await.unwrap_or_else(|_| {
        Err(PortalError::new(Delivery::NotSent, Reason::InvalidResponse, "the portal's $metadata could not be read"))
    })
}
