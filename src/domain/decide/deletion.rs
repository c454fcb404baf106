//! The decision of what is to be done for an object that is being deleted.

use super::Action;
use crate::api::Reason;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{portal_changed, token_from_other_portal, transient};
use crate::domain::model::pull_secret::{Ownership, SecretMeta};
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token::same_id;
use crate::domain::model::unverified_tokens::may_be_from_lost_key;
use crate::domain::observed::{IssuerInfo, IssuerState, Observed};
use crate::domain::retry::cooldown::Operation;

/// The object is being deleted: everything it asked for is revoked before it goes.
#[must_use]
pub fn deletion_action(observed: &Observed, status: &StatusView) -> Action {
    if !observed.object.has_finalizer {
        return Action::Idle;
    }
    let secret = observed.secret.as_ref().filter(|secret| secret.ownership == Ownership::Ours);
    let stored = secret.is_some_and(|secret| secret.stored.is_some() || secret.reservation.is_some());
    if !stored && status.token.is_none() && status.retiring.is_empty() {
        if let Some(fault) = status.unverified.deletion_problem(&observed.object) {
            return Action::Report(fault);
        }
        // Nothing is to be revoked, so no issuer is needed: it goes once no attempt can follow.
        return if secret.is_none_or(|secret| secret.closed) { Action::RemoveFinalizer } else { Action::Finalize };
    }
    match &observed.issuer {
        // A portal that is gone for good has one way out.
        IssuerState::Missing | IssuerState::NotReady { .. } if !observed.object.revoke_on_deletion => Action::Finalize,
        IssuerState::Unknown => Action::Idle,
        IssuerState::Missing => Action::Report(transient(
            Reason::IssuerNotFound,
            format!(
                "{} is gone, and the token cannot be revoked without it: create the issuer again, or set spec.deletionPolicy: Orphan and revoke the token by hand",
                observed.object.issuer
            ),
        )),
        IssuerState::NotReady { reason, message } => Action::Report(transient(
            Reason::IssuerNotReady,
            format!("the token is revoked once the issuer is ready ({reason}): {message}. {ORPHAN_HINT}"),
        )),
        IssuerState::Ready(facts) => match portal_mismatch(secret, status, facts) {
            Some(fault) if observed.object.revoke_on_deletion => {
                Action::Report(Problem { message: format!("{}. {ORPHAN_HINT}", fault.message), ..fault })
            }
            Some(_) => Action::Finalize,
            // What is left to its user is known by name first: it loses its mark. So is what no list shows.
            None if has_unrecorded_token(secret, status)
                && !(observed.object.revoke_on_deletion && provenance_is_looked_up(observed, secret, facts)) =>
            {
                Action::Adopt
            }
            None => match observed.cooldown(&Operation::Finalize) {
                Some(vain) => Action::ReportFor(vain.remaining, vain.problem.clone()),
                None => Action::Finalize,
            },
        },
    }
}

const ORPHAN_HINT: &str =
    "Where that will not be, set spec.deletionPolicy: Orphan, which leaves the token alive, and revoke it by hand";

/// Whether the way out itself finds out whose a stored token is: by its MAC, or by its mark. Of a lost key neither tells.
fn provenance_is_looked_up(observed: &Observed, secret: Option<&SecretMeta>, facts: &IssuerInfo) -> bool {
    let stored = secret.and_then(|secret| secret.stored.as_ref());
    let sealed = stored.is_some_and(|stored| observed.verify_stored(stored).is_some());
    facts.list_visible && (sealed || !may_be_from_lost_key(&observed.object))
}

/// Whether the Secret stores a token that status does not name.
fn has_unrecorded_token(secret: Option<&SecretMeta>, status: &StatusView) -> bool {
    let stored = secret.filter(|secret| secret.reservation.is_none()).and_then(|secret| secret.stored.as_ref());
    stored.is_some_and(|stored| {
        !status.is_retiring(&stored.id) && status.token.as_ref().is_none_or(|token| !same_id(&token.id, &stored.id))
    })
}

/// Whether what the object asked for is of another portal than the issuer names now.
fn portal_mismatch(secret: Option<&SecretMeta>, status: &StatusView, facts: &IssuerInfo) -> Option<Problem> {
    portal_changed(status, facts).or_else(|| is_from_other_portal(secret, status, facts).then(token_from_other_portal))
}

/// Whether the Secret stores a token of another portal than the issuer names now, which status does not name.
#[must_use]
pub fn is_from_other_portal(secret: Option<&SecretMeta>, status: &StatusView, facts: &IssuerInfo) -> bool {
    let stored = secret.and_then(|secret| secret.stored.as_ref());
    has_unrecorded_token(secret, status) && stored.is_some_and(|stored| stored.provenance.from_other_portal(facts))
}

#[cfg(test)]
#[path = "deletion_tests.rs"]
mod tests;
