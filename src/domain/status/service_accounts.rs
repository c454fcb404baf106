//! What the status says about the `ServiceAccount`s.

use super::context::StatusContext;
use super::ready::set_condition;
use crate::api::{ConditionType, RegistryTokenStatus};
use crate::domain::model::conditions;
use crate::domain::service_accounts::Report;

/// Records the accounts. `Ready` does not depend on them: pods that name the Secret can pull.
pub(super) fn set_service_accounts(status: &mut RegistryTokenStatus, context: &StatusContext<'_>, report: Report) {
    status.service_accounts = report.records;
    let kind = ConditionType::ServiceAccountsSynced;
    match report.condition {
        Some((value, reason, message)) => set_condition(status, context, kind, (value, reason), &message),
        None => conditions::clear(&mut status.conditions, kind),
    }
}

/// Returns status, reason and message of `ServiceAccountsSynced`, for events on a change.
#[must_use]
pub fn service_accounts_condition(status: Option<&RegistryTokenStatus>) -> Option<(&str, &str, &str)> {
    let condition = conditions::find(&status?.conditions, ConditionType::ServiceAccountsSynced)?;
    Some((&condition.status, &condition.reason, &condition.message))
}
