//! The one place where a status is computed.

mod context;
mod rotation;
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
use super::model::problem::Problem;
use super::model::problem::messages::{login_rejected, registry_unavailable};
use super::model::request_cause::RequestCause;
use super::observed::LoginMode;
use super::protocol::{Named, Verdict};
use crate::api::{
    ConditionType, Reason, RecordedPortal, RecordedSecret, RecordedToken, RegistryTokenStatus, RetiringToken,
    UpstreamRevocation,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// A fact that changes a status.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "one lives at a time, and not for long")]
pub enum StatusEvent {
    /// A new token is stored; the former one retires.
    TokenStored {
        /// The token.
        token: RecordedToken,
        /// Where it lives.
        portal: RecordedPortal,
        /// The Secret as written.
        secret: RecordedSecret,
        /// What it was asked for.
        request_cause: RequestCause,
        /// What the registry says of it.
        login_result: Verdict,
        /// The id of the token that status named when it was requested. Where that one is not proved, it stays
        /// named as a former one.
        previous_id: Option<String>,
    },
    /// The current token that status names is proved to be this object's, and lives there.
    TokenVerified(RecordedPortal),
    /// The Secret was read, and holds the current token for every registry.
    SecretInspected(RecordedSecret),
    /// Nothing new: times that lie in the future are set to now, as with every fact.
    TimestampsClamped,
    /// The issuer names other registries than those that the Secret was written for: none of them has
    /// let the token in yet.
    RegistriesChanged,
    /// The registry was asked about the current token.
    LoginChecked(Verdict),
    /// Something stands in the way.
    ProblemFound {
        /// What.
        problem: Problem,
        /// The Secret still holds the current token: pods can pull, and `Ready` stays as it is.
        pods_can_pull: bool,
    },
    /// The Secret lost its token.
    SecretLost(String),
    /// Somebody revoked the current token in the portal; for the second time in a day, or not.
    RevokedUpstream {
        /// What is to be said of it.
        problem: Problem,
        /// It is the second time.
        again: bool,
    },
    /// The portal shows the description.
    DescriptionSynced,
    /// The portal does not show the description, and why.
    DescriptionNotSynced(Reason, String),
    /// Retiring tokens that are revoked.
    TokensRevoked(Vec<Named>),
    /// Former tokens without proof, by id, that their user calls revoked.
    RevocationsConfirmed(Vec<String>),
    /// A token that nothing proves and that may yet be this object's: it stays named, and is reported.
    TokenUnverified(Named),
    /// A token that nothing else names is to be revoked: it is proved to be this object's.
    TokenRetiring(RetiringToken),
}

/// The status that follows. Equal to the former one where nothing changed, so that it is not written.
#[must_use]
pub fn next_status(
    former: Option<&RegistryTokenStatus>,
    saying: &StatusContext<'_>,
    fact: StatusEvent,
) -> RegistryTokenStatus {
    // A status of another UID speaks of another object's tokens.
    let own = former.filter(|status| status.uid.as_deref() == Some(saying.uid));
    let mut status = own.cloned().unwrap_or_default();
    if let Some(secret) = status.secret.as_mut().filter(|_| status.observed_generation != Some(saying.generation)) {
        // It was found in order for another spec: it is read again.
        secret.resource_version = None;
    }
    status.uid = Some(saying.uid.to_owned());
    status.observed_generation = Some(saying.generation);
    if status.secret.is_none() {
        status.secret = Some(RecordedSecret { name: saying.secret_name.to_owned(), ..RecordedSecret::default() });
    }
    clamp_timestamps(&mut status, saying.now);
    let mut proofs = VerifiedEntries::of(&status, saying);
    apply(&mut status, saying, fact, &mut proofs);
    proofs.sign(&mut status, saying);
    status.next_rotation_time = next_rotation(&status, saying);
    set_suspended(&mut status, saying);
    status
}

fn apply(
    status: &mut RegistryTokenStatus,
    saying: &StatusContext<'_>,
    fact: StatusEvent,
    proofs: &mut VerifiedEntries,
) {
    match fact {
        StatusEvent::TokenStored {
            token,
            portal,
            secret,
            request_cause: errand,
            login_result: login,
            previous_id: after,
        } => {
            // Another token was let in before; of this one that says nothing.
            let known = status.token.as_ref().is_some_and(|former| former.id == token.id) && is_ready(status);
            retire_previous(status, (&token, after.as_ref()), saying, errand.cause, proofs);
            status.token = Some(token);
            proofs.current = true;
            status.portal = Some(portal);
            (status.secret, proofs.secret) = (Some(secret), true);
            status.handled_annotations.extend(errand.handles);
            set_condition(
                status,
                saying,
                ConditionType::DescriptionSynced,
                (ConditionStatus::False, Reason::DescriptionPending),
                EDIT_PENDING_MESSAGE,
            );
            set_login_verified(status, saying, &login);
            derive_ready(status, saying, known);
        }
        StatusEvent::SecretInspected(secret) => {
            (status.secret, proofs.secret) = (Some(secret), true);
            clear_upstream_revocation(status);
            derive_ready(status, saying, is_ready(status));
        }
        StatusEvent::TokenVerified(portal) => {
            proofs.current = status.token.is_some();
            status.portal = Some(portal);
        }
        StatusEvent::TimestampsClamped => {}
        StatusEvent::RegistriesChanged => {
            set_login_verified(status, saying, &Verdict::Unknown("the issuer names other registries now".into()));
        }
        StatusEvent::LoginChecked(verdict) => {
            set_login_verified(status, saying, &verdict);
            derive_ready(status, saying, is_ready(status));
        }
        StatusEvent::ProblemFound { problem: fault, pods_can_pull: working } => {
            set_problem(status, saying, &fault, working);
        }
        StatusEvent::SecretLost(message) => {
            set_problem(status, saying, &Problem { reason: Reason::SecretLost, message, terminal: false }, false);
        }
        StatusEvent::RevokedUpstream { problem: fault, again } => {
            status.upstream_revocation = Some(UpstreamRevocation { time: Time(saying.now), again });
            set_problem(status, saying, &fault, false);
        }
        StatusEvent::DescriptionSynced => {
            set_condition(
                status,
                saying,
                ConditionType::DescriptionSynced,
                (ConditionStatus::True, Reason::Synced),
                SYNCED_MESSAGE,
            );
        }
        StatusEvent::DescriptionNotSynced(reason, message) => {
            set_condition(status, saying, ConditionType::DescriptionSynced, (ConditionStatus::False, reason), &message);
        }
        StatusEvent::TokensRevoked(gone) => {
            status.retiring.retain(|token| !(proofs.is_retiring(&token.id) && gone.contains(&Named::from(token))));
        }
        StatusEvent::RevocationsConfirmed(ids) => {
            status.retiring.retain(|token| proofs.is_retiring(&token.id) || !ids.contains(&token.id));
        }
        StatusEvent::TokenUnverified(Named { id, username }) => {
            let is_known = status.token.as_ref().is_some_and(|token| token.id == id);
            if !is_known && !status.retiring.iter().any(|token| token.id == id) {
                let revocation_time = Time(saying.now);
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
                // Where nothing else is proved, nor is the portal that others may have written.
                if proofs.is_empty() && saying.portal.is_some() {
                    status.portal = saying.portal.cloned();
                }
                status.token.take_if(|named| !proofs.current && named.id == token.id);
                status.retiring.retain(|known| known.id != token.id);
                proofs.retiring.push(token.id.clone());
                status.retiring.push(token);
            }
        }
    }
}

/// One that was taken for revoked is looked at again only when the portal lists it again, or the registry lets it
/// in: it was not revoked. The one before it was, which asked for this token, and counts for its day.
fn clear_upstream_revocation(status: &mut RegistryTokenStatus) {
    let Some(since) = status.token.as_ref().map(|token| token.request_time.clone()) else { return };
    if status.upstream_revocation.take_if(|one| one.applies_to(&since)).is_some_and(|wrong| wrong.again) {
        status.upstream_revocation = Some(UpstreamRevocation { time: since, again: false });
    }
}

const EDIT_PENDING_MESSAGE: &str = "the description is edited next";
const SYNCED_MESSAGE: &str = "the portal shows spec.description";

fn set_suspended(status: &mut RegistryTokenStatus, saying: &StatusContext<'_>) {
    if saying.suspended {
        let message = "spec.suspend is set: nothing new is begun";
        set_condition(status, saying, ConditionType::Suspended, (ConditionStatus::True, Reason::Suspended), message);
    } else {
        conditions::clear(&mut status.conditions, ConditionType::Suspended);
    }
}

/// What the registry said, as far as it says anything: one that cannot be asked takes nothing back.
fn set_login_verified(status: &mut RegistryTokenStatus, saying: &StatusContext<'_>, verdict: &Verdict) {
    let kind = ConditionType::LoginVerified;
    match verdict {
        Verdict::Accepted => {
            set_condition(
                status,
                saying,
                kind,
                (ConditionStatus::True, Reason::LoginAccepted),
                "the registry lets the token in",
            );
        }
        Verdict::Rejected(why) => {
            let fault = login_rejected(why);
            set_condition(status, saying, kind, (ConditionStatus::False, fault.reason), &fault.message);
        }
        Verdict::Unknown(why) => {
            let fault = registry_unavailable(why);
            set_condition(status, saying, kind, (ConditionStatus::Unknown, fault.reason), &fault.message);
        }
        Verdict::NotChecked => conditions::clear(&mut status.conditions, kind),
    }
}

fn is_ready(status: &RegistryTokenStatus) -> bool {
    conditions::is_true(&status.conditions, ConditionType::Ready)
}

/// `Ready` follows from what the Secret holds, which is the current token here, and from what the
/// registry said of it. A token that was let in once is not called bad by a registry that is down.
fn derive_ready(status: &mut RegistryTokenStatus, saying: &StatusContext<'_>, was_ready: bool) {
    if saying.login_check == LoginMode::Disabled {
        conditions::clear(&mut status.conditions, ConditionType::LoginVerified);
    }
    let said = conditions::find(&status.conditions, ConditionType::LoginVerified);
    let reason = said.map(|condition| condition.reason.clone()).unwrap_or_default();
    let said = said.map(|condition| (condition.status.clone(), condition.message.clone()));
    let hinders = match said {
        _ if saying.login_check == LoginMode::Disabled => None,
        Some((value, message)) if value == ConditionStatus::False.as_str() => Some((Reason::LoginRejected, message)),
        Some((value, _)) if value == ConditionStatus::True.as_str() => None,
        _ if saying.login_check == LoginMode::BestEffort || was_ready => None,
        Some((_, message)) => Some((registry_reason(&reason), message)),
        None => Some((Reason::RegistryUnavailable, registry_unavailable(&"not asked yet".into()).message)),
    };
    let unread = status.secret.as_ref().is_none_or(|secret| secret.resource_version.is_none());
    let unread = unread.then(|| (Reason::SecretUnverified, "the Secret stores the token and is read next".to_owned()));
    if let Some((reason, message)) = unread.or(hinders) {
        set_problem(status, saying, &Problem { reason, message, terminal: false }, false);
        return;
    }
    set_condition(
        status,
        saying,
        ConditionType::Ready,
        (ConditionStatus::True, Reason::TokenStored),
        "pods can pull with the Secret",
    );
    set_progress(status, saying, None);
}

fn set_problem(status: &mut RegistryTokenStatus, saying: &StatusContext<'_>, fault: &Problem, working: bool) {
    if !working {
        set_condition(status, saying, ConditionType::Ready, (ConditionStatus::False, fault.reason), &fault.message);
    }
    let kind = if fault.terminal { ConditionType::Stalled } else { ConditionType::Reconciling };
    set_progress(status, saying, Some((kind, fault.reason, &fault.message)));
}

/// `Reconciling` and `Stalled` stand only while they are true, and never both.
fn set_progress(
    status: &mut RegistryTokenStatus,
    saying: &StatusContext<'_>,
    now: Option<(ConditionType, Reason, &str)>,
) {
    for kind in [ConditionType::Reconciling, ConditionType::Stalled] {
        if now.is_none_or(|(kept, ..)| kept != kind) {
            conditions::clear(&mut status.conditions, kind);
        }
    }
    if let Some((kind, reason, message)) = now {
        set_condition(status, saying, kind, (ConditionStatus::True, reason), message);
    }
}

fn set_condition(
    status: &mut RegistryTokenStatus,
    saying: &StatusContext<'_>,
    kind: ConditionType,
    (value, reason): (ConditionStatus, Reason),
    message: &str,
) {
    let said = ConditionUpdate { kind, value, reason, message };
    conditions::set(&mut status.conditions, saying.generation, saying.now, said);
}

/// The reason that `Ready` has in a status, with its value; for events on a change.
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
