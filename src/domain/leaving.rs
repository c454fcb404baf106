//! The decision of what is to be done for an object that is being deleted.

use super::decide::Action;
use super::fault::Fault;
use super::faults::{of_another_portal, portal_changed, waiting};
use super::identity::same_id;
use super::observed::{IssuerFacts, IssuerView, Observed};
use super::pull_secret::{Ownership, SecretMeta};
use super::recorded::Recorded;
use super::unproved::may_be_of_a_lost_key;
use super::vain::Deed;
use crate::api::Reason;

/// The object is being deleted: everything it asked for is revoked before it goes.
#[must_use]
pub fn leaving(seen: &Observed, known: &Recorded) -> Action {
    if !seen.object.finalizer {
        return Action::Rest;
    }
    let held = seen.secret.as_ref().filter(|secret| secret.ownership == Ownership::Ours);
    let stored = held.is_some_and(|secret| secret.stored.is_some() || secret.reservation.is_some());
    if !stored && known.token.is_none() && known.retiring.is_empty() {
        if let Some(fault) = known.unproved.holds_back(&seen.object) {
            return Action::Wait(fault);
        }
        // Nothing is to be revoked, so no issuer is needed: it goes once no attempt can follow.
        return if held.is_none_or(|secret| secret.closed) { Action::RemoveFinalizer } else { Action::Leave };
    }
    match &seen.issuer {
        // A portal that is gone for good has one way out.
        IssuerView::Missing | IssuerView::NotReady { .. } if !seen.object.revoke => Action::Leave,
        IssuerView::Unknown => Action::Rest,
        IssuerView::Missing => Action::Wait(waiting(
            Reason::IssuerNotFound,
            format!(
                "{} is gone, and the token cannot be revoked without it: create the issuer again, or set spec.deletionPolicy: Orphan and revoke the token by hand",
                seen.object.issuer
            ),
        )),
        IssuerView::NotReady { reason, message } => Action::Wait(waiting(
            Reason::IssuerNotReady,
            format!("the token is revoked once the issuer is ready ({reason}): {message}. {WAY_OUT}"),
        )),
        IssuerView::Ready(facts) => match moved(held, known, facts) {
            Some(fault) if seen.object.revoke => {
                Action::Wait(Fault { message: format!("{}. {WAY_OUT}", fault.message), ..fault })
            }
            Some(_) => Action::Leave,
            // What is left to its user is known by name first: it loses its mark. So is what no list shows.
            None if unnamed(held, known) && !(seen.object.revoke && is_looked_up(seen, held, facts)) => Action::Adopt,
            None => match seen.in_vain(&Deed::Leave) {
                Some(vain) => Action::WaitFor(vain.left, vain.fault.clone()),
                None => Action::Leave,
            },
        },
    }
}

const WAY_OUT: &str =
    "Where that will not be, set spec.deletionPolicy: Orphan, which leaves the token alive, and revoke it by hand";

/// Whether the way out itself finds out whose a stored token is: by its MAC, or by its mark. Of a lost key neither tells.
fn is_looked_up(seen: &Observed, held: Option<&SecretMeta>, facts: &IssuerFacts) -> bool {
    let stored = held.and_then(|held| held.stored.as_ref());
    let sealed = stored.is_some_and(|stored| seen.sealed(stored).is_some());
    facts.list_visible && (sealed || !may_be_of_a_lost_key(&seen.object))
}

/// Whether the Secret stores a token that status does not name.
fn unnamed(held: Option<&SecretMeta>, known: &Recorded) -> bool {
    let stored = held.filter(|held| held.reservation.is_none()).and_then(|held| held.stored.as_ref());
    stored.is_some_and(|stored| {
        !known.retires(&stored.id) && known.token.as_ref().is_none_or(|token| !same_id(&token.id, &stored.id))
    })
}

/// Whether what the object asked for is of another portal than the issuer names now.
fn moved(held: Option<&SecretMeta>, known: &Recorded, facts: &IssuerFacts) -> Option<Fault> {
    portal_changed(known, facts).or_else(|| from_elsewhere(held, known, facts).then(of_another_portal))
}

/// Whether the Secret stores a token of another portal than the issuer names now, which status does not name.
#[must_use]
pub fn from_elsewhere(held: Option<&SecretMeta>, known: &Recorded, facts: &IssuerFacts) -> bool {
    let stored = held.and_then(|held| held.stored.as_ref());
    unnamed(held, known) && stored.is_some_and(|stored| stored.origin.is_elsewhere(facts))
}

#[cfg(test)]
#[path = "leaving_tests.rs"]
mod tests;
