//! The one place where a status is computed.

mod proof;
mod rotation;
mod saying;
mod waiting;

use self::proof::Proofs;
use self::rotation::{next_rotation, retire_former};
pub use self::saying::Saying;
use self::waiting::registry_reason;
pub use self::waiting::waiting_word;
use super::cause::Errand;
use super::conditions::{self, Said, Truth};
use super::effect::{Named, Verdict};
use super::fault::Fault;
use super::faults::{login_refused, registry_unavailable};
use super::observed::LoginMode;
use super::redate::redate;
use crate::api::{
    ConditionType, Reason, RecordedPortal, RecordedSecret, RecordedToken, RegistryTokenStatus, RetiringToken,
    UpstreamRevocation,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// A fact that changes a status.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "one lives at a time, and not for long")]
pub enum Fact {
    /// A new token is stored; the former one retires.
    TokenStored {
        /// The token.
        token: RecordedToken,
        /// Where it lives.
        portal: RecordedPortal,
        /// The Secret as written.
        secret: RecordedSecret,
        /// What it was asked for.
        errand: Errand,
        /// What the registry says of it.
        login: Verdict,
        /// The id of the token that status named when it was requested. Where that one is not proved, it stays
        /// named as a former one.
        after: Option<String>,
    },
    /// The current token that status names is proved to be this object's, and lives there.
    Proved(RecordedPortal),
    /// The Secret was read, and holds the current token for every registry.
    SecretInOrder(RecordedSecret),
    /// Nothing new: times that lie in the future are set to now, as with every fact.
    Redated,
    /// The issuer names other registries than those that the Secret was written for: none of them has
    /// let the token in yet.
    OtherRegistries,
    /// The registry was asked about the current token.
    LoggedIn(Verdict),
    /// Something stands in the way.
    Hindered {
        /// What.
        fault: Fault,
        /// The Secret still holds the current token: pods can pull, and `Ready` stays as it is.
        working: bool,
    },
    /// The Secret lost its token.
    SecretLost(String),
    /// Somebody revoked the current token in the portal; for the second time in a day, or not.
    RevokedUpstream {
        /// What is to be said of it.
        fault: Fault,
        /// It is the second time.
        again: bool,
    },
    /// The portal shows the description.
    DescriptionSynced,
    /// The portal does not show the description, and why.
    DescriptionNotSynced(Reason, String),
    /// Retiring tokens that are revoked.
    Revoked(Vec<Named>),
    /// Former tokens without proof, by id, that their user calls revoked.
    Confirmed(Vec<String>),
    /// A token that nothing proves and that may yet be this object's: it stays named, and is reported.
    Unproved(Named),
    /// A token that nothing else names is to be revoked: it is proved to be this object's.
    Retiring(RetiringToken),
}

/// The status that follows. Equal to the former one where nothing changed, so that it is not written.
#[must_use]
pub fn next(former: Option<&RegistryTokenStatus>, saying: &Saying<'_>, fact: Fact) -> RegistryTokenStatus {
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
    redate(&mut status, saying.now);
    let mut proofs = Proofs::of(&status, saying);
    apply(&mut status, saying, fact, &mut proofs);
    proofs.sign(&mut status, saying);
    status.next_rotation_time = next_rotation(&status, saying);
    suspended(&mut status, saying);
    status
}

fn apply(status: &mut RegistryTokenStatus, saying: &Saying<'_>, fact: Fact, proofs: &mut Proofs) {
    match fact {
        Fact::TokenStored { token, portal, secret, errand, login, after } => {
            // Another token was let in before; of this one that says nothing.
            let known = status.token.as_ref().is_some_and(|former| former.id == token.id) && ready(status);
            retire_former(status, (&token, after.as_ref()), saying, errand.cause, proofs);
            status.token = Some(token);
            proofs.current = true;
            status.portal = Some(portal);
            (status.secret, proofs.secret) = (Some(secret), true);
            status.handled_annotations.extend(errand.handles);
            say(status, saying, ConditionType::DescriptionSynced, (Truth::False, Reason::EditPending), EDITED_NEXT);
            verified(status, saying, &login);
            judge(status, saying, known);
        }
        Fact::SecretInOrder(secret) => {
            (status.secret, proofs.secret) = (Some(secret), true);
            forgive(status);
            judge(status, saying, ready(status));
        }
        Fact::Proved(portal) => {
            proofs.current = status.token.is_some();
            status.portal = Some(portal);
        }
        Fact::Redated => {}
        Fact::OtherRegistries => {
            verified(status, saying, &Verdict::Unknown("the issuer names other registries now".into()));
        }
        Fact::LoggedIn(verdict) => {
            verified(status, saying, &verdict);
            judge(status, saying, ready(status));
        }
        Fact::Hindered { fault, working } => hindered(status, saying, &fault, working),
        Fact::SecretLost(message) => {
            hindered(status, saying, &Fault { reason: Reason::SecretLost, message, stalled: false }, false);
        }
        Fact::RevokedUpstream { fault, again } => {
            status.upstream_revocation = Some(UpstreamRevocation { time: Time(saying.now), again });
            hindered(status, saying, &fault, false);
        }
        Fact::DescriptionSynced => {
            say(status, saying, ConditionType::DescriptionSynced, (Truth::True, Reason::Synced), SHOWN);
        }
        Fact::DescriptionNotSynced(reason, message) => {
            say(status, saying, ConditionType::DescriptionSynced, (Truth::False, reason), &message);
        }
        Fact::Revoked(gone) => {
            status.retiring.retain(|token| !(proofs.retires(&token.id) && gone.contains(&Named::from(token))));
        }
        Fact::Confirmed(ids) => {
            status.retiring.retain(|token| proofs.retires(&token.id) || !ids.contains(&token.id));
        }
        Fact::Unproved(Named { id, username }) => {
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
        Fact::Retiring(token) => {
            if !proofs.retires(&token.id) {
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
fn forgive(status: &mut RegistryTokenStatus) {
    let Some(since) = status.token.as_ref().map(|token| token.request_time.clone()) else { return };
    if status.upstream_revocation.take_if(|one| one.concerns(&since)).is_some_and(|wrong| wrong.again) {
        status.upstream_revocation = Some(UpstreamRevocation { time: since, again: false });
    }
}

const EDITED_NEXT: &str = "the description is edited next";
const SHOWN: &str = "the portal shows spec.description";

fn suspended(status: &mut RegistryTokenStatus, saying: &Saying<'_>) {
    if saying.suspended {
        let message = "spec.suspend is set: nothing new is begun";
        say(status, saying, ConditionType::Suspended, (Truth::True, Reason::Suspended), message);
    } else {
        conditions::clear(&mut status.conditions, ConditionType::Suspended);
    }
}

/// What the registry said, as far as it says anything: one that cannot be asked takes nothing back.
fn verified(status: &mut RegistryTokenStatus, saying: &Saying<'_>, verdict: &Verdict) {
    let kind = ConditionType::LoginVerified;
    match verdict {
        Verdict::Accepted => {
            say(status, saying, kind, (Truth::True, Reason::LoginAccepted), "the registry lets the token in");
        }
        Verdict::Refused(why) => {
            let fault = login_refused(why);
            say(status, saying, kind, (Truth::False, fault.reason), &fault.message);
        }
        Verdict::Unknown(why) => {
            let fault = registry_unavailable(why);
            say(status, saying, kind, (Truth::Unknown, fault.reason), &fault.message);
        }
        Verdict::NotAsked => conditions::clear(&mut status.conditions, kind),
    }
}

fn ready(status: &RegistryTokenStatus) -> bool {
    conditions::holds(&status.conditions, ConditionType::Ready)
}

/// `Ready` follows from what the Secret holds, which is the current token here, and from what the
/// registry said of it. A token that was let in once is not called bad by a registry that is down.
fn judge(status: &mut RegistryTokenStatus, saying: &Saying<'_>, was_ready: bool) {
    if saying.login == LoginMode::Disabled {
        conditions::clear(&mut status.conditions, ConditionType::LoginVerified);
    }
    let said = conditions::find(&status.conditions, ConditionType::LoginVerified);
    let reason = said.map(|condition| condition.reason.clone()).unwrap_or_default();
    let said = said.map(|condition| (condition.status.clone(), condition.message.clone()));
    let hinders = match said {
        _ if saying.login == LoginMode::Disabled => None,
        Some((value, message)) if value == Truth::False.as_str() => Some((Reason::LoginRefused, message)),
        Some((value, _)) if value == Truth::True.as_str() => None,
        _ if saying.login == LoginMode::BestEffort || was_ready => None,
        Some((_, message)) => Some((registry_reason(&reason), message)),
        None => Some((Reason::RegistryUnavailable, registry_unavailable(&"not asked yet".into()).message)),
    };
    let unread = status.secret.as_ref().is_none_or(|secret| secret.resource_version.is_none());
    let unread = unread.then(|| (Reason::SecretUnread, "the Secret stores the token and is read next".to_owned()));
    if let Some((reason, message)) = unread.or(hinders) {
        hindered(status, saying, &Fault { reason, message, stalled: false }, false);
        return;
    }
    say(status, saying, ConditionType::Ready, (Truth::True, Reason::TokenStored), "pods can pull with the Secret");
    progress(status, saying, None);
}

fn hindered(status: &mut RegistryTokenStatus, saying: &Saying<'_>, fault: &Fault, working: bool) {
    if !working {
        say(status, saying, ConditionType::Ready, (Truth::False, fault.reason), &fault.message);
    }
    let kind = if fault.stalled { ConditionType::Stalled } else { ConditionType::Reconciling };
    progress(status, saying, Some((kind, fault.reason, &fault.message)));
}

/// `Reconciling` and `Stalled` stand only while they are true, and never both.
fn progress(status: &mut RegistryTokenStatus, saying: &Saying<'_>, now: Option<(ConditionType, Reason, &str)>) {
    for kind in [ConditionType::Reconciling, ConditionType::Stalled] {
        if now.is_none_or(|(kept, ..)| kept != kind) {
            conditions::clear(&mut status.conditions, kind);
        }
    }
    if let Some((kind, reason, message)) = now {
        say(status, saying, kind, (Truth::True, reason), message);
    }
}

fn say(
    status: &mut RegistryTokenStatus,
    saying: &Saying<'_>,
    kind: ConditionType,
    (value, reason): (Truth, Reason),
    message: &str,
) {
    let said = Said { kind, value, reason, message };
    conditions::set(&mut status.conditions, saying.generation, saying.now, said);
}

/// The reason that `Ready` has in a status, with its value; for events on a change.
#[must_use]
pub fn ready_word(status: Option<&RegistryTokenStatus>) -> Option<(&str, &str, &str)> {
    let condition = conditions::find(&status?.conditions, ConditionType::Ready)?;
    Some((&condition.status, &condition.reason, &condition.message))
}

#[cfg(test)]
#[path = "status_law_tests.rs"]
mod laws;
#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
