//! Revokes the tokens that status names, one after the other.

use super::{Outcome, StateMachine, Transition, from_response, status_write};
use crate::api::{CONFIRMED_REVOKED_ANNOTATION, Reason};
use crate::domain::decide::absence::prove_absence;
use crate::domain::model::cooldown::Operation;
use crate::domain::model::issuer::IssuerInfo;
use crate::domain::model::login_result::LoginResult;
use crate::domain::model::problem::Problem;
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token::TokenRef;
use crate::domain::observed::Observed;
use crate::domain::protocol::{Request, Response};
use crate::domain::status::StatusEvent;
use jiff::Timestamp;
use std::time::Duration;

/// Tokens to revoke, and the result for those already handled.
#[derive(Clone, Debug, PartialEq)]
pub struct RevocationQueue {
    queue: Vec<Revocation>,
    revoked: Vec<TokenRef>,
    /// Why the first failed revocation failed. It does not block the others.
    first_failure: Option<Outcome>,
    stage: Stage,
}

/// A token to revoke.
#[derive(Clone, Debug, PartialEq)]
pub struct Revocation {
    pub token: TokenRef,
    /// Time since which the portal must list it.
    pub listed_since: Timestamp,
    /// The Secret stores it, so the registry can be asked about it.
    pub in_secret: bool,
    /// An audit found it revoked.
    pub revoked_upstream: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    FindingRow {
        started_at: Timestamp,
    },
    VerifyingLogin,
    Revoking,
    /// The portal, which lists nothing, rejected the revocation: checks at the registry whether the token is still
    /// valid.
    VerifyingAfterRejection(Problem),
    Starting,
}

/// The next step of a revocation queue, or its end.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "short-lived, and only one exists at a time")]
pub enum RevocationStep {
    /// Perform this request and pass on the response.
    Perform(Request, RevocationQueue),
    Revoked(Vec<TokenRef>),
    /// At least one token could not be revoked; these were.
    Blocked(Vec<TokenRef>, Outcome),
}

/// Returns the revocations of the retiring tokens in a status.
#[must_use]
pub fn retiring_revocations(status: &StatusView) -> Vec<Revocation> {
    // The portal listed the token before its successor was requested. The end of its overlap may be days away, and
    // would delay the deletion of an object whose token the portal has already revoked.
    let successor = status.token.as_ref().map(|token| token.request_time.0);
    let due = |token: &crate::api::RetiringToken| Revocation {
        token: TokenRef::from(token),
        listed_since: successor
            .map_or(token.revocation_time.0, |requested_at| requested_at.min(token.revocation_time.0)),
        in_secret: false,
        revoked_upstream: token.revoked_upstream,
    };
    status.retiring.iter().map(due).collect()
}

/// Starts with the first token.
#[must_use]
pub fn begin(observed: &Observed, remaining: Vec<Revocation>) -> RevocationStep {
    RevocationQueue { queue: remaining, revoked: vec![], first_failure: None, stage: Stage::Starting }
        .revoke_next(observed)
}

impl RevocationQueue {
    fn transition_to(self, request: Request, stage: Stage) -> RevocationStep {
        RevocationStep::Perform(request, Self { stage, ..self })
    }

    fn revoke_next(mut self, observed: &Observed) -> RevocationStep {
        // Already revoked, although the status could not be written: the list is not read to confirm it.
        while let Some(due) = self.queue.pop_if(|due| observed.revoked_tokens.contains(&due.token)) {
            self.revoked.push(due.token);
        }
        let Some(due) = self.queue.last() else {
            return match self.first_failure {
                Some(outcome) => RevocationStep::Blocked(self.revoked, outcome),
                None => RevocationStep::Revoked(self.revoked),
            };
        };
        let token = due.token.clone();
        match observed.issuer_info().map(|issuer| issuer.evidence().query_token(&token)) {
            Some(Some(query)) => {
                let started_at = observed.now;
                self.transition_to(Request::QueryRows(query), Stage::FindingRow { started_at })
            }
            // If the list cannot be read, the token is identified by id and username only.
            Some(None) => self.transition_to(Request::Revoke(token), Stage::Revoking),
            None => RevocationStep::Blocked(self.revoked, Outcome::RequeueSoon),
        }
    }

