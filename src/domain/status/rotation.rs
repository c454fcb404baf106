//! Rotation: when a token's successor is requested, and how long the previous token stays valid.

use super::{StatusContext, VerifiedEntries, set_condition};
use crate::api::{ConditionType, Reason, RecordedToken, RegistryTokenStatus, RetiringToken};
use crate::domain::model::conditions::{ConditionStatus, clear};
use crate::domain::model::request_cause::Cause;
use crate::domain::model::rotation_windows::RotationStart;
use crate::domain::model::token_expiry::longest_overlap;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Makes the current token a retiring one. It stays valid for the overlap, unless its successor was requested because
/// of a problem with it. If it is not proved to belong to the object, it is dropped, unless its successor was requested
/// after it; then it stays recorded without proof, and is reported.
pub(super) fn retire_previous(
    status: &mut RegistryTokenStatus,
    (current, previous_id): (&RecordedToken, Option<&String>),
    context: &StatusContext<'_>,
    cause: Cause,
    proofs: &mut VerifiedEntries,
) {
    if cause == Cause::Replace {
        for token in &mut status.retiring {
            token.revocation_time = Time(context.now);
        }
    }
    let proved = std::mem::take(&mut proofs.current);
    let named = |former: &RecordedToken| former.id != current.id && (proved || previous_id == Some(&former.id));
    if let Some(former) = status.token.take().filter(named) {
        let overlap = context.rotation.map(|rotation| rotation.overlap);
        let left =
            overlap.filter(|_| cause.overlaps()).unwrap_or(if cause.overlaps() { DEFAULT_OVERLAP } else { NO_OVERLAP });
        let left = longest_overlap(current).map_or(left, |most| left.min(most));
        let due = context.now.checked_add(left).unwrap_or(Timestamp::MAX);
        let revoked_upstream =
            status.upstream_revocation.as_ref().is_some_and(|one| one.applies_to(&former.request_time));
        let RecordedToken { id, username, .. } = former;
        if !proofs.is_retiring(&id) {
            status.retiring.retain(|token| token.id != id);
            if proved {
                proofs.retiring.push(id.clone());
            }
            status.retiring.push(RetiringToken {
                id,
                username,
                revocation_time: Time(due),
                revoked_upstream,
                mac: None,
            });
        }
    }
    status.retiring.retain(|token| token.id != current.id);
}

const NO_OVERLAP: std::time::Duration = std::time::Duration::ZERO;
/// Applies without `spec.rotation`, as for a `rotate` by annotation.
const DEFAULT_OVERLAP: std::time::Duration = std::time::Duration::from_mins(15);

/// When the current token is rotated.
pub(super) fn next_rotation(status: &RegistryTokenStatus, context: &StatusContext<'_>) -> Option<Time> {
    let interval = context.rotation.map(|rotation| rotation.interval);
    let start = RotationStart::of(status.token.as_ref()?, interval, context.uid)?;
    Some(Time(context.windows.start(start, context.now)))
}

/// Reports windows that are ignored.
pub(super) fn set_windows_valid(status: &mut RegistryTokenStatus, context: &StatusContext<'_>) {
    let kind = ConditionType::RotationWindowsValid;
    if context.windows.is_empty() {
        return clear(&mut status.conditions, kind);
    }
    let interval = context.rotation.map(|rotation| rotation.interval);
    let start = status.token.as_ref().and_then(|token| RotationStart::of(token, interval, context.uid));
    let start = start.unwrap_or(RotationStart { due: context.now, share: 0, expires: None });
    if let Some(message) = context.windows.problem(start, context.now) {
        let value = (ConditionStatus::False, Reason::RotationWindowIgnored);
        set_condition(status, context, kind, value, &message);
    } else {
        let value = (ConditionStatus::True, Reason::RotationWindowsApply);
        set_condition(status, context, kind, value, "rotations that are due begin in a window");
    }
}
