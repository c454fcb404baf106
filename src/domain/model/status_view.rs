//! What an object's status says that decisions stand on.

use super::conditions::{find, is_true};
use super::object::Object;
use super::pull_secret::Ownership;
use super::request_cause::Cause;
use super::token::same_id;
use super::token_mac::{MacKeys, MacSubject, TokenRole};
use super::unverified_tokens::UnverifiedTokens;
use crate::api::{ConditionType, Reason, RecordedPortal, RecordedToken, RegistryTokenStatus, RetiringToken};
use crate::domain::observed::Observed;
use crate::domain::protocol::Named;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What the object's own status says; nothing if it is another object's. Of tokens, what is proved by a MAC.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a condition of its own")]
pub struct StatusView {
    /// Where the tokens live; nothing where none is proved.
    pub portal: Option<RecordedPortal>,
    /// The current token.
    pub token: Option<RecordedToken>,
    /// Former ones.
    pub retiring: Vec<RetiringToken>,
    /// What it names without proof.
    pub unverified: UnverifiedTokens,
    /// The UID of the Secret that it speaks of.
    pub secret_uid: Option<String>,
    /// The version of the Secret that was found in order.
    pub secret_version: Option<String>,
    /// The generation that the status speaks of.
    pub observed_generation: Option<i64>,
    /// The generation whose description the portal is known to show.
    pub description_synced: Option<i64>,
    /// The generation whose description the portal refused or changed.
    pub description_rejected: Option<i64>,
    /// The portal refused it, for the generation that the object has.
    pub edit_rejected: bool,
    /// The requests by annotation that have been acted on.
    pub handled_annotations: BTreeMap<String, String>,
    /// When the token is replaced next.
    pub next_rotation: Option<Timestamp>,
    /// When somebody else last revoked a token of this object, and whether for the second time in a day.
    pub upstream_revocation: Option<(Timestamp, bool)>,
    /// `Ready` is true.
    pub ready: bool,
    /// That was the current token.
    pub revoked_upstream: bool,
    /// `LoginVerified` is true.
    pub login_verified: bool,
    /// `Reconciling` or `Stalled` is true.
    pub has_problem: bool,
    /// `Suspended` is true.
    pub suspended: bool,
}

/// Reads it.
#[must_use]
pub fn status_view(object: &Object) -> StatusView {
    let Some(status) = object.own_status() else { return StatusView::default() };
    let conditions = &status.conditions;
    let description = find(conditions, ConditionType::DescriptionSynced);
    let generation_if =
        |wanted: bool| description.filter(|_| wanted).and_then(|condition| condition.observed_generation);
    let synced = description.is_some_and(|condition| condition.status == "True");
    let refusals = [Reason::DescriptionRejected, Reason::DescriptionAltered].map(|reason| reason.to_string());
    let refused = description.is_some_and(|condition| refusals.contains(&condition.reason));
    let rejected = description.is_some_and(|condition| {
        condition.reason == Reason::DescriptionRejected.to_string() && condition.observed_generation == Some(object.generation)
    });
    let revocation = status.upstream_revocation.as_ref();
    let requested = status.token.as_ref().map(|token| &token.request_time);
    let proves = |token: &Named, role, mac: Option<&String>| {
        let subject = status.portal.as_ref().map(|portal| MacSubject::of(&object.uid, portal, token));
        subject.zip(mac).is_some_and(|(subject, mac)| object.keys.verify(subject, role, mac))
    };
    let current = |token: &RecordedToken| proves(&Named::from(token), TokenRole::Current, token.mac.as_ref());
    let former = |token: &RetiringToken| proves(&Named::from(token), TokenRole::Retiring, token.mac.as_ref());
    let (token, unproved): (Vec<_>, Vec<_>) = status.token.iter().cloned().partition(current);
    let (retiring, unproved_former): (Vec<_>, Vec<_>) = status.retiring.iter().cloned().partition(former);
    let any = !token.is_empty() || !retiring.is_empty();
    StatusView {
        portal: status.portal.clone().filter(|_| any),
        token: token.into_iter().next(),
        retiring,
        unverified: UnverifiedTokens { token: unproved.into_iter().next(), retiring: unproved_former },
        secret_uid: status.secret.as_ref().and_then(|secret| secret.uid.clone()),
        secret_version: status.secret.as_ref().and_then(|secret| secret.resource_version.clone()),
        observed_generation: status.observed_generation,
        description_synced: generation_if(synced),
        description_rejected: generation_if(refused),
        edit_rejected: rejected,
        handled_annotations: status.handled_annotations.clone(),
        next_rotation: status.next_rotation_time.as_ref().map(|time| time.0),
        upstream_revocation: revocation.map(|revocation| (revocation.time.0, revocation.again)),
        ready: is_true(conditions, ConditionType::Ready),
        revoked_upstream: revocation.zip(requested).is_some_and(|(revocation, since)| revocation.applies_to(since)),
        login_verified: is_true(conditions, ConditionType::LoginVerified),
        has_problem: is_true(conditions, ConditionType::Reconciling) || is_true(conditions, ConditionType::Stalled),
        suspended: is_true(conditions, ConditionType::Suspended),
    }
}

