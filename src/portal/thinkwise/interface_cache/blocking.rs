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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    #[tokio::test]
    async fn metadata_is_processed_outside_the_runtimes_threads_and_one_document_at_a_time() {
        let soon = || Instant::now() + Duration::from_millis(200);
        let of_runtime = thread::current().id();
        let (release, released) = mpsc::channel();
        let first = tokio::spawn(process_metadata(soon(), move || {
            assert_ne!(thread::current().id(), of_runtime, "other tasks would wait for it");
            let _ = released.recv_timeout(Duration::from_secs(20));
            Ok(1)
        }));
        // This thread is free while the first document is processed.
        tokio::task::yield_now().await;
        let second = process_metadata(soon(), || Ok(2)).await.expect_err("the slot is taken");
        assert_eq!((second.delivery, second.reason), (Delivery::NotSent, Reason::TimedOut));
        release.send(()).expect("it still runs");
        assert_eq!(first.await.expect("no panic").expect("processed"), 1);
        assert_eq!(process_metadata(soon(), || Ok(3)).await.expect("processed"), 3, "the slot is free again");
    }
}
