//! `/metrics`: what is counted, in Prometheus' text format.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// Statuses that could not be written, by why not: then an object's conditions are silent about it.
pub static STATUS_WRITE_FAILURES: StatusWriteFailures =
    StatusWriteFailures { rejected: AtomicU64::new(0), unavailable: AtomicU64::new(0) };

/// Counts since the process began.
#[derive(Debug)]
pub struct StatusWriteFailures {
    rejected: AtomicU64,
    unavailable: AtomicU64,
}

impl StatusWriteFailures {
    /// The API server refused it: permissions, admission or validation.
    pub fn record_rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// The API server gave no clear answer.
    pub fn record_unavailable(&self) {
        self.unavailable.fetch_add(1, Ordering::Relaxed);
    }

    /// All of it as text.
    #[must_use]
    pub fn text(&self) -> String {
        const NAME: &str = "registry_token_operator_status_write_failures_total";
        let mut text = format!("# HELP {NAME} Statuses that could not be written.\n# TYPE {NAME} counter\n");
        for (reason, count) in [("refused", &self.rejected), ("unavailable", &self.unavailable)] {
            let _ = writeln!(text, "{NAME}{{reason=\"{reason}\"}} {}", count.load(Ordering::Relaxed));
        }
        text
    }
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
        assert!(text.contains("failures_total{reason=\"refused\"} 2\n"), "{text}");
        assert!(text.contains("failures_total{reason=\"unavailable\"} 1\n"), "{text}");
    }
}
