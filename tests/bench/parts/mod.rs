//! The parts of the benchmark, one subject each.

pub mod binary;
pub mod burst;
pub mod deletion;
pub mod latency;
pub mod memory;
pub mod namespaces;
pub mod outage;
pub mod rotation;
pub mod scrape;
pub mod throughput;
