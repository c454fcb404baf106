//! Finalizes a deleted object: prevents further attempts, looks up the tokens of an unfinished attempt, revokes all
//! tokens or leaves them to the user, and then removes the finalizer.

use super::revoke::{self, Revocation, RevocationQueue, RevocationStep};
use super::{Outcome, StateMachine, Transition, from_response, status_write};
use crate::api::RetiringToken;
use crate::domain::decide::absence::prove_absence;
use crate::domain::decide::deletion::is_from_other_portal;
use crate::domain::decide::issuer::portal_changed;
use crate::domain::model::issuer::IssuerInfo;
use crate::domain::model::marker::{AttemptId, Marker, Nonce};
use crate::domain::model::pull_secret::StoredToken;
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token::{TokenRef, TokenRow, same_id};
use crate::domain::observed::Observed;
use crate::domain::protocol::{Request, Response, SecretWrite};
use crate::domain::status::StatusEvent;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The pending request, with the state that belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub enum Finalizing {
    /// Closes the Secret; the tokens of this attempt are looked up next.
    ClosingSecret(Option<AttemptId>),
    /// Requests an audit, since the portal may still act on an earlier request.
    RequestingAudit(AttemptId),
    /// Looks up the tokens of an unfinished attempt.
    FindingUnfinished,
    RevokingUnfinished(Vec<TokenRef>),
    /// Looks up the row of a stored token that status does not name.
    FindingStored(StoredToken),
    /// Records the stored token as retiring.
    RecordingRetiring,
    /// Revokes the tokens that status names.
    Revoking(RevocationQueue),
    /// Records the tokens that were revoked before a problem occurred; then ends with this outcome.
    RecordingRevoked(Outcome),
    /// Looks up the row of a token that is left to its user, in a list whose read started at this time.
    FindingMarker(Timestamp),
    /// Removes the marker: otherwise an audit would consider the token orphaned.
    RemovingMarker,
    /// Releases the Secret to its user.
    OrphaningSecret,
    RemovingFinalizer,
}

type FinalizeTransition = Transition<Finalizing>;

/// Starts by closing the Secret.
#[must_use]
pub fn begin(observed: &Observed) -> FinalizeTransition {
    let elsewhere = |issuer: &IssuerInfo| portal_changed(&StatusView::of(&observed.object), issuer).is_some();
    if !observed.object.revoke_on_deletion && observed.issuer_info().is_none_or(elsewhere) {
        // No portal is needed to leave token and Secret to the user. And at another portal than the token's, nothing is
        // looked up, edited or revoked.
        return orphan_with_markers(observed);
    }
    match observed.own_secret().filter(|secret| !secret.closed || secret.reservation.is_some()) {
        Some(secret) => {
            let attempt = secret.reservation.as_ref().map(|reservation| reservation.attempt_id.clone());
            Transition::Perform(Request::WriteSecret(SecretWrite::Close), Finalizing::ClosingSecret(attempt))
        }
        None => find_stored(observed),
    }
}

impl StateMachine for Finalizing {
    fn step(self, observed: &Observed, response: Response) -> FinalizeTransition {
        match (self, response) {
            (Self::ClosingSecret(Some(attempt)), Response::Secret(_)) => {
                Transition::Perform(Request::RequestAudit, Self::RequestingAudit(attempt))
            }
            (Self::ClosingSecret(None), Response::Secret(_)) => find_stored(observed),
            (Self::RequestingAudit(attempt), _) => find_unfinished(observed, &attempt),
            (Self::FindingUnfinished, Response::Rows(rows)) => {
                revoke_unfinished(observed, rows.into_iter().map(|row| row.token).collect())
            }
            (Self::RevokingUnfinished(mut remaining), Response::Done) => {
                remaining.pop();
                revoke_unfinished(observed, remaining)
            }
            (Self::FindingStored(stored), Response::Rows(rows)) => stored_found(observed, &stored, rows),
            (Self::RecordingRetiring, Response::Object(Some(_))) => revoke_all(observed),
            (Self::Revoking(state), response) => revocation_advanced(observed, state.step(observed, response)),
            (Self::RecordingRevoked(outcome), Response::Object(Some(_))) => Transition::Done(outcome),
            (Self::FindingMarker(started_at), Response::Rows(rows)) => remove_marker(observed, started_at, rows),
            (Self::RemovingMarker, Response::Done) => orphan_checked(observed),
            (Self::OrphaningSecret, Response::Secret(_)) => remove_finalizer(),
            (Self::RemovingFinalizer, Response::Object(_) | Response::Done) => Transition::Done(Outcome::Idle),
            (_, other) => Transition::Done(from_response(other)),
        }
    }
}

