//! Bounded waits whose errors say what they waited for.

use super::error::{Error, Result};
use std::panic::Location;
use std::time::{Duration, Instant};

/// The first pause between two checks.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause. A check costs CPU time here and in the API server, and many tests wait at the same time.
const LAST_PAUSE: Duration = Duration::from_millis(200);

/// Calls `look` every 50 ms, after two seconds less and less often, until it returns a value; panics after `limit` with
/// what was waited for and the last error.
///
/// Not an `async fn`, so that the panic can name the line of the test that waits.
#[track_caller]
pub fn eventually<T, F>(what: &str, limit: Duration, look: F) -> impl Future<Output = T>
where
    F: AsyncFnMut() -> std::result::Result<T, String>,
{
    let caller = Location::caller();
    async move {
        match wait_for(what, limit, look).await {
            Ok(value) => value,
            Err(error) => fail(&format!("{error}\n  at {caller}")),
        }
    }
}

#[expect(clippy::panic, reason = "this is how a test fails")]
fn fail(text: &str) -> ! {
    panic!("{text}")
}

/// Like [`eventually`], but returns the timeout as an error.
pub async fn wait_for<T, F>(what: &str, limit: Duration, mut look: F) -> Result<T>
where
    F: AsyncFnMut() -> std::result::Result<T, String>,
{
    let start = Instant::now();
    let mut reason = String::from("the first look did not end");
    loop {
        // A check that hangs must not make the wait hang.
        let left = limit.saturating_sub(start.elapsed());
        match tokio::time::timeout(left, look()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(why)) => reason = why,
            Err(_) => {}
        }
        let pause = (start.elapsed() / 40).clamp(FIRST_PAUSE, LAST_PAUSE);
        if start.elapsed() + pause > limit {
            return Err(Error::new(format!(
                "waited {:.1} s for {what}; last seen: {reason}",
                start.elapsed().as_secs_f32()
            )));
        }
        tokio::time::sleep(pause).await;
    }
}
