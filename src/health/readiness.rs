//! Whether the operator is alive, and ready to work; the one truth behind `/livez` and `/readyz`.

use super::watch_health::{WatchHealth, watch_metrics};
use futures::Stream;
use futures::stream;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often a loop that turns says so.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);
/// A loop that has said nothing for so long is stuck. After a failed watch it pauses for up to a minute.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_mins(3);

/// The gates that must open, and the loops that must turn.
#[derive(Debug, Default)]
pub struct Readiness {
    caches_synced: AtomicBool,
    mac_key_missing: AtomicBool,
    stopping: AtomicBool,
    heartbeats: Mutex<BTreeMap<&'static str, Instant>>,
    watches: Mutex<Vec<Arc<WatchHealth>>>,
}

impl Readiness {
    /// Every cache holds what the API server has.
    pub fn set_caches_synced(&self) {
        self.caches_synced.store(true, Ordering::Relaxed);
    }

    /// Whether the MAC key cannot be read or created.
    pub fn set_mac_key_missing(&self, missing: bool) {
        self.mac_key_missing.store(missing, Ordering::Relaxed);
    }

    /// The operator was asked to end.
    pub fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Where it is noted how the watch of a kind is doing.
    pub fn register_watch(&self, kind: &'static str) -> Arc<WatchHealth> {
        let health = Arc::new(WatchHealth::new(kind));
        self.watches.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&health));
        health
    }

    fn watches(&self) -> Vec<Arc<WatchHealth>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How the watches are doing, in Prometheus' text format.
    #[must_use]
    pub fn metrics(&self) -> String {
        let watches = self.watches();
        watch_metrics(watches.iter().map(|watch| &**watch))
    }

    /// What hinders it from being ready; nothing when it is. A kind that cannot be listed is named, and does
    /// not keep the others from being served.
    #[must_use]
    pub fn not_ready_reasons(&self) -> Vec<String> {
        if self.stopping.load(Ordering::Relaxed) {
            return vec!["stopping".to_owned()];
        }
        if self.mac_key_missing.load(Ordering::Relaxed) {
            return vec![
                "waiting for the MAC key: the Secret that --mac-key-secret names cannot be read or created in the operator's namespace; the log says why".to_owned(),
            ];
        }
        let waiting: Vec<String> = self.watches().iter().filter_map(|watch| watch.pending_reason()).collect();
        if waiting.is_empty() && !self.caches_synced.load(Ordering::Relaxed) {
            return vec!["waiting for caches".to_owned()];
        }
        waiting
    }

    /// A stream that yields nothing and, whenever the loop that it is part of turns, notes that.
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

    /// The loops that are stuck. None while the operator ends: it takes in no events any more, and
    /// finishes what is under way.
    #[must_use]
    pub fn hung_loops(&self) -> Vec<String> {
        if self.stopping.load(Ordering::Relaxed) {
            return vec![];
        }
        let beats = self.heartbeats.lock().unwrap_or_else(PoisonError::into_inner);
        let loops = beats.iter().filter(|(_, last)| last.elapsed() > HEARTBEAT_TIMEOUT).map(|(which, _)| which);
        let loops = loops.map(|which| format!("the loop over {which} is stuck"));
        let watches = self.watches();
        let watches = watches.iter().filter(|watch| watch.is_hung());
        loops.chain(watches.map(|watch| format!("the watch of {} is stuck", watch.kind()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt, StreamExt};

    #[tokio::test(start_paused = true)]
    async fn a_running_loop_is_alive_and_a_hung_one_is_named() {
        let readiness = Arc::new(Readiness::default());
        let mut turning = Box::pin(Arc::clone(&readiness).heartbeat::<()>("turning"));
        let _stuck = Arc::clone(&readiness).heartbeat::<()>("stuck");
        for _ in 0..19 {
            assert!(readiness.hung_loops().is_empty());
            tokio::time::advance(HEARTBEAT_INTERVAL).await;
            assert!(turning.next().now_or_never().is_none(), "it yields nothing");
        }
        assert_eq!(readiness.hung_loops(), ["the loop over stuck is stuck"]);
        let watch = readiness.register_watch("Secret");
        tokio::time::advance(HEARTBEAT_TIMEOUT * 4).await;
        assert!(readiness.hung_loops().contains(&"the watch of Secret is stuck".to_owned()));
        watch.record_event();
        assert!(!readiness.hung_loops().contains(&"the watch of Secret is stuck".to_owned()));
        readiness.set_stopping();
        assert!(readiness.hung_loops().is_empty(), "whoever ends takes in no events");
    }

    #[test]
    fn what_is_waited_for_is_reported() {
        let readiness = Readiness::default();
        assert!(readiness.not_ready_reasons()[0].starts_with("waiting for caches"));
        readiness.set_caches_synced();
        assert!(readiness.not_ready_reasons().is_empty());
        let watch = readiness.register_watch("TokenIssuer");
        assert_eq!(readiness.not_ready_reasons(), ["waiting for caches: TokenIssuer: not listed yet"]);
        watch.set_listed();
        assert!(readiness.not_ready_reasons().is_empty());
        readiness.set_mac_key_missing(true);
        assert!(readiness.not_ready_reasons()[0].starts_with("waiting for the MAC key"));
        readiness.set_stopping();
        assert_eq!(readiness.not_ready_reasons(), ["stopping"]);
    }
}
