//! Every protocol step with every fault, on a real API server: no token leaks, and the object becomes ready, or reports
//! the reason as long as it is not.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops at the first failure, and prints its table"
)]

#[path = "../support/control_plane/mod.rs"]
mod control_plane;
#[path = "../support/fake_portal/mod.rs"]
mod fake_portal;
#[path = "../support/fixture.rs"]
#[allow(dead_code, reason = "the integration tests use the rest of it")]
mod fixture;
#[path = "../support/operator_process/mod.rs"]
mod operator_process;
#[path = "../support/oci_client/mod.rs"]
mod pull;

mod case;
mod clocks;
mod final_state;
mod forbidden;
mod matrix;
mod proxy;
mod rejections;
mod steps;
mod table;
