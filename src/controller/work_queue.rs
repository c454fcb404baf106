//! The queue of a controller: which objects are reconciled, and when.
//!
//! An object is reconciled once at a time, and once more if its key arrives meanwhile. kube's `applier` does the same, but
//! its maps stay as large as the largest burst, and whenever one of ten thousand reconciles can go on, it polls all of them.

use super::state::shrink::{MIN_CAPACITY, shrink};
use futures::{Stream, StreamExt};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use std::pin::pin;
use std::time::Duration;
use tokio::task::JoinError;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::JoinMap;

/// When an object is reconciled again, unless something changes before; `None`: only then.
pub type RequeueAfter = Option<Duration>;

/// Reconciles each object whose key arrives, until the stream of keys ends; then waits for the reconciles in progress.
///
/// `start` returns the reconcile of an object, or `None` if there is nothing to reconcile. `on_panic` handles a reconcile
/// that panicked.
pub async fn run<K, F>(
    keys: impl Stream<Item = K>,
    start: impl Fn(&K) -> Option<F>,
    on_panic: impl Fn(&K, JoinError) -> RequeueAfter,
) where
    K: Clone + Eq + Hash,
    F: Future<Output = RequeueAfter> + Send + 'static,
{
    let mut keys = pin!(keys.fuse());
    let mut queue = WorkQueue::new(start);
    let mut ended = false;
    loop {
        let next = queue.delays.next();
        tokio::select! {
            key = keys.next(), if !ended => {
                if let Some(key) = key {
                    queue.reconcile(key);
                } else {
                    ended = true;
                    queue.close();
                }
            }
            Some((key, result)) = queue.running.join_next() => {
                let after = result.unwrap_or_else(|error| on_panic(&key, error));
                queue.finish(key, after.filter(|_| !ended));
            }
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => queue.reconcile_due(),
            else => return,
        }
    }
}

struct WorkQueue<K, S> {
    start: S,
    running: JoinMap<K, RequeueAfter>,
    /// The largest number of reconciles since the maps were shrunk.
    most: usize,
    /// The objects whose key arrived during their reconcile.
    again: HashSet<K>,
    delays: Delays<K>,
}

/// The objects that are reconciled later.
struct Delays<K> {
    /// By time, and by number if the time is the same.
    due: BTreeMap<(Instant, u64), K>,
    times: HashMap<K, (Instant, u64)>,
    number: u64,
}

impl<K: Clone + Eq + Hash, S, F> WorkQueue<K, S>
where
    S: Fn(&K) -> Option<F>,
    F: Future<Output = RequeueAfter> + Send + 'static,
{
    fn new(start: S) -> Self {
        let delays = Delays { due: BTreeMap::new(), times: HashMap::new(), number: 0 };
        Self { start, running: JoinMap::new(), most: 0, again: HashSet::new(), delays }
    }

    /// Reconciles an object now, or again when its reconcile ends.
    fn reconcile(&mut self, key: K) {
        self.delays.remove(&key);
        if self.running.contains_key(&key) {
            self.again.insert(key);
        } else if let Some(reconcile) = (self.start)(&key) {
            self.running.spawn(key, reconcile);
            self.most = self.most.max(self.running.len());
        }
    }

    fn reconcile_due(&mut self) {
        for key in self.delays.take_due(Instant::now()) {
            self.reconcile(key);
        }
    }

    /// Handles the end of a reconcile.
    fn finish(&mut self, key: K, after: RequeueAfter) {
        if self.again.remove(&key) {
            self.reconcile(key);
        } else if let Some(after) = after {
            self.delays.insert(key, after);
        }
        // A burst leaves the maps large.
        if self.most > MIN_CAPACITY && self.running.len() * 4 < self.most {
            self.most = self.running.len() * 2;
            self.running.shrink_to(self.most);
            self.again.shrink_to(self.most);
        }
    }

    /// Nothing is started any more.
    fn close(&mut self) {
        self.again.clear();
        self.delays.due.clear();
        self.delays.times.clear();
    }
}

impl<K: Clone + Eq + Hash> Delays<K> {
    /// When the first object is due.
    fn next(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((due, _), _)| *due)
    }

    fn insert(&mut self, key: K, after: Duration) {
        // A time that cannot be expressed is so far away that the process has ended by then.
        let Some(due) = Instant::now().checked_add(after) else { return };
        let place = (due, self.number);
        self.number += 1;
        self.times.insert(key.clone(), place);
        self.due.insert(place, key);
    }

    fn remove(&mut self, key: &K) {
        if let Some(place) = self.times.remove(key) {
            self.due.remove(&place);
        }
    }

    fn take_due(&mut self, now: Instant) -> Vec<K> {
        let later = self.due.split_off(&(now, u64::MAX));
        let due: Vec<K> = std::mem::replace(&mut self.due, later).into_values().collect();
        for key in &due {
            self.times.remove(key);
        }
        shrink(&mut self.times);
        due
    }
}

#[cfg(test)]
#[path = "work_queue_tests.rs"]
mod tests;
