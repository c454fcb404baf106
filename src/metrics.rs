//! The metrics that `/metrics` serves. Every label has a small, fixed set of values.

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics, created once when the process starts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    status_write_failures: Family<StatusWriteLabels, Counter>,
    decisions: Family<DecisionLabels, Counter>,
    watches: WatchFamilies,
    leader: Family<LeaderLabels, Gauge>,
}

/// Why a status could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusWriteFailure {
    /// The API server rejected it: permissions, admission or validation.
    Rejected,
    /// There was no clear response.
    Unavailable,
}

/// A kind whose watch has metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `RegistryToken`.
    RegistryToken,
    /// `Secret`.
    Secret,
    /// `ClusterTokenIssuer`.
    ClusterTokenIssuer,
    /// `TokenIssuer`.
    TokenIssuer,
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

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WatchLabels {
    kind: Kind,
}

/// The name is that of the Lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LeaderLabels {
    name: String,
}

/// The families with one series for each watch.
#[derive(Clone, Debug, Default)]
struct WatchFamilies {
    last_event: Family<WatchLabels, Gauge>,
    failures: Family<WatchLabels, Counter>,
    invalid_objects: Family<WatchLabels, Gauge>,
}

/// The metrics of one watch.
#[derive(Debug)]
pub struct WatchMetrics {
    labels: WatchLabels,
    /// Has no series before the first event.
    last_event: Family<WatchLabels, Gauge>,
    failures: Counter,
    invalid_objects: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let status_write_failures = Family::<StatusWriteLabels, Counter>::default();
        // Shown from the start, because an increase from a missing series is not visible.
        for reason in [StatusWriteFailure::Rejected, StatusWriteFailure::Unavailable] {
            drop(status_write_failures.get_or_create(&StatusWriteLabels { reason }));
        }
        let (decisions, watches) = (Family::default(), WatchFamilies::default());
        let leader = Family::default();
        let mut all = Registry::default();
        // The name that other operators use.
        all.register("leader_election_master_status", "Whether this instance is the leader", Family::clone(&leader));
        // The encoder appends `_total` to the name of a counter, the unit to the name, and a period to the help.
        let registry = all.sub_registry_with_prefix("registry_token_operator");
        registry.register(
            "status_write_failures",
            "Statuses that could not be written",
            Family::clone(&status_write_failures),
        );
        registry.register(
            "decisions",
            "Reconciliations of RegistryTokens by the check that made the last decision",
            Family::clone(&decisions),
        );
        registry.register_with_unit(
            "watch_last_event_timestamp",
            "When the last event or bookmark of the watch arrived",
            Unit::Seconds,
            watches.last_event.clone(),
        );
        registry.register(
            "watch_failures",
            "How often the watch failed and was started again",
            watches.failures.clone(),
        );
        registry.register(
            "invalid_objects",
            "Objects that cannot be parsed and are skipped",
            watches.invalid_objects.clone(),
        );
        Self { registry: all, status_write_failures, decisions, watches, leader }
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

    /// Records whether this instance is the leader, by the name of the Lease.
    pub fn set_leader(&self, name: &str, is_leader: bool) {
        self.leader.get_or_create(&LeaderLabels { name: name.to_owned() }).set(i64::from(is_leader));
    }

    /// The metrics of the watch of this kind.
    #[must_use]
    pub fn watch(&self, kind: Kind) -> WatchMetrics {
        self.watches.of(kind)
    }

    /// All metrics in the `OpenMetrics` text format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl WatchFamilies {
    fn of(&self, kind: Kind) -> WatchMetrics {
        let labels = WatchLabels { kind };
        WatchMetrics {
            last_event: self.last_event.clone(),
            failures: self.failures.get_or_create_owned(&labels),
            invalid_objects: self.invalid_objects.get_or_create_owned(&labels),
            labels,
        }
    }
}

impl WatchMetrics {
    /// Metrics that are not served, for a second watch of a kind.
    #[must_use]
    pub fn not_served(kind: Kind) -> Self {
        WatchFamilies::default().of(kind)
    }

    /// Records when an event or a bookmark arrived, in seconds since 1970.
    pub fn set_last_event(&self, seconds: i64) {
        self.last_event.get_or_create(&self.labels).set(seconds);
    }

    /// Counts a failure of the watch.
    pub fn record_failure(&self) {
        self.failures.inc();
    }

    /// Records how many objects cannot be parsed.
    pub fn set_invalid_objects(&self, count: usize) {
        self.invalid_objects.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

impl Kind {
    /// The kind's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RegistryToken => "RegistryToken",
            Self::Secret => "Secret",
            Self::ClusterTokenIssuer => "ClusterTokenIssuer",
            Self::TokenIssuer => "TokenIssuer",
        }
    }
}

impl EncodeLabelValue for Kind {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> fmt::Result {
        self.as_str().encode(encoder)
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
# EOF
";
        let text = metrics.text();
        assert!(text.ends_with(shown), "{text}");
        for reason in ["rejected", "unavailable"] {
            let line = format!("registry_token_operator_status_write_failures_total{{reason=\"{reason}\"}} 0\n");
            assert!(text.contains(&line), "{text}");
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
