//! `/metrics`: counters in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Failed status writes by reason. The conditions of an object cannot report them.
pub static STATUS_WRITE_FAILURES: StatusWriteFailures =
    StatusWriteFailures { rejected: AtomicU64::new(0), unavailable: AtomicU64::new(0) };

/// Passes over objects, by the check that decided how they ended.
pub static DECISIONS: Decisions = Decisions { counts: Mutex::new(BTreeMap::new()) };

/// Counters since the process started.
#[derive(Debug)]
pub struct StatusWriteFailures {
    rejected: AtomicU64,
    unavailable: AtomicU64,
}

impl StatusWriteFailures {
    /// Counts a write that the API server rejected: permissions, admission or validation.
    pub fn record_rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a write without a clear response.
    pub fn record_unavailable(&self) {
        self.unavailable.fetch_add(1, Ordering::Relaxed);
    }

    /// The counters as text.
    #[must_use]
    pub fn text(&self) -> String {
        let counts = [("rejected", &self.rejected), ("unavailable", &self.unavailable)];
        counter(
            ("registry_token_operator_status_write_failures_total", "Statuses that could not be written."),
            "reason",
            counts.map(|(reason, count)| (reason, count.load(Ordering::Relaxed))),
        )
    }
}

/// Counts of passes by check: one series for each check of the decision, so their number is bounded.
#[derive(Debug)]
pub struct Decisions {
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

impl Decisions {
    /// A pass ended with this check's decision.
    pub fn record(&self, check: &'static str) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(check).or_default() += 1;
    }

    /// The family in Prometheus' text format.
    #[must_use]
    pub fn text(&self) -> String {
        let help = "Reconciliations of RegistryTokens by the check that made the last decision.";
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let series = counts.iter().map(|(check, count)| (*check, *count));
        counter(("registry_token_operator_decisions_total", help), "check", series)
    }
}

/// A family of counters with one label, in Prometheus' text format.
fn counter((name, help): (&str, &str), label: &str, series: impl IntoIterator<Item = (&'static str, u64)>) -> String {
    let mut text = format!("# HELP {name} {help}\n# TYPE {name} counter\n");
    for (value, count) in series {
        let _ = writeln!(text, "{name}{{{label}=\"{value}\"}} {count}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_is_counted_under_its_reason() {
        let counts = StatusWriteFailures { rejected: AtomicU64::new(0), unavailable: AtomicU64::new(0) };
        counts.record_rejected();
        counts.record_rejected();
        counts.record_unavailable();
        let text = counts.text();
        assert!(text.contains("failures_total{reason=\"rejected\"} 2\n"), "{text}");
        assert!(text.contains("failures_total{reason=\"unavailable\"} 1\n"), "{text}");
    }

    #[test]
    fn each_pass_is_counted_under_the_check_that_decided() {
        let decisions = Decisions { counts: Mutex::default() };
        decisions.record("idle");
        decisions.record("idle");
        decisions.record("wait_for_issuer");
        let text = decisions.text();
        assert!(text.contains("decisions_total{check=\"idle\"} 2\n"), "{text}");
        assert!(text.contains("decisions_total{check=\"wait_for_issuer\"} 1\n"), "{text}");
    }
}
