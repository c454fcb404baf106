//! The metrics of watches.

use super::catalog::Catalog;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use std::fmt;

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
    /// `ClusterRegistryToken`.
    ClusterRegistryToken,
    /// `Namespace`.
    Namespace,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WatchLabels {
    kind: Kind,
}

/// The families with one series for each watch.
#[derive(Clone, Debug, Default)]
pub(super) struct WatchFamilies {
    last_event: Family<WatchLabels, Gauge>,
    failures: Family<WatchLabels, Counter>,
    invalid_objects: Family<WatchLabels, Gauge>,
}

/// The metrics of one watch.
#[derive(Clone, Debug)]
pub struct WatchMetrics {
    labels: WatchLabels,
    /// Has no series before the first event.
    last_event: Family<WatchLabels, Gauge>,
    failures: Counter,
    invalid_objects: Gauge,
}

impl WatchFamilies {
    pub(super) fn register(catalog: &mut Catalog) -> Self {
        let families = Self::default();
        catalog.add(
            "registry_token_operator_watch_last_event_timestamp_seconds",
            "When the last event or bookmark of the watch arrived",
            families.last_event.clone(),
        );
        catalog.add(
            "registry_token_operator_watch_failures_total",
            "How often the watch failed and was started again",
            families.failures.clone(),
        );
        catalog.add(
            "registry_token_operator_invalid_objects",
            "Objects that cannot be parsed and are skipped",
            families.invalid_objects.clone(),
        );
        families
    }

    pub(super) fn of(&self, kind: Kind) -> WatchMetrics {
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
            Self::ClusterRegistryToken => "ClusterRegistryToken",
            Self::Namespace => "Namespace",
        }
    }
}

impl EncodeLabelValue for Kind {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> fmt::Result {
        self.as_str().encode(encoder)
    }
}
