//! The observation: everything that is known when a decision is made.

use super::model::cooldown::{Cooldown, Operation};
use super::model::issuer::{IssuerInfo, IssuerState};
use super::model::marker::{AttemptId, Marker, Nonce};
use super::model::namespace_access::{GracePeriod, NamespaceAccess};
use super::model::object::Object;
use super::model::pull_secret::{Ownership, SecretMeta, StoredToken};
use super::model::request_history::RequestHistory;
use super::model::status_view::StatusView;
use super::model::token::TokenRef;
use super::model::token_mac::{MacSubject, TokenRole, TokenSignature};
use crate::api::RecordedPortal;
use jiff::Timestamp;
use std::time::Duration;

/// The observation on which a decision is based.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The API server's time, as closely as it is known.
    pub now: Timestamp,
    pub object: Object,
    /// The metadata of its Secret, if one with the owner label exists.
    pub secret: Option<SecretMeta>,
    pub issuer: IssuerState,
    /// Whether the issuer serves the namespace of the object.
    pub namespace_access: NamespaceAccess,
    /// Identity of this operator instance.
    pub identity: String,
    /// The state of the current token at the last audit.
    pub upstream: UpstreamState,
    /// Requested by annotation: check everything once.
    pub resync_requested: bool,
    /// Requested by annotation: check the portal's row and the login.
    pub recheck: Recheck,
    /// Time until an edit that the portal rejected is retried. `None` if no edit was rejected, or its time has not been
    /// recorded yet.
    pub edit_retry_after: Option<Duration>,
    /// Id for the one attempt that this pass may make.
    pub attempt_id: AttemptId,
    /// This pass requested the token that is now stored, which is therefore known to exist.
    pub token_requested: bool,
    /// Operations that failed and must not be retried yet.
    pub cooldowns: Vec<Cooldown>,
    /// Tokens that this process has revoked with a clear response of the portal, even if status still names them.
    pub revoked_tokens: Vec<TokenRef>,
    /// Hash of the description that the portal shows instead of the one that was sent.
    pub normalized_description: Option<u64>,
    /// Recent token requests, which may delay the next one.
    pub request_history: RequestHistory,
}

impl Observed {
    /// Returns the issuer's information if it is ready.
    #[must_use]
    pub const fn issuer_info(&self) -> Option<&IssuerInfo> {
        match &self.issuer {
            IssuerState::Ready(issuer) => Some(issuer),
            _ => None,
        }
    }

    /// Returns how long the tokens are kept, if the issuer does not serve the namespace.
    #[must_use]
    pub fn grace_period(&self) -> Option<GracePeriod> {
        self.namespace_access.grace_period(self.object.own_status())
    }

    /// Returns how much of that time is left.
    #[must_use]
    pub fn grace_left(&self) -> Option<Duration> {
        let left = self.grace_period()?.end.duration_since(self.now);
        Some(Duration::try_from(left).unwrap_or_default())
    }

    /// Whether the cache is sufficient for a decision. A Secret that lost its label is missing from the cache: if the
    /// object may have a Secret, its absence proves nothing.
    #[must_use]
    pub fn cache_suffices(&self) -> bool {
        let shown = self.secret.is_some() || !self.object.has_finalizer;
        match &self.issuer {
            IssuerState::Unknown => true,
            IssuerState::Ready(_) => shown,
            // A working object would be reported as not ready; and a removed label must be restored.
            IssuerState::Missing | IssuerState::NotReady(_) => shown || StatusView::of(&self.object).token.is_none(),
        }
    }

    /// Returns the token that a Secret of this object stores, if the operator's MAC proves it, at the portal in status
    /// or at the issuer's current one.
    #[must_use]
    pub fn verify_stored(&self, stored: &StoredToken) -> Option<TokenRef> {
        let recorded = self.object.own_status().and_then(|status| status.portal.as_ref());
        let token = TokenRef { id: stored.id.clone(), username: stored.signature.username.clone() };
        let valid = |portal: &RecordedPortal| {
            let subject = MacSubject::of(&self.object.uid, portal, &token);
            self.object.keys.verify(subject, TokenRole::Stored, &stored.signature.mac)
        };
        let proved = recorded.into_iter().chain(self.issuer_info().map(|issuer| &issuer.portal)).any(valid);
        proved.then_some(token)
    }

    /// Returns the proof to record beside a token that the Secret stores.
    #[must_use]
    pub fn sign_stored(&self, portal: &RecordedPortal, token: &TokenRef) -> TokenSignature {
        let subject = MacSubject::of(&self.object.uid, portal, token);
        TokenSignature { username: token.username.clone(), mac: self.object.keys.sign(subject, TokenRole::Stored) }
    }

    /// Whether the proof in the Secret is the one that the current signing key creates for the current token.
    #[must_use]
    pub fn is_signature_current(&self, secret: &SecretMeta, status: &StatusView) -> bool {
        let (Some(portal), Some(token)) = (&status.portal, &status.token) else { return false };
        secret
            .stored
            .as_ref()
            .is_some_and(|stored| stored.signature == self.sign_stored(portal, &TokenRef::from(token)))
    }

    /// Returns the cooldown of an operation, if there is one.
    #[must_use]
    pub fn cooldown(&self, operation: &Operation) -> Option<&Cooldown> {
        self.cooldowns.iter().find(|cooldown| cooldown.operation == *operation)
    }

    /// Returns whether an operation may be tried. One that is in its cooldown delays nothing else: it is skipped, and
    /// reported when everything else is done.
    #[must_use]
    pub fn may(&self, operation: &Operation) -> bool {
        self.cooldown(operation).is_none()
    }

    /// Returns the Secret if it belongs to the object.
    #[must_use]
    pub fn own_secret(&self) -> Option<&SecretMeta> {
        self.secret.as_ref().filter(|secret| secret.ownership == Ownership::Ours)
    }

    /// Returns the token that the object's Secret stores.
    #[must_use]
    pub fn own_stored(&self) -> Option<&StoredToken> {
        self.own_secret().and_then(|secret| secret.stored.as_ref())
    }

    /// Returns the marker of an attempt for this object.
    #[must_use]
    pub fn marker(&self, issuer: &IssuerInfo, attempt: &AttemptId) -> Marker {
        Marker::new(issuer.tag.clone(), Nonce::of(&self.object.uid, attempt))
    }
}

/// Whether a check of portal and registry was requested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Recheck {
    /// Not requested, or already done.
    #[default]
    NotRequested,
    Requested,
    /// The registry has rejected the login since this time. Without a list, only a second rejection counts.
    RejectedSince(Timestamp),
}

/// The state of an object's current token at the last audit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UpstreamState {
    /// Unknown: there was no audit since the token was last modified, or the list is implausible.
    #[default]
    Unknown,
    /// The portal's complete list, whose read started at this time, lacks the token. Without a list: a registry
    /// rejected its login after this time.
    Absent(Timestamp),
    /// The portal lists the token, with a description of this hash.
    Present(u64),
    /// The portal user cannot list tokens, and the registries accept the login.
    LoginAccepted,
}
