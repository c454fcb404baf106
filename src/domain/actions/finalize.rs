//! The object goes: no further attempt, what an unfinished one made is sought, everything is
//! revoked or left to its user, and then the finalizer is taken off.

use super::revoke::{self, Revocation, RevocationQueue, RevocationStep};
use super::{Outcome, Transition, from_response, status_write};
use crate::api::RetiringToken;
use crate::domain::decide::deletion::is_from_other_portal;
use crate::domain::model::marker::{AttemptId, Marker, Nonce};
use crate::domain::model::problem::messages::{portal_changed, prove_absence};
use crate::domain::model::pull_secret::{Ownership, SecretMeta, StoredToken};
use crate::domain::model::status_view::status_view;
use crate::domain::model::token::same_id;
use crate::domain::observed::{IssuerInfo, Observed};
use crate::domain::protocol::{Named, Request, Response, Row, Rows, SecretWrite};
use crate::domain::status::StatusEvent;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The request whose answer is awaited, with what must be remembered.
#[derive(Clone, Debug, PartialEq)]
pub enum Finalizing {
    /// The Secret is closed; then this attempt is sought.
    ClosingSecret(Option<AttemptId>),
    /// An audit is asked for, since the portal may act late.
    RequestingAudit(AttemptId),
    /// The tokens of an unfinished attempt.
    FindingUnfinished,
    /// Those are revoked.
    RevokingUnfinished(Vec<Named>),
    /// The row of a stored token that status does not name.
    FindingStored(StoredToken),
    /// It is noted as retiring.
    RecordingRetiring,
    /// What status names is revoked.
    Revoking(RevocationQueue),
    /// What was revoked before something stood in the way is noted; then this.
    RecordingRevoked(Outcome),
    /// The row of a token that is left to its user, in a list begun then.
    FindingMarker(Timestamp),
    /// Its mark is taken off: an audit would take it for nobody's.
    RemovingMarker,
    /// The Secret is left to its user.
    OrphaningSecret,
    /// The finalizer is taken off.
    RemovingFinalizer,
}

type FinalizeTransition = Transition<Finalizing>;

fn owned_secret(observed: &Observed) -> Option<&SecretMeta> {
    observed.secret.as_ref().filter(|secret| secret.ownership == Ownership::Ours)
}

/// Begins by closing the Secret.
#[must_use]
pub fn begin(observed: &Observed) -> FinalizeTransition {
    let elsewhere = |facts: &IssuerInfo| portal_changed(&status_view(&observed.object), facts).is_some();
    if !observed.object.revoke_on_deletion && observed.issuer_info().is_none_or(elsewhere) {
        // Whoever wants token and Secret left alone needs no portal; and at another one than the token's
        // nothing is looked for, edited or revoked.
        return orphan_with_markers(observed);
    }
    match owned_secret(observed).filter(|secret| !secret.closed || secret.reservation.is_some()) {
        Some(secret) => {
            let attempt = secret.reservation.as_ref().map(|reservation| reservation.attempt_id.clone());
            Transition::Perform(Request::WriteSecret(SecretWrite::Close), Finalizing::ClosingSecret(attempt))
        }
        None => find_stored(observed),
    }
}

impl Finalizing {
    /// Takes the answer to what was to be done.
    #[must_use]
    pub fn step(self, observed: &Observed, answer: Response) -> FinalizeTransition {
        match (self, answer) {
            (Self::ClosingSecret(Some(attempt)), Response::Secret(_)) => {
                Transition::Perform(Request::RequestAudit, Self::RequestingAudit(attempt))
            }
            (Self::ClosingSecret(None), Response::Secret(_)) => find_stored(observed),
            (Self::RequestingAudit(attempt), _) => find_unfinished(observed, &attempt),
            (Self::FindingUnfinished, Response::Rows(rows)) => {
                revoke_unfinished(observed, rows.into_iter().map(|row| row.token).collect())
            }
            (Self::RevokingUnfinished(mut left), Response::Done) => {
                left.pop();
                revoke_unfinished(observed, left)
            }
            (Self::FindingStored(stored), Response::Rows(rows)) => stored_found(observed, &stored, rows),
            (Self::RecordingRetiring, Response::Object(Some(_))) => revoke_all(observed),
            (Self::Revoking(state), answer) => revocation_advanced(observed, state.step(observed, answer)),
            (Self::RecordingRevoked(outcome), Response::Object(Some(_))) => Transition::Done(outcome),
            (Self::FindingMarker(begun), Response::Rows(rows)) => remove_marker(observed, begun, rows),
            (Self::RemovingMarker, Response::Done) => orphan_checked(observed),
            (Self::OrphaningSecret, Response::Secret(_)) => remove_finalizer(),
            (Self::RemovingFinalizer, Response::Object(_) | Response::Done) => Transition::Done(Outcome::Idle),
            (_, other) => Transition::Done(from_response(other)),
        }
    }
}

