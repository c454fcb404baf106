//! The metrics of single `RegistryToken`s, which are off by default. They are computed during a scrape from what is cached
//! anyway: an object costs nothing between scrapes, and its series are gone with it. Their number and their size are
//! bounded, because users choose how many objects there are and how long their names are.

use super::catalog::Catalog;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The largest number of objects that can be shown.
pub const MAX_OBJECTS: u32 = 10_000;
/// The size of all series of objects, in bytes. With the other metrics, a scrape stays below 1 MB.
const MAX_BYTES: usize = 800_000;
/// The size of the series of an object in bytes, without its namespace and name in each of them.
const SERIES_BYTES: usize = 383;
const SERIES: usize = 1 + ReadyStatus::ALL.len();

const NAMES: &[&str] = &[
    "registry_token_operator_registrytoken_ready_status",
    "registry_token_operator_registrytoken_next_rotation_timestamp_seconds",
    "registry_token_operator_registrytokens_left_out",
];

/// The status of the condition `Ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadyStatus {
    /// It is ready.
    True,
    /// It is not.
    False,
    /// It is not known, or there is no condition yet.
    Unknown,
}

/// An object with series of its own.
pub trait ShownObject: Send + Sync {
    /// Its namespace.
    fn namespace(&self) -> &str;

    /// Its name.
    fn name(&self) -> &str;

    /// Whether it is ready.
    fn ready(&self) -> ReadyStatus;

    /// Its next rotation, in seconds since 1970.
    fn next_rotation(&self) -> Option<i64>;
}

/// Returns all objects, or `None` on an instance that does not know their state.
type Source = Box<dyn Fn() -> Option<Vec<Arc<dyn ShownObject>>> + Send + Sync>;

/// The metrics of single objects.
#[derive(Clone, Default)]
pub(super) struct ObjectMetrics {
    limit: usize,
    source: Arc<OnceLock<Source>>,
}

impl ObjectMetrics {
    /// Metrics of at most this many objects; with 0 they are off.
    pub(super) fn register(catalog: &mut Catalog, limit: usize) -> Self {
        let all = Self { limit, ..Self::default() };
        if limit > 0 {
            catalog.add_collector(NAMES, all.clone());
        }
        all
    }

    pub(super) fn set_source(&self, source: Source) {
        if self.limit > 0 {
            let _ = self.source.set(source);
        }
    }
}

impl fmt::Debug for ObjectMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectMetrics").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Collector for ObjectMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let Some(mut objects) = self.source.get().and_then(|source| source()) else { return Ok(()) };
        let total = objects.len();
        select(&mut objects, self.limit);
        let [ready, rotation, left_out] = NAMES else { return Err(fmt::Error) };
        let help = "Whether the RegistryToken is ready: 1 for the status of its condition Ready.";
        let mut family = encoder.encode_descriptor(ready, help, None, MetricType::Gauge)?;
        for object in &objects {
            for status in ReadyStatus::ALL {
                let value = ConstGauge::new(i64::from(object.ready() == status));
                let condition = ("condition", status.as_str());
                value.encode(family.encode_family(&[namespace_of(object), name_of(object), condition])?)?;
            }
        }
        let help = "When the next rotation of the RegistryToken is due.";
        let base = rotation.strip_suffix("_seconds").unwrap_or(rotation);
        let mut family = encoder.encode_descriptor(base, help, Some(&Unit::Seconds), MetricType::Gauge)?;
        for object in &objects {
            if let Some(time) = object.next_rotation() {
                let value = ConstGauge::new(time);
                value.encode(family.encode_family(&[namespace_of(object), name_of(object)])?)?;
            }
        }
        let help = "RegistryTokens without series of their own, because there are too many.";
        let count = ConstGauge::new(i64::try_from(total - objects.len()).unwrap_or(i64::MAX));
        count.encode(encoder.encode_descriptor(left_out, help, None, MetricType::Gauge)?)
    }
}

/// Keeps the objects that are shown. Those that are not ready come first, and otherwise the choice is always the same.
fn select(objects: &mut Vec<Arc<dyn ShownObject>>, limit: usize) {
    let rank = |one: &Arc<dyn ShownObject>, other: &Arc<dyn ShownObject>| {
        let key = |object: &Arc<dyn ShownObject>| object.ready() == ReadyStatus::True;
        key(one)
            .cmp(&key(other))
            .then_with(|| one.namespace().cmp(other.namespace()))
            .then_with(|| one.name().cmp(other.name()))
    };
    // More than this do not fit, however short their names are. So a scrape sorts few objects, not all.
    let limit = limit.min(MAX_BYTES / SERIES_BYTES);
    if objects.len() > limit {
        let _ = objects.select_nth_unstable_by(limit, rank);
        objects.truncate(limit);
    }
    let mut left = MAX_BYTES;
    let is_small = objects.iter().map(size).sum::<usize>() <= left;
    if !is_small {
        objects.sort_unstable_by(rank);
        objects.retain(|object| match left.checked_sub(size(object)) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        });
    }
}

/// The size of the series of an object, in bytes.
fn size(object: &Arc<dyn ShownObject>) -> usize {
    SERIES_BYTES + SERIES * (object.namespace().len() + object.name().len())
}

fn namespace_of(object: &Arc<dyn ShownObject>) -> (&'static str, &str) {
    ("namespace", object.namespace())
}

fn name_of(object: &Arc<dyn ShownObject>) -> (&'static str, &str) {
    ("name", object.name())
}

impl ReadyStatus {
    const ALL: [Self; 3] = [Self::True, Self::False, Self::Unknown];

    /// The status as in a condition.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

#[cfg(test)]
#[path = "objects_tests.rs"]
mod tests;
