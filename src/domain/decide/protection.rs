//! Protects an object that has a token: with the operator's finalizer, and with label and owner reference on its
//! Secret.

use super::Action;
use crate::domain::model::cooldown::Operation;
use crate::domain::model::status_view::StatusView;
use crate::domain::observed::Observed;

/// Checked before everything else, because it needs neither the issuer nor the portal: while the object has a token, or
/// may have one, it must have the operator's finalizer, and its Secret the owner label and the owner reference. Another
/// writer may have removed them, as `kubectl replace` does.
pub(super) fn restore_protection(observed: &Observed, _: &StatusView) -> Option<Action> {
    if observed.object.deleting {
        return None;
    }
    let secret = observed.own_secret();
    let in_secret = secret.is_some_and(|secret| secret.stored.is_some() || secret.reservation.is_some());
    // A token without a valid proof counts too: it may belong to this object, and the key may be lost.
    let status = observed.object.own_status();
    let has_token = in_secret || status.is_some_and(|status| status.token.is_some() || !status.retiring.is_empty());
    if has_token && !observed.object.has_finalizer && observed.may(&Operation::RestoreFinalizer) {
        return Some(Action::RestoreFinalizer);
    }
    let stripped = secret.is_some_and(|secret| secret.is_own && !secret.owned_and_labeled);
    (stripped && observed.may(&Operation::RestoreOwnership)).then_some(Action::RestoreOwnership)
}

#[cfg(test)]
#[path = "protection_tests.rs"]
mod tests;
