//! `Ready`, and the conditions that explain it.

use super::context::StatusContext;
use super::waiting::registry_reason;
use crate::api::{ConditionType, LoginCheck, Reason, RegistryTokenStatus};
use crate::domain::model::conditions::{self, ConditionStatus, ConditionUpdate};
use crate::domain::model::login_result::{LoginResult, RegistryProblem};
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::login_rejected;

pub(super) fn set_suspended(status: &mut RegistryTokenStatus, context: &StatusContext<'_>) {
    if context.suspended {
        let message = "spec.suspend is true: no token is requested and no description is edited";
        set_condition(status, context, ConditionType::Suspended, (ConditionStatus::True, Reason::Suspended), message);
    } else {
        conditions::clear(&mut status.conditions, ConditionType::Suspended);
    }
}

/// Sets `LoginVerified` from a login result. Without a result, the condition of a ready token is not taken back.
pub(super) fn set_login_verified(
    status: &mut RegistryTokenStatus,
    context: &StatusContext<'_>,
    login_result: &LoginResult,
) {
    let kind = ConditionType::LoginVerified;
    match login_result {
        LoginResult::Accepted => {
            set_condition(
                status,
                context,
                kind,
                (ConditionStatus::True, Reason::LoginAccepted),
                "the registry accepts the login",
            );
        }
        LoginResult::Rejected(why) => {
            let problem = login_rejected(why);
            set_condition(status, context, kind, (ConditionStatus::False, problem.reason), &problem.message);
        }
        LoginResult::Unknown(why) => {
            let problem = Problem::from(why);
            set_condition(status, context, kind, (ConditionStatus::Unknown, problem.reason), &problem.message);
        }
        LoginResult::NotChecked => conditions::clear(&mut status.conditions, kind),
    }
}

pub(super) fn is_ready(status: &RegistryTokenStatus) -> bool {
    conditions::is_true(&status.conditions, ConditionType::Ready)
}

/// Derives `Ready` from the content of the Secret, which is the current token here, and from the login result. A token
/// that was accepted once stays ready while a registry is unavailable.
pub(super) fn derive_ready(status: &mut RegistryTokenStatus, context: &StatusContext<'_>, was_ready: bool) {
    if context.login_check == LoginCheck::Disabled {
        conditions::clear(&mut status.conditions, ConditionType::LoginVerified);
    }
    let login = conditions::find(&status.conditions, ConditionType::LoginVerified);
    let reason = login.map(|condition| condition.reason.clone()).unwrap_or_default();
    let login = login.map(|condition| (condition.status.clone(), condition.message.clone()));
    let login_problem = match login {
        _ if context.login_check == LoginCheck::Disabled => None,
        Some((value, message)) if value == ConditionStatus::False.as_str() => Some((Reason::LoginRejected, message)),
        Some((value, _)) if value == ConditionStatus::True.as_str() => None,
        _ if context.login_check == LoginCheck::BestEffort || was_ready => None,
        Some((_, message)) => Some((registry_reason(&reason), message)),
        None => Some((Reason::RegistryUnavailable, Problem::from(&RegistryProblem::from("not verified yet")).message)),
    };
    let unread = status.secret.as_ref().is_none_or(|secret| secret.resource_version.is_none());
    let unread = unread
        .then(|| (Reason::SecretUnverified, "the Secret stores the token; its content will be read next".to_owned()));
    if let Some((reason, message)) = unread.or(login_problem) {
        set_problem(status, context, &Problem { reason, message, terminal: false }, false);
        return;
    }
    set_condition(
        status,
        context,
        ConditionType::Ready,
        (ConditionStatus::True, Reason::TokenStored),
        "pods can pull with the Secret",
    );
    set_progress(status, context, None);
}

pub(super) fn set_problem(
    status: &mut RegistryTokenStatus,
    context: &StatusContext<'_>,
    problem: &Problem,
    pods_can_pull: bool,
) {
    if !pods_can_pull {
        set_condition(
            status,
            context,
            ConditionType::Ready,
            (ConditionStatus::False, problem.reason),
            &problem.message,
        );
    }
    let kind = if problem.terminal { ConditionType::Stalled } else { ConditionType::Reconciling };
    set_progress(status, context, Some((kind, problem.reason, &problem.message)));
}

/// `Reconciling` and `Stalled` are present only while they are true, and never both.
fn set_progress(
    status: &mut RegistryTokenStatus,
    context: &StatusContext<'_>,
    now: Option<(ConditionType, Reason, &str)>,
) {
    for kind in [ConditionType::Reconciling, ConditionType::Stalled] {
        if now.is_none_or(|(kept, ..)| kept != kind) {
            conditions::clear(&mut status.conditions, kind);
        }
    }
    if let Some((kind, reason, message)) = now {
        set_condition(status, context, kind, (ConditionStatus::True, reason), message);
    }
}

pub(super) fn set_condition(
    status: &mut RegistryTokenStatus,
    context: &StatusContext<'_>,
    kind: ConditionType,
    (value, reason): (ConditionStatus, Reason),
    message: &str,
) {
    let update = ConditionUpdate { kind, value, reason, message };
    conditions::set(&mut status.conditions, context.generation, context.now, update);
}

/// Returns status, reason and message of the `Ready` condition, for events on a change.
#[must_use]
pub fn ready_condition(status: Option<&RegistryTokenStatus>) -> Option<(&str, &str, &str)> {
    let condition = conditions::find(&status?.conditions, ConditionType::Ready)?;
    Some((&condition.status, &condition.reason, &condition.message))
}
