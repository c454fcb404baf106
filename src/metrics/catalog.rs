//! Registers metrics under the names that are served.

use prometheus_client::collector::Collector;
use prometheus_client::registry::{Metric, Registry, Unit};

/// A registry, and the name of each metric in it.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    pub(super) registry: Registry,
    pub(super) names: Vec<&'static str>,
}

impl Catalog {
    /// Registers a metric under this name. The encoder itself appends `_total` to a counter, the unit, and a period to the
    /// help.
    pub(super) fn add(&mut self, name: &'static str, help: &'static str, metric: impl Metric) {
        self.names.push(name);
        let base = name.strip_suffix("_total").unwrap_or(name);
        match base.strip_suffix("_seconds") {
            Some(base) => self.registry.register_with_unit(base, help, Unit::Seconds, metric),
            None => self.registry.register(base, help, metric),
        }
    }

    /// Registers a collector with the names that it serves.
    pub(super) fn add_collector(&mut self, names: &[&'static str], collector: impl Collector) {
        self.names.extend(names);
        self.registry.register_collector(Box::new(collector));
    }
}
