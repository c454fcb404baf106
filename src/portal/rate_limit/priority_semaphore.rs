//! Places, and those who wait for one.
//!
//! Who goes is decided at the moment in which a place is free and the pace allows it, not before: so
//! whoever comes later with more right to it still goes ahead. Only the first of the queue watches the
//! clock; whenever another one becomes the first, it is woken.

use super::Priority;
use super::fair_queue::FairQueue;
use super::pacer::Pacer;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// After so many in a row that went ahead of others, one of the others goes.
const STARVATION_LIMIT: usize = 16;

pub(crate) struct PrioritySemaphore(Mutex<State>);

struct State {
    capacity: usize,
    in_use: usize,
    pacer: Option<Pacer>,
    /// One for each priority, the highest first.
    queues: [FairQueue; 3],
    /// How many of each lane went in a row while others waited in lower ones.
    consecutive: [usize; 3],
    next_arrival: u64,
}

/// A place that is held until it is dropped.
pub struct Permit(Arc<PrioritySemaphore>);

/// Whether one who waits may go.
enum Eligibility {
    Now,
    /// Not before then, and only if it still is the first.
    NotBefore(Instant),
    /// When woken.
    WhenNotified,
}

/// One who waits. Leaves the queue when dropped.
struct Waiter<'a> {
    queue: &'a PrioritySemaphore,
    priority: usize,
    namespace: Arc<str>,
    arrival: u64,
    notify: Arc<Notify>,
}

impl PrioritySemaphore {
    pub(crate) fn new(capacity: usize, pacer: Option<Pacer>) -> Arc<Self> {
        let (lanes, in_a_row) = Default::default();
        Arc::new(Self(Mutex::new(State {
            capacity,
            in_use: 0,
            pacer,
            queues: lanes,
            consecutive: in_a_row,
            next_arrival: 0,
        })))
    }

    /// From now on with so many places. Whoever has one keeps it.
    pub(crate) fn set_capacity(&self, capacity: usize) {
        self.update(|state| state.capacity = capacity);
    }

    pub(crate) fn update_pacer(&self, change: impl FnOnce(&mut Pacer)) {
        self.update(|state| state.pacer.as_mut().map(change));
    }

    /// Waits for a place. Cancel-safe: whoever stops waiting leaves no gap.
    pub(crate) async fn acquire(self: &Arc<Self>, priority: Priority, namespace: &str) -> Permit {
        let waiter = Waiter::enqueue(self, priority as usize, namespace);
        loop {
            let eligibility = self.lock().try_acquire(waiter.priority, waiter.arrival, Instant::now());
            match eligibility {
                // Dropping the waiter wakes the next one, for there may be one more place.
                Eligibility::Now => return Permit(Arc::clone(self)),
                Eligibility::NotBefore(due) => tokio::select! {
                    () = sleep_until(due) => {}
                    () = waiter.notify.notified() => {}
                },
                Eligibility::WhenNotified => waiter.notify.notified().await,
            }
        }
    }

    /// Changes something that may let the first one go.
    fn update<T>(&self, change: impl FnOnce(&mut State) -> T) {
        let mut state = self.lock();
        change(&mut state);
        state.notify_next();
    }

    /// A lock that outlives a panic: what it guards is whole between any two statements.
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

    /// The highest lane in which somebody waits, unless it has gone often enough before lower ones.
    fn next_queue(&self) -> Option<usize> {
        let waits = |lane: &usize| !self.queues[*lane].is_empty();
        let mut waiting = (0..self.queues.len()).filter(waits).peekable();
        while let Some(lane) = waiting.next() {
            if self.consecutive[lane] < STARVATION_LIMIT || waiting.peek().is_none() {
                return Some(lane);
            }
        }
        None
    }

    fn count_consecutive(&mut self, priority: usize) {
        let others_wait = self.queues[priority + 1..].iter().any(|lane| !lane.is_empty());
        self.consecutive[priority] = if others_wait { self.consecutive[priority] + 1 } else { 0 };
        self.consecutive[..priority].fill(0);
    }

    fn notify_next(&self) {
        let first = self.next_queue().and_then(|lane| self.queues[lane].peek());
        if let Some((_, wake)) = first {
            wake.notify_one();
        }
    }
}

impl<'a> Waiter<'a> {
    fn enqueue(queue: &'a PrioritySemaphore, priority: usize, namespace: &str) -> Self {
        let (namespace, wake) = (Arc::from(namespace), Arc::new(Notify::new()));
        let mut state = queue.lock();
        let arrival = state.next_arrival;
        state.next_arrival += 1;
        state.queues[priority].push(&namespace, arrival, Arc::clone(&wake));
        Self { queue, priority, namespace, arrival, notify: wake }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        // Whoever has gone is in no line any more, and is not missed.
        self.queue.update(|state| state.queues[self.priority].remove(&self.namespace, self.arrival));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.update(|state| state.in_use -= 1);
    }
}
