//! What an object that has a token is protected by: our finalizer, and on its Secret our label and owner reference.

use super::Action;
use crate::domain::model::pull_secret::Ownership;
use crate::domain::observed::Observed;
use crate::domain::retry::cooldown::Operation;

/// What comes before everything else, and needs neither the issuer nor the portal: while the object has a token, or may
/// have one, it carries our finalizer, and its Secret our label and owner reference. Somebody may have stripped them, as
/// `kubectl replace` does.
#[must_use]
pub fn check_protection(observed: &Observed) -> Option<Action> {
    if observed.object.deleting {
        return None;
    }
    let secret = observed.secret.as_ref().filter(|secret| secret.ownership == Ownership::Ours);
    let in_secret = secret.is_some_and(|secret| secret.stored.is_some() || secret.reservation.is_some());
    // Also a token without a valid proof: it may be this object's own, and the key be lost.
    let status = observed.object.own_status();
    let has_token = in_secret || status.is_some_and(|status| status.token.is_some() || !status.retiring.is_empty());
    if has_token && !observed.object.has_finalizer && observed.cooldown(&Operation::RestoreFinalizer).is_none() {
        return Some(Action::RestoreFinalizer);
    }
    let stripped = secret.is_some_and(|secret| secret.is_own && !secret.owned_and_labeled);
    (stripped && observed.cooldown(&Operation::RestoreOwnership).is_none()).then_some(Action::RestoreOwnership)
}

#[cfg(test)]
#[path = "protection_tests.rs"]
mod tests;
