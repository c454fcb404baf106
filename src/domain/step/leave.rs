//! The object goes: no further attempt, what an unfinished one made is sought, everything is
//! revoked or left to its user, and then the finalizer is taken off.

use super::revoke::{self, Due, Revoking, Turn};
use super::{Flow, Outcome, failed, note};
use crate::api::RetiringToken;
use crate::domain::effect::{Answer, Named, Request, Row, Rows, Write};
use crate::domain::faults::{not_listed_for, portal_changed};
use crate::domain::identity::same_id;
use crate::domain::leaving::from_elsewhere;
use crate::domain::marker::{Attempt, Marker, Nonce};
use crate::domain::observed::{IssuerFacts, Observed};
use crate::domain::pull_secret::{Ownership, SecretMeta, Stored};
use crate::domain::recorded::recorded;
use crate::domain::status::Fact;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The request whose answer is awaited, with what must be remembered.
#[derive(Clone, Debug, PartialEq)]
pub enum Leaving {
    /// The Secret is closed; then this attempt is sought.
    Closing(Option<Attempt>),
    /// An audit is asked for, since the portal may act late.
    AskingForAudit(Attempt),
    /// The tokens of an unfinished attempt.
    Seeking,
    /// Those are revoked.
    Clearing(Vec<Named>),
    /// The row of a stored token that status does not name.
    Proving(Stored),
    /// It is noted as retiring.
    Noting,
    /// What status names is revoked.
    Revoking(Revoking),
    /// What was revoked before something stood in the way is noted; then this.
    Stuck(Outcome),
    /// The row of a token that is left to its user, in a list begun then.
    Looking(Timestamp),
    /// Its mark is taken off: an audit would take it for nobody's.
    Unmarking,
    /// The Secret is left to its user.
    Releasing,
    /// The finalizer is taken off.
    Ending,
}

type Next = Flow<Leaving>;

fn ours(seen: &Observed) -> Option<&SecretMeta> {
    seen.secret.as_ref().filter(|secret| secret.ownership == Ownership::Ours)
}

/// Begins by closing the Secret.
#[must_use]
pub fn begin(seen: &Observed) -> Next {
    let elsewhere = |facts: &IssuerFacts| portal_changed(&recorded(&seen.object), facts).is_some();
    if !seen.object.revoke && seen.facts().is_none_or(elsewhere) {
        // Whoever wants token and Secret left alone needs no portal; and at another one than the token's
        // nothing is looked for, edited or revoked.
        return release_marked(seen);
    }
    match ours(seen).filter(|secret| !secret.closed || secret.reservation.is_some()) {
        Some(secret) => {
            let attempt = secret.reservation.as_ref().map(|held| held.attempt.clone());
            Flow::Do(Request::Secret(Write::Close), Leaving::Closing(attempt))
        }
        None => prove(seen),
    }
}

impl Leaving {
    /// Takes the answer to what was to be done.
    #[must_use]
    pub fn step(self, seen: &Observed, answer: Answer) -> Next {
        match (self, answer) {
            (Self::Closing(Some(attempt)), Answer::Secret(_)) => {
                Flow::Do(Request::WantAudit, Self::AskingForAudit(attempt))
            }
            (Self::Closing(None), Answer::Secret(_)) => prove(seen),
            (Self::AskingForAudit(attempt), _) => seek(seen, &attempt),
            (Self::Seeking, Answer::Rows(rows)) => clear(seen, rows.into_iter().map(|row| row.token).collect()),
            (Self::Clearing(mut left), Answer::Done) => {
                left.pop();
                clear(seen, left)
            }
            (Self::Proving(stored), Answer::Rows(rows)) => proved(seen, &stored, rows),
            (Self::Noting, Answer::Object(Some(_))) => revoke_all(seen),
            (Self::Revoking(state), answer) => turned(seen, state.step(seen, answer)),
            (Self::Stuck(outcome), Answer::Object(Some(_))) => Flow::End(outcome),
            (Self::Looking(begun), Answer::Rows(rows)) => unmark(seen, begun, rows),
            (Self::Unmarking, Answer::Done) => release_looked_for(seen),
            (Self::Releasing, Answer::Secret(_)) => end(),
            (Self::Ending, Answer::Object(_) | Answer::Done) => Flow::End(Outcome::Rest),
            (_, other) => Flow::End(failed(other)),
        }
    }
}

fn seek(seen: &Observed, attempt: &Attempt) -> Next {
    match seen.facts().filter(|facts| facts.list_visible) {
        Some(facts) => Flow::Do(Request::Find(Rows::Marked(seen.marker(facts, attempt))), Leaving::Seeking),
        None => prove(seen),
    }
}

fn clear(seen: &Observed, left: Vec<Named>) -> Next {
    match left.last() {
        Some(token) => Flow::Do(Request::Revoke(token.clone()), Leaving::Clearing(left)),
        None => prove(seen),
    }
}

/// A stored token that status does not name is noted as retiring, if it is proved to be this
/// object's.
fn prove(seen: &Observed) -> Next {
    let known = recorded(&seen.object);
    let stored = ours(seen).and_then(|secret| secret.stored.as_ref());
    let named = |id: &str| known.retires(id) || known.token.as_ref().is_some_and(|token| same_id(&token.id, id));
    let visible = seen.facts().is_some_and(|facts| facts.list_visible);
    match stored.filter(|stored| visible && seen.object.revoke && !named(&stored.id)) {
        Some(stored) => Flow::Do(Request::Find(Rows::WithId(stored.id.clone())), Leaving::Proving(stored.clone())),
        None => revoke_all(seen),
    }
}

