//! How a watch is doing: what it waits for, when it last heard of the API server, and which objects it skips.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::time::Instant;

/// A failure that lasts is logged this often.
const REPEAT: Duration = Duration::from_mins(1);
/// A watch that has neither heard nor tried anything for so long is stuck: each request ends within five minutes.
const SILENCE: Duration = Duration::from_mins(10);
/// An object that cannot be parsed is reported no more often than this.
const REPORT: Duration = Duration::from_mins(1);
/// So many reports are remembered at most.
const REPORTS: usize = 10_000;

/// Whether a kind has been listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not yet.
    Pending,
    /// The API server does not serve it: its CRD is not installed.
    Missing,
    /// The API server does not allow us to list it.
    Forbidden,
    /// Everything that there was has been received.
    Listed,
}

/// Namespace and name.
type Key = (String, String);

/// How the watch of one kind is doing.
#[derive(Debug)]
pub struct WatchHealth {
    kind: &'static str,
    phase: watch::Sender<Phase>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    last_event: Option<SystemTime>,
    active: Instant,
    failures: u64,
    problem: Option<(String, Instant)>,
    invalid: HashSet<Key>,
    reported: HashMap<Key, Instant>,
}

impl WatchHealth {
    /// Of a watch that begins now.
    #[must_use]
    pub fn new(kind: &'static str) -> Self {
        let state = State {
            last_event: None,
            active: Instant::now(),
            failures: 0,
            problem: None,
            invalid: HashSet::new(),
            reported: HashMap::new(),
        };
        Self { kind, phase: watch::Sender::new(Phase::Pending), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kind that is watched.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// Whether the kind has been listed, as it is now and as it changes.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Everything that there was has been received.
    pub fn listed(&self) {
        self.phase.send_replace(Phase::Listed);
    }

    /// A list begins: what it does not name is gone.
    pub fn listing(&self) {
        self.state().invalid.clear();
    }

    /// An event or a bookmark came. A failure that was logged is over.
    pub fn heard(&self) {
        let mut state = self.state();
        state.active = Instant::now();
        state.last_event = Some(SystemTime::now());
        if state.problem.take().is_some() {
            tracing::info!(kind = self.kind, "watch: the API server answers again");
        }
    }

    /// The watch failed, and is tried again. Logged once for each reason, and then every minute.
    pub fn failed(&self, phase: Phase, detail: &str) {
        let mut state = self.state();
        state.active = Instant::now();
        state.failures = state.failures.saturating_add(1);
        self.phase.send_if_modified(|current| {
            let changes = *current != Phase::Listed && *current != phase;
            if changes {
                *current = phase;
            }
            changes
        });
        let due = state.problem.as_ref().is_none_or(|(known, logged)| known != detail || logged.elapsed() >= REPEAT);
        if due {
            state.problem = Some((detail.to_owned(), Instant::now()));
            tracing::warn!(kind = self.kind, detail, "watch: waiting for the API server");
        }
    }

    /// Counts an object that cannot be parsed; whether that is to be reported.
    pub fn invalid(&self, namespace: &str, name: &str) -> bool {
        let mut state = self.state();
        let key = (namespace.to_owned(), name.to_owned());
        state.invalid.insert(key.clone());
        if state.reported.get(&key).is_some_and(|last| last.elapsed() < REPORT) {
            return false;
        }
        if state.reported.len() >= REPORTS {
            state.reported.clear();
        }
        state.reported.insert(key, Instant::now());
        true
    }

    /// An object can be parsed again, or is gone.
    pub fn valid(&self, namespace: &str, name: &str) {
        let mut state = self.state();
        if !state.invalid.is_empty() {
            state.invalid.remove(&(namespace.to_owned(), name.to_owned()));
        }
    }

    /// What the first list waits for; nothing once it has come.
    #[must_use]
    pub fn pending(&self) -> Option<String> {
        if *self.phase.borrow() == Phase::Listed {
            return None;
        }
        let state = self.state();
        let why = state.problem.as_ref().map_or("not listed yet", |(why, _)| why.as_str());
        Some(format!("waiting for caches: {}: {why}", self.kind))
    }

    /// Whether it has neither heard nor tried anything for so long that it must hang.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.state().active.elapsed() > SILENCE
    }
}

/// What is to be known of all watches, in Prometheus' text format.
#[must_use]
pub fn metrics<'a>(watches: impl Iterator<Item = &'a WatchHealth> + Clone) -> String {
    let mut text = String::new();
    family(&mut text, watches.clone(), "watch_last_event_timestamp_seconds", "gauge", LAST_EVENT, |state| {
        let since = state.last_event.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        since.map(|since| since.as_secs())
    });
    family(&mut text, watches.clone(), "watch_failures_total", "counter", FAILURES, |state| Some(state.failures));
    family(&mut text, watches, "invalid_objects", "gauge", INVALID, |state| u64::try_from(state.invalid.len()).ok());
    text
}

const LAST_EVENT: &str = "When the last event or bookmark of the watch arrived.";
const FAILURES: &str = "How often the watch failed and was started again.";
const INVALID: &str = "Objects that cannot be parsed and are skipped.";

fn family<'a>(
    text: &mut String,
    watches: impl Iterator<Item = &'a WatchHealth>,
    name: &str,
    kind: &str,
    help: &str,
    value: impl Fn(&State) -> Option<u64>,
) {
    let _ =
        write!(text, "# HELP registry_token_operator_{name} {help}\n# TYPE registry_token_operator_{name} {kind}\n");
    for watch in watches {
        if let Some(value) = value(&watch.state()) {
            let _ = writeln!(text, "registry_token_operator_{name}{{kind=\"{}\"}} {value}", watch.kind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_watch_says_what_it_waits_for_until_it_has_listed_and_hangs_where_it_neither_hears_nor_tries() {
        let watch = WatchHealth::new("RegistryToken");
        let phase = watch.phase();
        assert_eq!(watch.pending().as_deref(), Some("waiting for caches: RegistryToken: not listed yet"));
        watch.failed(Phase::Missing, "no CRD");
        assert_eq!((*phase.borrow(), watch.pending().expect("waits").contains("no CRD")), (Phase::Missing, true));
        tokio::time::advance(SILENCE * 2).await;
        assert!(watch.is_stuck());
        watch.failed(Phase::Pending, "no answer");
        assert!(!watch.is_stuck(), "it tries");
        watch.listed();
        watch.failed(Phase::Missing, "no CRD");
        assert_eq!((*phase.borrow(), watch.pending()), (Phase::Listed, None), "the cache keeps what it has");
        let text = metrics(std::iter::once(&watch));
        assert!(text.contains("watch_failures_total{kind=\"RegistryToken\"} 3\n"), "{text}");
        assert!(!text.contains("timestamp_seconds{"), "nothing was heard yet: {text}");
        watch.heard();
        assert!(metrics(std::iter::once(&watch)).contains("timestamp_seconds{kind=\"RegistryToken\"} "));
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_that_cannot_be_parsed_is_counted_always_and_reported_once_a_minute() {
        let watch = WatchHealth::new("Secret");
        let count = || metrics(std::iter::once(&watch)).lines().last().map(str::to_owned).unwrap_or_default();
        assert!(watch.invalid("team", "a") && watch.invalid("team", "b"));
        assert!(!watch.invalid("team", "a"));
        assert!(count().ends_with(" 2"), "{}", count());
        tokio::time::advance(REPORT).await;
        assert!(watch.invalid("team", "a"));
        watch.valid("team", "a");
        assert!(count().ends_with(" 1"), "{}", count());
        watch.listing();
        assert!(count().ends_with(" 0"), "{}", count());
    }
}
