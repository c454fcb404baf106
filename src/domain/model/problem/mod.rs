//! Why an operation did not succeed.

pub mod messages;
use crate::api::Reason;

/// Why an operation did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Problem {
    /// The reason, as in conditions.
    pub reason: Reason,
    /// Human-readable: what happened and what to do.
    pub message: String,
    /// Manual action is required.
    pub terminal: bool,
}
