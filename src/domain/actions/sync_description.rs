//! Makes the portal show the description, and nothing more.

use super::{Outcome, Transition, from_response, status_write};
use crate::api::Reason;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{RETRY_HINT, transient};
use crate::domain::model::status_view::status_view;
use crate::domain::observed::{Observed, UpstreamState};
use crate::domain::protocol::{Named, Request, Response};
use crate::domain::status::StatusEvent;

/// What settling remembers.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncingDescription {
    token: Named,
    wanted: String,
    /// It was edited for this generation before, and the portal shows something else.
    edited_before: bool,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    FindingRow,
    Editing,
    Comparing,
    WritingStatus,
}

type SyncDescriptionTransition = Transition<SyncingDescription>;

/// Begins.
#[must_use]
pub fn begin(observed: &Observed) -> SyncDescriptionTransition {
    let status = status_view(&observed.object);
    let (Some(token), Some(facts)) = (status.token, observed.issuer_info()) else {
        return Transition::Done(Outcome::RequeueSoon);
    };
    let wanted = facts.published_description(&observed.object.description, &token.nonce);
    let edited = [status.description_synced, status.description_rejected].contains(&Some(observed.object.generation));
    let again = edited && matches!(observed.upstream, UpstreamState::Present(_));
    let token = Named { id: token.id, username: token.username };
    let settling = SyncingDescription { token, wanted, edited_before: again, stage: Stage::FindingRow };
    match &observed.submitted_description {
        // This pass has just asked for it with the mark that stays.
        Some(shown) if *shown == settling.wanted => settling.write_status(observed, StatusEvent::DescriptionSynced),
        None if facts.list_visible => settling.find_row(Stage::FindingRow),
        // A token that this pass asked for is known to be there; and where nobody can look, id and username are
        // all there is to go by.
        _ => settling.edit(),
    }
}

impl SyncingDescription {
    fn transition_to(self, request: Request, stage: Stage) -> SyncDescriptionTransition {
        Transition::Perform(request, Self { stage, ..self })
    }

    fn find_row(self, stage: Stage) -> SyncDescriptionTransition {
        let rows = self.token.row_query();
        self.transition_to(Request::QueryRows(rows), stage)
    }

    fn edit(self) -> SyncDescriptionTransition {
        let (token, description) = (self.token.clone(), self.wanted.clone());
        self.transition_to(Request::EditDescription { token, description }, Stage::Editing)
    }

    fn write_status(self, observed: &Observed, fact: StatusEvent) -> SyncDescriptionTransition {
        match status_write(observed, fact) {
            Some(request) => self.transition_to(request, Stage::WritingStatus),
            None => Transition::Done(Outcome::Redecide),
        }
    }

    /// Takes the answer to what was to be done.
    #[must_use]
    pub fn step(self, observed: &Observed, answer: Response) -> SyncDescriptionTransition {
        match (self.stage, answer) {
            (Stage::FindingRow, Response::Rows(rows)) => {
                let row = rows.into_iter().find(|row| row.token == self.token);
                match row {
                    Some(row) if row.description == self.wanted => {
                        self.write_status(observed, StatusEvent::DescriptionSynced)
                    }
                    Some(_) => self.edit(),
                    None => Transition::Done(Outcome::Failed(not_listed())),
                }
            }
            // Edited before without lasting effect: now it is looked at what the portal makes of it.
            (Stage::Editing, Response::Done) if self.edited_before => self.find_row(Stage::Comparing),
            (Stage::Editing, Response::Done) => self.write_status(observed, StatusEvent::DescriptionSynced),
            (Stage::Editing, Response::Rejected(fault)) if fault.reason == Reason::RequestRejected => {
                let message = format!(
                    "the portal refused the description: {}. Change spec.description. {RETRY_HINT}",
                    fault.message
                );
                self.write_status(observed, StatusEvent::DescriptionNotSynced(Reason::DescriptionRejected, message))
            }
            (Stage::Comparing, Response::Rows(rows)) => {
                let shown = rows.into_iter().find(|row| row.token == self.token).map(|row| row.description);
                match shown {
                    Some(shown) if shown != self.wanted => self.write_status(observed, description_altered()),
                    _ => self.write_status(observed, StatusEvent::DescriptionSynced),
                }
            }
            (Stage::WritingStatus, Response::Object(Some(_))) => Transition::Done(Outcome::Redecide),
            (_, other) => Transition::Done(from_response(other)),
        }
    }
}

fn not_listed() -> Problem {
    let message = "the portal does not list the token, so its description is not edited yet: somebody may have revoked it, which the next audit finds out";
    transient(Reason::TokenNotFound, message.to_owned())
}

fn description_altered() -> StatusEvent {
    let message = "the portal accepted spec.description and shows another text: it may trim or change what it stores. Write the text as the portal shows it";
    StatusEvent::DescriptionNotSynced(Reason::DescriptionAltered, message.to_owned())
}

#[cfg(test)]
#[path = "sync_description_tests.rs"]
mod tests;
