//! The health of a watch: what it waits for, and when it last received an event.

use super::invalid_objects::InvalidObjects;
use crate::metrics::WatchMetrics;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::time::Instant;

/// How often a persistent failure is logged.
const LOG_INTERVAL: Duration = Duration::from_mins(1);
/// The same for a namespace in which nothing is permitted: it may not exist yet, which is no failure.
const ABSENCE_LOG_INTERVAL: Duration = Duration::from_mins(10);
/// A watch that has neither received nor sent anything for this long is hung: each request ends within five minutes.
const ACTIVITY_TIMEOUT: Duration = Duration::from_mins(10);

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

/// The health of a watch of one kind, in all namespaces or in one.
#[derive(Debug)]
pub struct WatchHealth {
    kind: &'static str,
    namespace: Option<String>,
    phase: watch::Sender<Phase>,
    metrics: WatchMetrics,
    invalid: Arc<InvalidObjects>,
    state: Mutex<WatchState>,
}

#[derive(Debug)]
struct WatchState {
    last_activity: Instant,
    problem: Option<(String, Instant)>,
}

impl WatchHealth {
    /// The health of a watch of all namespaces that starts now.
    #[must_use]
    pub fn new(kind: &'static str, metrics: WatchMetrics) -> Self {
        let invalid = Arc::new(InvalidObjects::new(metrics.clone()));
        Self::in_namespace(kind, metrics, None, invalid)
    }

    /// The health of a watch of this namespace, or of all. The kind's watches share `invalid`.
    #[must_use]
    pub fn in_namespace(
        kind: &'static str,
        metrics: WatchMetrics,
        namespace: Option<String>,
        invalid: Arc<InvalidObjects>,
    ) -> Self {
        let state = WatchState { last_activity: Instant::now(), problem: None };
        let phase = watch::Sender::new(Phase::Pending);
        Self { kind, namespace, phase, metrics, invalid, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, WatchState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kind that is watched.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// The namespace that is watched; `None` for all.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// What is watched, for messages.
    #[must_use]
    pub fn subject(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} in the namespace {namespace}", self.kind),
            None => self.kind.to_owned(),
        }
    }

    /// The objects of this kind that cannot be parsed.
    #[must_use]
    pub fn invalid_objects(&self) -> Arc<InvalidObjects> {
        Arc::clone(&self.invalid)
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
        self.invalid.start_list(self.namespace());
    }

    /// Records an event or a bookmark, which ends a logged failure.
    pub fn record_event(&self) {
        let mut state = self.state();
        state.last_activity = Instant::now();
        if let Some(seconds) = unix_seconds(SystemTime::now()) {
            self.metrics.set_last_event(seconds);
        }
        if state.problem.take().is_some() {
            tracing::info!(kind = self.kind, namespace = self.namespace, "watch: the API server responds again");
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
        let is_absence = self.namespace.is_some() && phase == Phase::Forbidden;
        let interval = if is_absence { ABSENCE_LOG_INTERVAL } else { LOG_INTERVAL };
        let due =
            state.problem.as_ref().is_none_or(|(reason, logged)| reason != detail || logged.elapsed() >= interval);
        if due {
            state.problem = Some((detail.to_owned(), Instant::now()));
            tracing::warn!(kind = self.kind, namespace = self.namespace, detail, "watch: waiting for the API server");
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
        Some(format!("waiting for caches: {}: {why}", self.subject()))
    }

    /// Whether nothing is permitted in the namespace, or was not when it was last tried: it may not exist.
    #[must_use]
    pub fn may_be_absent(&self) -> bool {
        self.namespace.is_some() && *self.phase.borrow() == Phase::Forbidden
    }

    /// Why a watch that was listed does not continue for now.
    #[must_use]
    pub fn interruption(&self) -> Option<String> {
        if *self.phase.borrow() != Phase::Listed {
            return None;
        }
        self.state().problem.as_ref().map(|(why, _)| format!("{}: {why}", self.subject()))
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

    #[test]
    fn a_forbidden_namespace_may_be_absent_and_an_interrupted_watch_says_why() {
        let metrics = Metrics::default();
        let (kind, metrics) = ("Secret", metrics.watch(Kind::Secret));
        let invalid = Arc::new(InvalidObjects::new(metrics.clone()));
        let watch = WatchHealth::in_namespace(kind, metrics.clone(), Some("team-b".to_owned()), invalid);
        assert!(!watch.may_be_absent());
        watch.record_failure(Phase::Forbidden, "no Role");
        assert!(watch.may_be_absent());
        let waits = "waiting for caches: Secret in the namespace team-b: no Role";
        assert_eq!((watch.pending_reason().as_deref(), watch.interruption()), (Some(waits), None));
        watch.record_event();
        watch.set_listed();
        assert_eq!((watch.may_be_absent(), watch.pending_reason(), watch.interruption()), (false, None, None));
        watch.record_failure(Phase::Forbidden, "no Role");
        assert_eq!(watch.interruption().as_deref(), Some("Secret in the namespace team-b: no Role"));
        let all = WatchHealth::new(kind, metrics);
        all.record_failure(Phase::Forbidden, "no ClusterRole");
        assert!(!all.may_be_absent(), "without its ClusterRole nothing is served");
    }
}
