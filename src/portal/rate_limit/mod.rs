//! The rate limits of one portal: maximum concurrency, maximum request rate, and pauses that the portal requests with
//! `Retry-After`. Requests that pods wait for go first; within one priority the namespaces take turns.

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

/// The priority of a call.
///
/// A higher priority goes before a lower one, regardless of arrival. After sixteen consecutive calls that went before
/// lower ones, one of a lower priority is served: calls that nothing waits for may be delayed for long, but always
/// complete. A call without competition is never delayed by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A pod waits for it: an object's first token, or the replacement of a lost one.
    High,
    /// A successor of a token that still works.
    Normal,
    /// Edits, revocations, lookups and audits.
    Low,
}

/// How many requests may be prepared (reserve the Secret, read the issuer) per concurrent call: enough that the
/// portal never waits for the API server and for shared reads of the issuer, few enough that a crash leaves few
/// reservations behind.
const PREPARATION_SLOTS: usize = 4;

/// The longest `Retry-After` that is honored; after that the portal is called again.
pub const MAX_PAUSE: Duration = Duration::from_mins(5);

/// The limiter of one portal.
pub struct Limiter {
    /// Preparation slots for requests that pods wait for, and for all others: a wave of rotations does not take the
    /// slots of urgent requests.
    high_preparation: Arc<PrioritySemaphore>,
    other_preparation: Arc<PrioritySemaphore>,
    calls: Arc<PrioritySemaphore>,
}

impl Limiter {
    /// Creates a limiter with these limits.
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

    /// Applies new limits. Calls in flight and waiters continue, and count.
    pub fn set_limits(&self, limits: &Limits) {
        let concurrency = concurrency(limits);
        self.high_preparation.set_capacity(high_preparation_capacity(concurrency));
        self.other_preparation.set_capacity(other_preparation_capacity(concurrency));
        self.calls.set_capacity(concurrency);
        self.calls.update_pacer(|pace| pace.set_interval(interval(limits)));
    }

    /// Waits for a slot to prepare a token request for an object in this namespace. It becomes free when enough
    /// earlier requests have completed, each of which is bounded by its timeouts.
    pub async fn acquire_preparation(&self, priority: Priority, namespace: &str) -> Permit {
        let slots = if priority == Priority::High { &self.high_preparation } else { &self.other_preparation };
        slots.acquire(priority, namespace).await
    }

    /// Waits for a permit for one call for an object in this namespace. Calls that belong to no object use the empty
    /// namespace.
    ///
    /// A namespace with a thousand waiting calls delays a call of another namespace only until a call in flight
    /// completes.
    pub async fn acquire(&self, priority: Priority, namespace: &str) -> Permit {
        self.calls.acquire(priority, namespace).await
    }

    /// Pauses calls for as long as the portal requested with a failure, if it did.
    pub fn apply_retry_after(&self, failure: &PortalError) {
        if let Some(wait) = failure.retry_after {
            self.pause_for(wait.min(MAX_PAUSE));
        }
    }

    /// Starts no call before this time has passed, as the portal requested.
    pub fn pause_for(&self, wait: Duration) {
        let until = Instant::now() + wait;
        self.calls.update_pacer(|pace| pace.pause_until(until));
    }
}

fn concurrency(limits: &Limits) -> usize {
    usize::try_from(limits.concurrency).unwrap_or(1).max(1)
}

/// The time between the starts of two calls.
fn interval(limits: &Limits) -> Duration {
    Duration::from_secs(1) / limits.requests_per_second.max(1).unsigned_abs()
}

const fn high_preparation_capacity(concurrency: usize) -> usize {
    concurrency * PREPARATION_SLOTS + PREPARATION_SLOTS
}

/// Nothing waits for these, so the portal may be idle for the duration of an API server call now and then.
const fn other_preparation_capacity(concurrency: usize) -> usize {
    concurrency + 1
}
