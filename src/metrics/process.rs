//! The metrics of the process, read from `/proc` when they are scraped. Where there is no `/proc`, there are none.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use std::fmt;
use std::fs;

/// The names of these metrics.
pub(super) const NAMES: &[&str] =
    &["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"];

/// Linux reports times in hundredths of a second, whatever the kernel's own frequency is.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads the metrics of the process.
#[derive(Debug)]
pub(super) struct ProcessCollector;

/// What `/proc/self/stat` says.
#[derive(Debug, PartialEq)]
struct Times {
    cpu_seconds: f64,
    /// Since the start of the machine.
    started_seconds: f64,
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut add = |name: &str, help: &str, unit: Option<&Unit>, kind: MetricType, value: &dyn EncodeMetric| {
            value.encode(encoder.encode_descriptor(name, help, unit, kind)?)
        };
        let times = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| parse_times(&stat));
        let booted = fs::read_to_string("/proc/stat").ok().and_then(|stat| number_after(&stat, "btime "));
        if let Some(times) = &times {
            let used = ConstCounter::new(times.cpu_seconds);
            add("process_cpu", "CPU time of the process.", Some(&Unit::Seconds), MetricType::Counter, &used)?;
        }
        if let (Some(times), Some(booted)) = (times, booted) {
            let started = ConstGauge::new(booted + times.started_seconds);
            add("process_start_time", "When the process started.", Some(&Unit::Seconds), MetricType::Gauge, &started)?;
        }
        let resident = fs::read_to_string("/proc/self/status").ok().and_then(|status| number_after(&status, "VmRSS:"));
        if let Some(kilobytes) = resident {
            let resident = ConstGauge::new(kilobytes * 1024.0);
            add("process_resident_memory", "Memory of the process.", Some(&Unit::Bytes), MetricType::Gauge, &resident)?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            let open = ConstGauge::new(i64::try_from(open.count()).unwrap_or_default());
            add("process_open_fds", "Open file descriptors of the process.", None, MetricType::Gauge, &open)?;
        }
        Ok(())
    }
}

/// The name of the process, in parentheses, may contain spaces.
fn parse_times(stat: &str) -> Option<Times> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // The fields 14, 15 and 22 of proc(5); the first one here is field 3.
    let seconds = |index: usize| Some(fields.get(index)?.parse::<f64>().ok()? / TICKS_PER_SECOND);
    Some(Times { cpu_seconds: seconds(11)? + seconds(12)?, started_seconds: seconds(19)? })
}

fn number_after(text: &str, key: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 12345 1000 200";
        assert_eq!(parse_times(stat), Some(Times { cpu_seconds: 3.0, started_seconds: 123.45 }));
        assert_eq!(parse_times("7 (a) S 1"), None);
        assert_eq!(number_after("cpu 1 2\nbtime 1700000000\n", "btime "), Some(1_700_000_000.0));
        assert_eq!(number_after("VmRSS:\t    2048 kB\n", "VmRSS:"), Some(2048.0));
    }
}
