//! Discovers the portal's table and tasks from its `$metadata`.

pub(crate) mod as_spec;
pub mod heuristics;
pub mod interface;
pub mod metadata;
pub mod mismatch;
pub mod resolve;
