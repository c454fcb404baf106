//! One attempt to get a token: reserve, read the issuer, request once, verify, commit, record; with a rollback from
//! every stage.

mod commit;
mod login_check;
mod lookup;
mod reserve;
mod rollback;

use self::login_check::login_result;
use self::lookup::MAX_LOOKUPS;
use self::rollback::Rollback;
use super::{Outcome, StateMachine, Transition, from_response, status_write};
use crate::api::Reason;
use crate::domain::model::login_result::LoginResult;
use crate::domain::model::marker::AttemptId;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{
    api_server_unavailable, outcome_unknown, secret_immutable, secret_not_owned, secret_rejected, secret_type_mismatch,
};
use crate::domain::model::pull_secret::{Ownership, StoredToken};
use crate::domain::model::request_cause::{Cause, RequestCause};
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token::TokenRef;
use crate::domain::observed::Observed;
use crate::domain::protocol::{Request, Response, SecretContent};
use crate::domain::status::StatusEvent;
use jiff::Timestamp;
use std::time::Duration;

/// How often a write with an unknown outcome is read and retried before the next pass takes over.
const MAX_TRIES: u8 = 5;
/// The first delay before something is tried again.
const BASE_WAIT: Duration = Duration::from_millis(250);

/// State of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestingToken {
    attempt_id: AttemptId,
    request_cause: RequestCause,
    requested_at: Timestamp,
    /// How often the issuer may still be read again because it was read too long ago to send the request.
    issuer_reads_left: u8,
    /// The description that the request contained.
    submitted: String,
    /// When the new token expires.
    expiration_time: Option<Timestamp>,
    /// The login result before the commit.
    login_result: Option<LoginResult>,
    /// Since the commit, the Secret was read only as metadata.
    unread_since_commit: bool,
    /// The token that the Secret stored when the request was decided.
    stored_before: Option<StoredToken>,
    stage: Stage,
}

/// The pending request.
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
    VerifyingLogin { token: TokenRef, left: u8 },
    LoginBackoff { token: TokenRef, left: u8 },
    Committing { token: TokenRef, tries: u8 },
    ReadingCommitted { token: TokenRef, tries: u8, rejection: Option<Problem> },
    CommitBackoff { token: TokenRef, tries: u8, rejection: Option<Problem> },
    VerifyingStoredLogin { token: TokenRef },
    WritingStatus { token: TokenRef, login_result: LoginResult, tries: u8 },
    ReadingObject { token: TokenRef, login_result: LoginResult, tries: u8, former: Vec<TokenRef> },
    RollingBack(Rollback),
}

type RequestTokenTransition = Transition<RequestingToken>;

/// Starts an attempt. A lost token is reported before its successor is requested.
#[must_use]
pub fn begin(observed: &Observed, request_cause: RequestCause) -> RequestTokenTransition {
    let status = StatusView::of(&observed.object);
    // If the status already reports that pods cannot pull, it is not overwritten, so that the message does not
    // alternate.
    let lost = request_cause.cause == Cause::Lost && status.token.is_some() && status.ready;
    let new = RequestingToken::new(observed, observed.attempt_id.clone(), request_cause);
    let message =
        "the Secret was deleted or changed and contains no token: a new token is requested, and the old one revoked";
    match status_write(observed, StatusEvent::SecretLost(message.to_owned())).filter(|_| lost) {
        Some(request) => Transition::Perform(request, new),
        None => new.check_secret(observed),
    }
}

/// Clears an abandoned reservation, and looks up and revokes the tokens of its attempt.
#[must_use]
pub fn recover(observed: &Observed, left_behind: &AttemptId) -> RequestTokenTransition {
    RequestingToken::new(observed, left_behind.clone(), RequestCause::default()).revoke_possible(Outcome::Redecide)
}

