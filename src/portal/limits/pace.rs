//! So many a second, evenly spaced.

use std::time::Duration;
use tokio::time::Instant;

/// A timer may be this late; what it was late by is made up for, so that the rate holds on average.
/// Whatever is later than this was idle time, which nobody gets back.
const LATENESS: Duration = Duration::from_millis(5);

/// Spacing: none begins before `next`.
pub(super) struct Pace {
    next: Instant,
    every: Duration,
}

impl Pace {
    pub(super) fn new(every: Duration) -> Self {
        Self { next: Instant::now(), every }
    }

    /// From now on with this distance.
    pub(super) fn set(&mut self, every: Duration) {
        self.every = every;
    }

    /// When the next one may begin, unless it may begin now.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        (now < self.next).then_some(self.next)
    }

    /// One begins now.
    pub(super) fn begin(&mut self, now: Instant) {
        let late = now.saturating_duration_since(self.next);
        let from = if late <= LATENESS { self.next } else { now };
        self.next = from + self.every;
    }

    /// None begins before then.
    pub(super) fn hold_off(&mut self, until: Instant) {
        self.next = self.next.max(until);
    }
}
