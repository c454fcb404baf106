//! Checks of the Secret: its owner, and the token that it stores.

use super::Action;
use super::deadlines::description_out_of_sync;
use crate::domain::model::cooldown::Operation;
use crate::domain::model::problem::messages::{outcome_unknown, secret_not_owned};
use crate::domain::model::pull_secret::Ownership;
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token::same_id;
use crate::domain::observed::Observed;

/// The object does not own the Secret of that name. Below this check the Secret is the object's own.
pub(super) fn report_foreign_secret(observed: &Observed, status: &StatusView) -> Option<Action> {
    let secret = observed.secret.as_ref().filter(|secret| secret.ownership == Ownership::Foreign)?;
    Some(or_sync_description(observed, status, Action::Report(secret_not_owned(secret))))
}

/// The token lives whatever the object waits for, so an edited description does not wait with it.
pub(super) fn or_sync_description(observed: &Observed, status: &StatusView, action: Action) -> Action {
    let waits = matches!(action, Action::Report(_) | Action::ReportFor(..)) && !observed.object.suspended;
    let out_of_sync = observed.issuer_info().is_some_and(|issuer| description_out_of_sync(observed, issuer, status));
    let may_edit = status.token.is_some() && observed.may(&Operation::SyncDescription);
    if waits && may_edit && out_of_sync { Action::SyncDescription } else { action }
}

/// The Secret carries a reservation that an earlier request left behind.
pub(super) fn recover_reservation(observed: &Observed, _: &StatusView) -> Option<Action> {
    let (issuer, secret) = (observed.issuer_info()?, observed.own_secret()?);
    let reservation = secret.reservation.as_ref().filter(|_| observed.may(&Operation::Recover))?;
    let is_own = reservation.identity == observed.identity;
    let left = issuer.response_deadline.saturating_sub(secret.reservation_age);
    // Another process may be waiting for the response right now, even if this one is the leader: a leader that stops or
    // loses the Lease still stores the token that it has requested.
    Some(if is_own || left.is_zero() { Action::Recover } else { Action::ReportFor(left, outcome_unknown()) })
}

/// The Secret stores a token that status does not name as current. Below this check it stores the current token.
pub(super) fn adopt_stored_token(observed: &Observed, status: &StatusView) -> Option<Action> {
    let stored = observed.own_secret()?.stored.as_ref()?;
    let is_current = status.token.as_ref().is_some_and(|token| same_id(&token.id, &stored.id));
    (!is_current).then_some(Action::Adopt)
}
