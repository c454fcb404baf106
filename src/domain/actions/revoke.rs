//! Revokes tokens that status names, one after the other.

use super::{Outcome, Transition, from_response, status_write};
use crate::api::{CONFIRMED_REVOKED_ANNOTATION, Reason};
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::prove_absence;
use crate::domain::model::status_view::{StatusView, status_view};
use crate::domain::observed::{IssuerInfo, Observed};
use crate::domain::protocol::{Named, Request, Response, Verdict};
use crate::domain::retry::cooldown::Operation;
use crate::domain::status::StatusEvent;
use jiff::Timestamp;
use std::time::Duration;

/// Tokens to revoke, and what has become of those before.
#[derive(Clone, Debug, PartialEq)]
pub struct RevocationQueue {
    queue: Vec<Revocation>,
    revoked: Vec<Named>,
    /// What stood in the way of the first that could not be revoked: it holds up none of the others.
    first_failure: Option<Outcome>,
    stage: Stage,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Revocation {
    /// Which one.
    pub token: Named,
    /// Since when the portal must have listed it.
    pub listed_since: Timestamp,
    /// The Secret holds it: the registry can be asked about it.
    pub in_secret: bool,
    /// An audit found it revoked.
    pub revoked_upstream: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    FindingRow {
        begun: Timestamp,
    },
    VerifyingLogin,
    Revoking,
    /// The portal, which lists nothing, refused to revoke it: the registry is asked whether it lives.
    VerifyingAfterRejection(Problem),
    Starting,
}

/// How a revocation goes on, and how it ends.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "one lives at a time, and not for long")]
pub enum RevocationStep {
    /// Perform this and bring the answer.
    Perform(Request, RevocationQueue),
    /// All of them are gone.
    Revoked(Vec<Named>),
    /// One of them is not: these are.
    Blocked(Vec<Named>, Outcome),
}

/// The retiring tokens of a status.
#[must_use]
pub fn retiring_revocations(status: &StatusView) -> Vec<Revocation> {
    // It was listed before its successor was asked for. The end of its overlap, which may be days
    // away, would hold an object back that goes while the portal has revoked the token already.
    let successor = status.token.as_ref().map(|token| token.request_time.0);
    let due = |token: &crate::api::RetiringToken| Revocation {
        token: Named::from(token),
        listed_since: successor.map_or(token.revocation_time.0, |asked| asked.min(token.revocation_time.0)),
        in_secret: false,
        revoked_upstream: token.revoked_upstream,
    };
    status.retiring.iter().map(due).collect()
}

/// Begins with the first.
#[must_use]
pub fn begin(observed: &Observed, left: Vec<Revocation>) -> RevocationStep {
    RevocationQueue { queue: left, revoked: vec![], first_failure: None, stage: Stage::Starting }.revoke_next(observed)
}

impl RevocationQueue {
    fn transition_to(self, request: Request, stage: Stage) -> RevocationStep {
        RevocationStep::Perform(request, Self { stage, ..self })
    }

