//! Discovers the portal's table and tasks from its `$metadata`.

pub(crate) mod as_spec;
pub(crate) mod blocking;
pub(crate) mod cache;
pub mod heuristics;
pub mod interface;
pub mod metadata;
pub mod resolve;