    fn block_current(mut self, observed: &Observed, outcome: Outcome) -> RevocationStep {
        if matches!(outcome, Outcome::RequeueSoon) {
            return RevocationStep::Blocked(self.revoked, outcome);
        }
        self.queue.pop();
        self.first_failure.get_or_insert(outcome);
        self.revoke_next(observed)
    }

    fn current_revoked(mut self, observed: &Observed) -> RevocationStep {
        self.revoked.extend(self.queue.pop().map(|due| due.token));
        self.revoke_next(observed)
    }

    /// Handles the response to the pending request.
    #[must_use]
    pub fn step(self, observed: &Observed, response: Response) -> RevocationStep {
        let Some(due) = self.queue.last().cloned() else { return RevocationStep::Revoked(self.revoked) };
        match (self.stage.clone(), response) {
            (Stage::FindingRow { started_at }, Response::Rows(rows)) => {
                // The portal may have reused the id for another token.
                if rows.iter().any(|row| row.token == due.token) {
                    return self.transition_to(Request::Revoke(due.token), Stage::Revoking);
                }
                self.not_listed(observed, started_at, &due)
            }
            // If the login is accepted, the token is valid: the portal hides it.
            (Stage::VerifyingLogin, Response::Login(LoginResult::Rejected(_) | LoginResult::NotChecked))
            | (Stage::VerifyingAfterRejection(_), Response::Login(LoginResult::Rejected(_)))
            | (Stage::Revoking, Response::Done) => self.current_revoked(observed),
            (Stage::Revoking, Response::Rejected(problem)) if login_decides(observed) => {
                self.rejected(observed, &due, problem)
            }
            (Stage::VerifyingAfterRejection(problem), Response::Login(LoginResult::Accepted)) => {
                self.block_current(observed, Outcome::Failed(not_revoked(&due.token, problem)))
            }
            (Stage::VerifyingAfterRejection(problem), Response::Login(_)) => self.unconfirmed(observed, &due, problem),
            (Stage::VerifyingLogin, Response::Login(login_result)) => {
                let problem = still_valid(&due.token, &login_result);
                self.block_current(observed, Outcome::Failed(problem))
            }
            (_, other) => {
                let outcome = match from_response(other) {
                    Outcome::Failed(problem) => Outcome::Failed(not_revoked(&due.token, problem)),
                    outcome => outcome,
                };
                self.block_current(observed, outcome)
            }
        }
    }

    /// If the portal lists nothing, it may reject a revocation because the token no longer exists. The rejection alone
    /// is not conclusive: it may have another cause.
    fn rejected(self, observed: &Observed, due: &Revocation, problem: Problem) -> RevocationStep {
        let can_verify = observed.issuer_info().is_some_and(IssuerInfo::checks_login)
            && StatusView::of(&observed.object).login_verified;
        if due.in_secret && can_verify && problem.reason == Reason::RequestRejected {
            return self.transition_to(Request::VerifyLogin, Stage::VerifyingAfterRejection(problem));
        }
        self.unconfirmed(observed, due, problem)
    }

    /// The registry confirms neither that the token is valid nor that it is not.
    fn unconfirmed(
        self,
        observed: &Observed,
        due: &Revocation,
        Problem { reason, message, terminal }: Problem,
    ) -> RevocationStep {
        let of_another_matter = matches!(reason, Reason::Unauthorized | Reason::RateLimited);
        let confirmed = observed.object.confirmed_revoked.contains(&due.token.id) && !of_another_matter;
        if confirmed || (due.revoked_upstream && reason == Reason::RequestRejected) {
            return self.current_revoked(observed);
        }
        let id = &due.token.id;
        let hint = format!(". If it is already revoked, annotate this object with {CONFIRMED_REVOKED_ANNOTATION}={id}");
        let message = format!("{message}{}", if of_another_matter { "" } else { &hint });
        self.block_current(observed, Outcome::Failed(not_revoked(&due.token, Problem { reason, message, terminal })))
    }

