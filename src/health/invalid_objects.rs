//! The objects of a kind that cannot be parsed: how many there are, and which of them are reported.

use crate::metrics::WatchMetrics;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How often an object that cannot be parsed is reported at most.
const REPORT_INTERVAL: Duration = Duration::from_mins(1);
/// Maximum number of reports that are remembered.
const MAX_REPORTS: usize = 10_000;

/// Namespace and name.
type NamespacedName = (String, String);

/// The objects of a kind that cannot be parsed. All watches of the kind share it.
#[derive(Debug)]
pub struct InvalidObjects {
    metrics: WatchMetrics,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    invalid: HashSet<NamespacedName>,
    reported: HashMap<NamespacedName, Instant>,
}

impl InvalidObjects {
    /// None yet.
    #[must_use]
    pub fn new(metrics: WatchMetrics) -> Self {
        Self { metrics, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the start of a list of this namespace, or of all: objects that it does not contain are deleted.
    pub fn start_list(&self, namespace: Option<&str>) {
        let mut state = self.state();
        match namespace {
            Some(listed) => state.invalid.retain(|(namespace, _)| namespace != listed),
            None => state.invalid.clear(),
        }
        self.metrics.set_invalid_objects(state.invalid.len());
    }

    /// Counts an object that cannot be parsed; returns whether it should be reported.
    pub fn mark_invalid(&self, namespace: &str, name: &str) -> bool {
        let mut state = self.state();
        let key = (namespace.to_owned(), name.to_owned());
        state.invalid.insert(key.clone());
        self.metrics.set_invalid_objects(state.invalid.len());
        if state.reported.get(&key).is_some_and(|last| last.elapsed() < REPORT_INTERVAL) {
            return false;
        }
        if state.reported.len() >= MAX_REPORTS {
            state.reported.clear();
        }
        state.reported.insert(key, Instant::now());
        true
    }

    /// Records that an object can be parsed again or was deleted.
    pub fn mark_valid(&self, namespace: &str, name: &str) {
        let mut state = self.state();
        if !state.invalid.is_empty() {
            state.invalid.remove(&(namespace.to_owned(), name.to_owned()));
            self.metrics.set_invalid_objects(state.invalid.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Kind, Metrics};

    fn count(metrics: &Metrics) -> String {
        let shown = |line: &&str| line.starts_with("registry_token_operator_invalid_objects{kind=\"Secret\"}");
        let line = metrics.text().lines().find(shown).map(str::to_owned).unwrap_or_default();
        line.rsplit(' ').next().unwrap_or_default().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_that_cannot_be_parsed_is_counted_always_and_reported_once_a_minute() {
        let metrics = Metrics::default();
        let objects = InvalidObjects::new(metrics.watch(Kind::Secret));
        assert!(objects.mark_invalid("team", "a") && objects.mark_invalid("team", "b"));
        assert!(!objects.mark_invalid("team", "a"));
        assert_eq!(count(&metrics), "2");
        tokio::time::advance(REPORT_INTERVAL).await;
        assert!(objects.mark_invalid("team", "a"));
        objects.mark_valid("team", "a");
        assert_eq!(count(&metrics), "1");
        objects.start_list(None);
        assert_eq!(count(&metrics), "0");
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_of_a_namespace_forgets_no_object_of_another() {
        let metrics = Metrics::default();
        let objects = InvalidObjects::new(metrics.watch(Kind::Secret));
        assert!(objects.mark_invalid("team-a", "pull") && objects.mark_invalid("team-b", "pull"));
        objects.start_list(Some("team-a"));
        assert_eq!(count(&metrics), "1");
        objects.start_list(Some("team-b"));
        assert_eq!(count(&metrics), "0");
    }
}
