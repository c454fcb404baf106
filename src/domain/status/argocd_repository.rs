//! What the status says about the Secret for Argo CD.

use super::context::StatusContext;
use super::ready::set_condition;
use crate::api::{ConditionType, RegistryTokenStatus};
use crate::domain::argocd_repository::Report;
use crate::domain::model::conditions;
use crate::domain::model::conditions::ConditionStatus;

/// Records the Secret. `Ready` does not depend on it: pods can pull.
pub(super) fn set_argocd_repository(status: &mut RegistryTokenStatus, context: &StatusContext<'_>, report: Report) {
    status.argocd_repository = report.record;
    let kind = ConditionType::ArgoCDRepositorySynced;
    match report.problem {
        Some((reason, message)) => {
            set_condition(status, context, kind, (ConditionStatus::False, reason), &message);
        }
        None => conditions::clear(&mut status.conditions, kind),
    }
}

/// Returns reason and message of `ArgoCDRepositorySynced`, which is present only while it is false.
#[must_use]
pub fn argocd_repository_problem(status: Option<&RegistryTokenStatus>) -> Option<(&str, &str)> {
    let condition = conditions::find(&status?.conditions, ConditionType::ArgoCDRepositorySynced)?;
    Some((&condition.reason, &condition.message))
}
