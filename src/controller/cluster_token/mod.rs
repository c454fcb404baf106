//! The reconciler of `ClusterRegistryToken`s.

pub mod controller;
pub mod decode;
mod deletion;
pub mod namespace_cache;
mod reconcile;
pub mod state;
mod status;
mod view;
mod writes;
