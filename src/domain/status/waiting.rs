//! What an object waits for, according to its status.

use crate::api::{ConditionType, Reason, RegistryTokenStatus};
use crate::domain::model::conditions;

/// Returns status, reason and message of what the object waits for: `Stalled` or `Reconciling`, or a description that
/// the portal does not show. For events on a change.
#[must_use]
pub fn waiting_condition(status: Option<&RegistryTokenStatus>) -> Option<(&str, &str, &str)> {
    let conditions = &status?.conditions;
    let refused = [Reason::DescriptionRejected.to_string(), Reason::DescriptionAltered.to_string()];
    let mut progress = [ConditionType::Stalled, ConditionType::Reconciling].into_iter();
    let condition = progress.find_map(|kind| conditions::find(conditions, kind));
    let description = conditions::find(conditions, ConditionType::DescriptionSynced);
    let condition = condition.or_else(|| description.filter(|one| refused.contains(&one.reason)))?;
    Some((&condition.status, &condition.reason, &condition.message))
}

/// Returns why a registry gave no result, from the reason of `LoginVerified`.
pub(super) fn registry_reason(text: &str) -> Reason {
    let own = [Reason::RegistryError, Reason::RateLimited, Reason::TlsUntrusted, Reason::CABundleInvalid];
    own.into_iter().find(|reason| reason.to_string() == text).unwrap_or(Reason::RegistryUnavailable)
}
