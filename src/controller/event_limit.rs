//! Limits the Normal events, so that a burst of new objects does not double its own writes.

use super::allowance::Allowance;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How many events may come at once.
const BURST: u32 = 50;
/// The time between events for long: five a second.
const INTERVAL: Duration = Duration::from_millis(200);

/// Limits Normal events. They repeat what the status says, so that one too many is left out, as client-go's spam filter
/// does; Warnings are always emitted.
pub(super) struct EventLimit(Mutex<Allowance>);

impl EventLimit {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Allowance::new(BURST, INTERVAL)))
    }

    /// Whether another event may be emitted now. If so, it is counted.
    pub(super) fn take(&self) -> bool {
        let mut allowance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let may = allowance.wait_until(now).is_none();
        if may {
            allowance.record_start(now);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
