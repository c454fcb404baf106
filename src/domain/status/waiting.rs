//! What an object waits for, according to its status.

use crate::api::{ConditionType, Reason, RegistryTokenStatus};
use crate::domain::model::conditions::{self, ConditionStatus};

/// Returns status, reason and message of what the object waits for: `Stalled` or `Reconciling`, a description that the
/// portal does not show, or rotation windows that are ignored. For events on a change.
#[must_use]
pub fn waiting_condition(status: Option<&RegistryTokenStatus>) -> Option<(&str, &str, &str)> {
    let conditions = &status?.conditions;
    let refused = [Reason::DescriptionRejected, Reason::DescriptionAltered, Reason::EditUnsupported]
        .map(|reason| reason.to_string());
    let mut progress = [ConditionType::Stalled, ConditionType::Reconciling].into_iter();
    let condition = progress.find_map(|kind| conditions::find(conditions, kind));
    let description = conditions::find(conditions, ConditionType::DescriptionSynced);
    let windows = conditions::find(conditions, ConditionType::RotationWindowsValid);
    let condition = condition
        .or_else(|| description.filter(|one| refused.contains(&one.reason)))
        .or_else(|| windows.filter(|one| one.status == ConditionStatus::False.as_str()))?;
    Some((&condition.status, &condition.reason, &condition.message))
}

/// Returns why a registry gave no result, from the reason of `LoginVerified`.
pub(super) fn registry_reason(text: &str) -> Reason {
    let own = [Reason::RegistryError, Reason::RateLimited, Reason::TlsUntrusted, Reason::CABundleInvalid];
    own.into_iter().find(|reason| reason.to_string() == text).unwrap_or(Reason::RegistryUnavailable)
}