impl RequestingToken {
    fn new(observed: &Observed, attempt_id: AttemptId, request_cause: RequestCause) -> Self {
        let (requested_at, stage) = (observed.now, Stage::MarkingLost);
        let stored_before = observed.secret.as_ref().and_then(|secret| secret.stored.clone());
        Self {
            attempt_id,
            request_cause,
            requested_at,
            issuer_reads_left: MAX_TRIES,
            submitted: String::new(),
            expiration_time: None,
            login_result: None,
            unread_since_commit: false,
            stored_before,
            stage,
        }
    }

    /// Whether this response means that a Secret exists that the cache does not contain.
    #[must_use]
    pub fn found_hidden_secret(&self, response: &Response) -> bool {
        self.stage == Stage::Reserving { create: true } && *response == Response::Conflict
    }

    /// Whether this response means that a token request reached the portal, or may have. A rejection of the issuer as a
    /// whole does not count: all its objects wait for the issuer.
    #[must_use]
    pub fn was_sent(&self, response: &Response) -> bool {
        self.stage == Stage::Requesting
            && match response {
                Response::NotSent(_) | Response::IssuerReadExpired | Response::IssuerChanged => false,
                Response::Rejected(problem) => {
                    matches!(problem.reason, Reason::RequestRejected | Reason::TokenLimitReached)
                }
                _ => true,
            }
    }

    fn transition_to(self, request: Request, stage: Stage) -> RequestTokenTransition {
        Transition::Perform(request, Self { stage, ..self })
    }
}

impl StateMachine for RequestingToken {
    /// A response that does not belong to the request counts as an unknown
    /// outcome: it never leads to a further token request.
    fn step(mut self, observed: &Observed, response: Response) -> RequestTokenTransition {
        match std::mem::replace(&mut self.stage, Stage::MarkingLost) {
            Stage::MarkingLost => match response {
                Response::Object(Some(_)) => self.check_secret(observed),
                other => Transition::Done(from_response(other)),
            },
            Stage::ReadingSecret => match response {
                // The Secret was deleted and created again by another writer.
                Response::Content(Some(found)) if found.0.ownership == Ownership::Foreign => {
                    Transition::Done(Outcome::Failed(secret_not_owned(&found.0)))
                }
                // Another operator has reserved the Secret or stored a token since the decision.
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
            Stage::ProbingRegistry => self.probed(observed, response),
            Stage::DryRunning => match response {
                Response::Done => self.reserve(observed),
                Response::WriteRejected(message) => Transition::Done(Outcome::Failed(secret_rejected(&message))),
                other => Transition::Done(from_response(other)),
            },
            Stage::Reserving { create } => self.reserved(create, response),
            Stage::ReadingConflict => match response {
                Response::Secret(Some(meta)) if meta.ownership == Ownership::Foreign => {
                    Transition::Done(Outcome::Failed(secret_not_owned(&meta)))
                }
                other => Transition::Done(from_response(other)),
            },
            Stage::ReadingIssuer => self.issuer_read(observed, response),
            Stage::Requesting => self.token_requested(observed, response),
            Stage::LookingUpId { username, left } => self.rows_found(observed, username, left, response),
            Stage::LookupBackoff { username, left } => self.look_up_id(observed, username, left),
            Stage::VerifyingLogin { token, left } => self.new_login_verified(observed, token, left, response),
            Stage::LoginBackoff { token, left } => {
                self.transition_to(Request::VerifyLogin, Stage::VerifyingLogin { token, left })
            }
            Stage::Committing { token, tries } => self.committed(observed, token, tries, response),
            Stage::ReadingCommitted { token, tries, rejection } => {
                self.commit_read(observed, token, tries, rejection, response)
            }
            Stage::CommitBackoff { token, tries, rejection } => {
                self.transition_to(Request::ReadSecret, Stage::ReadingCommitted { token, tries, rejection })
            }
            Stage::VerifyingStoredLogin { token } => {
                self.record_status(observed, token, login_result(response), MAX_TRIES)
            }
            Stage::WritingStatus { token, login_result, tries } => {
                self.status_written(observed, token, login_result, tries, response)
            }
            Stage::ReadingObject { token, login_result, tries, former } => match response {
                // The token of an object that is being deleted may have been revoked by another operator already.
                Response::Object(Some(object))
                    if StatusView::of(&object).tokens() == former && !object.deleting && tries > 0 =>
                {
                    self.record_status(observed, token, login_result, tries - 1)
                }
                // The token is stored: the next pass adopts it if status lacks it.
                _ => Transition::Done(Outcome::RequeueSoon),
            },
            Stage::RollingBack(back) => self.rollback_response(observed, back, response),
        }
    }
}

impl RequestingToken {
    fn issuer_read(mut self, observed: &Observed, response: Response) -> RequestTokenTransition {
        match response {
            Response::Done => {
                self.requested_at = observed.now;
                let Some(issuer) = observed.issuer_info() else { return self.clear_reservation(Outcome::RequeueSoon) };
                let description = observed.marker(issuer, &self.attempt_id).append_to(&observed.object.description);
                self.submitted.clone_from(&description);
                let projects = observed.object.projects.clone();
                self.transition_to(Request::RequestToken { description, projects }, Stage::Requesting)
            }
            Response::IssuerDenied(problem) => self.clear_reservation(Outcome::Failed(problem)),
            Response::OutcomeUnknown(message) | Response::WriteRejected(message) => {
                self.clear_reservation(Outcome::Failed(api_server_unavailable(&message)))
            }
            _ => self.clear_reservation(Outcome::RequeueSoon),
        }
    }

