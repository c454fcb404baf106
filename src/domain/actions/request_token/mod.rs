//! One attempt to get a token: reserve, read the issuer, ask once, check, commit, record; and the
//! way back from every point of it.

mod commit;
mod login_check;
mod reserve;
mod rollback;

use self::login_check::login_result;
use self::rollback::Rollback;
use super::{Outcome, Transition, from_response, status_write};
use crate::api::Reason;
use crate::domain::model::marker::AttemptId;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{
    api_server_unavailable, outcome_unknown, secret_immutable, secret_not_owned, secret_rejected, secret_type_mismatch,
};
use crate::domain::model::pull_secret::{Ownership, StoredToken};
use crate::domain::model::request_cause::{Cause, RequestCause};
use crate::domain::model::status_view::status_view;
use crate::domain::observed::Observed;
use crate::domain::protocol::{Named, Request, Response, Rows, SecretContent, Verdict};
use crate::domain::status::StatusEvent;
use jiff::Timestamp;
use std::time::Duration;

/// How often a write whose outcome is not clear is read and tried, before the next pass takes over.
const MAX_TRIES: u8 = 5;
/// How often a new token's id is looked up: a portal's list may lag behind by seconds. Each wait is four times as long
/// as the one before, 21 s in all: the token's secret is at hand, and is lost if the token is given up.
const MAX_LOOKUPS: u8 = 4;
/// The first of these waits.
const BASE_WAIT: Duration = Duration::from_millis(250);

/// What an attempt remembers.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestingToken {
    attempt_id: AttemptId,
    request_cause: RequestCause,
    requested_at: Timestamp,
    /// How often the issuer may still be read anew, because a request would have gone out too late.
    issuer_reads_left: u8,
    /// What the registry said before the commit.
    login_result: Option<Verdict>,
    /// The Secret was read after the commit, as metadata only.
    unread_since_commit: bool,
    /// What the Secret stored when this was decided upon.
    stored_before: Option<StoredToken>,
    stage: Stage,
}

/// The request whose answer is awaited.
#[derive(Clone, Debug, PartialEq)]
enum Stage {
    MarkingLost,
    ReadingSecret,
    ProbingRegistry,
    DryRunning,
    Reserving { create: bool },
    ReadingConflict,
    ReadingIssuer,
    Requesting,
    LookingUpId { username: String, left: u8 },
    LookupBackoff { username: String, left: u8 },
    VerifyingLogin { token: Named, left: u8 },
    LoginBackoff { token: Named, left: u8 },
    Committing { token: Named, tries: u8 },
    ReadingCommitted { token: Named, tries: u8, refusal: Option<Problem> },
    CommitBackoff { token: Named, tries: u8, refusal: Option<Problem> },
    VerifyingStoredLogin { token: Named },
    WritingStatus { token: Named, login: Verdict, tries: u8 },
    ReadingObject { token: Named, login: Verdict, tries: u8, former: Vec<Named> },
    RollingBack(Rollback),
}

type RequestTokenTransition = Transition<RequestingToken>;

/// Begins. A lost token is said to be lost before its successor is asked for.
#[must_use]
pub fn begin(observed: &Observed, errand: RequestCause) -> RequestTokenTransition {
    let status = status_view(&observed.object);
    // Where it is said already that pods cannot pull, what is in the way is said, and not by turns.
    let lost = errand.cause == Cause::Lost && status.token.is_some() && status.ready;
    let new = RequestingToken::new(observed, observed.attempt_id.clone(), errand);
    let message =
        "the Secret was deleted or changed and holds no token: a new one is requested, and the old one revoked";
    match status_write(observed, StatusEvent::SecretLost(message.to_owned())).filter(|_| lost) {
        Some(request) => Transition::Perform(request, new),
        None => new.check_secret(observed),
    }
}

/// Takes out a reservation that nobody answers for, and seeks what came of it.
#[must_use]
pub fn recover(observed: &Observed, left_behind: &AttemptId) -> RequestTokenTransition {
    RequestingToken::new(observed, left_behind.clone(), RequestCause::default()).revoke_possible(Outcome::Redecide)
}

impl RequestingToken {
    fn new(observed: &Observed, attempt: AttemptId, errand: RequestCause) -> Self {
        let (asked, stage) = (observed.now, Stage::MarkingLost);
        let stored_before = observed.secret.as_ref().and_then(|secret| secret.stored.clone());
        Self {
            attempt_id: attempt,
            request_cause: errand,
            requested_at: asked,
            issuer_reads_left: MAX_TRIES,
            login_result: None,
            unread_since_commit: false,
            stored_before,
            stage,
        }
    }

