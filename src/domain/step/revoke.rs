//! Revokes tokens that status names, one after the other.

use super::{Flow, Outcome, failed, note};
use crate::api::{GONE_ANNOTATION, Reason};
use crate::domain::effect::{Answer, Named, Request, Verdict};
use crate::domain::fault::Fault;
use crate::domain::faults::not_listed_for;
use crate::domain::observed::{IssuerFacts, Observed};
use crate::domain::recorded::{Recorded, recorded};
use crate::domain::status::Fact;
use crate::domain::vain::Deed;
use jiff::Timestamp;
use std::time::Duration;

/// Tokens to revoke, and what has become of those before.
#[derive(Clone, Debug, PartialEq)]
pub struct Revoking {
    left: Vec<Due>,
    gone: Vec<Named>,
    /// What stood in the way of the first that could not be revoked: it holds up none of the others.
    hindrance: Option<Outcome>,
    stage: Stage,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// Which one.
    pub token: Named,
    /// Since when the portal must have listed it.
    pub since: Timestamp,
    /// The Secret holds it: the registry can be asked about it.
    pub held: bool,
    /// An audit found it revoked.
    pub revoked_upstream: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    Finding {
        begun: Timestamp,
    },
    Asking,
    Revoking,
    /// The portal, which lists nothing, refused to revoke it: the registry is asked whether it lives.
    Denied(Fault),
    Noting,
}

/// How a revocation goes on, and how it ends.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "one lives at a time, and not for long")]
pub enum Turn {
    /// Perform this and bring the answer.
    Do(Request, Revoking),
    /// All of them are gone.
    Gone(Vec<Named>),
    /// One of them is not: these are.
    Stuck(Vec<Named>, Outcome),
}

/// The retiring tokens of a status.
#[must_use]
pub fn retiring(known: &Recorded) -> Vec<Due> {
    // It was listed before its successor was asked for. The end of its overlap, which may be days
    // away, would hold an object back that goes while the portal has revoked the token already.
    let successor = known.token.as_ref().map(|token| token.request_time.0);
    let due = |token: &crate::api::RetiringToken| Due {
        token: Named::from(token),
        since: successor.map_or(token.revocation_time.0, |asked| asked.min(token.revocation_time.0)),
        held: false,
        revoked_upstream: token.revoked_upstream,
    };
    known.retiring.iter().map(due).collect()
}

/// Begins with the first.
#[must_use]
pub fn begin(seen: &Observed, left: Vec<Due>) -> Turn {
    Revoking { left, gone: vec![], hindrance: None, stage: Stage::Noting }.go_on(seen)
}

impl Revoking {
    fn at(self, request: Request, stage: Stage) -> Turn {
        Turn::Do(request, Self { stage, ..self })
    }

    fn go_on(mut self, seen: &Observed) -> Turn {
        // Revoked already, though something kept the status from saying so: no list is asked whether it is gone.
        while let Some(due) = self.left.pop_if(|due| seen.revoked.contains(&due.token)) {
            self.gone.push(due.token);
        }
        let Some(due) = self.left.last() else {
            return match self.hindrance {
                Some(outcome) => Turn::Stuck(self.gone, outcome),
                None => Turn::Gone(self.gone),
            };
        };
        let token = due.token.clone();
        match seen.facts() {
            Some(facts) if facts.list_visible => {
                let begun = seen.now;
                self.at(Request::Find(token.rows()), Stage::Finding { begun })
            }
            // Where the list cannot be seen, id and username are all there is to go by.
            Some(_) => self.at(Request::Revoke(token), Stage::Revoking),
            None => Turn::Stuck(self.gone, Outcome::LookAgain),
        }
    }

    fn stuck(mut self, seen: &Observed, outcome: Outcome) -> Turn {
        if matches!(outcome, Outcome::LookAgain) {
            return Turn::Stuck(self.gone, outcome);
        }
        self.left.pop();
        self.hindrance.get_or_insert(outcome);
        self.go_on(seen)
    }

    fn next(mut self, seen: &Observed) -> Turn {
        self.gone.extend(self.left.pop().map(|due| due.token));
        self.go_on(seen)
    }

    /// Takes the answer to what was to be done.
    #[must_use]
    pub fn step(self, seen: &Observed, answer: Answer) -> Turn {
        let Some(due) = self.left.last().cloned() else { return Turn::Gone(self.gone) };
        match (self.stage.clone(), answer) {
            (Stage::Finding { begun }, Answer::Rows(rows)) => {
                // An id may have been given to another token since.
                if rows.iter().any(|row| row.token == due.token) {
                    return self.at(Request::Revoke(due.token), Stage::Revoking);
                }
                self.not_listed(seen, begun, &due)
            }
            // Let in, it lives: the portal hides it.
            (Stage::Asking, Answer::Login(Verdict::Refused(_) | Verdict::NotAsked))
            | (Stage::Denied(_), Answer::Login(Verdict::Refused(_)))
            | (Stage::Revoking, Answer::Done) => self.next(seen),
            (Stage::Revoking, Answer::Denied(fault)) if unlisted(seen) => self.denied(seen, &due, fault),
            (Stage::Denied(fault), Answer::Login(Verdict::Accepted)) => {
                self.stuck(seen, Outcome::Failed(not_revoked(&due.token, fault)))
            }
            (Stage::Denied(fault), Answer::Login(_)) => self.doubtful(seen, &due, fault),
            (Stage::Asking, Answer::Login(verdict)) => {
                let fault = still_alive(&due.token, &verdict);
                self.stuck(seen, Outcome::Failed(fault))
            }
            (_, other) => {
                let outcome = match failed(other) {
                    Outcome::Failed(fault) => Outcome::Failed(not_revoked(&due.token, fault)),
                    outcome => outcome,
                };
                self.stuck(seen, outcome)
            }
        }
    }

