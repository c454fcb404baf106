//! Finds out which table and tasks the portal has, from its `$metadata`.

pub(crate) mod as_spec;
pub(crate) mod blocking;
pub(crate) mod cache;
pub mod heuristics;
pub mod interface;
pub mod metadata;
pub mod resolve;
