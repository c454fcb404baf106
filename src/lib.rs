//! Keeps container-registry tokens of a vendor's portal as Kubernetes pull secrets.

pub mod access;
pub mod api;
pub mod check;
pub mod cli;
pub mod controller;
pub mod discover;
pub mod domain;
pub mod drain;
#[cfg(test)]
mod fuzzing;
mod http;
pub mod issuer_flags;
mod kube_api;
mod kube_proxy;
pub mod metrics;
mod plain_text;
pub mod portal;
pub mod readiness;
pub mod registry;
pub mod report;
pub mod run;
pub mod server;
pub mod telemetry;
mod text;
pub mod watch_health;
