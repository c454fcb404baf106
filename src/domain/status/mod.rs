//! The only place where a status is computed.

mod argocd_repository;
mod context;
mod event;
mod namespace;
mod ready;
mod rotation;
mod service_accounts;
mod upstream_revocation;
mod verified_entries;
mod waiting;

#[cfg(test)]
#[path = "invariant_tests.rs"]
mod laws;
#[cfg(test)]
mod tests;

pub use self::argocd_repository::argocd_repository_problem;
use self::argocd_repository::set_argocd_repository;
pub use self::context::StatusContext;
pub use self::event::StatusEvent;
pub use self::namespace::namespace_condition;
use self::namespace::{deny_namespace, set_namespace_allowed};
pub use self::ready::ready_condition;
use self::ready::{derive_ready, is_ready, set_condition, set_login_verified, set_problem, set_suspended};
use self::rotation::{next_rotation, retire_previous, set_windows_valid};
pub use self::service_accounts::service_accounts_condition;
use self::service_accounts::set_service_accounts;
use self::verified_entries::VerifiedEntries;
pub use self::waiting::waiting_condition;
use super::clock_skew::clamp_timestamps;
use super::model::conditions::ConditionStatus;
use super::model::login_result::LoginResult;
use super::model::problem::Problem;
use super::model::token::TokenRef;
use crate::api::{ConditionType, Reason, RecordedSecret, RecordedToken, RegistryTokenStatus, RetiringToken};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

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
    set_windows_valid(&mut status, context);
    set_suspended(&mut status, context);
    set_namespace_allowed(&mut status, context);
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
        StatusEvent::SecretInspected(secret, expiration_time) => {
            (status.secret, proofs.secret) = (Some(secret), true);
            if let Some(token) = status.token.as_mut().filter(|_| expiration_time.is_some()) {
                token.expiration_time = expiration_time;
            }
            upstream_revocation::clear(status);
            derive_ready(status, context, is_ready(status));
        }
        StatusEvent::TokenVerified(portal) => {
            proofs.current = status.token.is_some();
            status.portal = Some(portal);
        }
        StatusEvent::TimestampsClamped | StatusEvent::WindowMissed | StatusEvent::NamespaceChecked => {}
        StatusEvent::NamespaceDenied => deny_namespace(status, context, proofs),
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
        StatusEvent::ServiceAccountsChecked(report) => set_service_accounts(status, context, report),
        StatusEvent::ArgoCDRepositoryChecked(report) => set_argocd_repository(status, context, report),
        StatusEvent::TokenUnverified(token) => record_unverified(status, context, token),
        StatusEvent::TokenRetiring(token) => record_retiring(status, context, token, proofs),
    }
}

fn record_unverified(status: &mut RegistryTokenStatus, context: &StatusContext<'_>, token: TokenRef) {
    let TokenRef { id, username } = token;
    let is_known = status.token.as_ref().is_some_and(|token| token.id == id);
    if !is_known && !status.retiring.iter().any(|token| token.id == id) {
        let revocation_time = Time(context.now);
        status.retiring.push(RetiringToken { id, username, revocation_time, revoked_upstream: false, mac: None });
    }
}

fn record_retiring(
    status: &mut RegistryTokenStatus,
    context: &StatusContext<'_>,
    token: RetiringToken,
    proofs: &mut VerifiedEntries,
) {
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

const EDIT_PENDING_MESSAGE: &str = "the description will be edited next";
const SYNCED_MESSAGE: &str = "the portal shows spec.description";