fn find_unfinished(observed: &Observed, attempt: &AttemptId) -> FinalizeTransition {
    let query =
        observed.issuer_info().and_then(|issuer| issuer.evidence().query_marked(observed.marker(issuer, attempt)));
    match query {
        Some(query) => Transition::Perform(Request::QueryRows(query), Finalizing::FindingUnfinished),
        None => find_stored(observed),
    }
}

fn revoke_unfinished(observed: &Observed, remaining: Vec<TokenRef>) -> FinalizeTransition {
    match remaining.last() {
        Some(token) => Transition::Perform(Request::Revoke(token.clone()), Finalizing::RevokingUnfinished(remaining)),
        None => find_stored(observed),
    }
}

/// Records a stored token that status does not name as retiring, if it is proved to belong to this object.
fn find_stored(observed: &Observed) -> FinalizeTransition {
    let status = StatusView::of(&observed.object);
    let stored = observed.own_stored();
    let named = |id: &str| status.is_retiring(id) || status.token.as_ref().is_some_and(|token| same_id(&token.id, id));
    let stored = stored.filter(|stored| observed.object.revoke_on_deletion && !named(&stored.id));
    let query = stored
        .and_then(|stored| observed.issuer_info()?.evidence().query_stored(&stored.id).map(|query| (stored, query)));
    match query {
        Some((stored, query)) => {
            Transition::Perform(Request::QueryRows(query), Finalizing::FindingStored(stored.clone()))
        }
        None => revoke_all(observed),
    }
}

fn stored_found(observed: &Observed, stored: &StoredToken, rows: Vec<TokenRow>) -> FinalizeTransition {
    let Some(issuer) = observed.issuer_info() else { return revoke_all(observed) };
    let (marker, signed) = (observed.marker(issuer, &stored.attempt_id), observed.verify_stored(stored));
    let is_ours = |row: &TokenRow| marker.is_in(&row.description) || signed.as_ref() == Some(&row.token);
    match rows.into_iter().find(|row| same_id(&row.token.id, &stored.id) && is_ours(row)) {
        Some(row) => record_retiring(observed, row.token),
        None => revoke_all(observed),
    }
}

/// Recorded before the revocation: a crash after the deletion of the Secret would otherwise leak the token.
fn record_retiring(observed: &Observed, token: TokenRef) -> FinalizeTransition {
    let TokenRef { id, username } = token;
    let token = RetiringToken { id, username, revocation_time: Time(observed.now), revoked_upstream: false, mac: None };
    match status_write(observed, StatusEvent::TokenRetiring(token)) {
        Some(request) => Transition::Perform(request, Finalizing::RecordingRetiring),
        None => revoke_all(observed),
    }
}

fn revoke_all(observed: &Observed) -> FinalizeTransition {
    let status = StatusView::of(&observed.object);
    let stored = observed.own_stored();
    let mut due = revoke::retiring_revocations(&status);
    if let Some(token) = status.token.as_ref().filter(|_| observed.object.revoke_on_deletion) {
        due.push(Revocation {
            token: TokenRef::from(token),
            listed_since: token.request_time.0,
            in_secret: stored.is_some_and(|stored| same_id(&stored.id, &token.id)),
            revoked_upstream: status.revoked_upstream,
        });
    }
    revocation_advanced(observed, revoke::begin(observed, due))
}

