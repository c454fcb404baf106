//! Limits the Normal events, so that a burst of new objects does not double its own writes.

use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// How many events may come at once.
const BURST: u32 = 50;
/// How many events a second may come for long.
const PER_SECOND: f64 = 5.0;

/// A token bucket for Normal events. They repeat what the status says, so that one too many is left out, as client-go's
/// spam filter does; Warnings are always emitted.
pub(super) struct EventLimit(Mutex<Bucket>);

struct Bucket {
    left: f64,
    at: Instant,
}

impl EventLimit {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Bucket { left: f64::from(BURST), at: Instant::now() }))
    }

    /// Whether another event may be emitted now. If so, it is counted.
    pub(super) fn take(&self) -> bool {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let gained = now.duration_since(bucket.at).as_secs_f64() * PER_SECOND;
        bucket.left = (bucket.left + gained).min(f64::from(BURST));
        bucket.at = now;
        let may = bucket.left >= 1.0;
        if may {
            bucket.left -= 1.0;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn taken(limit: &EventLimit, asked: usize) -> usize {
        (0..asked).filter(|_| limit.take()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_cut_and_a_usual_rate_is_not() {
        let limit = EventLimit::new();
        assert_eq!(taken(&limit, 1000), 50);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(taken(&limit, 1000), 10);
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(taken(&limit, 1000), 50, "unused ones are not saved up");
        for _ in 0..100 {
            tokio::time::advance(Duration::from_millis(200)).await;
            assert!(limit.take());
        }
    }
}
