//! The only place where a status is computed.

mod context;
mod rotation;
mod upstream_revocation;
mod verified_entries;
mod waiting;

pub use self::context::StatusContext;
use self::rotation::{next_rotation, retire_previous};
use self::verified_entries::VerifiedEntries;
use self::waiting::registry_reason;
pub use self::waiting::waiting_condition;
use super::clock_skew::clamp_timestamps;
use super::model::conditions;
use super::model::conditions::{ConditionStatus, ConditionUpdate};
use super::model::login_result::LoginResult;
use super::model::problem::Problem;
use super::model::problem::messages::login_rejected;
use super::model::request_cause::RequestCause;
use super::model::token::TokenRef;
use crate::api::{
    ConditionType, LoginCheck, Reason, RecordedPortal, RecordedSecret, RecordedToken, RegistryTokenStatus,
    RetiringToken,
};
use crate::domain::model::login_result::RegistryProblem;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// An event that changes a status.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "short-lived, and only one exists at a time")]
pub enum StatusEvent {
    /// A new token is stored; the previous one becomes a retiring token.
    TokenStored {
        /// The token.
        token: RecordedToken,
        /// The portal that contains it.
        portal: RecordedPortal,
        /// The Secret as written.
        secret: RecordedSecret,
        /// Cause of its request.
        request_cause: RequestCause,
        /// The result of its login.
        login_result: LoginResult,
        /// Id of the token that status named when this one was requested. If that token is not proved, it stays
        /// recorded as a retiring token.
        previous_id: Option<String>,
    },
    /// The current token is proved to belong to this object, at this portal.
    TokenVerified(RecordedPortal),
    /// The Secret was read, and contains the current token for every registry.
    SecretInspected(RecordedSecret),
    /// No change except that future timestamps are set to the current time, as with every event.
    TimestampsClamped,
    /// The issuer's registries changed since the Secret was written: none of them has accepted the login yet.
    RegistriesChanged,
    /// The login of the current token was checked.
    LoginChecked(LoginResult),
    /// A problem occurred.
    ProblemFound {
        /// The problem.
        problem: Problem,
        /// The Secret still contains the current token: pods can pull, and `Ready` stays unchanged.
        pods_can_pull: bool,
    },
    /// The Secret lost its token.
    SecretLost(String),
    /// Another user revoked the current token in the portal.
    RevokedUpstream {
        /// The problem to report.
        problem: Problem,
        /// It is the second time within 24 hours.
        again: bool,
    },
    /// The current token, which counted as revoked, is there.
    NotRevoked,
    /// The portal shows the description.
    DescriptionSynced,
    /// The portal does not show the description, for this reason.
    DescriptionNotSynced(Reason, String),
    /// These tokens are revoked. The current one is among them only if the object is being deleted.
    TokensRevoked(Vec<TokenRef>),
    /// The user confirmed that these retiring tokens without proof are revoked, by id.
    RevocationsConfirmed(Vec<String>),
    /// A token without proof may still belong to this object: it stays recorded, and is reported.
    TokenUnverified(TokenRef),
    /// A token that nothing else names must be revoked. It is proved to belong to this object.
    TokenRetiring(RetiringToken),
}

/// Computes the next status. It equals the previous one if nothing changed, so that it is not written.
#[must_use]
pub fn next_status(
    former: Option<&RegistryTokenStatus>,
    context: &StatusContext<'_>,
    event: StatusEvent,
) -> RegistryTokenStatus {
    // A status with another UID names another object's tokens.
    let own = former.filter(|status| status.uid.as_deref() == Some(context.uid));
    let mut status = own.cloned().unwrap_or_default();
    if let Some(secret) = status.secret.as_mut().filter(|_| status.observed_generation != Some(context.generation)) {
        // The Secret was inspected for another spec: it must be read again.
        secret.resource_version = None;
    }
    status.uid = Some(context.uid.to_owned());
    status.observed_generation = Some(context.generation);
    if status.secret.is_none() {
        status.secret = Some(RecordedSecret { name: context.secret_name.to_owned(), ..RecordedSecret::default() });
    }
    clamp_timestamps(&mut status, context.now);
    let mut proved = VerifiedEntries::of(&status, context);
    apply(&mut status, context, event, &mut proved);
    proved.sign(&mut status, context);
    status.next_rotation_time = next_rotation(&status, context);
    set_suspended(&mut status, context);
    status
}

