//! Reconciles a `RegistryToken`: takes the snapshot that a decision is based on, and drives the pass.

pub(crate) mod process_state;
pub(crate) mod reconcile;
pub(crate) mod snapshot;
