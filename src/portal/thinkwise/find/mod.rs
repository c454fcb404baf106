//! Finds out which table and tasks are meant, where the spec does not say so.
//!
//! Candidates get points, each with its reason in words. Only one that is far enough ahead of the others counts:
//! asking the wrong task is worse than asking the admin.

mod nearest;
mod pick;
mod rank;
mod words;

pub(super) use nearest::nearest;
pub(super) use pick::{Pick, id_column, id_field, id_output, is_confirmation, pick};
pub use rank::{Candidate, Choice, choose, edits, requests, revocations, tables};
pub(super) use words::{Meaning, is_clear};
