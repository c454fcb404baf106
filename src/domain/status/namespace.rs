//! `NamespaceAllowed`, and what a status says when the issuer does not serve the namespace any more.

use super::ready::{set_condition, set_problem};
use super::{StatusContext, VerifiedEntries};
use crate::api::{ConditionType, Reason, RecordedToken, RegistryTokenStatus, RetiringToken};
use crate::domain::model::conditions::{ConditionStatus, clear, find};
use crate::domain::model::namespace_access::{NamespaceAccess, not_allowed};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The condition is present only while it is false. Its transition time is the beginning of the grace period.
pub(super) fn set_namespace_allowed(status: &mut RegistryTokenStatus, context: &StatusContext<'_>) {
    let kind = ConditionType::NamespaceAllowed;
    if context.namespace_access == NamespaceAccess::Allowed {
        clear(&mut status.conditions, kind);
    }
    let Some(period) = context.namespace_access.grace_period(Some(status)) else { return };
    let message = period.message(status);
    set_condition(status, context, kind, (ConditionStatus::False, Reason::NamespaceNotAllowed), &message);
    let name = kind.to_string();
    for condition in status.conditions.iter_mut().filter(|condition| condition.type_ == name) {
        condition.last_transition_time = Time(period.since);
    }
}

/// Every token is due for revocation now. The current one becomes a retiring one, if it is proved to belong to the
/// object.
pub(super) fn deny_namespace(
    status: &mut RegistryTokenStatus,
    context: &StatusContext<'_>,
    proofs: &mut VerifiedEntries,
) {
    for token in &mut status.retiring {
        token.revocation_time.0 = token.revocation_time.0.min(context.now);
    }
    if std::mem::take(&mut proofs.current)
        && let Some(RecordedToken { id, username, request_time, .. }) = status.token.take()
    {
        let revoked_upstream = status.upstream_revocation.as_ref().is_some_and(|one| one.applies_to(&request_time));
        if !proofs.is_retiring(&id) {
            status.retiring.retain(|token| token.id != id);
            proofs.retiring.push(id.clone());
            let revocation_time = Time(context.now);
            status.retiring.push(RetiringToken { id, username, revocation_time, revoked_upstream, mac: None });
        }
        for kind in [ConditionType::LoginVerified, ConditionType::DescriptionSynced] {
            clear(&mut status.conditions, kind);
        }
    }
    let since = context.namespace_access.grace_period(Some(status)).map_or(context.now, |period| period.since);
    set_problem(status, context, &not_allowed(since), false);
}

/// Returns status, reason and message of `NamespaceAllowed` while it is false, for events on a change.
#[must_use]
pub fn namespace_condition(status: Option<&RegistryTokenStatus>) -> Option<(&str, &str, &str)> {
    let condition = find(&status?.conditions, ConditionType::NamespaceAllowed)?;
    Some((&condition.status, &condition.reason, &condition.message))
}
