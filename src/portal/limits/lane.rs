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
pub(super) struct Lane {
    /// The round of the last one that went.
    round: u64,
    /// The first of each line, by its round and its arrival: the least of them is next.
    heads: BTreeMap<(u64, u64), Arc<str>>,
    /// The namespaces that wait, or went in a round that is not yet over.
    lines: HashMap<Arc<str>, Line>,
}

/// Those of one namespace.
#[derive(Default)]
struct Line {
    /// The round of its first one.
    turn: u64,
    /// By arrival.
    waiting: BTreeMap<u64, Arc<Notify>>,
}

impl Lane {
    pub(super) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The arrival of the one that is next, and how to wake it.
    pub(super) fn first(&self) -> Option<(u64, &Notify)> {
        let ((_, arrival), namespace) = self.heads.first_key_value()?;
        Some((*arrival, self.lines.get(namespace)?.waiting.get(arrival)?))
    }

    /// Waits from now on. Arrivals are given in ascending order.
    pub(super) fn join(&mut self, namespace: &Arc<str>, arrival: u64, wake: Arc<Notify>) {
        let line = self.lines.entry(Arc::clone(namespace)).or_default();
        if line.waiting.is_empty() {
            line.turn = line.turn.max(self.round);
            self.heads.insert((line.turn, arrival), Arc::clone(namespace));
        }
        line.waiting.insert(arrival, wake);
    }

    /// Waits no longer. Its namespace loses nothing by it.
    pub(super) fn leave(&mut self, namespace: &Arc<str>, arrival: u64) {
        let Some(line) = self.lines.get_mut(namespace) else { return };
        line.waiting.remove(&arrival);
        if self.heads.remove(&(line.turn, arrival)).is_some() {
            self.step_up(namespace);
        }
    }

    /// The one that is next goes.
    pub(super) fn go(&mut self) {
        let Some(((turn, arrival), namespace)) = self.heads.pop_first() else { return };
        if let Some(line) = self.lines.get_mut(&namespace) {
            line.waiting.remove(&arrival);
            line.turn = turn + 1;
        }
        if turn > self.round {
            self.round = turn;
            self.lines.retain(|_, line| !line.waiting.is_empty() || line.turn > turn);
        }
        self.step_up(&namespace);
    }

    /// The next of a line becomes its first.
    fn step_up(&mut self, namespace: &Arc<str>) {
        let Some(line) = self.lines.get(namespace) else { return };
        match line.waiting.first_key_value() {
            Some((arrival, _)) => drop(self.heads.insert((line.turn, *arrival), Arc::clone(namespace))),
            None if line.turn <= self.round => drop(self.lines.remove(namespace)),
            // It has gone in this round: when it comes again before the others have, it is their turn.
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets everybody go, and tells in which order.
    fn order(lane: &mut Lane) -> Vec<u64> {
        let first = |lane: &Lane| lane.first().map(|(arrival, _)| arrival);
        std::iter::from_fn(|| first(lane).inspect(|_| lane.go())).collect()
    }

    fn join(lane: &mut Lane, namespace: &str, arrivals: impl IntoIterator<Item = u64>) {
        for arrival in arrivals {
            lane.join(&Arc::from(namespace), arrival, Arc::default());
        }
    }

    #[test]
    fn namespaces_take_turns() {
        let mut lane = Lane::default();
        join(&mut lane, "a", 0..4);
        join(&mut lane, "b", 4..6);
        join(&mut lane, "c", 6..7);
        assert_eq!(order(&mut lane), [0, 4, 6, 1, 5, 2, 3]);
    }

    #[test]
    fn whoever_comes_newly_goes_next_but_not_again_and_again() {
        let mut lane = Lane::default();
        join(&mut lane, "many", 0..1000);
        (0..500).for_each(|_| lane.go());
        join(&mut lane, "few", 1000..1002);
        assert_eq!(order(&mut lane)[..5], [1000, 500, 1001, 501, 502]);
    }

    #[test]
    fn whoever_comes_back_at_once_takes_turns_too() {
        let mut lane = Lane::default();
        join(&mut lane, "many", 0..10);
        let mut went = vec![];
        for arrival in 10..14 {
            join(&mut lane, "again", [arrival]);
            while went.last() != Some(&arrival) {
                went.push(lane.first().expect("somebody").0);
                lane.go();
            }
        }
        assert_eq!(went, [0, 10, 1, 11, 2, 12, 3, 13]);
    }

    #[test]
    fn who_leaves_costs_its_namespace_nothing() {
        let mut lane = Lane::default();
        join(&mut lane, "a", 0..1000);
        join(&mut lane, "b", 1000..1002);
        (0..999).for_each(|arrival| lane.leave(&Arc::from("a"), arrival));
        assert_eq!(order(&mut lane), [999, 1000, 1001]);
    }

    #[test]
    fn nothing_is_kept_of_those_who_are_gone() {
        let mut lane = Lane::default();
        for arrival in 0..1000 {
            join(&mut lane, &format!("n{arrival}"), [arrival]);
            lane.go();
            join(&mut lane, "other", [10_000 + arrival]);
            lane.go();
        }
        assert!(lane.is_empty() && lane.lines.len() <= 2, "{} lines are kept", lane.lines.len());
    }
}
