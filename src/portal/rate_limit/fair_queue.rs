//! One waiting line, fair between namespaces.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::Notify;

/// Those who wait with one priority.
///
/// Each namespace goes once a round, in the order in which they came. Whoever comes newly joins the
/// present round, however long the lines of others are (start-time fair queueing, with requests that
/// all cost the same).
#[derive(Default)]
pub(crate) struct FairQueue {
    /// The round of the last one that went.
    round: u64,
    /// The first of each line, by its round and its arrival: the least of them is next.
    heads: BTreeMap<(u64, u64), Arc<str>>,
    /// The namespaces that wait, or went in a round that is not yet over.
    namespaces: HashMap<Arc<str>, NamespaceQueue>,
}

/// Those of one namespace.
#[derive(Default)]
struct NamespaceQueue {
    /// The round of its first one.
    round: u64,
    /// By arrival.
    waiting: BTreeMap<u64, Arc<Notify>>,
}

impl FairQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The arrival of the one that is next, and how to wake it.
    pub(crate) fn peek(&self) -> Option<(u64, &Notify)> {
        let ((_, arrival), namespace) = self.heads.first_key_value()?;
        Some((*arrival, self.namespaces.get(namespace)?.waiting.get(arrival)?))
    }

    /// Waits from now on. Arrivals are given in ascending order.
    pub(crate) fn push(&mut self, namespace: &Arc<str>, arrival: u64, notify: Arc<Notify>) {
        let line = self.namespaces.entry(Arc::clone(namespace)).or_default();
        if line.waiting.is_empty() {
            line.round = line.round.max(self.round);
            self.heads.insert((line.round, arrival), Arc::clone(namespace));
        }
        line.waiting.insert(arrival, notify);
    }

    /// Waits no longer. Its namespace loses nothing by it.
    pub(crate) fn remove(&mut self, namespace: &Arc<str>, arrival: u64) {
        let Some(line) = self.namespaces.get_mut(namespace) else { return };
        line.waiting.remove(&arrival);
        if self.heads.remove(&(line.round, arrival)).is_some() {
            self.promote_next(namespace);
        }
    }

    /// The one that is next goes.
    pub(crate) fn pop(&mut self) {
        let Some(((turn, arrival), namespace)) = self.heads.pop_first() else { return };
        if let Some(line) = self.namespaces.get_mut(&namespace) {
            line.waiting.remove(&arrival);
            line.round = turn + 1;
        }
        if turn > self.round {
            self.round = turn;
            self.namespaces.retain(|_, line| !line.waiting.is_empty() || line.round > turn);
        }
        self.promote_next(&namespace);
    }

    /// The next of a line becomes its first.
    fn promote_next(&mut self, namespace: &Arc<str>) {
        let Some(line) = self.namespaces.get(namespace) else { return };
        match line.waiting.first_key_value() {
            Some((arrival, _)) => drop(self.heads.insert((line.round, *arrival), Arc::clone(namespace))),
            None if line.round <= self.round => drop(self.namespaces.remove(namespace)),
            // It has gone in this round: when it comes again before the others have, it is their turn.
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets everybody go, and tells in which order.
    fn order(queue: &mut FairQueue) -> Vec<u64> {
        let first = |lane: &FairQueue| lane.peek().map(|(arrival, _)| arrival);
        std::iter::from_fn(|| first(queue).inspect(|_| queue.pop())).collect()
    }

    fn join(queue: &mut FairQueue, namespace: &str, arrivals: impl IntoIterator<Item = u64>) {
        for arrival in arrivals {
            queue.push(&Arc::from(namespace), arrival, Arc::default());
        }
    }

    #[test]
    fn namespaces_take_turns() {
        let mut lane = FairQueue::default();
        join(&mut lane, "a", 0..4);
        join(&mut lane, "b", 4..6);
        join(&mut lane, "c", 6..7);
        assert_eq!(order(&mut lane), [0, 4, 6, 1, 5, 2, 3]);
    }

    #[test]
    fn a_new_namespace_goes_next_but_only_once_a_round() {
        let mut lane = FairQueue::default();
        join(&mut lane, "many", 0..1000);
        (0..500).for_each(|_| lane.pop());
        join(&mut lane, "few", 1000..1002);
        assert_eq!(order(&mut lane)[..5], [1000, 500, 1001, 501, 502]);
    }

    #[test]
    fn a_namespace_that_requeues_at_once_takes_turns() {
        let mut lane = FairQueue::default();
        join(&mut lane, "many", 0..10);
        let mut went = vec![];
        for arrival in 10..14 {
            join(&mut lane, "again", [arrival]);
            while went.last() != Some(&arrival) {
                went.push(lane.peek().expect("somebody").0);
                lane.pop();
            }
        }
        assert_eq!(went, [0, 10, 1, 11, 2, 12, 3, 13]);
    }

    #[test]
    fn a_removed_waiter_costs_its_namespace_no_turn() {
        let mut lane = FairQueue::default();
        join(&mut lane, "a", 0..1000);
        join(&mut lane, "b", 1000..1002);
        (0..999).for_each(|arrival| lane.remove(&Arc::from("a"), arrival));
        assert_eq!(order(&mut lane), [999, 1000, 1001]);
    }

    #[test]
    fn finished_namespaces_are_dropped() {
        let mut lane = FairQueue::default();
        for arrival in 0..1000 {
            join(&mut lane, &format!("n{arrival}"), [arrival]);
            lane.pop();
            join(&mut lane, "other", [10_000 + arrival]);
            lane.pop();
        }
        assert!(lane.is_empty() && lane.namespaces.len() <= 2, "{} lines are kept", lane.namespaces.len());
    }
}
