//! Measurements of the machine and of a process.

use std::time::Duration;

/// Resident memory of a process in MiB.
pub fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(|rest| {
        let number = rest.trim().trim_end_matches(" kB");
        number.parse::<f64>().ok()
    });
    kibibytes.expect("the operator runs") / 1024.0
}

/// CPU time that a process has used, in hundredths of a second: the unit of Linux.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks =
        |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).expect("the operator runs");
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// Cores and memory.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = memory.lines().next().unwrap_or_default().replace("MemTotal:", "").trim().to_owned();
    format!("{cores} cores, {total}")
}

/// The value that this percentage of the values does not exceed.
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(index).copied().unwrap_or_default()
}
