//! How hard one portal is worked: so many requests at a time, so many a second. Work that pods
//! wait for goes ahead of all else.

use crate::api::Limits;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// A pod waits for it.
    Urgent,
    /// Edits, revocations, look-ups.
    Later,
}

/// So many may prepare a request (reserve its Secret, read the issuer) while others are under
/// way: enough that the portal never waits for the API server, few enough that a crash leaves
/// few reservations behind.
const PREPARING: usize = 3;

/// The limiter of one portal.
pub struct Gate {
    limits: Limits,
    room: Arc<Queue>,
    calls: Arc<Queue>,
    pace: Mutex<Pace>,
}

/// Spacing of requests: none begins before `next`.
struct Pace {
    next: Instant,
    every: Duration,
}

/// A place that is held until it is dropped.
pub struct Permit(Option<Arc<Queue>>);

struct Queue(Mutex<Waiting>);

struct Waiting {
    free: usize,
    urgent: VecDeque<oneshot::Sender<Permit>>,
    later: VecDeque<oneshot::Sender<Permit>>,
}

impl Gate {
    /// A limiter with these limits.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let concurrency = usize::try_from(limits.concurrency).unwrap_or(1).max(1);
        let rate = limits.requests_per_second.max(1).unsigned_abs();
        Self {
            limits: limits.clone(),
            room: Queue::new(concurrency * PREPARING + PREPARING),
            calls: Queue::new(concurrency),
            pace: Mutex::new(Pace { next: Instant::now(), every: Duration::from_secs(1) / rate }),
        }
    }

    /// The limits that this keeps.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Waits for leave to prepare a request for a token. Ends when enough others have been
    /// answered, each of which is bounded by its time-outs.
    pub async fn prepare(&self) -> Permit {
        self.room.take(Priority::Urgent).await
    }

    /// Waits for leave to make one call.
    pub async fn call(&self, priority: Priority) -> Permit {
        if priority == Priority::Later {
            // Whoever prepares a request is about to make it.
            drop(self.room.take(Priority::Later).await);
        }
        let permit = self.calls.take(priority).await;
        let due = lock(&self.pace).reserve(Instant::now());
        tokio::time::sleep_until(due).await;
        permit
    }

    /// No call begins before so much time has passed: the portal asked for it.
    pub fn hold_off(&self, wait: Duration) {
        let mut pace = lock(&self.pace);
        pace.next = pace.next.max(Instant::now() + wait);
    }
}

impl Pace {
    fn reserve(&mut self, now: Instant) -> Instant {
        let due = self.next.max(now);
        self.next = due + self.every;
        due
    }
}

impl Queue {
    fn new(free: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Waiting { free, urgent: VecDeque::new(), later: VecDeque::new() })))
    }

    async fn take(self: &Arc<Self>, priority: Priority) -> Permit {
        loop {
            let turn = {
                let mut waiting = lock(&self.0);
                if waiting.free > 0 && (priority == Priority::Urgent || waiting.urgent.is_empty()) {
                    waiting.free -= 1;
                    return Permit(Some(Arc::clone(self)));
                }
                let (sender, turn) = oneshot::channel();
                match priority {
                    Priority::Urgent => waiting.urgent.push_back(sender),
                    Priority::Later => waiting.later.push_back(sender),
                }
                turn
            };
            // A sender is dropped only with the queue, and we hold the queue.
            if let Ok(permit) = turn.await {
                return permit;
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // A permit without its queue has been handed on.
        let Some(queue) = self.0.take() else { return };
        loop {
            let next = {
                let mut waiting = lock(&queue.0);
                let next = waiting.urgent.pop_front().or_else(|| waiting.later.pop_front());
                if next.is_none() {
                    waiting.free += 1;
                }
                next
            };
            let Some(sender) = next else { return };
            match sender.send(Self(Some(Arc::clone(&queue)))) {
                Ok(()) => return,
                // Whoever waited has gone: the next one's turn.
                Err(mut unwanted) => unwanted.0 = None,
            }
        }
    }
}

/// A lock that outlives a panic: what it guards is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(concurrency: i32, requests_per_second: i32) -> Limits {
        Limits { requests_per_second, concurrency, ..Limits::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_calls_at_a_time_and_a_second_than_allowed() {
        let gate = Gate::new(&limits(2, 10));
        let begun = Instant::now();
        let first = gate.call(Priority::Urgent).await;
        let second = gate.call(Priority::Urgent).await;
        let apart = begun.elapsed();
        assert!((100..=102).contains(&apart.as_millis()), "one every 100 ms, not {apart:?}");
        let third = tokio::time::timeout(Duration::from_mins(1), gate.call(Priority::Urgent)).await;
        assert!(third.is_err(), "a third at a time");
        drop((first, second));
        gate.call(Priority::Urgent).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_pods_wait_for_goes_first_whoever_came_first() {
        let gate = Arc::new(Gate::new(&limits(1, 10_000)));
        let held = gate.call(Priority::Urgent).await;
        let order = Arc::new(Mutex::new(vec![]));
        let mut tasks = vec![];
        for priority in [Priority::Later, Priority::Urgent] {
            let (gate, order) = (Arc::clone(&gate), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let _permit = gate.call(priority).await;
                lock(&order).push(priority);
            }));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        drop(held);
        for task in tasks {
            task.await.expect("ends");
        }
        assert_eq!(*lock(&order), [Priority::Urgent, Priority::Later]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_stops_waiting_loses_no_place_for_others() {
        let gate = Gate::new(&limits(1, 10_000));
        let held = gate.call(Priority::Urgent).await;
        let impatient = tokio::time::timeout(Duration::from_secs(1), gate.call(Priority::Urgent)).await;
        assert!(impatient.is_err());
        drop(held);
        tokio::time::timeout(Duration::from_secs(1), gate.call(Priority::Later)).await.expect("the place came back");
    }

    #[tokio::test(start_paused = true)]
    async fn the_portals_wish_to_wait_is_kept() {
        let gate = Gate::new(&limits(4, 10_000));
        let begun = Instant::now();
        gate.hold_off(Duration::from_secs(7));
        gate.call(Priority::Urgent).await;
        assert!(begun.elapsed() >= Duration::from_secs(7));
    }
}
