//! The Helm chart with the real helm, helm-unittest and kubeconform, and releases on a real API server. `make test-install`
//! runs it; `make test` does not, because the tools take minutes to build.

#![allow(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::too_many_lines,
    dead_code,
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

mod kubelet;
mod release;
mod render;
mod schemas;
mod tools;
mod uninstall;
