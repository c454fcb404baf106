//! How hard one portal is worked: so many requests at a time, so many a second, none while it asks to
//! be left alone. Work that pods wait for goes first, and within one priority the namespaces take turns.

mod fair_queue;
mod pacer;
mod priority_semaphore;
#[cfg(test)]
mod tests;

use self::pacer::Pacer;
use self::priority_semaphore::PrioritySemaphore;
use super::PortalError;
use crate::api::Limits;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

pub use self::priority_semaphore::Permit;

/// Who goes first.
///
/// A higher priority goes ahead of a lower one whoever came first. Only where it has done so sixteen
/// times in a row does one of the lower goes in between: what nobody waits for may wait long, and
/// still comes to an end. One that comes alone is never held up by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A pod waits for it: an object's first token, or one in the place of a lost one.
    High,
    /// A successor of a token that still works.
    Normal,
    /// Edits, revocations, look-ups, audits.
    Low,
}

/// So many may prepare a request (reserve its Secret, read the issuer) while others are under
/// way: enough that the portal never waits for the API server, few enough that a crash leaves
/// few reservations behind.
const PREPARATION_SLOTS: usize = 3;

/// A portal's wish to wait is kept for so long at most, before it is asked again.
pub const MAX_PAUSE: Duration = Duration::from_mins(5);

/// The limiter of one portal.
pub struct Limiter {
    /// Where requests are prepared that pods wait for, and where all others: so that a wave of rotations
    /// takes nobody's place.
    high_preparation: Arc<PrioritySemaphore>,
    other_preparation: Arc<PrioritySemaphore>,
    calls: Arc<PrioritySemaphore>,
}

impl Limiter {
    /// A limiter with these limits.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let concurrency = concurrency(limits);
        let pacer = Pacer::new(interval(limits));
        Self {
            high_preparation: PrioritySemaphore::new(high_preparation_capacity(concurrency), None),
            other_preparation: PrioritySemaphore::new(other_preparation_capacity(concurrency), None),
            calls: PrioritySemaphore::new(concurrency, Some(pacer)),
        }
    }

    /// Keeps these limits from now on. What is under way or waits goes on, and counts.
    pub fn set_limits(&self, limits: &Limits) {
        let concurrency = concurrency(limits);
        self.high_preparation.set_capacity(high_preparation_capacity(concurrency));
        self.other_preparation.set_capacity(other_preparation_capacity(concurrency));
        self.calls.set_capacity(concurrency);
        self.calls.update_pacer(|pace| pace.set_interval(interval(limits)));
    }

    /// Waits for leave to prepare a request for a token of an object in this namespace. Ends when
    /// enough others have been answered, each of which is bounded by its time-outs.
    pub async fn acquire_preparation(&self, priority: Priority, namespace: &str) -> Permit {
        let slots = if priority == Priority::High { &self.high_preparation } else { &self.other_preparation };
        slots.acquire(priority, namespace).await
    }

    /// Waits for leave to make one call for an object in this namespace; what is done for no object in
    /// particular has the empty one.
    ///
    /// A namespace that has a thousand calls waiting delays one of another namespace by the answer to
    /// a call that is under way, and by no more.
    pub async fn acquire(&self, priority: Priority, namespace: &str) -> Permit {
        self.calls.acquire(priority, namespace).await
    }

    /// Holds off as long as the portal asked to with a failure, if it did.
    pub fn apply_retry_after(&self, failure: &PortalError) {
        if let Some(wait) = failure.retry_after {
            self.pause_for(wait.min(MAX_PAUSE));
        }
    }

    /// No call begins before so much time has passed: the portal asked for it.
    pub fn pause_for(&self, wait: Duration) {
        let until = Instant::now() + wait;
        self.calls.update_pacer(|pace| pace.pause_until(until));
    }
}

fn concurrency(limits: &Limits) -> usize {
    usize::try_from(limits.concurrency).unwrap_or(1).max(1)
}

/// Between the beginnings of two calls.
fn interval(limits: &Limits) -> Duration {
    Duration::from_secs(1) / limits.requests_per_second.max(1).unsigned_abs()
}

const fn high_preparation_capacity(concurrency: usize) -> usize {
    concurrency * PREPARATION_SLOTS + PREPARATION_SLOTS
}

/// Nobody waits for these: the portal may wait for the API server now and then.
const fn other_preparation_capacity(concurrency: usize) -> usize {
    concurrency + 1
}