    fn token_requested(mut self, observed: &Observed, response: Response) -> RequestTokenTransition {
        match response {
            Response::Token { id, username, expiration_time } => {
                self.expiration_time = expiration_time;
                match id {
                    Some(id) => self.verify_new_login(observed, TokenRef { id, username }),
                    None => self.look_up_id(observed, username, MAX_LOOKUPS),
                }
            }
            Response::UnusableToken { token, problem } => self.revoke_new(token, Outcome::Failed(problem)),
            Response::IssuerReadExpired => match self.issuer_reads_left.checked_sub(1) {
                Some(issuer_reads_left) => {
                    Self { issuer_reads_left, ..self }.transition_to(Request::ReadIssuer, Stage::ReadingIssuer)
                }
                // A reservation must not be kept indefinitely.
                None => self.clear_reservation(Outcome::RequeueSoon),
            },
            Response::Rejected(problem) if problem.reason == Reason::RequestRejected => {
                let parameters =
                    observed.issuer_info().map_or("its spec", |issuer| issuer.portal.kind.spec_fields().request);
                let message = format!(
                    "the portal rejected the token request: {}. Change spec.description, or the parameters that the issuer sends with it ({parameters})",
                    problem.message
                );
                self.clear_reservation(Outcome::Failed(Problem { message, ..problem }))
            }
            Response::Rejected(problem) if problem.reason == Reason::TokenLimitReached => {
                let message = format!(
                    "the portal allows no further token: {}. Revoke tokens that nobody uses, or ask the vendor for a higher limit",
                    problem.message
                );
                self.clear_reservation(Outcome::Failed(Problem { message, ..problem }))
            }
            Response::NotSent(problem) | Response::Rejected(problem) => {
                self.clear_reservation(Outcome::Failed(problem))
            }
            Response::InvalidToken(problem) => self.revoke_possible(Outcome::Failed(problem)),
            Response::PortalOutcomeUnknown(problem) => {
                let unknown = outcome_unknown();
                self.revoke_possible(Outcome::Failed(Problem {
                    message: format!("{}; {}", problem.message, unknown.message),
                    ..unknown
                }))
            }
            _ => self.revoke_possible(Outcome::Failed(outcome_unknown())),
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
mod tests;
