//! Checks of the namespace: an issuer that no longer serves it gives no token, and after a grace period the tokens are
//! revoked.

use super::Action;
use crate::domain::model::cooldown::{COOLDOWN, Operation};
use crate::domain::model::namespace_access::{GracePeriod, NamespaceAccess, not_allowed, recorded};
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token::same_id;
use crate::domain::observed::Observed;
use std::time::Duration;

/// The condition says something else than what is known. It is recorded before anything is revoked, so that the grace
/// period outlives this process.
pub(super) fn record_namespace_access(observed: &Observed, _: &StatusView) -> Option<Action> {
    let status = observed.object.own_status()?;
    let shown = recorded(Some(status)).map(|(_, message)| message);
    let outdated = match observed.namespace_access {
        NamespaceAccess::Unknown => false,
        NamespaceAccess::Allowed => shown.is_some(),
        // An object without a token reports it together with `Ready`.
        NamespaceAccess::NotAllowed { .. } => {
            let wanted = observed.grace_period().map(|period| period.message(status));
            (status.token.is_some() || !status.retiring.is_empty()) && shown != wanted.as_deref()
        }
    };
    outdated.then_some(Action::RecordNamespaceAccess)
}

/// The grace period is over. A token that status does not name is adopted first, and that of a reservation found.
pub(super) fn revoke_not_allowed(observed: &Observed, status: &StatusView) -> Option<Action> {
    let issuer = observed.issuer_info()?;
    let is_over = recorded(observed.object.own_status()).is_some() && observed.grace_left() == Some(Duration::ZERO);
    // An issuer that is being deleted waits until its objects are deleted.
    if !is_over || issuer.deleting || !observed.may(&Operation::RevokeNotAllowed) {
        return None;
    }
    let secret = observed.own_secret();
    let stored = secret.and_then(|secret| secret.stored.as_ref());
    let is_named =
        |id: &str| status.is_retiring(id) || status.token.as_ref().is_some_and(|token| same_id(&token.id, id));
    if secret.is_some_and(|secret| secret.reservation.is_some()) || stored.is_some_and(|stored| !is_named(&stored.id)) {
        return None;
    }
    let has_later = status.retiring.iter().any(|token| token.revocation_time.0 > observed.now);
    (status.token.is_some() || stored.is_some() || has_later).then_some(Action::RevokeNotAllowed)
}

/// Returns why no token may be requested.
pub(super) fn report_not_allowed(observed: &Observed) -> Option<Action> {
    let GracePeriod { since, .. } = observed.grace_period()?;
    // A change of the issuer or of the namespace starts a pass.
    let left = observed.grace_left().filter(|left| !left.is_zero()).unwrap_or(COOLDOWN);
    Some(Action::ReportFor(left.min(COOLDOWN), not_allowed(since)))
}

#[cfg(test)]
#[path = "namespace_tests.rs"]
mod tests;
