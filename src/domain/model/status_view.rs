//! The parsed status of an object.

use super::conditions::{find, is_true};
use super::object::Object;
use super::pull_secret::StoredToken;
use super::request_cause::Cause;
use super::token::same_id;
use super::token_mac::{MacKeys, MacSubject, TokenRole};
use super::unverified_tokens::UnverifiedTokens;
use crate::api::{ConditionType, Reason, RecordedPortal, RecordedToken, RegistryTokenStatus, RetiringToken};
use crate::domain::model::token::TokenRef;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// A token whose login the second Secret still has is revoked this much later, if that Secret cannot be written.
const MAX_REVOCATION_DELAY: Duration = Duration::from_hours(1);

/// The object's own status, parsed; empty if the status belongs to another object. Tokens count only if a MAC proves
/// them.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "independent conditions")]
pub struct StatusView {
    /// Portal that contains the tokens; absent if no token is proved.
    pub portal: Option<RecordedPortal>,
    /// The current token.
    pub token: Option<RecordedToken>,
    /// Previous tokens.
    pub retiring: Vec<RetiringToken>,
    /// Tokens without proof.
    pub unverified: UnverifiedTokens,
    pub secret_uid: Option<String>,
    /// `resourceVersion` of the Secret that was last inspected without findings.
    pub secret_version: Option<String>,
    /// Generation that the status reports.
    pub observed_generation: Option<i64>,
    /// Generation whose description the portal shows.
    pub description_synced: Option<i64>,
    /// Generation whose description the portal rejected, altered, or cannot show for this token.
    pub description_rejected: Option<i64>,
    /// The portal rejected the description of the object's current generation.
    pub edit_rejected: bool,
    /// Requests by annotation that have been handled.
    pub handled_annotations: BTreeMap<String, String>,
    pub next_rotation: Option<Timestamp>,
    /// When another user last revoked a token of this object, and whether it was the second time within 24 hours.
    pub upstream_revocation: Option<(Timestamp, bool)>,
    pub ready: bool,
    /// That revocation concerned the current token.
    pub revoked_upstream: bool,
    pub login_verified: bool,
    /// `Reconciling` or `Stalled` is true.
    pub has_problem: bool,
    pub suspended: bool,
    /// Id of the token whose login the second Secret may have.
    pub argocd_token: Option<String>,
}

/// Returns the UID of the Secret that the operator recorded for this object, unless another writer put it there.
#[must_use]
pub fn verified_secret_uid<'a>(status: &'a RegistryTokenStatus, uid: &str, keys: &MacKeys) -> Option<&'a str> {
    let secret = status.secret.as_ref()?;
    let (secret_uid, mac) = (secret.uid.as_deref()?, secret.mac.as_deref()?);
    keys.verify_secret(uid, secret_uid, mac).then_some(secret_uid)
}

/// Returns the UID of the Secret that counts as recorded for this object. If the key that signed the UID may be lost,
/// the operator's annotations in the Secret replace the proof. Their MAC, which may be of that key, shows that they are
/// the operator's: it writes none without a MAC, and a user who can write only statuses cannot create them.
#[must_use]
pub fn recorded_secret_uid<'a>(
    status: &'a RegistryTokenStatus,
    uid: &str,
    created: Timestamp,
    keys: &MacKeys,
    note_mac: Option<&str>,
) -> Option<&'a str> {
    let is_noted = note_mac.is_some_and(|mac| !mac.is_empty());
    let unproved = || status.secret.as_ref()?.uid.as_deref().filter(|_| is_noted && created <= keys.created());
    verified_secret_uid(status, uid, keys).or_else(unproved)
}

