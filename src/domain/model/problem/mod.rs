//! Why something did not succeed.

pub mod messages;
use crate::api::Reason;

/// Why something did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Problem {
    /// The word for it.
    pub reason: Reason,
    /// For people: what happened and what to do.
    pub message: String,
    /// Nothing goes on until somebody changes something.
    pub terminal: bool,
}
