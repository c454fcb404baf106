//! Determines the table and tasks if the spec does not set them.
//!
//! Candidates are scored, each score with its reason. A candidate is only selected if it is far enough ahead of the
//! others: calling the wrong task is worse than asking the admin.

mod field_match;
mod scoring;
mod suggest;
mod vocabulary;

pub(in crate::portal::thinkwise) use self::field_match::{
    FieldMatch, is_confirmation, match_id_column, match_id_field, match_id_output, match_text,
};
pub use self::scoring::{
    Candidate, Selection, rank_edit_tasks, rank_request_tasks, rank_revoke_tasks, rank_tables, select,
};
pub(in crate::portal::thinkwise) use self::suggest::suggest;
pub(in crate::portal::thinkwise) use self::vocabulary::{Concept, is_strong_match};