    fn revoke_next(mut self, observed: &Observed) -> RevocationStep {
        // Revoked already, though something kept the status from saying so: no list is asked whether it is gone.
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
        match observed.issuer_info() {
            Some(facts) if facts.list_visible => {
                let begun = observed.now;
                self.transition_to(Request::QueryRows(token.row_query()), Stage::FindingRow { begun })
            }
            // Where the list cannot be seen, id and username are all there is to go by.
            Some(_) => self.transition_to(Request::Revoke(token), Stage::Revoking),
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

    /// Takes the answer to what was to be done.
    #[must_use]
    pub fn step(self, observed: &Observed, answer: Response) -> RevocationStep {
        let Some(due) = self.queue.last().cloned() else { return RevocationStep::Revoked(self.revoked) };
        match (self.stage.clone(), answer) {
            (Stage::FindingRow { begun }, Response::Rows(rows)) => {
                // An id may have been given to another token since.
                if rows.iter().any(|row| row.token == due.token) {
                    return self.transition_to(Request::Revoke(due.token), Stage::Revoking);
                }
                self.not_listed(observed, begun, &due)
            }
            // Let in, it lives: the portal hides it.
            (Stage::VerifyingLogin, Response::Login(Verdict::Rejected(_) | Verdict::NotChecked))
            | (Stage::VerifyingAfterRejection(_), Response::Login(Verdict::Rejected(_)))
            | (Stage::Revoking, Response::Done) => self.current_revoked(observed),
            (Stage::Revoking, Response::Rejected(fault)) if list_hidden(observed) => {
                self.rejected(observed, &due, fault)
            }
            (Stage::VerifyingAfterRejection(fault), Response::Login(Verdict::Accepted)) => {
                self.block_current(observed, Outcome::Failed(not_revoked(&due.token, fault)))
            }
            (Stage::VerifyingAfterRejection(fault), Response::Login(_)) => self.unconfirmed(observed, &due, fault),
            (Stage::VerifyingLogin, Response::Login(verdict)) => {
                let fault = still_valid(&due.token, &verdict);
                self.block_current(observed, Outcome::Failed(fault))
            }
            (_, other) => {
                let outcome = match from_response(other) {
                    Outcome::Failed(fault) => Outcome::Failed(not_revoked(&due.token, fault)),
                    outcome => outcome,
                };
                self.block_current(observed, outcome)
            }
        }
    }

    /// Where the portal lists nothing, it may refuse because there is no such token any more. Its word alone does
    /// not count: it may as well refuse for another reason.
    fn rejected(self, observed: &Observed, due: &Revocation, fault: Problem) -> RevocationStep {
        let asks = observed.issuer_info().is_some_and(IssuerInfo::checks_login)
            && status_view(&observed.object).login_verified;
        if due.in_secret && asks && fault.reason == Reason::RequestRejected {
            return self.transition_to(Request::VerifyLogin, Stage::VerifyingAfterRejection(fault));
        }
        self.unconfirmed(observed, due, fault)
    }

    /// The registry says neither that it lives nor that it does not.
    fn unconfirmed(
        self,
        observed: &Observed,
        due: &Revocation,
        Problem { reason, message, terminal: stalled }: Problem,
    ) -> RevocationStep {
        let of_another_matter = matches!(reason, Reason::Unauthorized | Reason::RateLimited);
        let told = observed.object.confirmed_revoked.contains(&due.token.id) && !of_another_matter;
        if told || (due.revoked_upstream && reason == Reason::RequestRejected) {
            return self.current_revoked(observed);
        }
        let id = &due.token.id;
        let hint =
            format!(". Where it is revoked already, annotate this object with {CONFIRMED_REVOKED_ANNOTATION}={id}");
        let message = format!("{message}{}", if of_another_matter { "" } else { &hint });
        self.block_current(
            observed,
            Outcome::Failed(not_revoked(&due.token, Problem { reason, message, terminal: stalled })),
        )
    }

    /// Whether it is gone: the portal's word counts when it had to list the token, or an earlier list lacked it
    /// too, and the registry's where it can be asked.
    fn not_listed(self, observed: &Observed, begun: Timestamp, due: &Revocation) -> RevocationStep {
        let Some(facts) = observed.issuer_info() else {
            return RevocationStep::Blocked(self.revoked, Outcome::RequeueSoon);
        };
        match prove_absence(begun, due.listed_since, facts, &status_view(&observed.object)) {
            Err((left, fault)) if !due.revoked_upstream => {
                self.block_current(observed, Outcome::ReportFor(left + MARGIN, not_revoked(&due.token, fault)))
            }
            _ if due.in_secret && facts.checks_login() => {
                self.transition_to(Request::VerifyLogin, Stage::VerifyingLogin)
            }
            _ => self.current_revoked(observed),
        }
    }
}

fn list_hidden(observed: &Observed) -> bool {
    observed.issuer_info().is_some_and(|facts| !facts.list_visible)
}

const MARGIN: Duration = Duration::from_millis(50);

fn not_revoked(token: &Named, Problem { reason, message, terminal: stalled }: Problem) -> Problem {
    let message = format!("the token {} is not revoked yet: {message}", token.username);
    Problem { reason, message, terminal: stalled }
}

fn still_valid(token: &Named, verdict: &Verdict) -> Problem {
    let what = match verdict {
        Verdict::Unknown(why) => format!("the registry cannot be asked ({why})"),
        _ => "the registry still lets it in: give the issuer credentials that see it, or revoke it by hand".to_owned(),
    };
    let message = format!("the portal does not list it, and {what}");
    not_revoked(token, crate::domain::model::problem::messages::transient(Reason::TokenNotFound, message))
}

/// Revokes the retiring tokens that are due, and takes them out of the status.
#[derive(Clone, Debug, PartialEq)]
pub enum RevokingRetiring {
    /// At the portal.
    Revoking(RevocationQueue),
    /// In the status; then this.
    WritingStatus(Outcome),
}

/// Begins to revoke what is due.
#[must_use]
pub fn revoke_retiring(observed: &Observed) -> Transition<RevokingRetiring> {
    let status = status_view(&observed.object);
    let is_due = |due: &Revocation| {
        status.due_revocations(observed).any(|token| token.id == due.token.id && token.username == due.token.username)
            && observed.cooldown(&Operation::Revoke(due.token.id.clone())).is_none()
    };
    let due = retiring_revocations(&status).into_iter().filter(is_due).collect();
    RevokingRetiring::advance(observed, begin(observed, due))
}

impl RevokingRetiring {
    fn advance(observed: &Observed, turn: RevocationStep) -> Transition<Self> {
        let (gone, outcome) = match turn {
            RevocationStep::Perform(request, state) => return Transition::Perform(request, Self::Revoking(state)),
            RevocationStep::Revoked(gone) => (gone, Outcome::Redecide),
            RevocationStep::Blocked(gone, outcome) => (gone, outcome),
        };
        match status_write(observed, StatusEvent::TokensRevoked(gone)) {
            Some(request) => Transition::Perform(request, Self::WritingStatus(outcome)),
            None => Transition::Done(outcome),
        }
    }

    /// Takes the answer to what was to be done.
    #[must_use]
    pub fn step(self, observed: &Observed, answer: Response) -> Transition<Self> {
        match (self, answer) {
            (Self::Revoking(state), answer) => Self::advance(observed, state.step(observed, answer)),
            (Self::WritingStatus(outcome), Response::Object(Some(_))) => Transition::Done(outcome),
            (Self::WritingStatus(_), other) => Transition::Done(from_response(other)),
        }
    }
}

#[cfg(test)]
#[path = "revoke_tests.rs"]
mod tests;