fn apply(
    status: &mut RegistryTokenStatus,
    context: &StatusContext<'_>,
    event: StatusEvent,
    proofs: &mut VerifiedEntries,
) {
    match event {
        StatusEvent::TokenStored { token, portal, secret, request_cause, login_result, previous_id } => {
            // The login of another token was accepted before; that shows nothing about this one.
            let is_same = status.token.as_ref().is_some_and(|former| former.id == token.id);
            let was_ready = is_same && is_ready(status);
            retire_previous(status, (&token, previous_id.as_ref()), context, request_cause.cause, proofs);
            if !is_same {
                upstream_revocation::leave_to_previous(status, &token);
            }
            status.token = Some(token);
            proofs.current = true;
            status.portal = Some(portal);
            (status.secret, proofs.secret) = (Some(secret), true);
            status.handled_annotations.extend(request_cause.handles);
            set_condition(
                status,
                context,
                ConditionType::DescriptionSynced,
                (ConditionStatus::False, Reason::DescriptionPending),
                EDIT_PENDING_MESSAGE,
            );
            set_login_verified(status, context, &login_result);
            derive_ready(status, context, was_ready);
        }
        StatusEvent::SecretInspected(secret) => {
            (status.secret, proofs.secret) = (Some(secret), true);
            upstream_revocation::clear(status);
            derive_ready(status, context, is_ready(status));
        }
        StatusEvent::TokenVerified(portal) => {
            proofs.current = status.token.is_some();
            status.portal = Some(portal);
        }
        StatusEvent::TimestampsClamped => {}
        StatusEvent::NotRevoked => upstream_revocation::clear(status),
        StatusEvent::RegistriesChanged => {
            set_login_verified(status, context, &LoginResult::Unknown("the issuer's registries have changed".into()));
        }
        StatusEvent::LoginChecked(login_result) => {
            set_login_verified(status, context, &login_result);
            derive_ready(status, context, is_ready(status));
        }
        StatusEvent::ProblemFound { problem, pods_can_pull } => {
            set_problem(status, context, &problem, pods_can_pull);
        }
        StatusEvent::SecretLost(message) => {
            set_problem(status, context, &Problem { reason: Reason::SecretLost, message, terminal: false }, false);
        }
        StatusEvent::RevokedUpstream { problem, again } => {
            upstream_revocation::record(status, context.now, again);
            set_problem(status, context, &problem, false);
        }
        StatusEvent::DescriptionSynced => {
            set_condition(
                status,
                context,
                ConditionType::DescriptionSynced,
                (ConditionStatus::True, Reason::Synced),
                SYNCED_MESSAGE,
            );
        }
        StatusEvent::DescriptionNotSynced(reason, message) => {
            set_condition(
                status,
                context,
                ConditionType::DescriptionSynced,
                (ConditionStatus::False, reason),
                &message,
            );
        }
        StatusEvent::TokensRevoked(revoked) => {
            let is_current = |token: &RecordedToken| proofs.current && revoked.contains(&token.into());
            if status.token.as_ref().is_some_and(is_current) {
                upstream_revocation::record_once(status, context.now);
            }
            status.retiring.retain(|token| !(proofs.is_retiring(&token.id) && revoked.contains(&token.into())));
        }
        StatusEvent::RevocationsConfirmed(ids) => {
            status.retiring.retain(|token| proofs.is_retiring(&token.id) || !ids.contains(&token.id));
        }
        StatusEvent::TokenUnverified(TokenRef { id, username }) => {
            let is_known = status.token.as_ref().is_some_and(|token| token.id == id);
            if !is_known && !status.retiring.iter().any(|token| token.id == id) {
                let revocation_time = Time(context.now);
                status.retiring.push(RetiringToken {
                    id,
                    username,
                    revocation_time,
                    revoked_upstream: false,
                    mac: None,
                });
            }
        }
        StatusEvent::TokenRetiring(token) => {
            if !proofs.is_retiring(&token.id) {
                // If no other token is proved, the recorded portal is not proved either: others may have written it.
                if proofs.is_empty() && context.portal.is_some() {
                    status.portal = context.portal.cloned();
                }
                status.token.take_if(|named| !proofs.current && named.id == token.id);
                status.retiring.retain(|other| other.id != token.id);
                proofs.retiring.push(token.id.clone());
                status.retiring.push(token);
            }
        }
    }
}

const EDIT_PENDING_MESSAGE: &str = "the description will be edited next";
const SYNCED_MESSAGE: &str = "the portal shows spec.description";

fn set_suspended(status: &mut RegistryTokenStatus, context: &StatusContext<'_>) {
    if context.suspended {
        let message = "spec.suspend is true: no token is requested and no description is edited";
        set_condition(status, context, ConditionType::Suspended, (ConditionStatus::True, Reason::Suspended), message);
    } else {
        conditions::clear(&mut status.conditions, ConditionType::Suspended);
    }
}

/// Sets `LoginVerified` from a login result. Without a result, the condition of a ready token is not taken back.
fn set_login_verified(status: &mut RegistryTokenStatus, context: &StatusContext<'_>, login_result: &LoginResult) {
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

fn is_ready(status: &RegistryTokenStatus) -> bool {
    conditions::is_true(&status.conditions, ConditionType::Ready)
}

/// Derives `Ready` from the content of the Secret, which is the current token here, and from the login result. A token
/// that was accepted once stays ready while a registry is unavailable.
fn derive_ready(status: &mut RegistryTokenStatus, context: &StatusContext<'_>, was_ready: bool) {
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

fn set_problem(status: &mut RegistryTokenStatus, context: &StatusContext<'_>, problem: &Problem, pods_can_pull: bool) {
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

fn set_condition(
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

#[cfg(test)]
#[path = "invariant_tests.rs"]
mod laws;
#[cfg(test)]
#[path = "tests.rs"]
mod tests;