impl StatusView {
    /// Parses the status of this object; empty if it is another object's.
    #[must_use]
    pub fn of(object: &Object) -> Self {
        let Some(status) = object.own_status() else { return Self::default() };
        let conditions = &status.conditions;
        let description = find(conditions, ConditionType::DescriptionSynced);
        let generation_if =
            |wanted: bool| description.filter(|_| wanted).and_then(|condition| condition.observed_generation);
        let synced = description.is_some_and(|condition| condition.status == "True");
        let refusals = [Reason::DescriptionRejected, Reason::DescriptionAltered, Reason::EditUnsupported]
            .map(|reason| reason.to_string());
        let refused = description.is_some_and(|condition| refusals.contains(&condition.reason));
        let rejected = description.is_some_and(|condition| {
            condition.reason == Reason::DescriptionRejected.to_string()
                && condition.observed_generation == Some(object.generation)
        });
        let revocation = status.upstream_revocation.as_ref();
        let requested = status.token.as_ref().map(|token| &token.request_time);
        let proves = |token: &TokenRef, role, mac: Option<&String>| {
            let subject = status.portal.as_ref().map(|portal| MacSubject::of(&object.uid, portal, token));
            subject.zip(mac).is_some_and(|(subject, mac)| object.keys.verify(subject, role, mac))
        };
        let current = |token: &RecordedToken| proves(&TokenRef::from(token), TokenRole::Current, token.mac.as_ref());
        let former = |token: &RetiringToken| proves(&TokenRef::from(token), TokenRole::Retiring, token.mac.as_ref());
        let (token, unproved): (Vec<_>, Vec<_>) = status.token.iter().cloned().partition(current);
        let (retiring, unproved_former): (Vec<_>, Vec<_>) = status.retiring.iter().cloned().partition(former);
        let any = !token.is_empty() || !retiring.is_empty();
        Self {
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
            argocd_token: status.argocd_repository.as_ref().and_then(|record| record.token_id.clone()),
        }
    }

    /// Whether status contains this token as a retiring one.
    #[must_use]
    pub fn is_retiring(&self, id: &str) -> bool {
        self.retiring.iter().any(|token| same_id(&token.id, id))
    }

    /// Id of the current token, with or without proof.
    #[must_use]
    pub fn current_token_id(&self) -> Option<&String> {
        self.token.as_ref().or(self.unverified.token.as_ref()).map(|token| &token.id)
    }

    /// Cause of a token request if the Secret stores no token.
    #[must_use]
    pub fn cause_without_token(&self) -> Cause {
        if self.current_token_id().is_some() { Cause::Lost } else { Cause::First }
    }

    /// When a retiring token may be revoked. A token whose login the second Secret still has is revoked later, so that Argo
    /// CD can use the next login before, if there is one. The wait ends, because the Secret may be impossible to write.
    #[must_use]
    pub fn revocation_start(&self, token: &RetiringToken) -> Timestamp {
        let is_used = self.token.is_some() && self.argocd_token.as_ref().is_some_and(|id| same_id(id, &token.id));
        let delay = if is_used { MAX_REVOCATION_DELAY } else { Duration::ZERO };
        token.revocation_time.0.checked_add(delay).unwrap_or(Timestamp::MAX)
    }

    /// Returns the retiring tokens that are due, except one that the object's Secret still stores.
    pub fn due_revocations<'a>(
        &'a self,
        now: Timestamp,
        stored: Option<&'a StoredToken>,
    ) -> impl Iterator<Item = &'a RetiringToken> {
        let is_in_secret = move |token: &&RetiringToken| stored.is_some_and(|stored| same_id(&stored.id, &token.id));
        self.retiring
            .iter()
            .filter(move |token| self.revocation_start(token) <= now)
            .filter(move |token| !is_in_secret(token))
    }

    /// Whether status names a token of this object, with a valid proof.
    #[must_use]
    pub const fn has_tokens(&self) -> bool {
        self.token.is_some() || !self.retiring.is_empty()
    }

    /// Returns every proved token in the status, the current one first.
    #[must_use]
    pub fn tokens(&self) -> Vec<TokenRef> {
        self.token.iter().map(TokenRef::from).chain(self.retiring.iter().map(TokenRef::from)).collect()
    }
}

#[cfg(test)]
#[path = "status_view_tests.rs"]
mod tests;
