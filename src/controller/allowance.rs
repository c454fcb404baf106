//! A burst at once, and then a constant rate.

use std::time::Duration;
use tokio::time::Instant;

/// Allows a burst at once, and then one after each interval. What is not used is saved up to the size of a burst.
pub(crate) struct Allowance {
    /// The interval times the size of the burst, less one.
    slack: Duration,
    interval: Duration,
    /// When a whole burst is allowed again; `None` before the first one.
    whole_at: Option<Instant>,
}

impl Allowance {
    /// Allows a burst of this size, at least one.
    pub(crate) fn new(burst: u32, interval: Duration) -> Self {
        Self { slack: interval * burst.saturating_sub(1), interval, whole_at: None }
    }

    /// When the next one is allowed; `None` if now.
    pub(crate) fn wait_until(&self, now: Instant) -> Option<Instant> {
        self.whole_at.and_then(|whole_at| whole_at.checked_sub(self.slack)).filter(|next| *next > now)
    }

    /// Counts one that begins now.
    pub(crate) fn record_start(&mut self, now: Instant) {
        self.whole_at = Some(self.whole_at.map_or(now, |whole_at| whole_at.max(now)) + self.interval);
    }
}
