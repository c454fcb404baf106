//! The metrics of controllers, under the names of controller-runtime and client-go, which existing dashboards know.

use super::catalog::Catalog;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

const RECONCILE_BUCKETS: [f64; 11] = [0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0];
const QUEUE_BUCKETS: [f64; 6] = [0.001, 0.01, 0.1, 1.0, 10.0, 100.0];
/// The controllers start every reconcile at once; the limits of the issuer bound the requests to its portal.
const MAX_CONCURRENT_RECONCILES: f64 = f64::INFINITY;
/// A smaller map is not shrunk.
const MIN_CAPACITY: usize = 1024;

/// A controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// Reconciles `RegistryToken`s.
    RegistryToken,
    /// Reconciles `ClusterTokenIssuer`s.
    ClusterTokenIssuer,
    /// Reconciles `TokenIssuer`s.
    TokenIssuer,
    /// Reconciles `ClusterRegistryToken`s.
    ClusterRegistryToken,
}

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconcileResult {
    /// Nothing is left to do until something changes.
    Success,
    /// It failed, and is repeated.
    Error,
    /// It is repeated soon.
    Requeue,
    /// It is repeated at a later time.
    RequeueAfter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabels {
    controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    controller: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    name: &'static str,
}

/// The metrics of one controller.
#[derive(Debug)]
pub struct ControllerMetrics {
    results: [Counter; 4],
    errors: Counter,
    time: Histogram,
    active: Gauge,
    /// Its queue.
    pub queue: WorkQueue,
}

/// The metrics of all controllers.
#[derive(Debug)]
pub(super) struct Controllers([ControllerMetrics; 4]);

impl Controllers {
    pub(super) fn register(catalog: &mut Catalog) -> Self {
        let results = Family::<ResultLabels, Counter>::default();
        let errors = Family::<ControllerLabels, Counter>::default();
        let time = Family::<ControllerLabels, Histogram>::new_with_constructor(|| Histogram::new(RECONCILE_BUCKETS));
        let active = Family::<ControllerLabels, Gauge>::default();
        let max = Family::<ControllerLabels, Gauge<f64, AtomicU64>>::default();
        let depth = Family::<QueueLabels, Gauge>::default();
        let wait = Family::<QueueLabels, Histogram>::new_with_constructor(|| Histogram::new(QUEUE_BUCKETS));
        catalog.add("controller_runtime_reconcile_total", "Reconciles by result", results.clone());
        catalog.add("controller_runtime_reconcile_errors_total", "Reconciles that failed", errors.clone());
        catalog.add("controller_runtime_reconcile_time_seconds", "Duration of reconciles", time.clone());
        catalog.add("controller_runtime_active_workers", "Reconciles in progress", active.clone());
        catalog.add(
            "controller_runtime_max_concurrent_reconciles",
            "Maximum number of concurrent reconciles; +Inf if it is not limited",
            max.clone(),
        );
        catalog.add("workqueue_depth", "Objects that wait for a reconcile to start", depth.clone());
        catalog.add(
            "workqueue_queue_duration_seconds",
            "Time from an event to the start of the reconcile",
            wait.clone(),
        );
        // Shown from the start, because an increase from a missing series is not visible.
        Self(Controller::ALL.map(|one| {
            let controller = one.as_str();
            let (labels, queue) = (ControllerLabels { controller }, QueueLabels { name: controller });
            max.get_or_create(&labels).set(MAX_CONCURRENT_RECONCILES);
            ControllerMetrics {
                results: ReconcileResult::ALL
                    .map(|one| results.get_or_create_owned(&ResultLabels { controller, result: one.as_str() })),
                errors: errors.get_or_create_owned(&labels),
                time: time.get_or_create_owned(&labels),
                active: active.get_or_create_owned(&labels),
                queue: WorkQueue::new(depth.get_or_create_owned(&queue), wait.get_or_create_owned(&queue)),
            }
        }))
    }

    pub(super) const fn of(&self, controller: Controller) -> &ControllerMetrics {
        &self.0[controller as usize]
    }
}

impl ControllerMetrics {
    /// Starts the measurement of a reconcile.
    #[must_use]
    pub fn start(&self) -> RunningReconcile<'_> {
        self.active.inc();
        RunningReconcile { metrics: self, started: Instant::now() }
    }
}

/// A reconcile in progress. It is not counted if it is dropped without a result, which shutdown does.
#[derive(Debug)]
pub struct RunningReconcile<'a> {
    metrics: &'a ControllerMetrics,
    started: Instant,
}

impl RunningReconcile<'_> {
    /// Counts the reconcile.
    pub fn end(self, result: ReconcileResult) {
        self.metrics.results[result as usize].inc();
        if result == ReconcileResult::Error {
            self.metrics.errors.inc();
        }
        self.metrics.time.observe(self.started.elapsed().as_secs_f64());
    }
}

impl Drop for RunningReconcile<'_> {
    fn drop(&mut self) {
        self.metrics.active.dec();
    }
}

/// The objects whose event has arrived and whose reconcile has not started. An object is in it once, however many events
/// arrive; the time for which a reconcile was postponed does not count.
#[derive(Debug)]
pub struct WorkQueue {
    depth: Gauge,
    wait: Histogram,
    /// When the first event arrived, by the hash of the object's key.
    waiting: Mutex<HashMap<u64, Instant>>,
    hasher: RandomState,
}