fn revocation_advanced(observed: &Observed, step: RevocationStep) -> FinalizeTransition {
    match step {
        RevocationStep::Perform(request, state) => Transition::Perform(request, Finalizing::Revoking(state)),
        RevocationStep::Revoked(revoked) if observed.object.revoke_on_deletion => {
            match StatusView::of(&observed.object).unverified.deletion_problem(&observed.object) {
                Some(problem) => record_revoked(observed, revoked, Outcome::Failed(problem)),
                None => remove_finalizer(),
            }
        }
        RevocationStep::Revoked(_) => find_marker(observed),
        RevocationStep::Blocked(revoked, outcome) => record_revoked(observed, revoked, outcome),
    }
}

fn record_revoked(observed: &Observed, revoked: Vec<TokenRef>, outcome: Outcome) -> FinalizeTransition {
    match status_write(observed, StatusEvent::TokensRevoked(revoked)) {
        Some(request) => Transition::Perform(request, Finalizing::RecordingRevoked(outcome)),
        None => Transition::Done(outcome),
    }
}

fn find_marker(observed: &Observed) -> FinalizeTransition {
    let Some(token) = StatusView::of(&observed.object).token.as_ref().map(TokenRef::from) else {
        return orphan_checked(observed);
    };
    // A marker that cannot be removed stays recorded in the Secret.
    let editable = observed.issuer_info().filter(|issuer| issuer.can_edit);
    match editable.and_then(|issuer| issuer.evidence().query_token(&token)) {
        Some(query) => Transition::Perform(Request::QueryRows(query), Finalizing::FindingMarker(observed.now)),
        // If rows cannot be read, an audit cannot read them either; but it may be able to later.
        None => orphan_with_markers(observed),
    }
}

fn remove_marker(observed: &Observed, started_at: Timestamp, rows: Vec<TokenRow>) -> FinalizeTransition {
    let status = StatusView::of(&observed.object);
    let (Some(issuer), Some(token)) = (observed.issuer_info(), &status.token) else {
        return Transition::Done(Outcome::RequeueSoon);
    };
    match rows.into_iter().find(|row| row.token == TokenRef::from(token)) {
        Some(row) if Marker::find(&issuer.tag, &row.description).is_some() => {
            let description = observed.object.description.clone();
            Transition::Perform(Request::EditDescription { token: row.token, description }, Finalizing::RemovingMarker)
        }
        Some(_) => orphan_checked(observed),
        None => match prove_absence(started_at, token.request_time.0, issuer, &status) {
            Ok(()) => orphan_checked(observed),
            Err((remaining, problem)) => Transition::Done(Outcome::ReportFor(remaining, problem)),
        },
    }
}

/// If the removal of the marker cannot be verified, the Secret keeps recording whose token it is. The nonce in status is
/// not used, since no MAC covers it: a forged one would protect another object's leaked token from an audit. The nonce
/// of the Secret's attempt depends on the UID of this object, so it matches no other object's token.
fn orphan_with_markers(observed: &Observed) -> FinalizeTransition {
    let stored = observed.own_stored();
    orphan(observed, stored.map(|stored| Nonce::of(&observed.object.uid, &stored.attempt_id)).into_iter().collect())
}

/// If the stored token belongs to another portal, that portal may still show its marker. And if markers are permanent, an
/// edit of the description that is still under way puts the marker back after it was removed.
fn orphan_checked(observed: &Observed) -> FinalizeTransition {
    let status = StatusView::of(&observed.object);
    let may_return =
        |issuer: &IssuerInfo| issuer.keep_marker || is_from_other_portal(observed.own_secret(), &status, issuer);
    match observed.issuer_info() {
        Some(issuer) if may_return(issuer) => orphan_with_markers(observed),
        _ => orphan(observed, vec![]),
    }
}

fn orphan(observed: &Observed, markers: Vec<Nonce>) -> FinalizeTransition {
    match observed.own_secret() {
        Some(_) => Transition::Perform(Request::WriteSecret(SecretWrite::Orphan(markers)), Finalizing::OrphaningSecret),
        None => remove_finalizer(),
    }
}

const fn remove_finalizer() -> FinalizeTransition {
    Transition::Perform(Request::SetFinalizer(false), Finalizing::RemovingFinalizer)
}

#[cfg(test)]
#[path = "finalize_tests.rs"]
mod tests;
