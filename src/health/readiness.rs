//! Whether the operator is alive and ready: the state behind `/livez` and `/readyz`.

use super::invalid_objects::InvalidObjects;
use super::watch_health::WatchHealth;
use crate::metrics::{Kind, Metrics};
use futures::Stream;
use futures::stream;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often a running loop records a heartbeat.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);
/// A loop without a heartbeat for this long is hung. After a failed watch it pauses for up to a minute.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_mins(3);

/// The conditions for readiness, and the heartbeats of the loops.
#[derive(Debug, Default)]
pub struct Readiness {
    caches_synced: AtomicBool,
    mac_key_missing: AtomicBool,
    lease_problem: Mutex<Option<String>>,
    stopping: AtomicBool,
    heartbeats: Mutex<BTreeMap<&'static str, Instant>>,
    watches: Mutex<Vec<Arc<WatchHealth>>>,
}

impl Readiness {
    /// Records that all caches are synced.
    pub fn set_caches_synced(&self) {
        self.caches_synced.store(true, Ordering::Relaxed);
    }

    /// Records whether the MAC key cannot be read or created.
    pub fn set_mac_key_missing(&self, missing: bool) {
        self.mac_key_missing.store(missing, Ordering::Relaxed);
    }

    /// Records why the Lease cannot be used, or that it can. A standby that can use it is ready.
    pub fn set_lease_problem(&self, problem: Option<String>) {
        *self.lease_problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    /// Records that shutdown has started.
    pub fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Registers a watch; its health is recorded in the returned value and in the metrics.
    pub fn register_watch(&self, kind: Kind, metrics: &Metrics) -> Arc<WatchHealth> {
        let invalid = Arc::new(InvalidObjects::new(metrics.watch(kind)));
        self.register_namespace_watch(kind, None, invalid, metrics)
    }

    /// Registers a watch of this namespace, or of all. The kind's watches share `invalid`.
    pub fn register_namespace_watch(
        &self,
        kind: Kind,
        namespace: Option<String>,
        invalid: Arc<InvalidObjects>,
        metrics: &Metrics,
    ) -> Arc<WatchHealth> {
        let health = Arc::new(WatchHealth::in_namespace(kind.as_str(), metrics.watch(kind), namespace, invalid));
        self.watches.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&health));
        health
    }

    fn watches(&self) -> Vec<Arc<WatchHealth>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why the operator is not ready; empty if it is. A kind that cannot be listed is named, but does not prevent the
    /// others from being served.
    #[must_use]
    pub fn not_ready_reasons(&self) -> Vec<String> {
        if self.stopping.load(Ordering::Relaxed) {
            return vec!["stopping".to_owned()];
        }
        if self.mac_key_missing.load(Ordering::Relaxed) {
            return vec![
                "waiting for the MAC key: the Secret that --mac-key-secret names cannot be read or created in the operator's namespace; see the log".to_owned(),
            ];
        }
        let watches = self.watches();
        // The others are served without a namespace that may not exist.
        let (absent, present): (Vec<_>, Vec<_>) = watches.iter().partition(|watch| watch.may_be_absent());
        let counted = if present.is_empty() { absent } else { present };
        let mut waiting: Vec<String> = counted.iter().filter_map(|watch| watch.pending_reason()).collect();
        waiting.extend(self.lease_problem.lock().unwrap_or_else(PoisonError::into_inner).clone());
        if waiting.is_empty() && !self.caches_synced.load(Ordering::Relaxed) {
            return vec!["waiting for caches".to_owned()];
        }
        waiting
    }

    /// The watches of namespaces that may not exist, with the reason. They do not make the operator unready.
    #[must_use]
    pub fn absent_namespaces(&self) -> Vec<String> {
        let watches = self.watches();
        let namespaced = watches.iter().filter(|watch| watch.namespace().is_some());
        let reason = |watch: &Arc<WatchHealth>| {
            if watch.may_be_absent() { watch.pending_reason() } else { watch.interruption() }
        };
        namespaced.filter_map(reason).collect()
    }

    /// A stream that yields nothing and records a heartbeat whenever the loop that polls it runs.
    pub fn heartbeat<T>(self: Arc<Self>, which: &'static str) -> impl Stream<Item = T> + Send + 'static
    where
        T: Send + 'static,
    {
        self.record_heartbeat(which);
        stream::once(async move {
            loop {
                sleep(HEARTBEAT_INTERVAL).await;
                self.record_heartbeat(which);
            }
        })
    }

    fn record_heartbeat(&self, which: &'static str) {
        self.heartbeats.lock().unwrap_or_else(PoisonError::into_inner).insert(which, Instant::now());
    }

    /// The hung loops; empty on shutdown, when the loops take no more events and finish what is in flight.
    #[must_use]
    pub fn hung_loops(&self) -> Vec<String> {
        if self.stopping.load(Ordering::Relaxed) {
            return vec![];
        }
        let beats = self.heartbeats.lock().unwrap_or_else(PoisonError::into_inner);
        let loops = beats.iter().filter(|(_, last)| last.elapsed() > HEARTBEAT_TIMEOUT).map(|(which, _)| which);
        let loops = loops.map(|which| format!("the loop over {which} is hung"));
        let watches = self.watches();
        let watches = watches.iter().filter(|watch| watch.is_hung());
        loops.chain(watches.map(|watch| format!("the watch of {} is hung", watch.subject()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::watch_health::Phase;
    use futures::{FutureExt, StreamExt};

    #[tokio::test(start_paused = true)]
    async fn a_running_loop_is_alive_and_a_hung_one_is_named() {
        let readiness = Arc::new(Readiness::default());
        let mut turning = Box::pin(Arc::clone(&readiness).heartbeat::<()>("turning"));
        let _hung = Arc::clone(&readiness).heartbeat::<()>("hung");
        for _ in 0..19 {
            assert!(readiness.hung_loops().is_empty());
            tokio::time::advance(HEARTBEAT_INTERVAL).await;
            assert!(turning.next().now_or_never().is_none(), "it yields nothing");
        }
        assert_eq!(readiness.hung_loops(), ["the loop over hung is hung"]);
        let watch = readiness.register_watch(Kind::Secret, &Metrics::default());
        tokio::time::advance(HEARTBEAT_TIMEOUT * 4).await;
        assert!(readiness.hung_loops().contains(&"the watch of Secret is hung".to_owned()));
        watch.record_event();
        assert!(!readiness.hung_loops().contains(&"the watch of Secret is hung".to_owned()));
        readiness.set_stopping();
        assert!(readiness.hung_loops().is_empty(), "the loops take no events during shutdown");
    }

    #[test]
    fn an_absent_namespace_is_named_and_only_prevents_readiness_if_there_is_no_other() {
        let (readiness, metrics) = (Readiness::default(), Metrics::default());
        readiness.set_caches_synced();
        let invalid = Arc::new(InvalidObjects::new(metrics.watch(Kind::Secret)));
        let watch = |namespace: &str| {
            let invalid = Arc::clone(&invalid);
            readiness.register_namespace_watch(Kind::Secret, Some(namespace.to_owned()), invalid, &metrics)
        };
        let absent = watch("absent");
        assert_eq!(readiness.not_ready_reasons().len(), 1, "it is not known yet");
        absent.record_failure(Phase::Forbidden, "no Role");
        let waits = ["waiting for caches: Secret in the namespace absent: no Role"];
        assert_eq!(readiness.not_ready_reasons(), waits, "nothing is served");
        let present = watch("present");
        assert_eq!(
            readiness.not_ready_reasons(),
            ["waiting for caches: Secret in the namespace present: not listed yet"]
        );
        present.set_listed();
        assert!(readiness.not_ready_reasons().is_empty());
        assert_eq!(readiness.absent_namespaces(), waits);
        absent.record_event();
        absent.set_listed();
        assert!(readiness.absent_namespaces().is_empty());
        absent.record_failure(Phase::Forbidden, "no Role");
        assert_eq!(readiness.absent_namespaces(), ["Secret in the namespace absent: no Role"], "it was deleted");
        assert!(readiness.not_ready_reasons().is_empty());
    }

    #[test]
    fn not_ready_reasons_are_reported() {
        let readiness = Readiness::default();
        assert!(readiness.not_ready_reasons()[0].starts_with("waiting for caches"));
        readiness.set_caches_synced();
        assert!(readiness.not_ready_reasons().is_empty());
        let watch = readiness.register_watch(Kind::TokenIssuer, &Metrics::default());
        assert_eq!(readiness.not_ready_reasons(), ["waiting for caches: TokenIssuer: not listed yet"]);
        watch.set_listed();
        assert!(readiness.not_ready_reasons().is_empty());
        readiness.set_lease_problem(Some("the Lease: forbidden".to_owned()));
        assert_eq!(readiness.not_ready_reasons(), ["the Lease: forbidden"]);
        readiness.set_lease_problem(None);
        assert!(readiness.not_ready_reasons().is_empty());
        readiness.set_mac_key_missing(true);
        assert!(readiness.not_ready_reasons()[0].starts_with("waiting for the MAC key"));
        readiness.set_stopping();
        assert_eq!(readiness.not_ready_reasons(), ["stopping"]);
    }
}
