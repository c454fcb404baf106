//! The metrics that `/metrics` serves. Every label has a bounded set of values, and the series of a deleted issuer are
//! removed.

mod catalog;
mod controllers;
mod format;
mod issuers;
mod outcomes;
mod process;
mod watch;

use self::catalog::Catalog;
use self::controllers::Controllers;
use self::watch::WatchFamilies;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use std::fmt;

pub use self::controllers::{Controller, ControllerMetrics, ReconcileResult, RunningReconcile, WorkQueue};
pub use self::format::Format;
pub use self::issuers::{IssuerMetrics, TokenSummary};
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
    controllers: Controllers,
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
        let mut catalog = Catalog::default();
        let status_write_failures = Family::<StatusWriteLabels, Counter>::default();
        // Shown from the start, because an increase from a missing series is not visible.
        for reason in [StatusWriteFailure::Rejected, StatusWriteFailure::Unavailable] {
            drop(status_write_failures.get_or_create(&StatusWriteLabels { reason }));
        }
        let (decisions, leader, api_requests) = (Family::default(), Family::default(), Family::default());
        let (build, events_dropped) = (Family::<BuildLabels, Gauge>::default(), Counter::default());
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
            "registry_token_operator_decisions_total",
            "Reconciliations of RegistryTokens by the check that made the last decision",
            Family::clone(&decisions),
        );
        let issuers = IssuerMetrics::register(&mut catalog);
        let watches = WatchFamilies::register(&mut catalog);
        Self {
            catalog,
            status_write_failures,
            decisions,
            watches,
            leader,
            api_requests,
            events_dropped,
            controllers,
            issuers,
        }
    }
}

impl Metrics {
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
mod tests {
    use super::*;

    #[test]
    fn series_without_an_event_are_shown_from_the_start() {
        let metrics = Metrics::default();
        let _watch = metrics.watch(Kind::TokenIssuer);
        let shown = "\
# HELP registry_token_operator_watch_failures How often the watch failed and was started again.
# TYPE registry_token_operator_watch_failures counter
registry_token_operator_watch_failures_total{kind=\"TokenIssuer\"} 0
# HELP registry_token_operator_invalid_objects Objects that cannot be parsed and are skipped.
# TYPE registry_token_operator_invalid_objects gauge
registry_token_operator_invalid_objects{kind=\"TokenIssuer\"} 0
";
        let text = metrics.text();
        assert!(text.contains(shown) && text.ends_with("# EOF\n"), "{text}");
        for reason in ["rejected", "unavailable"] {
            let line = format!("registry_token_operator_status_write_failures_total{{reason=\"{reason}\"}} 0\n");
            assert!(text.contains(&line), "{text}");
        }
    }

    #[test]
    fn requests_without_a_response_and_dropped_events_are_counted() {
        let metrics = Metrics::default();
        metrics.record_api_request("GET", "10.0.0.1:443", Some(200));
        metrics.record_api_request("PATCH", "10.0.0.1:443", None);
        metrics.record_dropped_event();
        let text = metrics.text();
        for line in [
            "rest_client_requests_total{code=\"200\",method=\"GET\",host=\"10.0.0.1:443\"} 1\n",
            "rest_client_requests_total{code=\"<error>\",method=\"PATCH\",host=\"10.0.0.1:443\"} 1\n",
            "registry_token_operator_events_dropped_total 1\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        let version =
            format!("registry_token_operator_build_info{{version=\"{}\",git_commit=", env!("CARGO_PKG_VERSION"));
        assert!(text.contains(&version), "{text}");
    }

    #[test]
    fn every_served_metric_is_registered_under_its_name_and_every_name_is_documented() {
        let metrics = Metrics::default();
        let text = metrics.encode(Format::Text);
        for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
            assert!(metrics.names().contains(&name), "{name}");
        }
        let documented = include_str!("../../docs/monitoring.md");
        let table: Vec<&str> =
            documented.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        for name in metrics.names() {
            assert!(table.contains(name), "docs/monitoring.md lacks {name}");
        }
        for name in table.iter().filter(|name| !name.starts_with("RegistryTokenOperator")) {
            assert!(metrics.names().contains(name), "docs/monitoring.md names {name}, which is not served");
        }
    }

    #[test]
    fn the_leader_is_shown_under_the_name_that_dashboards_know() {
        let metrics = Metrics::default();
        for (is_leader, value) in [(false, 0), (true, 1)] {
            metrics.set_leader("a-lease", is_leader);
            let line = format!("leader_election_master_status{{name=\"a-lease\"}} {value}\n");
            assert!(metrics.text().lines().any(|shown| shown == line.trim_end()), "{}", metrics.text());
        }
    }

    #[test]
    fn each_failure_is_counted_under_its_reason() {
        let metrics = Metrics::default();
        metrics.record_status_write_failure(StatusWriteFailure::Rejected);
        metrics.record_status_write_failure(StatusWriteFailure::Rejected);
        metrics.record_status_write_failure(StatusWriteFailure::Unavailable);
        let text = metrics.text();
        assert!(text.contains("failures_total{reason=\"rejected\"} 2\n"), "{text}");
        assert!(text.contains("failures_total{reason=\"unavailable\"} 1\n"), "{text}");
    }

    #[test]
    fn each_pass_is_counted_under_the_check_that_decided() {
        let metrics = Metrics::default();
        metrics.record_decision("idle");
        metrics.record_decision("idle");
        metrics.record_decision("wait_for_issuer");
        let text = metrics.text();
        assert!(text.contains("decisions_total{check=\"idle\"} 2\n"), "{text}");
        assert!(text.contains("decisions_total{check=\"wait_for_issuer\"} 1\n"), "{text}");
    }

    #[test]
    fn a_watch_has_series_of_its_own_and_one_that_is_not_served_has_none() {
        let metrics = Metrics::default();
        let (tokens, _secrets) = (metrics.watch(Kind::RegistryToken), metrics.watch(Kind::Secret));
        tokens.set_last_event(1_700_000_000);
        WatchMetrics::not_served(Kind::Secret).record_failure();
        let text = metrics.text();
        let stamp = "watch_last_event_timestamp_seconds{kind=\"RegistryToken\"} 1700000000\n";
        assert!(text.contains(stamp) && !text.contains("timestamp_seconds{kind=\"Secret\"}"), "{text}");
        assert!(text.contains("watch_failures_total{kind=\"Secret\"} 0\n"), "{text}");
    }
}
