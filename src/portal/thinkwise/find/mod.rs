//! Finds out which table and tasks are meant, where the spec does not say so.
//!
//! Candidates get points, each with its reason in words. Only one that is far enough ahead of the others counts:
//! asking the wrong task is worse than asking the admin.

mod nearest;
mod pick;
mod rank;
mod words;

pub(super) use nearest::suggest;
pub(super) use pick::{FieldMatch, is_confirmation, match_id_column, match_id_field, match_id_output, match_text};
pub use rank::{Candidate, Selection, rank_edit_tasks, rank_request_tasks, rank_revoke_tasks, rank_tables, select};
pub(super) use words::{Concept, is_strong_match};
