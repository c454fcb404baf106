//! The health of a watch: what it waits for, when it last received an event, and which objects it skips.

use crate::metrics::WatchMetrics;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::time::Instant;

/// How often a persistent failure is logged.
const LOG_INTERVAL: Duration = Duration::from_mins(1);
/// A watch that has neither received nor sent anything for this long is hung: each request ends within five minutes.
const ACTIVITY_TIMEOUT: Duration = Duration::from_mins(10);
/// How often an object that cannot be parsed is reported at most.
const REPORT_INTERVAL: Duration = Duration::from_mins(1);
/// Maximum number of reports that are remembered.
const MAX_REPORTS: usize = 10_000;

/// Whether a kind has been listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not yet.
    Pending,
    /// The API server does not serve it: its CRD is not installed.
    Missing,
    /// The operator may not list it.
    Forbidden,
    /// The initial list is complete.
    Listed,
}

/// Namespace and name.
type NamespacedName = (String, String);

/// The health of the watch of one kind.
#[derive(Debug)]
pub struct WatchHealth {
    kind: &'static str,
    phase: watch::Sender<Phase>,
    metrics: WatchMetrics,
    state: Mutex<WatchState>,
}

#[derive(Debug)]
struct WatchState {
    last_activity: Instant,
    problem: Option<(String, Instant)>,
    invalid: HashSet<NamespacedName>,
    reported: HashMap<NamespacedName, Instant>,
}

impl WatchHealth {
    /// The health of a watch that starts now.
    #[must_use]
    pub fn new(kind: &'static str, metrics: WatchMetrics) -> Self {
        let state = WatchState {
            last_activity: Instant::now(),
            problem: None,
            invalid: HashSet::new(),
            reported: HashMap::new(),
        };
        Self { kind, phase: watch::Sender::new(Phase::Pending), metrics, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, WatchState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kind that is watched.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// A receiver for the phase, with its current value.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Records that the initial list is complete.
    pub fn set_listed(&self) {
        self.phase.send_replace(Phase::Listed);
    }

    /// Records the start of a list: objects that it does not contain are deleted.
    pub fn start_list(&self) {
        let mut state = self.state();
        state.invalid.clear();
        self.metrics.set_invalid_objects(0);
    }

    /// Records an event or a bookmark, which ends a logged failure.
    pub fn record_event(&self) {
        let mut state = self.state();
        state.last_activity = Instant::now();
        if let Some(seconds) = unix_seconds(SystemTime::now()) {
            self.metrics.set_last_event(seconds);
        }
        if state.problem.take().is_some() {
            tracing::info!(kind = self.kind, "watch: the API server responds again");
        }
    }

    /// Records a failure; the watch is retried. A failure is logged once per reason, and then every minute.
    pub fn record_failure(&self, phase: Phase, detail: &str) {
        let mut state = self.state();
        state.last_activity = Instant::now();
        self.metrics.record_failure();
        self.phase.send_if_modified(|current| {
            let changes = *current != Phase::Listed && *current != phase;
            if changes {
                *current = phase;
            }
            changes
        });
        let due =
            state.problem.as_ref().is_none_or(|(reason, logged)| reason != detail || logged.elapsed() >= LOG_INTERVAL);
        if due {
            state.problem = Some((detail.to_owned(), Instant::now()));
            tracing::warn!(kind = self.kind, detail, "watch: waiting for the API server");
        }
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

    /// What the initial list waits for; `None` once it is complete.
    #[must_use]
    pub fn pending_reason(&self) -> Option<String> {
        if *self.phase.borrow() == Phase::Listed {
            return None;
        }
        let state = self.state();
        let why = state.problem.as_ref().map_or("not listed yet", |(why, _)| why.as_str());
        Some(format!("waiting for caches: {}: {why}", self.kind))
    }

    /// Whether the watch has neither received nor sent anything for so long that it must hang.
    #[must_use]
    pub fn is_hung(&self) -> bool {
        self.state().last_activity.elapsed() > ACTIVITY_TIMEOUT
    }
}

fn unix_seconds(time: SystemTime) -> Option<i64> {
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Kind, Metrics};

    #[tokio::test(start_paused = true)]
    async fn a_watch_reports_what_it_waits_for_until_listed_and_is_hung_without_activity() {
        let metrics = Metrics::default();
        let watch = WatchHealth::new("RegistryToken", metrics.watch(Kind::RegistryToken));
        let phase = watch.phase();
        assert_eq!(watch.pending_reason().as_deref(), Some("waiting for caches: RegistryToken: not listed yet"));
        watch.record_failure(Phase::Missing, "no CRD");
        assert_eq!(
            (*phase.borrow(), watch.pending_reason().expect("waits").contains("no CRD")),
            (Phase::Missing, true)
        );
        tokio::time::advance(ACTIVITY_TIMEOUT * 2).await;
        assert!(watch.is_hung());
        watch.record_failure(Phase::Pending, "no answer");
        assert!(!watch.is_hung(), "it is retrying");
        watch.set_listed();
        watch.record_failure(Phase::Missing, "no CRD");
        assert_eq!((*phase.borrow(), watch.pending_reason()), (Phase::Listed, None), "the cache keeps what it has");
        let text = metrics.text();
        assert!(text.contains("watch_failures_total{kind=\"RegistryToken\"} 3\n"), "{text}");
        assert!(!text.contains("timestamp_seconds{"), "no event was received yet: {text}");
        watch.record_event();
        assert!(metrics.text().contains("timestamp_seconds{kind=\"RegistryToken\"} "));
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_that_cannot_be_parsed_is_counted_always_and_reported_once_a_minute() {
        let metrics = Metrics::default();
        let watch = WatchHealth::new("Secret", metrics.watch(Kind::Secret));
        let shown = |line: &&str| line.starts_with("registry_token_operator_invalid_objects{kind=\"Secret\"}");
        let count = || metrics.text().lines().find(shown).map(str::to_owned).unwrap_or_default();
        assert!(watch.mark_invalid("team", "a") && watch.mark_invalid("team", "b"));
        assert!(!watch.mark_invalid("team", "a"));
        assert!(count().ends_with(" 2"), "{}", count());
        tokio::time::advance(REPORT_INTERVAL).await;
        assert!(watch.mark_invalid("team", "a"));
        watch.mark_valid("team", "a");
        assert!(count().ends_with(" 1"), "{}", count());
        watch.start_list();
        assert!(count().ends_with(" 0"), "{}", count());
    }
}
