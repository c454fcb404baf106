//! Decides the next action for an object that is being deleted.

use super::Action;
use super::issuer::portal_changed;
use crate::api::Reason;
use crate::domain::model::cooldown::Operation;
use crate::domain::model::issuer::{IssuerInfo, IssuerState};
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{token_from_other_portal, transient};
use crate::domain::model::pull_secret::SecretMeta;
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token::same_id;
use crate::domain::model::unverified_tokens::may_be_from_lost_key;
use crate::domain::observed::Observed;

/// Returns the next action for a deleted object: all its tokens are revoked before it is removed.
pub(super) fn finalize_if_deleting(observed: &Observed, status: &StatusView) -> Option<Action> {
    observed.object.deleting.then(|| deletion_action(observed, status))
}

fn deletion_action(observed: &Observed, status: &StatusView) -> Action {
    if !observed.object.has_finalizer {
        return Action::Idle;
    }
    let secret = observed.own_secret();
    let stored = secret.is_some_and(|secret| secret.stored.is_some() || secret.reservation.is_some());
    if !stored && status.token.is_none() && status.retiring.is_empty() {
        if let Some(problem) = status.unverified.deletion_problem(&observed.object) {
            return Action::Report(problem);
        }
        // Nothing must be revoked, so no issuer is needed: the object is removed once no further attempt is possible.
        return if secret.is_none_or(|secret| secret.closed) { Action::RemoveFinalizer } else { Action::Finalize };
    }
    match &observed.issuer {
        // `Orphan` is the only way out if a portal no longer exists.
        IssuerState::Missing | IssuerState::NotReady(_) if !observed.object.revoke_on_deletion => Action::Finalize,
        IssuerState::Unknown => Action::Idle,
        IssuerState::Missing => Action::Report(transient(
            Reason::IssuerNotFound,
            format!(
                "{} does not exist, and the token cannot be revoked without it: create the issuer again, or set spec.deletionPolicy: Orphan and revoke the token manually",
                observed.object.issuer
            ),
        )),
        IssuerState::NotReady(Problem { reason, message, .. }) => Action::Report(transient(
            Reason::IssuerNotReady,
            format!("the token will be revoked once the issuer is ready ({reason}): {message}. {ORPHAN_HINT}"),
        )),
        IssuerState::Ready(issuer) => match portal_mismatch(secret, status, issuer) {
            Some(problem) if observed.object.revoke_on_deletion => {
                Action::Report(Problem { message: format!("{}. {ORPHAN_HINT}", problem.message), ..problem })
            }
            Some(_) => Action::Finalize,
            // A token that is released to its user is recorded in status first, so that its marker is removed. So is a
            // token that no list shows.
            None if has_unrecorded_token(secret, status)
                && !(observed.object.revoke_on_deletion && provenance_is_looked_up(observed, secret, issuer)) =>
            {
                Action::Adopt
            }
            None => match observed.cooldown(&Operation::Finalize) {
                Some(cooldown) => Action::ReportFor(cooldown.remaining, cooldown.problem.clone()),
                None => Action::Finalize,
            },
        },
    }
}

const ORPHAN_HINT: &str =
    "If that is not possible, set spec.deletionPolicy: Orphan, which leaves the token valid, and revoke it manually";

/// Whether finalization itself determines whose token is stored: by its MAC or its marker. If a key was lost, neither
/// can.
fn provenance_is_looked_up(observed: &Observed, secret: Option<&SecretMeta>, issuer: &IssuerInfo) -> bool {
    let stored = secret.and_then(|secret| secret.stored.as_ref());
    let signed = stored.is_some_and(|stored| observed.verify_stored(stored).is_some());
    issuer.evidence().shows_markers() && (signed || !may_be_from_lost_key(&observed.object))
}

/// Whether the Secret stores a token that status does not name.
fn has_unrecorded_token(secret: Option<&SecretMeta>, status: &StatusView) -> bool {
    let stored = secret.filter(|secret| secret.reservation.is_none()).and_then(|secret| secret.stored.as_ref());
    stored.is_some_and(|stored| {
        !status.is_retiring(&stored.id) && status.token.as_ref().is_none_or(|token| !same_id(&token.id, &stored.id))
    })
}

/// Returns a problem if the object's tokens belong to another portal than the issuer's current one.
fn portal_mismatch(secret: Option<&SecretMeta>, status: &StatusView, issuer: &IssuerInfo) -> Option<Problem> {
    portal_changed(status, issuer)
        .or_else(|| is_from_other_portal(secret, status, issuer).then(token_from_other_portal))
}

/// Whether the Secret stores a token of another portal than the issuer's current one, which status does not name.
#[must_use]
pub fn is_from_other_portal(secret: Option<&SecretMeta>, status: &StatusView, issuer: &IssuerInfo) -> bool {
    let stored = secret.and_then(|secret| secret.stored.as_ref());
    has_unrecorded_token(secret, status)
        && stored.is_some_and(|stored| stored.provenance.from_other_portal(&issuer.portal_hash()))
}

#[cfg(test)]
#[path = "deletion_tests.rs"]
mod tests;