    /// Whether the token is revoked. The portal's list is conclusive if it had to contain the token, or if an earlier
    /// list also lacked it. A registry is asked as well, if possible.
    fn not_listed(self, observed: &Observed, started_at: Timestamp, due: &Revocation) -> RevocationStep {
        let Some(issuer) = observed.issuer_info() else {
            return RevocationStep::Blocked(self.revoked, Outcome::RequeueSoon);
        };
        match prove_absence(started_at, due.listed_since, issuer, &StatusView::of(&observed.object)) {
            Err((remaining, problem)) if !due.revoked_upstream => {
                self.block_current(observed, Outcome::ReportFor(remaining + MARGIN, not_revoked(&due.token, problem)))
            }
            _ if due.in_secret && issuer.checks_login() => {
                self.transition_to(Request::VerifyLogin, Stage::VerifyingLogin)
            }
            _ => self.current_revoked(observed),
        }
    }
}

fn login_decides(observed: &Observed) -> bool {
    observed.issuer_info().is_some_and(|issuer| issuer.evidence().login_decides())
}

const MARGIN: Duration = Duration::from_millis(50);

fn not_revoked(token: &TokenRef, Problem { reason, message, terminal }: Problem) -> Problem {
    let message = format!("the token {} is not revoked yet: {message}", token.username);
    Problem { reason, message, terminal }
}

fn still_valid(token: &TokenRef, login_result: &LoginResult) -> Problem {
    let what = match login_result {
        LoginResult::Unknown(why) => format!("its login could not be verified at the registry ({why})"),
        _ => "the registry still accepts its login: configure issuer credentials that can see the token, or revoke it manually".to_owned(),
    };
    let message = format!("the portal does not list it, and {what}");
    not_revoked(token, crate::domain::model::problem::messages::transient(Reason::TokenNotFound, message))
}

/// Revokes the retiring tokens that are due, and removes them from the status.
#[derive(Clone, Debug, PartialEq)]
pub enum RevokingRetiring {
    /// Revokes them in the portal.
    Revoking(RevocationQueue),
    /// Writes the status; then ends with this outcome.
    WritingStatus(Outcome),
}

/// Starts to revoke the tokens that are due.
#[must_use]
pub fn revoke_retiring(observed: &Observed) -> Transition<RevokingRetiring> {
    let status = StatusView::of(&observed.object);
    let is_due = |due: &Revocation| {
        status
            .due_revocations(observed.now, observed.own_stored())
            .any(|token| token.id == due.token.id && token.username == due.token.username)
            && observed.may(&Operation::Revoke(due.token.id.clone()))
    };
    let due = retiring_revocations(&status).into_iter().filter(is_due).collect();
    RevokingRetiring::advance(observed, begin(observed, due))
}

impl RevokingRetiring {
    fn advance(observed: &Observed, step: RevocationStep) -> Transition<Self> {
        let (revoked, outcome) = match step {
            RevocationStep::Perform(request, state) => return Transition::Perform(request, Self::Revoking(state)),
            RevocationStep::Revoked(revoked) => (revoked, Outcome::Redecide),
            RevocationStep::Blocked(revoked, outcome) => (revoked, outcome),
        };
        match status_write(observed, StatusEvent::TokensRevoked(revoked)) {
            Some(request) => Transition::Perform(request, Self::WritingStatus(outcome)),
            None => Transition::Done(outcome),
        }
    }
}

impl StateMachine for RevokingRetiring {
    fn step(self, observed: &Observed, response: Response) -> Transition<Self> {
        match (self, response) {
            (Self::Revoking(state), response) => Self::advance(observed, state.step(observed, response)),
            (Self::WritingStatus(outcome), Response::Object(Some(_))) => Transition::Done(outcome),
            (Self::WritingStatus(_), other) => Transition::Done(from_response(other)),
        }
    }
}

#[cfg(test)]
#[path = "revoke_tests.rs"]
mod tests;