impl WorkQueue {
    fn new(depth: Gauge, wait: Histogram) -> Self {
        Self { depth, wait, waiting: Mutex::default(), hasher: RandomState::new() }
    }

    /// Records an event of an object.
    pub fn add(&self, key: &impl Hash) {
        let hash = self.hasher.hash_one(key);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.entry(hash).or_insert_with(Instant::now);
        self.depth.set(i64::try_from(waiting.len()).unwrap_or(i64::MAX));
    }

    /// Records that the reconcile of an object starts.
    pub fn start(&self, key: &impl Hash) {
        if let Some(since) = self.take(key) {
            self.wait.observe(since.elapsed().as_secs_f64());
        }
    }

    /// Forgets an object that does not exist any more.
    pub fn remove(&self, key: &impl Hash) {
        let _ = self.take(key);
    }

    fn take(&self, key: &impl Hash) -> Option<Instant> {
        let hash = self.hasher.hash_one(key);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let since = waiting.remove(&hash);
        // A burst leaves the map large.
        if waiting.is_empty() && waiting.capacity() > MIN_CAPACITY {
            waiting.shrink_to(0);
        }
        self.depth.set(i64::try_from(waiting.len()).unwrap_or(i64::MAX));
        since
    }
}

impl Controller {
    const ALL: [Self; 4] =
        [Self::RegistryToken, Self::ClusterTokenIssuer, Self::TokenIssuer, Self::ClusterRegistryToken];

    /// The name of the controller: its kind in lower case, as controller-runtime names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RegistryToken => "registrytoken",
            Self::ClusterTokenIssuer => "clustertokenissuer",
            Self::TokenIssuer => "tokenissuer",
            Self::ClusterRegistryToken => "clusterregistrytoken",
        }
    }
}

impl ReconcileResult {
    const ALL: [Self; 4] = [Self::Success, Self::Error, Self::Requeue, Self::RequeueAfter];

    /// The value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Requeue => "requeue",
            Self::RequeueAfter => "requeue_after",
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::{Controller, Format, Metrics, ReconcileResult};

    fn has(metrics: &Metrics, line: &str) -> bool {
        metrics.text().lines().any(|shown| shown == line)
    }

    #[test]
    fn alerts_and_dashboard_select_each_controller() {
        let [dashboard, alerts] = [
            include_str!("../../deploy/monitoring/dashboard.json"),
            include_str!("../../deploy/monitoring/alerts.yaml"),
        ];
        for selector in dashboard.split("controller=~\\\"").skip(1).chain(alerts.split("controller=~\"").skip(1)) {
            let names: Vec<&str> = selector.split(['"', '\\']).next().unwrap_or_default().split('|').collect();
            assert!(Controller::ALL.iter().all(|controller| names.contains(&controller.as_str())), "{names:?}");
        }
    }

    #[test]
    fn each_reconcile_is_counted_once_under_its_result() {
        let metrics = Metrics::default();
        let tokens = metrics.controller(Controller::RegistryToken);
        let (running, cancelled) = (tokens.start(), tokens.start());
        assert!(has(&metrics, "controller_runtime_active_workers{controller=\"registrytoken\"} 2"));
        running.end(ReconcileResult::Error);
        drop(cancelled);
        assert!(has(&metrics, "controller_runtime_active_workers{controller=\"registrytoken\"} 0"));
        tokens.start().end(ReconcileResult::RequeueAfter);
        for (result, count) in [("success", 0), ("error", 1), ("requeue", 0), ("requeue_after", 1)] {
            let labels = format!("{{controller=\"registrytoken\",result=\"{result}\"}}");
            assert!(has(&metrics, &format!("controller_runtime_reconcile_total{labels} {count}")), "{labels}");
        }
        assert!(has(&metrics, "controller_runtime_reconcile_errors_total{controller=\"registrytoken\"} 1"));
        assert!(has(&metrics, "controller_runtime_reconcile_time_seconds_count{controller=\"registrytoken\"} 2"));
        assert!(has(&metrics, "controller_runtime_reconcile_errors_total{controller=\"tokenissuer\"} 0"));
        let unlimited = "controller_runtime_max_concurrent_reconciles{controller=\"registrytoken\"} +Inf";
        assert!(has(&metrics, unlimited) && metrics.encode(Format::Text).contains(unlimited), "{}", metrics.text());
    }

    #[test]
    fn an_object_waits_once_whatever_the_number_of_its_events() {
        let metrics = Metrics::default();
        let queue = &metrics.controller(Controller::TokenIssuer).queue;
        for key in ["a", "a", "b", "gone"] {
            queue.add(&key);
        }
        assert!(has(&metrics, "workqueue_depth{name=\"tokenissuer\"} 3"));
        queue.start(&"a");
        queue.start(&"postponed");
        queue.remove(&"gone");
        assert!(has(&metrics, "workqueue_depth{name=\"tokenissuer\"} 1"));
        assert!(has(&metrics, "workqueue_queue_duration_seconds_count{name=\"tokenissuer\"} 1"));
    }
}
