//! Checks that request a token: the first one, a lost one, a replacement.

use super::Action;
use super::deadlines::at_most_until_deadline;
use super::namespace::report_not_allowed;
use super::rotation::{for_cause, pending};
use super::secret::or_sync_description;
use crate::api::Reason;
use crate::domain::model::cooldown::Operation;
use crate::domain::model::issuer::IssuerInfo;
use crate::domain::model::marker::MARKER_LENGTH;
use crate::domain::model::object::Object;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{
    import_failed, issuer_deleting, replacement_suspended, revoked_upstream, suspended, terminal, token_expired,
};
use crate::domain::model::request_cause::{Cause, RequestCause};
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token_expiry::is_expired;
use crate::domain::model::token_scope::scope_problem;
use crate::domain::observed::{Observed, UpstreamState};
use crate::domain::retry::request_backoff::request_delay;
use std::time::Duration;

/// A token that was revoked upstream twice within this time is not replaced again.
pub const REISSUE_HOLD: Duration = Duration::from_hours(24);

/// The object lacks the operator's finalizer. It is added right before the first request, once the issuer has its own.
pub(super) fn add_finalizer(observed: &Observed, _: &StatusView) -> Option<Action> {
    let issuer = observed.issuer_info()?;
    if observed.object.has_finalizer || !observed.may(&Operation::RestoreFinalizer) {
        return None;
    }
    Some(match request_first_token(observed, issuer) {
        Action::RequestToken(_) => Action::AddFinalizer,
        protects_or_waits => protects_or_waits,
    })
}

/// A new object takes over a token that a person requested. Until that succeeds no token is requested, since it would replace
/// the one in the Secret.
pub(super) fn import_token(observed: &Observed, _: &StatusView) -> Option<Action> {
    let (issuer, id) = (observed.issuer_info()?, token_to_import(observed)?);
    if !observed.object.projects.is_empty() {
        return Some(Action::Report(import_failed("spec.scope cannot limit a token that exists already")));
    }
    Some(match request_for_cause(observed, issuer, Cause::First) {
        Action::RequestToken(request_cause) => Action::Import(id.to_owned(), request_cause),
        waits => waits,
    })
}

/// The id of the token that the object is to import. A token that it has had, proved or not, is handled first, and so is what
/// its Secret stores or reserves. A Secret that is its own without having been handed over contains nothing to import: the
/// restored copy of another object would take over the token of the original.
#[must_use]
pub fn token_to_import(observed: &Observed) -> Option<&str> {
    let had_token = observed.object.own_status().is_some_and(|own| own.token.is_some() || !own.retiring.is_empty());
    let in_use = observed
        .own_secret()
        .is_some_and(|secret| !secret.handed_over || secret.stored.is_some() || secret.reservation.is_some());
    observed.object.import.as_deref().filter(|_| !had_token && !in_use)
}

/// There is no Secret.
pub(super) fn request_without_secret(observed: &Observed, status: &StatusView) -> Option<Action> {
    let issuer = observed.issuer_info().filter(|_| observed.secret.is_none())?;
    let request = match status.cause_without_token() {
        Cause::First => request_first_token(observed, issuer),
        cause => request_for_cause(observed, issuer, cause),
    };
    Some(or_sync_description(observed, status, request))
}

/// The Secret stores no token.
pub(super) fn request_lost_token(observed: &Observed, status: &StatusView) -> Option<Action> {
    let issuer = observed.issuer_info()?;
    observed.own_secret()?.stored.is_none().then(|| request_for_cause(observed, issuer, status.cause_without_token()))
}

/// The Secret stores a token that is about to be revoked, as one restored from a backup does.
pub(super) fn replace_retiring_token(observed: &Observed, status: &StatusView) -> Option<Action> {
    let issuer = observed.issuer_info()?;
    let stored = observed.own_secret()?.stored.as_ref()?;
    status.is_retiring(&stored.id).then(|| request_for_cause(observed, issuer, Cause::Lost))
}

/// The current token is expired. A portal need not list it any more, which is no revocation by another user: whatever the
/// policy for those is, it is replaced.
pub(super) fn replace_expired_token(observed: &Observed, status: &StatusView) -> Option<Action> {
    let issuer = observed.issuer_info()?;
    let token = status.token.as_ref().filter(|_| !status.revoked_upstream)?;
    if !is_expired(token, observed.now) {
        return None;
    }
    if observed.object.suspended {
        return Some(Action::Report(token_expired()));
    }
    let request = pending(observed, issuer, status).unwrap_or_else(|| for_cause(observed, issuer, Cause::Rotation));
    Some(request_token(observed, issuer, request))
}