/// The UID of the Secret that the operator recorded for the object of this UID; none that somebody else wrote there.
#[must_use]
pub fn verified_secret_uid<'a>(status: &'a RegistryTokenStatus, uid: &str, keys: &MacKeys) -> Option<&'a str> {
    let secret = status.secret.as_ref()?;
    let (secret_uid, mac) = (secret.uid.as_deref()?, secret.mac.as_deref()?);
    keys.verify_secret(uid, secret_uid, mac).then_some(secret_uid)
}

/// The UID of the Secret that counts as recorded for this object. Where the key that proved it may be lost, our note in
/// the Secret stands in for the proof: who may only write statuses cannot put it there.
#[must_use]
pub fn recorded_secret_uid<'a>(
    status: &'a RegistryTokenStatus,
    uid: &str,
    created: Timestamp,
    keys: &MacKeys,
    is_noted: bool,
) -> Option<&'a str> {
    let unproved = || status.secret.as_ref()?.uid.as_deref().filter(|_| is_noted && created <= keys.created());
    verified_secret_uid(status, uid, keys).or_else(unproved)
}

impl StatusView {
    /// Whether status has this token as a former one.
    #[must_use]
    pub fn is_retiring(&self, id: &str) -> bool {
        self.retiring.iter().any(|token| same_id(&token.id, id))
    }

    /// The id of the current token, proved or not.
    #[must_use]
    pub fn current_token_id(&self) -> Option<&String> {
        self.token.as_ref().or(self.unverified.token.as_ref()).map(|token| &token.id)
    }

    /// What a token is requested for where the Secret holds none.
    #[must_use]
    pub fn cause_without_token(&self) -> Cause {
        if self.current_token_id().is_some() { Cause::Lost } else { Cause::First }
    }

    /// Retiring tokens that are due, but for one that the object's Secret still holds.
    pub fn due_revocations<'a>(&'a self, observed: &'a Observed) -> impl Iterator<Item = &'a RetiringToken> {
        let ours = observed.secret.as_ref().filter(|secret| secret.ownership == Ownership::Ours);
        let stored = ours.and_then(|secret| secret.stored.as_ref());
        let is_in_secret = move |token: &&RetiringToken| stored.is_some_and(|stored| same_id(&stored.id, &token.id));
        self.retiring
            .iter()
            .filter(|token| token.revocation_time.0 <= observed.now)
            .filter(move |token| !is_in_secret(token))
    }

    /// Every token that status names with proof: the current one first.
    #[must_use]
    pub fn tokens(&self) -> Vec<Named> {
        self.token.iter().map(Named::from).chain(self.retiring.iter().map(Named::from)).collect()
    }
}

#[cfg(test)]
#[path = "status_view_tests.rs"]
mod tests;
