//! Manages container registry tokens from a vendor portal as Kubernetes pull secrets.

pub mod api;
pub mod cli;
pub mod controller;
pub mod domain;
#[cfg(test)]
mod fuzz_support;
pub mod health;
mod http;
mod http_server;
pub mod kube_client;
pub mod metrics;
mod plain_text;
pub mod portal;
pub mod profiling;
pub mod registry;
mod sanitize;
pub mod telemetry;
