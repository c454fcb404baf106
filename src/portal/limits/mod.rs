//! How hard one portal is worked: so many requests at a time, so many a second, none while it asks to
//! be left alone. Work that pods wait for goes first, and within one priority the namespaces take turns.

mod lane;
mod pace;
mod queue;
#[cfg(test)]
mod tests;

use self::pace::Pace;
use self::queue::Queue;
use super::Failure;
use crate::api::Limits;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

pub use self::queue::Permit;

/// Who goes first.
///
/// A higher priority goes ahead of a lower one whoever came first. Only where it has done so sixteen
/// times in a row does one of the lower goes in between: what nobody waits for may wait long, and
/// still comes to an end. One that comes alone is never held up by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A pod waits for it: an object's first token, or one in the place of a lost one.
    Urgent,
    /// A successor of a token that still works.
    Soon,
    /// Edits, revocations, look-ups, audits.
    Later,
}

/// So many may prepare a request (reserve its Secret, read the issuer) while others are under
/// way: enough that the portal never waits for the API server, few enough that a crash leaves
/// few reservations behind.
const PREPARING: usize = 3;

/// A portal's wish to wait is kept for so long at most, before it is asked again.
pub const LONGEST_HOLD_OFF: Duration = Duration::from_mins(5);

/// The limiter of one portal.
pub struct Gate {
    /// Where requests are prepared that pods wait for, and where all others: so that a wave of rotations
    /// takes nobody's place.
    urgent: Arc<Queue>,
    others: Arc<Queue>,
    calls: Arc<Queue>,
}

impl Gate {
    /// A limiter with these limits.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let concurrency = concurrency(limits);
        let pace = Pace::new(distance(limits));
        Self {
            urgent: Queue::new(urgent_room(concurrency), None),
            others: Queue::new(other_room(concurrency), None),
            calls: Queue::new(concurrency, Some(pace)),
        }
    }

    /// Keeps these limits from now on. What is under way or waits goes on, and counts.
    pub fn adjust(&self, limits: &Limits) {
        let concurrency = concurrency(limits);
        self.urgent.resize(urgent_room(concurrency));
        self.others.resize(other_room(concurrency));
        self.calls.resize(concurrency);
        self.calls.pace(|pace| pace.set(distance(limits)));
    }

    /// Waits for leave to prepare a request for a token of an object in this namespace. Ends when
    /// enough others have been answered, each of which is bounded by its time-outs.
    pub async fn prepare(&self, priority: Priority, namespace: &str) -> Permit {
        let room = if priority == Priority::Urgent { &self.urgent } else { &self.others };
        room.take(priority, namespace).await
    }

    /// Waits for leave to make one call for an object in this namespace; what is done for no object in
    /// particular has the empty one.
    ///
    /// A namespace that has a thousand calls waiting delays one of another namespace by the answer to
    /// a call that is under way, and by no more.
    pub async fn call(&self, priority: Priority, namespace: &str) -> Permit {
        self.calls.take(priority, namespace).await
    }

    /// Holds off as long as the portal asked to with a failure, if it did.
    pub fn heed(&self, failure: &Failure) {
        if let Some(wait) = failure.retry_after {
            self.hold_off(wait.min(LONGEST_HOLD_OFF));
        }
    }

    /// No call begins before so much time has passed: the portal asked for it.
    pub fn hold_off(&self, wait: Duration) {
        let until = Instant::now() + wait;
        self.calls.pace(|pace| pace.hold_off(until));
    }
}

fn concurrency(limits: &Limits) -> usize {
    usize::try_from(limits.concurrency).unwrap_or(1).max(1)
}

/// Between the beginnings of two calls.
fn distance(limits: &Limits) -> Duration {
    Duration::from_secs(1) / limits.requests_per_second.max(1).unsigned_abs()
}

const fn urgent_room(concurrency: usize) -> usize {
    concurrency * PREPARING + PREPARING
}

/// Nobody waits for these: the portal may wait for the API server now and then.
const fn other_room(concurrency: usize) -> usize {
    concurrency + 1
}