/// The current token was revoked in the portal by another user: it is left revoked, or replaced.
pub(super) fn check_upstream_revocation(observed: &Observed, status: &StatusView) -> Option<Action> {
    let issuer = observed.issuer_info()?;
    let is_back = matches!(observed.upstream, UpstreamState::Present(_) | UpstreamState::LoginAccepted);
    if !status.revoked_upstream || is_back {
        return None;
    }
    if let Some(cause) = pending(observed, issuer, status).filter(|request| request.cause != Cause::Rotation) {
        return Some(request_token(observed, issuer, cause));
    }
    let (since, again) = status.upstream_revocation?;
    let age = Duration::try_from(observed.now.duration_since(since)).unwrap_or_default();
    let left = REISSUE_HOLD.saturating_sub(age);
    Some(match (observed.object.reissue_revoked, again) {
        (false, _) => Action::Report(revoked_upstream(false)),
        (true, true) if !left.is_zero() => Action::ReportFor(left, revoked_upstream(true)),
        (true, _) => request_for_cause(observed, issuer, Cause::RevokedUpstream),
    })
}

/// A rotation is due, or an annotation requests one.
pub(super) fn request_due_token(observed: &Observed, status: &StatusView) -> Option<Action> {
    pending_request(observed, status).filter(|action| matches!(action, Action::RequestToken(_)))
}

/// A rotation is due and has to wait: reported after everything that need not wait.
pub(super) fn wait_to_request(observed: &Observed, status: &StatusView) -> Option<Action> {
    Some(match pending_request(observed, status)? {
        Action::ReportFor(left, problem) => Action::ReportFor(at_most_until_deadline(observed, status, left), problem),
        waits => waits,
    })
}

/// The request that is due, or what it waits for. A suspended object reports that a compromised token is not replaced;
/// its condition `Suspended` says the rest.
pub(super) fn pending_request(observed: &Observed, status: &StatusView) -> Option<Action> {
    let issuer = observed.issuer_info()?;
    let request = pending(observed, issuer, status)
        .filter(|request| !observed.object.suspended || request.cause == Cause::Replace)?;
    Some(request_token(observed, issuer, request))
}

/// Requests a token for this cause; the new token also handles every annotation that requests one.
fn request_for_cause(observed: &Observed, issuer: &IssuerInfo, cause: Cause) -> Action {
    request_token(observed, issuer, for_cause(observed, issuer, cause))
}

/// The first token of an object. The issuer gets its finalizer before: otherwise the request would be given up when the issuer
/// is read, after the reservation.
fn request_first_token(observed: &Observed, issuer: &IssuerInfo) -> Action {
    match request_for_cause(observed, issuer, Cause::First) {
        Action::RequestToken(_) if !issuer.has_finalizer => Action::ProtectIssuer,
        request => request,
    }
}

fn request_token(observed: &Observed, issuer: &IssuerInfo, request: RequestCause) -> Action {
    if let Some(waits) = report_not_allowed(observed) {
        return waits;
    }
    if observed.object.suspended {
        let replaces = request.cause == Cause::Replace;
        return Action::Report(if replaces { replacement_suspended() } else { suspended() });
    }
    // Without the finalizer, or beside a reservation that cannot be cleared, a token might be leaked.
    let blocking = [Operation::RestoreFinalizer, Operation::Recover];
    if let Some(cooldown) = blocking.iter().find_map(|operation| observed.cooldown(operation)) {
        return Action::ReportFor(cooldown.remaining, cooldown.problem.clone());
    }
    if issuer.deleting {
        return Action::Report(issuer_deleting());
    }
    if let Some(problem) = description_too_long(&observed.object, issuer) {
        return Action::Report(problem);
    }
    if let Some(problem) = scope_problem(&observed.object.projects, issuer.projects.as_deref()) {
        return Action::Report(problem);
    }
    match request_delay(observed, request.cause) {
        Some((left, problem)) => Action::ReportFor(left, problem),
        None => Action::RequestToken(request),
    }
}

/// The description and the marker together are too long.
fn description_too_long(object: &Object, issuer: &IssuerInfo) -> Option<Problem> {
    let length = object.description.chars().count();
    let most = issuer.max_description_chars.filter(|most| length + MARKER_LENGTH > *most)?;
    let message = format!(
        "spec.description has {length} characters. The portal allows {most}, of which the operator's marker needs {MARKER_LENGTH}: shorten it to {} characters",
        most.saturating_sub(MARKER_LENGTH)
    );
    Some(terminal(Reason::DescriptionTooLong, &message))
}
