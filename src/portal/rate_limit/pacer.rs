//! A constant rate with even spacing.

use std::time::Duration;
use tokio::time::Instant;

/// A timer may fire this late; the delay is made up for, so that the average rate is correct. A longer delay is idle
/// time, which is not made up for.
const MAX_TIMER_LATENESS: Duration = Duration::from_millis(5);

/// Spaces calls: none starts before `next`.
pub(crate) struct Pacer {
    next: Instant,
    interval: Duration,
}

impl Pacer {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { next: Instant::now(), interval }
    }

    /// Changes the interval from now on.
    pub(crate) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// When the next call may start; `None` if now.
    pub(crate) fn wait_until(&self, now: Instant) -> Option<Instant> {
        (now < self.next).then_some(self.next)
    }

    /// Records that a call starts now.
    pub(crate) fn record_start(&mut self, now: Instant) {
        let late = now.saturating_duration_since(self.next);
        let from = if late <= MAX_TIMER_LATENESS { self.next } else { now };
        self.next = from + self.interval;
    }

    /// Starts no call before then.
    pub(crate) fn pause_until(&mut self, until: Instant) {
        self.next = self.next.max(until);
    }
}
