//! The metrics that `/metrics` serves. Every label has a bounded set of values, and the series of a deleted issuer are
//! removed.

mod catalog;
mod controllers;
mod format;
mod issuers;
mod objects;
mod outcomes;
mod process;
mod watch;

use self::catalog::Catalog;
use self::controllers::Controllers;
use self::objects::ObjectMetrics;
use self::watch::WatchFamilies;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use std::fmt;
use std::sync::Arc;

pub use self::controllers::{Controller, ControllerMetrics, ReconcileResult, RunningReconcile, WorkQueue};
pub use self::format::Format;
pub use self::issuers::{IssuerMetrics, TokenSummary};
pub use self::objects::{MAX_OBJECTS, ReadyStatus, ShownObject};
pub use self::outcomes::{LoginOutcome, PortalOperation, PortalOutcome};
pub use self::watch::{Kind, WatchMetrics};

/// The Git commit of this build, or `unknown`.
pub const GIT_COMMIT: &str = env!("GIT_COMMIT");

/// All metrics, created once when the process starts.
#[derive(Debug)]
pub struct Metrics {
    catalog: Catalog,
    status_write_failures: Family<StatusWriteLabels, Counter>,
    decisions: Family<DecisionLabels, Counter>,
    watches: WatchFamilies,
    leader: Family<LeaderLabels, Gauge>,
    api_requests: Family<ApiRequestLabels, Counter>,
    events_dropped: Counter,
    events_suppressed: Counter,
    controllers: Controllers,
    objects: ObjectMetrics,
    /// The metrics of issuers.
    pub issuers: IssuerMetrics,
}

/// Why a status could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusWriteFailure {
    /// The API server rejected it: permissions, admission or validation.
    Rejected,
    /// There was no clear response.
    Unavailable,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusWriteLabels {
    reason: StatusWriteFailure,
}

/// One series for each check of the decision.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    check: &'static str,
}

/// The name is that of the Lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LeaderLabels {
    name: String,
}

/// `code` is a status code, or `<error>` without a response, as in client-go.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiRequestLabels {
    code: String,
    method: String,
    host: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
    git_commit: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::with_objects(0)
    }
}

impl Metrics {
    /// All metrics, with those of at most this many single objects.
    #[must_use]
    pub fn with_objects(limit: usize) -> Self {
        let mut catalog = Catalog::default();
        let status_write_failures = Family::<StatusWriteLabels, Counter>::default();
        // Shown from the start, because an increase from a missing series is not visible.
        for reason in [StatusWriteFailure::Rejected, StatusWriteFailure::Unavailable] {
            drop(status_write_failures.get_or_create(&StatusWriteLabels { reason }));
        }
        let (decisions, leader, api_requests) = (Family::default(), Family::default(), Family::default());
        let build = Family::<BuildLabels, Gauge>::default();
        let (events_dropped, events_suppressed) = (Counter::default(), Counter::default());
        build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION"), git_commit: GIT_COMMIT }).set(1);
        catalog.add_collector(process::NAMES, process::ProcessCollector);
        // The name that other operators use.
        catalog.add("leader_election_master_status", "Whether this instance is the leader", Family::clone(&leader));
        catalog.add("rest_client_requests_total", "Requests to the API server", Family::clone(&api_requests));
        let controllers = Controllers::register(&mut catalog);
        catalog.add("registry_token_operator_build_info", "Version and Git commit of this build", build);
        catalog.add(
            "registry_token_operator_status_write_failures_total",
            "Statuses that could not be written",
            Family::clone(&status_write_failures),
        );
        catalog.add(
            "registry_token_operator_events_dropped_total",
            "Events that could not be created",
            events_dropped.clone(),
        );
        catalog.add(
            "registry_token_operator_events_suppressed_total",
            "Normal events that were left out in a burst",
            events_suppressed.clone(),
        );
        catalog.add(
            "registry_token_operator_decisions_total",
            "Reconciliations of RegistryTokens by the check that made the last decision",
            Family::clone(&decisions),
        );
        let issuers = IssuerMetrics::register(&mut catalog);
        let watches = WatchFamilies::register(&mut catalog);
        let objects = ObjectMetrics::register(&mut catalog, limit);
        Self {
            catalog,
            status_write_failures,
            decisions,
            watches,
            leader,
            api_requests,
            events_dropped,
            events_suppressed,
            controllers,
            objects,
            issuers,
        }
    }

    /// Shows these objects, if metrics of single objects are on. `None` shows none: this instance does not know their
    /// state. It is called in each scrape.
    pub fn show_objects(&self, all: impl Fn() -> Option<Vec<Arc<dyn ShownObject>>> + Send + Sync + 'static) {
        self.objects.set_source(Box::new(all));
    }

    /// Counts a failed status write. The conditions of an object cannot report it.
    pub fn record_status_write_failure(&self, reason: StatusWriteFailure) {
        self.status_write_failures.get_or_create(&StatusWriteLabels { reason }).inc();
    }

    /// Counts a pass over an object under the check that decided how it ended.
    pub fn record_decision(&self, check: &'static str) {
        self.decisions.get_or_create(&DecisionLabels { check }).inc();
    }

    /// Counts a request to the API server; without a status if there was no response.
    pub fn record_api_request(&self, method: &str, host: &str, status: Option<u16>) {
        let code = status.map_or_else(|| "<error>".to_owned(), |status| status.to_string());
        let labels = ApiRequestLabels { code, method: method.to_owned(), host: host.to_owned() };
        self.api_requests.get_or_create(&labels).inc();
    }

    /// Counts an event that could not be created.
    pub fn record_dropped_event(&self) {
        self.events_dropped.inc();
    }

    /// Counts a Normal event that was left out in a burst.
    pub fn record_suppressed_event(&self) {
        self.events_suppressed.inc();
    }

    /// The metrics of a controller.
    #[must_use]
    pub const fn controller(&self, controller: Controller) -> &ControllerMetrics {
        self.controllers.of(controller)
    }

    /// Records whether this instance is the leader, by the name of the Lease. A standby does not know the state of
    /// issuers, and does not show it.
    pub fn set_leader(&self, name: &str, is_leader: bool) {
        if !is_leader {
            self.issuers.clear_state();
        }
        self.leader.get_or_create(&LeaderLabels { name: name.to_owned() }).set(i64::from(is_leader));
    }

    /// The metrics of the watch of this kind.
    #[must_use]
    pub fn watch(&self, kind: Kind) -> WatchMetrics {
        self.watches.of(kind)
    }

    /// All metrics in this format.
    #[must_use]
    pub fn encode(&self, format: Format) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.catalog.registry);
        let text = format::with_canonical_infinity(text);
        match format {
            Format::OpenMetrics => text,
            Format::Text => format::to_text(&text),
        }
    }

    /// All metrics in the `OpenMetrics` text format.
    #[must_use]
    pub fn text(&self) -> String {
        self.encode(Format::OpenMetrics)
    }

    /// The name of each metric, also of those without a series.
    #[must_use]
    pub fn names(&self) -> &[&'static str] {
        &self.catalog.names
    }
}

impl EncodeLabelValue for StatusWriteFailure {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> fmt::Result {
        let reason = match self {
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
        };
        reason.encode(encoder)
    }
}

#[cfg(test)]
mod tests;