fn find_unfinished(observed: &Observed, attempt: &AttemptId) -> FinalizeTransition {
    match observed.issuer_info().filter(|facts| facts.list_visible) {
        Some(facts) => Transition::Perform(
            Request::QueryRows(Rows::WithMarker(observed.marker(facts, attempt))),
            Finalizing::FindingUnfinished,
        ),
        None => find_stored(observed),
    }
}

fn revoke_unfinished(observed: &Observed, left: Vec<Named>) -> FinalizeTransition {
    match left.last() {
        Some(token) => Transition::Perform(Request::Revoke(token.clone()), Finalizing::RevokingUnfinished(left)),
        None => find_stored(observed),
    }
}

/// A stored token that status does not name is noted as retiring, if it is proved to be this
/// object's.
fn find_stored(observed: &Observed) -> FinalizeTransition {
    let status = status_view(&observed.object);
    let stored = owned_secret(observed).and_then(|secret| secret.stored.as_ref());
    let named = |id: &str| status.is_retiring(id) || status.token.as_ref().is_some_and(|token| same_id(&token.id, id));
    let visible = observed.issuer_info().is_some_and(|facts| facts.list_visible);
    match stored.filter(|stored| visible && observed.object.revoke_on_deletion && !named(&stored.id)) {
        Some(stored) => Transition::Perform(
            Request::QueryRows(Rows::WithId(stored.id.clone())),
            Finalizing::FindingStored(stored.clone()),
        ),
        None => revoke_all(observed),
    }
}

fn stored_found(observed: &Observed, stored: &StoredToken, rows: Vec<Row>) -> FinalizeTransition {
    let Some(facts) = observed.issuer_info() else { return revoke_all(observed) };
    let (marker, sealed) = (observed.marker(facts, &stored.attempt_id), observed.verify_stored(stored));
    let is_ours = |row: &Row| marker.is_in(&row.description) || sealed.as_ref() == Some(&row.token);
    match rows.into_iter().find(|row| same_id(&row.token.id, &stored.id) && is_ours(row)) {
        Some(row) => record_retiring(observed, row.token),
        None => revoke_all(observed),
    }
}

/// Noted first: who dies after the Secret is gone would leave it behind.
fn record_retiring(observed: &Observed, token: Named) -> FinalizeTransition {
    let Named { id, username } = token;
    let token = RetiringToken { id, username, revocation_time: Time(observed.now), revoked_upstream: false, mac: None };
    match status_write(observed, StatusEvent::TokenRetiring(token)) {
        Some(request) => Transition::Perform(request, Finalizing::RecordingRetiring),
        None => revoke_all(observed),
    }
}

fn revoke_all(observed: &Observed) -> FinalizeTransition {
    let status = status_view(&observed.object);
    let stored = owned_secret(observed).and_then(|secret| secret.stored.as_ref());
    let mut due = revoke::retiring_revocations(&status);
    if let Some(token) = status.token.as_ref().filter(|_| observed.object.revoke_on_deletion) {
        due.push(Revocation {
            token: Named::from(token),
            listed_since: token.request_time.0,
            in_secret: stored.is_some_and(|stored| same_id(&stored.id, &token.id)),
            revoked_upstream: status.revoked_upstream,
        });
    }
    revocation_advanced(observed, revoke::begin(observed, due))
}

