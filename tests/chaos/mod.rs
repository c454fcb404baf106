//! SIGKILL, frozen operators and restarts of the API server under load: no token leaks, and none is lost.

mod fault_schedule;
mod report;
mod rng;
pub mod run;
mod table;
mod workload;
