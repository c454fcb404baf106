//! Verifies that the output configured as the token's id contains it.
//!
//! An output may match by name and type and yet contain the id of something else. Then every token would be recorded
//! with the customer's id, for example, and an edit or a revocation would affect another token. So the first token is
//! compared with the list, if the portal user can read it. An output with the key column's name and type is proved by
//! one token, any other by two different ids: the customer's id may happen to be the id of a token.

use crate::api::Reason;
use crate::portal::thinkwise::discovery::interface::{IdSource, TokenTable};
use crate::portal::thinkwise::interface_cache::CachedInterface;
use crate::portal::thinkwise::{Delivery, PortalError};
use std::sync::{Mutex, PoisonError};

/// The ids proved so far.
#[derive(Default)]
pub(crate) struct IdProof(Mutex<ProvedIds>);

#[derive(Default)]
struct ProvedIds {
    output: String,
    ids: Vec<String>,
}

impl IdProof {
    fn with_ids<T>(&self, output: &str, f: impl FnOnce(&mut Vec<String>) -> T) -> T {
        let mut proved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if proved.output != output {
            *proved = ProvedIds { output: output.to_owned(), ids: vec![] };
        }
        f(&mut proved.ids)
    }

    pub(crate) fn is_proved(&self, output: &str, table: &TokenTable) -> bool {
        let required = if output == table.id.name { 1 } else { 2 };
        self.with_ids(output, |ids| ids.len() >= required)
    }

    pub(crate) fn record(&self, output: &str, id: &str) {
        self.with_ids(output, |ids| {
            if ids.len() < 2 && !ids.iter().any(|existing| existing == id) {
                ids.push(id.to_owned());
            }
        });
    }
}

/// The output used as the id.
pub(crate) fn id_output_name(cached: &CachedInterface) -> Option<&str> {
    match &cached.interface.outputs.id {
        IdSource::Output(output) => Some(output),
        IdSource::Username | IdSource::LookUp => None,
    }
}

pub(crate) fn contradicted_id(output: &str) -> PortalError {
    let message = format!(
        "the portal's list contradicts the id in the response to the request: {output} is not the token's id. \
         Correct or remove tasks.request.outputs.id (spec.thinkwise)"
    );
    PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_of_another_name_is_proved_by_two_ids() {
        let proof = IdProof::default();
        let count = |output: &str| proof.with_ids(output, |ids| ids.len());
        for (id, expected) in [("1", 1), ("1", 1), ("2", 2), ("3", 2)] {
            proof.record("id", id);
            assert_eq!(count("id"), expected);
        }
        assert_eq!(count("token_id"), 0, "another output needs its own proof");
    }
}