fn revocation_advanced(observed: &Observed, turn: RevocationStep) -> FinalizeTransition {
    match turn {
        RevocationStep::Perform(request, state) => Transition::Perform(request, Finalizing::Revoking(state)),
        RevocationStep::Revoked(gone) if observed.object.revoke_on_deletion => {
            match status_view(&observed.object).unverified.deletion_problem(&observed.object) {
                Some(fault) => record_revoked(observed, gone, Outcome::Failed(fault)),
                None => remove_finalizer(),
            }
        }
        RevocationStep::Revoked(_) => find_marker(observed),
        RevocationStep::Blocked(gone, outcome) => record_revoked(observed, gone, outcome),
    }
}

fn record_revoked(observed: &Observed, gone: Vec<Named>, outcome: Outcome) -> FinalizeTransition {
    match status_write(observed, StatusEvent::TokensRevoked(gone)) {
        Some(request) => Transition::Perform(request, Finalizing::RecordingRevoked(outcome)),
        None => Transition::Done(outcome),
    }
}

fn find_marker(observed: &Observed) -> FinalizeTransition {
    match (status_view(&observed.object).token, observed.issuer_info()) {
        (Some(token), Some(IssuerInfo { list_visible: true, .. })) => {
            let token = Named { id: token.id, username: token.username };
            Transition::Perform(Request::QueryRows(token.row_query()), Finalizing::FindingMarker(observed.now))
        }
        // Where nobody can look, an audit cannot either; but it may be able to later.
        (Some(_), _) => orphan_with_markers(observed),
        (None, _) => orphan_checked(observed),
    }
}

fn remove_marker(observed: &Observed, begun: Timestamp, rows: Vec<Row>) -> FinalizeTransition {
    let status = status_view(&observed.object);
    let (Some(facts), Some(token)) = (observed.issuer_info(), &status.token) else {
        return Transition::Done(Outcome::RequeueSoon);
    };
    match rows.into_iter().find(|row| row.token == Named::from(token)) {
        Some(row) if Marker::find(&facts.tag, &row.description).is_some() => {
            let description = observed.object.description.clone();
            Transition::Perform(Request::EditDescription { token: row.token, description }, Finalizing::RemovingMarker)
        }
        Some(_) => orphan_checked(observed),
        None => match prove_absence(begun, token.request_time.0, facts, &status) {
            Ok(()) => orphan_checked(observed),
            Err((left, fault)) => Transition::Done(Outcome::ReportFor(left, fault)),
        },
    }
}

/// Where nobody can look whether the mark is off, the Secret goes on saying whose the token is.
fn orphan_with_markers(observed: &Observed) -> FinalizeTransition {
    let stored = owned_secret(observed).and_then(|secret| secret.stored.as_ref());
    let stored = stored.map(|stored| Nonce::of(&observed.object.uid, &stored.attempt_id));
    let named = status_view(&observed.object).token.and_then(|token| Nonce::parse(&token.nonce));
    let mut marks: Vec<Nonce> = stored.into_iter().chain(named).collect();
    marks.sort_unstable();
    marks.dedup();
    orphan(observed, marks)
}

/// Where what is stored is of another portal, that portal may still show its mark.
fn orphan_checked(observed: &Observed) -> FinalizeTransition {
    let status = status_view(&observed.object);
    match observed.issuer_info() {
        Some(facts) if is_from_other_portal(owned_secret(observed), &status, facts) => orphan_with_markers(observed),
        _ => orphan(observed, vec![]),
    }
}

fn orphan(observed: &Observed, marks: Vec<Nonce>) -> FinalizeTransition {
    match owned_secret(observed) {
        Some(_) => Transition::Perform(Request::WriteSecret(SecretWrite::Orphan(marks)), Finalizing::OrphaningSecret),
        None => remove_finalizer(),
    }
}

const fn remove_finalizer() -> FinalizeTransition {
    Transition::Perform(Request::SetFinalizer(false), Finalizing::RemovingFinalizer)
}

#[cfg(test)]
#[path = "finalize_tests.rs"]
mod tests;
