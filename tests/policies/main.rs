//! The admission policies on a real API server: a stolen credential of the operator and tenants are refused,
//! and the operator, with exactly the shipped permissions, is not.

#![allow(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::too_many_lines,
    dead_code,
    unused_imports,
    reason = "a test stops at the first failure, and lists its steps in order; the shared helpers are used in part"
)]

#[path = "../support/control_plane/mod.rs"]
mod control_plane;
#[path = "../support/fake_portal/mod.rs"]
mod fake_portal;
#[path = "../support/fixture.rs"]
mod fixture;
#[path = "../integration/helpers.rs"]
mod helpers;
#[path = "../support/operator_process/mod.rs"]
mod operator_process;
#[path = "../support/oci_client/mod.rs"]
mod pull;

mod cluster;
mod flows;
mod permissions;
mod stolen;
mod tenants;