    /// Where the portal lists nothing, it may refuse because there is no such token any more. Its word alone does
    /// not count: it may as well refuse for another reason.
    fn denied(self, seen: &Observed, due: &Due, fault: Fault) -> Turn {
        let asks = seen.facts().is_some_and(IssuerFacts::asks_registry) && recorded(&seen.object).verified;
        if due.held && asks && fault.reason == Reason::RequestRefused {
            return self.at(Request::LogIn, Stage::Denied(fault));
        }
        self.doubtful(seen, due, fault)
    }

    /// The registry says neither that it lives nor that it does not.
    fn doubtful(self, seen: &Observed, due: &Due, Fault { reason, message, stalled }: Fault) -> Turn {
        let of_another_matter = matches!(reason, Reason::Unauthorised | Reason::RateLimited);
        let told = seen.object.gone.contains(&due.token.id) && !of_another_matter;
        if told || (due.revoked_upstream && reason == Reason::RequestRefused) {
            return self.next(seen);
        }
        let id = &due.token.id;
        let hint = format!(". Where it is revoked already, annotate this object with {GONE_ANNOTATION}={id}");
        let message = format!("{message}{}", if of_another_matter { "" } else { &hint });
        self.stuck(seen, Outcome::Failed(not_revoked(&due.token, Fault { reason, message, stalled })))
    }

    /// Whether it is gone: the portal's word counts when it had to list the token, or an earlier list lacked it
    /// too, and the registry's where it can be asked.
    fn not_listed(self, seen: &Observed, begun: Timestamp, due: &Due) -> Turn {
        let Some(facts) = seen.facts() else { return Turn::Stuck(self.gone, Outcome::LookAgain) };
        match not_listed_for(begun, due.since, facts, &recorded(&seen.object)) {
            Err((left, fault)) if !due.revoked_upstream => {
                self.stuck(seen, Outcome::WaitFor(left + MARGIN, not_revoked(&due.token, fault)))
            }
            _ if due.held && facts.asks_registry() => self.at(Request::LogIn, Stage::Asking),
            _ => self.next(seen),
        }
    }
}

fn unlisted(seen: &Observed) -> bool {
    seen.facts().is_some_and(|facts| !facts.list_visible)
}

const MARGIN: Duration = Duration::from_millis(50);

fn not_revoked(token: &Named, Fault { reason, message, stalled }: Fault) -> Fault {
    let message = format!("the token {} is not revoked yet: {message}", token.username);
    Fault { reason, message, stalled }
}

fn still_alive(token: &Named, verdict: &Verdict) -> Fault {
    let what = match verdict {
        Verdict::Unknown(why) => format!("the registry cannot be asked ({why})"),
        _ => "the registry still lets it in: give the issuer credentials that see it, or revoke it by hand".to_owned(),
    };
    let message = format!("the portal does not list it, and {what}");
    not_revoked(token, crate::domain::faults::waiting(Reason::TokenNotListed, message))
}

/// Revokes the retiring tokens that are due, and takes them out of the status.
#[derive(Clone, Debug, PartialEq)]
pub enum Retiring {
    /// At the portal.
    Revoking(Revoking),
    /// In the status; then this.
    Noting(Outcome),
}

/// Begins to revoke what is due.
#[must_use]
pub fn retire(seen: &Observed) -> Flow<Retiring> {
    let known = recorded(&seen.object);
    let is_due = |due: &Due| {
        known.due(seen).any(|token| token.id == due.token.id && token.username == due.token.username)
            && seen.in_vain(&Deed::Revoke(due.token.id.clone())).is_none()
    };
    let due = retiring(&known).into_iter().filter(is_due).collect();
    Retiring::turned(seen, begin(seen, due))
}

impl Retiring {
    fn turned(seen: &Observed, turn: Turn) -> Flow<Self> {
        let (gone, outcome) = match turn {
            Turn::Do(request, state) => return Flow::Do(request, Self::Revoking(state)),
            Turn::Gone(gone) => (gone, Outcome::Again),
            Turn::Stuck(gone, outcome) => (gone, outcome),
        };
        match note(seen, Fact::Revoked(gone)) {
            Some(request) => Flow::Do(request, Self::Noting(outcome)),
            None => Flow::End(outcome),
        }
    }

    /// Takes the answer to what was to be done.
    #[must_use]
    pub fn step(self, seen: &Observed, answer: Answer) -> Flow<Self> {
        match (self, answer) {
            (Self::Revoking(state), answer) => Self::turned(seen, state.step(seen, answer)),
            (Self::Noting(outcome), Answer::Object(Some(_))) => Flow::End(outcome),
            (Self::Noting(_), other) => Flow::End(failed(other)),
        }
    }
}

#[cfg(test)]
#[path = "revoke_tests.rs"]
mod tests;