    /// Whether this answer means that a request for a token reached the portal, or may have. What an issuer as a whole
    /// is refused does not count: its objects wait for it.
    #[must_use]
    pub fn was_sent(&self, answer: &Response) -> bool {
        self.stage == Stage::Requesting
            && match answer {
                Response::NotSent(_) | Response::IssuerReadExpired | Response::IssuerChanged => false,
                Response::Rejected(fault) => fault.reason == Reason::RequestRejected,
                _ => true,
            }
    }

    fn transition_to(self, request: Request, stage: Stage) -> RequestTokenTransition {
        Transition::Perform(request, Self { stage, ..self })
    }

    /// Takes the answer to what was to be done. An answer that does not belong to the request
    /// counts as unclear: it never leads on to a further request for a token.
    #[must_use]
    pub fn step(mut self, observed: &Observed, answer: Response) -> RequestTokenTransition {
        match std::mem::replace(&mut self.stage, Stage::MarkingLost) {
            Stage::MarkingLost => match answer {
                Response::Object(Some(_)) => self.check_secret(observed),
                other => Transition::Done(from_response(other)),
            },
            Stage::ReadingSecret => match answer {
                // Deleted, and made anew by somebody else.
                Response::Content(Some(found)) if found.0.ownership == Ownership::Foreign => {
                    Transition::Done(Outcome::Failed(secret_not_owned(&found.0)))
                }
                // Somebody else has reserved it since it was decided upon, or has stored a token meanwhile.
                Response::Content(Some(found))
                    if found.0.reservation.is_some() || found.0.stored != self.stored_before =>
                {
                    Transition::Done(Outcome::RequeueSoon)
                }
                Response::Content(Some(found)) => match found.1 {
                    SecretContent::WrongType => Transition::Done(Outcome::Failed(secret_type_mismatch())),
                    SecretContent::Immutable { .. } => Transition::Done(Outcome::Failed(secret_immutable())),
                    SecretContent::Login { .. } | SecretContent::Empty => self.probe_registry(observed),
                },
                other => Transition::Done(from_response(other)),
            },
            Stage::ProbingRegistry => self.probed(observed, answer),
            Stage::DryRunning => match answer {
                Response::Done => self.reserve(observed),
                Response::WriteRejected(message) => Transition::Done(Outcome::Failed(secret_rejected(&message))),
                other => Transition::Done(from_response(other)),
            },
            Stage::Reserving { create } => self.reserved(create, answer),
            Stage::ReadingConflict => match answer {
                Response::Secret(Some(meta)) if meta.ownership == Ownership::Foreign => {
                    Transition::Done(Outcome::Failed(secret_not_owned(&meta)))
                }
                other => Transition::Done(from_response(other)),
            },
            Stage::ReadingIssuer => self.issuer_read(observed, answer),
            Stage::Requesting => self.token_requested(observed, answer),
            Stage::LookingUpId { username, left } => self.rows_found(observed, username, left, answer),
            Stage::LookupBackoff { username, left } => self.look_up_id(observed, username, left),
            Stage::VerifyingLogin { token, left } => self.new_login_verified(observed, token, left, answer),
            Stage::LoginBackoff { token, left } => {
                self.transition_to(Request::VerifyLogin, Stage::VerifyingLogin { token, left })
            }
            Stage::Committing { token, tries } => self.committed(observed, token, tries, answer),
            Stage::ReadingCommitted { token, tries, refusal } => {
                self.commit_read(observed, token, tries, refusal, answer)
            }
            Stage::CommitBackoff { token, tries, refusal } => {
                self.transition_to(Request::ReadSecret, Stage::ReadingCommitted { token, tries, refusal })
            }
            Stage::VerifyingStoredLogin { token } => {
                self.record_status(observed, token, login_result(answer), MAX_TRIES)
            }
            Stage::WritingStatus { token, login, tries } => self.status_written(observed, token, login, tries, answer),
            Stage::ReadingObject { token, login, tries, former } => match answer {
                Response::Object(Some(object)) if status_view(&object).tokens() == former && tries > 0 => {
                    self.record_status(observed, token, login, tries - 1)
                }
                // The token is stored: what status lacks is adopted by the next pass.
                _ => Transition::Done(Outcome::RequeueSoon),
            },
            Stage::RollingBack(back) => self.rollback_response(observed, back, answer),
        }
    }

