//! What the process remembers of each namespace between plans. Nothing of it is needed for correctness after a restart.

use crate::domain::model::problem::Problem;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What is remembered of the namespaces of one object.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    namespaces: BTreeMap<String, NamespaceMemory>,
}

#[derive(Clone, Debug, Default)]
struct NamespaceMemory {
    /// UID of the `RegistryToken`, and what this process saw of its namespace.
    seen: Option<(String, Seen)>,
    failure: Option<FailedWrite>,
}

#[derive(Clone, Copy, Debug)]
enum Seen {
    /// It has not matched since then.
    UnmatchedSince(Timestamp),
    /// It matched, and the annotation is not removed yet: its time does not count any more.
    Matched,
}

#[derive(Clone, Debug)]
struct FailedWrite {
    /// What was to be written, or 0.
    fingerprint: u64,
    problem: Problem,
    failures: u32,
    retry_at: Timestamp,
}

impl Memory {
    /// Since when the namespace of this `RegistryToken` does not match. What this process saw first counts: a user who
    /// changes or removes the annotation changes nothing. A time in the future counts as now.
    pub(super) fn unmatched_since(
        &mut self,
        namespace: &str,
        uid: &str,
        recorded: Option<Timestamp>,
        now: Timestamp,
    ) -> Timestamp {
        let memory = self.namespaces.entry(namespace.to_owned()).or_default();
        // As it is written: in whole seconds.
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let since = match &memory.seen {
            Some((of, Seen::UnmatchedSince(since))) if of == uid => *since,
            Some((of, Seen::Matched)) if of == uid => now,
            _ => recorded.map_or(now, |recorded| recorded.min(now)),
        };
        memory.seen = Some((uid.to_owned(), Seen::UnmatchedSince(since)));
        since
    }

    /// Records that the namespace matches. `outdated` is the UID of its `RegistryToken` if that says otherwise.
    pub(super) fn set_matched(&mut self, namespace: &str, outdated: Option<&str>) {
        if let Some(uid) = outdated {
            self.namespaces.entry(namespace.to_owned()).or_default().seen = Some((uid.to_owned(), Seen::Matched));
        } else if let Some(memory) = self.namespaces.get_mut(namespace) {
            memory.seen = None;
            self.forget_if_empty(namespace);
        }
    }

    fn forget_if_empty(&mut self, namespace: &str) {
        if self.namespaces.get(namespace).is_some_and(|memory| memory.seen.is_none() && memory.failure.is_none()) {
            self.namespaces.remove(namespace);
        }
    }

    pub(super) fn forget(&mut self, namespace: &str) {
        self.namespaces.remove(namespace);
    }

    pub(super) fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.namespaces.retain(|namespace, _| wanted(namespace));
    }

    /// When the write with this fingerprint may be tried again; `None` if it did not fail.
    pub(super) fn retry_time(&self, namespace: &str, fingerprint: u64) -> Option<Timestamp> {
        self.failure(namespace, fingerprint).map(|failure| failure.retry_at)
    }

    /// Why the write with this fingerprint failed.
    pub(super) fn problem_of(&self, namespace: &str, fingerprint: u64) -> Option<&Problem> {
        self.failure(namespace, fingerprint).map(|failure| &failure.problem)
    }

    /// When the last write that failed may be tried again.
    #[must_use]
    pub fn retry_at(&self, namespace: &str) -> Option<Timestamp> {
        self.namespaces.get(namespace)?.failure.as_ref().map(|failure| failure.retry_at)
    }

    /// Why the last write failed.
    #[must_use]
    pub fn problem(&self, namespace: &str) -> Option<&Problem> {
        self.namespaces.get(namespace)?.failure.as_ref().map(|failure| &failure.problem)
    }

    fn failure(&self, namespace: &str, fingerprint: u64) -> Option<&FailedWrite> {
        let failure = self.namespaces.get(namespace)?.failure.as_ref()?;
        (failure.fingerprint == fingerprint).then_some(failure)
    }

    /// The number of consecutive failures of this write, with one more.
    #[must_use]
    pub fn failures_with(&self, namespace: &str, fingerprint: u64) -> u32 {
        self.failure(namespace, fingerprint).map_or(0, |failure| failure.failures).saturating_add(1)
    }

    /// Records a failed write, which is tried again at this time.
    pub fn record_failure(&mut self, namespace: &str, fingerprint: u64, problem: Problem, retry_at: Timestamp) {
        let failures = self.failures_with(namespace, fingerprint);
        let failure = FailedWrite { fingerprint, problem, failures, retry_at };
        self.namespaces.entry(namespace.to_owned()).or_default().failure = Some(failure);
    }

    /// Records a write that succeeded.
    pub fn record_success(&mut self, namespace: &str) {
        if let Some(memory) = self.namespaces.get_mut(namespace) {
            memory.failure = None;
            self.forget_if_empty(namespace);
        }
    }

    /// The number of namespaces of which something is remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.namespaces.len()
    }
}
