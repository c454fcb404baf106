//! Makes the portal show the description of the spec.

use super::{Outcome, StateMachine, Transition, from_response, status_write};
use crate::api::{ROTATE_ANNOTATION, Reason};
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{RETRY_HINT, transient};
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token::TokenRef;
use crate::domain::observed::{Observed, UpstreamState};
use crate::domain::protocol::{Request, Response};
use crate::domain::status::StatusEvent;

#[derive(Clone, Debug, PartialEq)]
pub struct SyncingDescription {
    token: TokenRef,
    wanted: String,
    /// The description was edited for this generation before, and the portal shows another text.
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

/// Starts by looking up the row, if necessary.
#[must_use]
pub fn begin(observed: &Observed) -> SyncDescriptionTransition {
    let status = StatusView::of(&observed.object);
    let (Some(token), Some(issuer)) = (status.token, observed.issuer_info()) else {
        return Transition::Done(Outcome::RequeueSoon);
    };
    let wanted = issuer.published_description(&observed.object.description, &token.nonce);
    let edited = [status.description_synced, status.description_rejected].contains(&Some(observed.object.generation));
    let again = edited && matches!(observed.upstream, UpstreamState::Present(_));
    let syncing =
        SyncingDescription { token: TokenRef::from(&token), wanted, edited_before: again, stage: Stage::FindingRow };
    match issuer.evidence().query_token(&syncing.token) {
        Some(query) if !observed.token_requested => syncing.transition_to(Request::QueryRows(query), Stage::FindingRow),
        // A token that this pass requested is known to exist. If rows cannot be read, the token is identified by id and
        // username only.
        _ => syncing.edit(observed),
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

    /// A token that cannot be edited keeps its description. No other token is requested for that.
    fn edit(self, observed: &Observed) -> SyncDescriptionTransition {
        if observed.issuer_info().is_some_and(|issuer| !issuer.can_edit) {
            return self.write_status(observed, edit_unsupported());
        }
        let (token, description) = (self.token.clone(), self.wanted.clone());
        self.transition_to(Request::EditDescription { token, description }, Stage::Editing)
    }

    fn write_status(self, observed: &Observed, event: StatusEvent) -> SyncDescriptionTransition {
        match status_write(observed, event) {
            Some(request) => self.transition_to(request, Stage::WritingStatus),
            None => Transition::Done(Outcome::Redecide),
        }
    }
}

impl StateMachine for SyncingDescription {
    fn step(self, observed: &Observed, response: Response) -> SyncDescriptionTransition {
        match (self.stage, response) {
            (Stage::FindingRow, Response::Rows(rows)) => {
                let row = rows.into_iter().find(|row| row.token == self.token);
                match row {
                    Some(row) if row.description == self.wanted => {
                        self.write_status(observed, StatusEvent::DescriptionSynced)
                    }
                    Some(_) => self.edit(observed),
                    // The condition reports the rejection until the token is listed again, or replaced.
                    None if StatusView::of(&observed.object).edit_rejected => Transition::Done(Outcome::Redecide),
                    None => Transition::Done(Outcome::Failed(not_listed())),
                }
            }
            // The previous edit had no lasting effect: read what the portal makes of this one.
            (Stage::Editing, Response::Done) if self.edited_before => self.find_row(Stage::Comparing),
            (Stage::Editing, Response::Done) => self.write_status(observed, StatusEvent::DescriptionSynced),
            (Stage::Editing, Response::Rejected(problem)) if problem.reason == Reason::RequestRejected => {
                let message = format!(
                    "the portal rejected the description: {}. Change spec.description. {RETRY_HINT}",
                    problem.message
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
    let message = "the token is missing from the portal's list, so its description is not edited yet: it may have been revoked, which the next audit detects";
    transient(Reason::TokenNotFound, message.to_owned())
}

fn edit_unsupported() -> StatusEvent {
    let message = format!(
        "the portal cannot change the description of a token: it keeps the former one until it is replaced. To request a token with the new description, annotate this object with {ROTATE_ANNOTATION}"
    );
    StatusEvent::DescriptionNotSynced(Reason::EditUnsupported, message)
}

fn description_altered() -> StatusEvent {
    let message = "the portal accepted spec.description but shows a different text: it may trim or change what it stores. Write the description as the portal shows it";
    StatusEvent::DescriptionNotSynced(Reason::DescriptionAltered, message.to_owned())
}

#[cfg(test)]
#[path = "sync_description_tests.rs"]
mod tests;