    fn issuer_read(mut self, observed: &Observed, answer: Response) -> RequestTokenTransition {
        match answer {
            Response::Done => {
                self.requested_at = observed.now;
                let Some(facts) = observed.issuer_info() else { return self.clear_reservation(Outcome::RequeueSoon) };
                let description = observed.marker(facts, &self.attempt_id).append_to(&observed.object.description);
                self.transition_to(Request::RequestToken { description }, Stage::Requesting)
            }
            Response::IssuerDenied(fault) => self.clear_reservation(Outcome::Failed(fault)),
            Response::OutcomeUnknown(message) | Response::WriteRejected(message) => {
                self.clear_reservation(Outcome::Failed(api_server_unavailable(&message)))
            }
            _ => self.clear_reservation(Outcome::RequeueSoon),
        }
    }

    fn token_requested(self, observed: &Observed, answer: Response) -> RequestTokenTransition {
        match answer {
            Response::Token { id: Some(id), username } => self.verify_new_login(observed, Named { id, username }),
            Response::Token { id: None, username } => self.look_up_id(observed, username, MAX_LOOKUPS),
            Response::UnusableToken { token, problem: fault } => self.revoke_new(token, Outcome::Failed(fault)),
            Response::IssuerReadExpired => match self.issuer_reads_left.checked_sub(1) {
                Some(readings) => Self { issuer_reads_left: readings, ..self }
                    .transition_to(Request::ReadIssuer, Stage::ReadingIssuer),
                // A reservation is not held for ever.
                None => self.clear_reservation(Outcome::RequeueSoon),
            },
            Response::Rejected(fault) if fault.reason == Reason::RequestRejected => {
                let message = format!(
                    "the portal refused the request for a token: {}. Change spec.description, or what the issuer sends with it (spec.thinkwise.tasks.request)",
                    fault.message
                );
                self.clear_reservation(Outcome::Failed(Problem { message, ..fault }))
            }
            Response::NotSent(fault) | Response::Rejected(fault) => self.clear_reservation(Outcome::Failed(fault)),
            Response::InvalidToken(fault) => self.revoke_possible(Outcome::Failed(fault)),
            Response::PortalOutcomeUnknown(fault) => {
                let lost = outcome_unknown();
                self.revoke_possible(Outcome::Failed(Problem {
                    message: format!("{}. {}", fault.message, lost.message),
                    ..lost
                }))
            }
            _ => self.revoke_possible(Outcome::Failed(outcome_unknown())),
        }
    }

    fn look_up_id(self, observed: &Observed, username: String, left: u8) -> RequestTokenTransition {
        match observed.issuer_info() {
            Some(facts) if facts.list_visible => {
                let marker = observed.marker(facts, &self.attempt_id);
                self.transition_to(Request::QueryRows(Rows::WithMarker(marker)), Stage::LookingUpId { username, left })
            }
            // A token that cannot be named cannot be revoked later.
            _ => self.revoke_possible(Outcome::Failed(outcome_unknown())),
        }
    }

    /// No answer is waited for that long: another operator would take the reservation for forgotten.
    fn is_overdue(&self, observed: &Observed) -> bool {
        let age = Duration::try_from(observed.now.duration_since(self.requested_at)).unwrap_or_default();
        observed.issuer_info().is_none_or(|facts| age >= facts.response_deadline)
    }

    fn rows_found(self, observed: &Observed, username: String, left: u8, answer: Response) -> RequestTokenTransition {
        let rows = match answer {
            Response::Rows(rows) => rows,
            Response::UnusableToken { token, problem: fault } => return self.revoke_new(token, Outcome::Failed(fault)),
            _ => vec![],
        };
        match rows.into_iter().find(|row| row.token.username == username) {
            Some(row) => self.verify_new_login(observed, row.token),
            None if left > 0 && !self.is_overdue(observed) => {
                let wait = BASE_WAIT * 4_u32.pow(u32::from(MAX_LOOKUPS.saturating_sub(left)));
                self.transition_to(Request::Sleep(wait), Stage::LookupBackoff { username, left: left - 1 })
            }
            None => self.revoke_possible(Outcome::Failed(outcome_unknown())),
        }
    }
}

#[cfg(test)]
#[path = "rollback_tests.rs"]
mod back_tests;
#[cfg(test)]
#[path = "commit_tests.rs"]
mod keep_tests;
#[cfg(test)]
#[path = "exhaustive_tests.rs"]
mod laws;
#[cfg(test)]
#[path = "tests.rs"]
mod tests;
