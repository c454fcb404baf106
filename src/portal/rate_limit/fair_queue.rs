//! A queue that is fair between namespaces.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::Notify;

/// The waiters of one priority.
///
/// Each namespace is served once per round, in order of arrival. A namespace that starts to wait joins the current
/// round, regardless of how many waiters others have (start-time fair queueing, with requests of equal cost).
#[derive(Default)]
pub(crate) struct FairQueue {
    /// The round of the waiter served last.
    round: u64,
    /// The first waiter of each namespace, by round and arrival: the smallest is next.
    heads: BTreeMap<(u64, u64), Arc<str>>,
    /// The namespaces that wait, or were served in a round that is not yet over.
    namespaces: HashMap<Arc<str>, NamespaceQueue>,
}

/// The waiters of one namespace.
#[derive(Default)]
struct NamespaceQueue {
    /// The round of its first waiter.
    round: u64,
    /// By arrival.
    waiting: BTreeMap<u64, Arc<Notify>>,
}

impl FairQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The arrival of the next waiter, and its notification.
    pub(crate) fn peek(&self) -> Option<(u64, &Notify)> {
        let ((_, arrival), namespace) = self.heads.first_key_value()?;
        Some((*arrival, self.namespaces.get(namespace)?.waiting.get(arrival)?))
    }

    /// Adds a waiter. Arrivals must ascend.
    pub(crate) fn push(&mut self, namespace: &Arc<str>, arrival: u64, notify: Arc<Notify>) {
        let queue = self.namespaces.entry(Arc::clone(namespace)).or_default();
        if queue.waiting.is_empty() {
            queue.round = queue.round.max(self.round);
            self.heads.insert((queue.round, arrival), Arc::clone(namespace));
        }
        queue.waiting.insert(arrival, notify);
    }

    /// Removes a waiter. Its namespace keeps its turn.
    pub(crate) fn remove(&mut self, namespace: &Arc<str>, arrival: u64) {
        let Some(queue) = self.namespaces.get_mut(namespace) else { return };
        queue.waiting.remove(&arrival);
        if self.heads.remove(&(queue.round, arrival)).is_some() {
            self.promote_next(namespace);
        }
    }

    /// Removes the next waiter, which is served.
    pub(crate) fn pop(&mut self) {
        let Some(((round, arrival), namespace)) = self.heads.pop_first() else { return };
        if let Some(queue) = self.namespaces.get_mut(&namespace) {
            queue.waiting.remove(&arrival);
            queue.round = round + 1;
        }
        if round > self.round {
            self.round = round;
            self.namespaces.retain(|_, queue| !queue.waiting.is_empty() || queue.round > round);
        }
        self.promote_next(&namespace);
    }

    /// Makes the next waiter of a namespace its first.
    fn promote_next(&mut self, namespace: &Arc<str>) {
        let Some(queue) = self.namespaces.get(namespace) else { return };
        match queue.waiting.first_key_value() {
            Some((arrival, _)) => drop(self.heads.insert((queue.round, *arrival), Arc::clone(namespace))),
            None if queue.round <= self.round => drop(self.namespaces.remove(namespace)),
            // It was served in this round: if it waits again before the others are served, they go first.
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Serves every waiter and returns their order.
    fn order(queue: &mut FairQueue) -> Vec<u64> {
        let first = |queue: &FairQueue| queue.peek().map(|(arrival, _)| arrival);
        std::iter::from_fn(|| first(queue).inspect(|_| queue.pop())).collect()
    }

    fn join(queue: &mut FairQueue, namespace: &str, arrivals: impl IntoIterator<Item = u64>) {
        for arrival in arrivals {
            queue.push(&Arc::from(namespace), arrival, Arc::default());
        }
    }

    #[test]
    fn namespaces_take_turns() {
        let mut queue = FairQueue::default();
        join(&mut queue, "a", 0..4);
        join(&mut queue, "b", 4..6);
        join(&mut queue, "c", 6..7);
        assert_eq!(order(&mut queue), [0, 4, 6, 1, 5, 2, 3]);
    }

    #[test]
    fn a_new_namespace_goes_next_but_only_once_a_round() {
        let mut queue = FairQueue::default();
        join(&mut queue, "many", 0..1000);
        (0..500).for_each(|_| queue.pop());
        join(&mut queue, "few", 1000..1002);
        assert_eq!(order(&mut queue)[..5], [1000, 500, 1001, 501, 502]);
    }

    #[test]
    fn a_namespace_that_requeues_at_once_takes_turns() {
        let mut queue = FairQueue::default();
        join(&mut queue, "many", 0..10);
        let mut served = vec![];
        for arrival in 10..14 {
            join(&mut queue, "again", [arrival]);
            while served.last() != Some(&arrival) {
                served.push(queue.peek().expect("a waiter").0);
                queue.pop();
            }
        }
        assert_eq!(served, [0, 10, 1, 11, 2, 12, 3, 13]);
    }

    #[test]
    fn a_removed_waiter_costs_its_namespace_no_turn() {
        let mut queue = FairQueue::default();
        join(&mut queue, "a", 0..1000);
        join(&mut queue, "b", 1000..1002);
        (0..999).for_each(|arrival| queue.remove(&Arc::from("a"), arrival));
        assert_eq!(order(&mut queue), [999, 1000, 1001]);
    }

    #[test]
    fn finished_namespaces_are_dropped() {
        let mut queue = FairQueue::default();
        for arrival in 0..1000 {
            join(&mut queue, &format!("n{arrival}"), [arrival]);
            queue.pop();
            join(&mut queue, "other", [10_000 + arrival]);
            queue.pop();
        }
        assert!(queue.is_empty() && queue.namespaces.len() <= 2, "{} namespaces are kept", queue.namespaces.len());
    }
}
