//! Measurements of the machine and of a process.

/// Resident memory of a process in MiB.
pub fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(|rest| {
        let number = rest.trim().trim_end_matches(" kB");
        number.parse::<f64>().ok()
    });
    kibibytes.expect("the operator runs") / 1024.0
}

/// Cores and memory.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = memory.lines().next().unwrap_or_default().replace("MemTotal:", "").trim().to_owned();
    format!("{cores} cores, {total}")
}
