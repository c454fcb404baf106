//! So many a second, evenly spaced.

use std::time::Duration;
use tokio::time::Instant;

/// A timer may be this late; what it was late by is made up for, so that the rate holds on average.
/// Whatever is later than this was idle time, which nobody gets back.
const MAX_TIMER_LATENESS: Duration = Duration::from_millis(5);

/// Spacing: none begins before `next`.
pub(crate) struct Pacer {
    next: Instant,
    interval: Duration,
}

impl Pacer {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { next: Instant::now(), interval }
    }

    /// From now on with this distance.
    pub(crate) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// When the next one may begin, unless it may begin now.
    pub(crate) fn wait_until(&self, now: Instant) -> Option<Instant> {
        (now < self.next).then_some(self.next)
    }

    /// One begins now.
    pub(crate) fn record_start(&mut self, now: Instant) {
        let late = now.saturating_duration_since(self.next);
        let from = if late <= MAX_TIMER_LATENESS { self.next } else { now };
        self.next = from + self.interval;
    }

    /// None begins before then.
    pub(crate) fn pause_until(&mut self, until: Instant) {
        self.next = self.next.max(until);
    }
}
