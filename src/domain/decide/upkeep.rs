//! Checks that keep a stored token in order: revocations, repair, login and description.

use super::Action;
use super::deadlines::{
    at_most_until_deadline, description_out_of_sync, needs_inspection, next_deadline, reportable_cooldowns,
    revocation_due, token_absent,
};
use super::request::pending_request;
use super::rotation::rotation_start;
use crate::api::LoginCheck;
use crate::domain::clock_skew::has_future_timestamps;
use crate::domain::model::cooldown::Operation;
use crate::domain::model::issuer::IssuerInfo;
use crate::domain::model::status_view::StatusView;
use crate::domain::observed::{Observed, Recheck};
/// Times in status are later than now.
pub(super) fn clamp_timestamps(observed: &Observed, _: &StatusView) -> Option<Action> {
    has_future_timestamps(&observed.object, observed.now).then_some(Action::ClampTimestamps)
}

/// The overlap of a replaced token is over.
pub(super) fn revoke_retiring(observed: &Observed, status: &StatusView) -> Option<Action> {
    revocation_due(observed, status).then_some(Action::RevokeRetiring)
}

/// The user confirmed that tokens without proof are revoked.
pub(super) fn forget_confirmed_tokens(observed: &Observed, status: &StatusView) -> Option<Action> {
    (!status.unverified.confirmed(&observed.object).is_empty()).then_some(Action::ForgetConfirmedTokens)
}

/// The portal lists a token that counted as revoked, and its Secret cannot be inspected. Without this, the next pass
/// that knows of no list would take the token for revoked again.
pub(super) fn clear_upstream_revocation(observed: &Observed, status: &StatusView) -> Option<Action> {
    (status.revoked_upstream && !observed.may(&Operation::InspectSecret)).then_some(Action::ClearUpstreamRevocation)
}

/// The Secret changed since it was last inspected without findings.
pub(super) fn inspect_changed_secret(observed: &Observed, status: &StatusView) -> Option<Action> {
    let (issuer, secret) = (observed.issuer_info()?, observed.own_secret()?);
    let inspects = needs_inspection(observed, issuer, secret, status) && observed.may(&Operation::InspectSecret);
    inspects.then_some(Action::InspectSecret)
}

/// The portal does not list the current token.
pub(super) fn confirm_revocation(observed: &Observed, status: &StatusView) -> Option<Action> {
    let is_absent = token_absent(observed, observed.issuer_info()?, status);
    (is_absent && observed.may(&Operation::ConfirmRevocation)).then_some(Action::ConfirmRevocation)
}

/// The `reconcile` annotation has a new value.
pub(super) fn recheck(observed: &Observed, _: &StatusView) -> Option<Action> {
    let is_requested = observed.recheck != Recheck::NotRequested;
    (is_requested && observed.may(&Operation::ConfirmRevocation)).then_some(Action::Recheck)
}

/// The object is not ready before the registry accepts the token.
pub(super) fn verify_login(observed: &Observed, status: &StatusView) -> Option<Action> {
    let is_due = awaits_login(observed.issuer_info()?, status);
    (is_due && observed.may(&Operation::VerifyLogin) && observed.may(&Operation::InspectSecret))
        .then_some(Action::VerifyLogin)
}

/// The object is not ready, and no login stands in its way: the Secret is read, and `Ready` follows.
pub(super) fn inspect_until_ready(observed: &Observed, status: &StatusView) -> Option<Action> {
    let inspects = !status.ready && !awaits_login(observed.issuer_info()?, status);
    (inspects && observed.may(&Operation::InspectSecret)).then_some(Action::InspectSecret)
}

/// A rotation is due, and its window is over.
pub(super) fn reschedule_rotation(observed: &Observed, status: &StatusView) -> Option<Action> {
    let is_missed = !observed.object.suspended && rotation_start(observed, status) != status.next_rotation;
    is_missed.then_some(Action::RescheduleRotation)
}

/// The portal does not show the description of the spec.
pub(super) fn sync_description(observed: &Observed, status: &StatusView) -> Option<Action> {
    let out_of_sync = description_out_of_sync(observed, observed.issuer_info()?, status);
    let syncs = !observed.object.suspended && out_of_sync && observed.may(&Operation::SyncDescription);
    syncs.then_some(Action::SyncDescription)
}

/// A reported problem is over: the Secret is read once more, and the status says so.
pub(super) fn inspect_after_problem(observed: &Observed, status: &StatusView) -> Option<Action> {
    let is_over = status.has_problem && reportable_cooldowns(observed, status).is_empty();
    (is_over && pending_request(observed, status).is_none()).then_some(Action::InspectSecret)
}

/// The login is not verified, and pods need not wait for that.
pub(super) fn best_effort_login(observed: &Observed, status: &StatusView) -> Option<Action> {
    let is_due = observed.issuer_info()?.login_check == LoginCheck::BestEffort && !status.login_verified;
    // A Secret that cannot be repaired may contain no login.
    (is_due && observed.may(&Operation::VerifyLogin) && observed.may(&Operation::InspectSecret))
        .then_some(Action::VerifyLogin)
}

/// An operation was rejected permanently, and is retried later.
pub(super) fn report_cooldown(observed: &Observed, status: &StatusView) -> Option<Action> {
    let cooldowns = reportable_cooldowns(observed, status);
    let cooldown = cooldowns.first()?;
    Some(Action::ReportFor(at_most_until_deadline(observed, status, cooldown.remaining), cooldown.problem.clone()))
}

/// Nothing is due before the next deadline.
pub(super) fn idle(observed: &Observed, status: &StatusView) -> Action {
    next_deadline(observed, status).map_or(Action::Idle, Action::IdleFor)
}

fn awaits_login(issuer: &IssuerInfo, status: &StatusView) -> bool {
    issuer.checks_login() && !status.login_verified && (issuer.login_check == LoginCheck::Required || !status.ready)
}
