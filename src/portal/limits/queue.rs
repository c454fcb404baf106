//! Places, and those who wait for one.
//!
//! Who goes is decided at the moment in which a place is free and the pace allows it, not before: so
//! whoever comes later with more right to it still goes ahead. Only the first of the queue watches the
//! clock; whenever another one becomes the first, it is woken.

use super::Priority;
use super::lane::Lane;
use super::pace::Pace;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// After so many in a row that went ahead of others, one of the others goes.
const IN_A_ROW: usize = 16;

pub(super) struct Queue(Mutex<State>);

struct State {
    places: usize,
    taken: usize,
    pace: Option<Pace>,
    /// One for each priority, the highest first.
    lanes: [Lane; 3],
    /// How many of each lane went in a row while others waited in lower ones.
    in_a_row: [usize; 3],
    arrivals: u64,
}

/// A place that is held until it is dropped.
pub struct Permit(Arc<Queue>);

/// Whether one who waits may go.
enum Turn {
    Now,
    /// Not before then, and only if it still is the first.
    At(Instant),
    /// When woken.
    Later,
}

/// One who waits. Leaves the queue when dropped.
struct Waiter<'a> {
    queue: &'a Queue,
    lane: usize,
    namespace: Arc<str>,
    arrival: u64,
    wake: Arc<Notify>,
}

impl Queue {
    pub(super) fn new(places: usize, pace: Option<Pace>) -> Arc<Self> {
        let (lanes, in_a_row) = Default::default();
        Arc::new(Self(Mutex::new(State { places, taken: 0, pace, lanes, in_a_row, arrivals: 0 })))
    }

    /// From now on with so many places. Whoever has one keeps it.
    pub(super) fn resize(&self, places: usize) {
        self.change(|state| state.places = places);
    }

    pub(super) fn pace(&self, change: impl FnOnce(&mut Pace)) {
        self.change(|state| state.pace.as_mut().map(change));
    }

    /// Waits for a place. Cancel-safe: whoever stops waiting leaves no gap.
    pub(super) async fn take(self: &Arc<Self>, priority: Priority, namespace: &str) -> Permit {
        let waiter = Waiter::join(self, priority as usize, namespace);
        loop {
            let turn = self.lock().turn(waiter.lane, waiter.arrival, Instant::now());
            match turn {
                // Dropping the waiter wakes the next one, for there may be one more place.
                Turn::Now => return Permit(Arc::clone(self)),
                Turn::At(due) => tokio::select! {
                    () = sleep_until(due) => {}
                    () = waiter.wake.notified() => {}
                },
                Turn::Later => waiter.wake.notified().await,
            }
        }
    }

    /// Changes something that may let the first one go.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) {
        let mut state = self.lock();
        change(&mut state);
        state.wake_first();
    }

    /// A lock that outlives a panic: what it guards is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn turn(&mut self, lane: usize, arrival: u64, now: Instant) -> Turn {
        let first = self.next_lane().filter(|next| *next == lane).and_then(|next| self.lanes[next].first());
        if self.taken >= self.places || first.is_none_or(|(first, _)| first != arrival) {
            return Turn::Later;
        }
        if let Some(due) = self.pace.as_ref().and_then(|pace| pace.due(now)) {
            return Turn::At(due);
        }
        if let Some(pace) = &mut self.pace {
            pace.begin(now);
        }
        self.taken += 1;
        self.lanes[lane].go();
        self.count(lane);
        Turn::Now
    }

    /// The highest lane in which somebody waits, unless it has gone often enough before lower ones.
    fn next_lane(&self) -> Option<usize> {
        let waits = |lane: &usize| !self.lanes[*lane].is_empty();
        let mut waiting = (0..self.lanes.len()).filter(waits).peekable();
        while let Some(lane) = waiting.next() {
            if self.in_a_row[lane] < IN_A_ROW || waiting.peek().is_none() {
                return Some(lane);
            }
        }
        None
    }

    fn count(&mut self, gone: usize) {
        let others_wait = self.lanes[gone + 1..].iter().any(|lane| !lane.is_empty());
        self.in_a_row[gone] = if others_wait { self.in_a_row[gone] + 1 } else { 0 };
        self.in_a_row[..gone].fill(0);
    }

    fn wake_first(&self) {
        let first = self.next_lane().and_then(|lane| self.lanes[lane].first());
        if let Some((_, wake)) = first {
            wake.notify_one();
        }
    }
}

impl<'a> Waiter<'a> {
    fn join(queue: &'a Queue, lane: usize, namespace: &str) -> Self {
        let (namespace, wake) = (Arc::from(namespace), Arc::new(Notify::new()));
        let mut state = queue.lock();
        let arrival = state.arrivals;
        state.arrivals += 1;
        state.lanes[lane].join(&namespace, arrival, Arc::clone(&wake));
        Self { queue, lane, namespace, arrival, wake }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        // Whoever has gone is in no line any more, and is not missed.
        self.queue.change(|state| state.lanes[self.lane].leave(&self.namespace, self.arrival));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.change(|state| state.taken -= 1);
    }
}
