//! A semaphore with priorities.
//!
//! The next waiter is selected when a permit is free and the rate permits, not earlier: a waiter of higher priority
//! that arrives later still goes first. Only the first waiter watches the clock; when another one becomes the first,
//! it is notified.

use super::Priority;
use super::fair_queue::FairQueue;
use super::pacer::Pacer;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// After this many consecutive permits for a higher priority while others wait, a lower priority is served.
const STARVATION_LIMIT: usize = 16;

pub(crate) struct PrioritySemaphore(Mutex<State>);

struct State {
    capacity: usize,
    in_use: usize,
    pacer: Option<Pacer>,
    /// One for each priority, the highest first.
    queues: [FairQueue; 3],
    /// How many permits each priority got in a row while lower ones waited.
    consecutive: [usize; 3],
    next_arrival: u64,
}

/// A permit, released when dropped.
pub struct Permit(Arc<PrioritySemaphore>);

/// Whether a waiter may proceed.
enum Eligibility {
    Now,
    /// Not before then, and only if it is still the first.
    NotBefore(Instant),
    WhenNotified,
}

/// A waiter. Leaves the queue when dropped.
struct Waiter<'a> {
    queue: &'a PrioritySemaphore,
    priority: usize,
    namespace: Arc<str>,
    arrival: u64,
    notify: Arc<Notify>,
}

impl PrioritySemaphore {
    pub(crate) fn new(capacity: usize, pacer: Option<Pacer>) -> Arc<Self> {
        let (queues, consecutive) = Default::default();
        Arc::new(Self(Mutex::new(State { capacity, in_use: 0, pacer, queues, consecutive, next_arrival: 0 })))
    }

    /// Changes the capacity from now on. Existing permits stay valid.
    pub(crate) fn set_capacity(&self, capacity: usize) {
        self.update(|state| state.capacity = capacity);
    }

    pub(crate) fn update_pacer(&self, change: impl FnOnce(&mut Pacer)) {
        self.update(|state| state.pacer.as_mut().map(change));
    }

    /// Waits for a permit. Cancel-safe: a canceled waiter takes none.
    pub(crate) async fn acquire(self: &Arc<Self>, priority: Priority, namespace: &str) -> Permit {
        let waiter = Waiter::enqueue(self, priority as usize, namespace);
        loop {
            let eligibility = self.lock().try_acquire(waiter.priority, waiter.arrival, Instant::now());
            match eligibility {
                // Dropping the waiter notifies the next one, since another permit may be free.
                Eligibility::Now => return Permit(Arc::clone(self)),
                Eligibility::NotBefore(due) => tokio::select! {
                    () = sleep_until(due) => {}
                    () = waiter.notify.notified() => {}
                },
                Eligibility::WhenNotified => waiter.notify.notified().await,
            }
        }
    }

    /// Changes state such that the first waiter may be able to proceed.
    fn update<T>(&self, change: impl FnOnce(&mut State) -> T) {
        let mut state = self.lock();
        change(&mut state);
        state.notify_next();
    }

    /// Locks the state even after a panic: it is consistent between any two statements.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn try_acquire(&mut self, priority: usize, arrival: u64, now: Instant) -> Eligibility {
        let first = self.next_queue().filter(|next| *next == priority).and_then(|next| self.queues[next].peek());
        if self.in_use >= self.capacity || first.is_none_or(|(first, _)| first != arrival) {
            return Eligibility::WhenNotified;
        }
        if let Some(due) = self.pacer.as_ref().and_then(|pace| pace.wait_until(now)) {
            return Eligibility::NotBefore(due);
        }
        if let Some(pace) = &mut self.pacer {
            pace.record_start(now);
        }
        self.in_use += 1;
        self.queues[priority].pop();
        self.count_consecutive(priority);
        Eligibility::Now
    }

    /// The highest priority with a waiter, unless its starvation limit is reached and a lower one waits.
    fn next_queue(&self) -> Option<usize> {
        let has_waiters = |priority: &usize| !self.queues[*priority].is_empty();
        let mut waiting = (0..self.queues.len()).filter(has_waiters).peekable();
        while let Some(priority) = waiting.next() {
            if self.consecutive[priority] < STARVATION_LIMIT || waiting.peek().is_none() {
                return Some(priority);
            }
        }
        None
    }

    fn count_consecutive(&mut self, priority: usize) {
        let others_wait = self.queues[priority + 1..].iter().any(|queue| !queue.is_empty());
        self.consecutive[priority] = if others_wait { self.consecutive[priority] + 1 } else { 0 };
        self.consecutive[..priority].fill(0);
    }

    fn notify_next(&self) {
        let first = self.next_queue().and_then(|priority| self.queues[priority].peek());
        if let Some((_, notify)) = first {
            notify.notify_one();
        }
    }
}

impl<'a> Waiter<'a> {
    fn enqueue(queue: &'a PrioritySemaphore, priority: usize, namespace: &str) -> Self {
        let (namespace, notify) = (Arc::from(namespace), Arc::new(Notify::new()));
        let mut state = queue.lock();
        let arrival = state.next_arrival;
        state.next_arrival += 1;
        state.queues[priority].push(&namespace, arrival, Arc::clone(&notify));
        Self { queue, priority, namespace, arrival, notify }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        // A waiter that got its permit is no longer in the queue; removing it does nothing.
        self.queue.update(|state| state.queues[self.priority].remove(&self.namespace, self.arrival));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.update(|state| state.in_use -= 1);
    }
}