fn proved(seen: &Observed, stored: &Stored, rows: Vec<Row>) -> Next {
    let Some(facts) = seen.facts() else { return revoke_all(seen) };
    let (marker, sealed) = (seen.marker(facts, &stored.attempt), seen.sealed(stored));
    let is_ours = |row: &Row| marker.is_in(&row.description) || sealed.as_ref() == Some(&row.token);
    match rows.into_iter().find(|row| same_id(&row.token.id, &stored.id) && is_ours(row)) {
        Some(row) => retire(seen, row.token),
        None => revoke_all(seen),
    }
}

/// Noted first: who dies after the Secret is gone would leave it behind.
fn retire(seen: &Observed, token: Named) -> Next {
    let Named { id, username } = token;
    let token = RetiringToken { id, username, revocation_time: Time(seen.now), revoked_upstream: false, mac: None };
    match note(seen, Fact::Retiring(token)) {
        Some(request) => Flow::Do(request, Leaving::Noting),
        None => revoke_all(seen),
    }
}

fn revoke_all(seen: &Observed) -> Next {
    let known = recorded(&seen.object);
    let stored = ours(seen).and_then(|secret| secret.stored.as_ref());
    let mut due = revoke::retiring(&known);
    if let Some(token) = known.token.as_ref().filter(|_| seen.object.revoke) {
        due.push(Due {
            token: Named::from(token),
            since: token.request_time.0,
            held: stored.is_some_and(|stored| same_id(&stored.id, &token.id)),
            revoked_upstream: known.revoked_upstream,
        });
    }
    turned(seen, revoke::begin(seen, due))
}

fn turned(seen: &Observed, turn: Turn) -> Next {
    match turn {
        Turn::Do(request, state) => Flow::Do(request, Leaving::Revoking(state)),
        Turn::Gone(gone) if seen.object.revoke => match recorded(&seen.object).unproved.holds_back(&seen.object) {
            Some(fault) => stuck(seen, gone, Outcome::Failed(fault)),
            None => end(),
        },
        Turn::Gone(_) => look(seen),
        Turn::Stuck(gone, outcome) => stuck(seen, gone, outcome),
    }
}

fn stuck(seen: &Observed, gone: Vec<Named>, outcome: Outcome) -> Next {
    match note(seen, Fact::Revoked(gone)) {
        Some(request) => Flow::Do(request, Leaving::Stuck(outcome)),
        None => Flow::End(outcome),
    }
}

fn look(seen: &Observed) -> Next {
    match (recorded(&seen.object).token, seen.facts()) {
        (Some(token), Some(IssuerFacts { list_visible: true, .. })) => {
            let token = Named { id: token.id, username: token.username };
            Flow::Do(Request::Find(token.rows()), Leaving::Looking(seen.now))
        }
        // Where nobody can look, an audit cannot either; but it may be able to later.
        (Some(_), _) => release_marked(seen),
        (None, _) => release_looked_for(seen),
    }
}

fn unmark(seen: &Observed, begun: Timestamp, rows: Vec<Row>) -> Next {
    let known = recorded(&seen.object);
    let (Some(facts), Some(token)) = (seen.facts(), &known.token) else { return Flow::End(Outcome::LookAgain) };
    match rows.into_iter().find(|row| row.token == Named::from(token)) {
        Some(row) if Marker::find(&facts.tag, &row.description).is_some() => {
            let description = seen.object.description.clone();
            Flow::Do(Request::Edit { token: row.token, description }, Leaving::Unmarking)
        }
        Some(_) => release_looked_for(seen),
        None => match not_listed_for(begun, token.request_time.0, facts, &known) {
            Ok(()) => release_looked_for(seen),
            Err((left, fault)) => Flow::End(Outcome::WaitFor(left, fault)),
        },
    }
}

/// Where nobody can look whether the mark is off, the Secret goes on saying whose the token is.
fn release_marked(seen: &Observed) -> Next {
    let stored = ours(seen).and_then(|secret| secret.stored.as_ref());
    let stored = stored.map(|stored| Nonce::of(&seen.object.uid, &stored.attempt));
    let named = recorded(&seen.object).token.and_then(|token| Nonce::parse(&token.nonce));
    let mut marks: Vec<Nonce> = stored.into_iter().chain(named).collect();
    marks.sort_unstable();
    marks.dedup();
    release(seen, marks)
}

/// Where what is stored is of another portal, that portal may still show its mark.
fn release_looked_for(seen: &Observed) -> Next {
    let known = recorded(&seen.object);
    match seen.facts() {
        Some(facts) if from_elsewhere(ours(seen), &known, facts) => release_marked(seen),
        _ => release(seen, vec![]),
    }
}

fn release(seen: &Observed, marks: Vec<Nonce>) -> Next {
    match ours(seen) {
        Some(_) => Flow::Do(Request::Secret(Write::Release(marks)), Leaving::Releasing),
        None => end(),
    }
}

const fn end() -> Next {
    Flow::Do(Request::Finalizer(false), Leaving::Ending)
}

#[cfg(test)]
#[path = "leave_tests.rs"]
mod tests;
