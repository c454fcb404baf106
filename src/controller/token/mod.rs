//! Reconciles a `RegistryToken`: takes a snapshot for the decision and drives the pass.

pub(crate) mod process_state;
pub(crate) mod reconcile;
pub(crate) mod snapshot;
