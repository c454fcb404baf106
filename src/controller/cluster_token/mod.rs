//! The reconciler of `ClusterRegistryToken`s.

pub mod controller;
pub mod decode;
mod deletion;
mod reconcile;
mod status;
mod view;
mod writes;
