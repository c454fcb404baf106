//! A real control plane (etcd, kube-apiserver, kube-controller-manager) for tests, the demo and the benchmark: it
//! starts in about three seconds and stops when the process that started it ends.
//!
//! [`shared`] is one control plane per test binary, in which each test uses its own [`ControlPlane::namespace`];
//! [`ControlPlane::reuse_for_test`] is one for a test that would disturb others, and [`ControlPlane::start_for_test`]
//! starts one with options of its own.
//!
//! `KEEP_CONTROL_PLANE=1` keeps its folder (logs, audit log, kubeconfig) for inspection.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "several test binaries include this module, and each uses its own part of it"
)]

mod access;
mod assets;
mod audit;
mod certs;
mod empty;
mod error;
mod kubectl;
mod objects;
mod per_test;
mod servers;
mod shared;
mod start;
mod supervise;
mod wait;

pub use audit::{Audit, AuditEvent, Events, Position};
pub use error::{Context, Error, Result};
pub use objects::apply_object;
pub use shared::shared;
pub use start::{ControlPlane, Options};
pub use supervise::{FolderCleanup, Server};
pub use wait::{eventually, wait_for};
