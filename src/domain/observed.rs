//! The observation: everything that is known when a decision is made.

use super::model::marker::{AttemptId, IssuerTag, Marker, Nonce, hash};
use super::model::object::Object;
use super::model::pull_secret::{Ownership, SecretMeta, StoredToken};
use super::model::status_view::StatusView;
use super::model::token::TokenRef;
use super::model::token_mac::{MacSubject, TokenRole, TokenSignature};
use super::retry::cooldown::{Cooldown, Operation};
use super::retry::request_backoff::RequestHistory;
use crate::api::{LoginCheck, Reason, RecordedPortal};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// The observation on which a decision is based.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The API server's time, as closely as it is known.
    pub now: Timestamp,
    /// The object.
    pub object: Object,
    /// The metadata of its Secret, if one with the owner label exists.
    pub secret: Option<SecretMeta>,
    /// Its issuer.
    pub issuer: IssuerState,
    /// Identity of this operator instance.
    pub identity: String,
    /// This instance holds the Lease: as far as it knows, no other instance is active.
    pub is_leader: bool,
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
    /// The description with which this pass requested a token that is now stored: with the marker, and from the spec at
    /// that time.
    pub submitted_description: Option<String>,
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

    /// Whether the cache is sufficient for a decision. A Secret that lost its label is missing from the cache: if the
    /// object may have a Secret, its absence proves nothing.
    #[must_use]
    pub fn cache_suffices(&self) -> bool {
        let shown = self.secret.is_some() || !self.object.has_finalizer;
        match &self.issuer {
            IssuerState::Unknown => true,
            IssuerState::Ready(_) => shown,
            // A working object would be reported as not ready; and a removed label must be restored.
            IssuerState::Missing | IssuerState::NotReady { .. } => {
                shown || StatusView::of(&self.object).token.is_none()
            }
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
    /// Requested.
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

/// The state of the issuer.
#[derive(Clone, Debug, PartialEq)]
pub enum IssuerState {
    /// Not known yet: the operator has just started.
    Unknown,
    /// The issuer does not exist.
    Missing,
    /// The issuer exists, but is not ready.
    NotReady {
        /// Reason of the issuer's `Ready` condition.
        reason: Reason,
        /// Message of the issuer's `Ready` condition.
        message: String,
    },
    /// The issuer is ready.
    Ready(IssuerInfo),
}

/// The configuration and state of a ready issuer.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "independent flags")]
pub struct IssuerInfo {
    /// The issuer's part of every marker.
    pub tag: IssuerTag,
    /// Location of the portal, and the portal user.
    pub portal: RecordedPortal,
    /// Hash of the registries.
    pub registries_hash: String,
    /// Hash of the spec and the credentials. A rejection by the portal depends on both.
    pub config_hash: [u8; 32],
    /// Maximum length of a description, including the marker.
    pub max_description_chars: Option<usize>,
    /// The longest time in which a response may still arrive, counted from the read of the issuer.
    pub response_deadline: Duration,
    /// The issuer is being deleted.
    pub deleting: bool,
    /// The issuer has the operator's finalizer, so it is not removed before its tokens.
    pub has_finalizer: bool,
    /// The portal user can list tokens.
    pub list_visible: bool,
    /// The marker stays in the description.
    pub keep_marker: bool,
    /// Whether logins are verified at the registries.
    pub login_check: LoginCheck,
    /// Requests by annotation for all tokens of the issuer, with keys as in `status.handledAnnotations`.
    pub requested_annotations: BTreeMap<String, String>,
}

impl IssuerInfo {
    /// Whether logins are verified at the registries.
    #[must_use]
    pub fn checks_login(&self) -> bool {
        self.login_check != LoginCheck::Disabled
    }

    /// Whether missing tokens can be detected, from the portal's list or at a registry.
    #[must_use]
    pub fn can_be_audited(&self) -> bool {
        self.list_visible || self.checks_login()
    }

    /// Hash of the portal's location, which distinguishes portals.
    #[must_use]
    pub fn portal_hash(&self) -> String {
        hash(&[&self.portal.url, &self.portal.scope], 12)
    }

    /// Returns the description that the portal should show for a token with this nonce.
    #[must_use]
    pub fn published_description(&self, description: &str, nonce: &str) -> String {
        match Nonce::parse(nonce).filter(|_| self.keep_marker) {
            Some(nonce) => Marker::new(self.tag.clone(), nonce).append_to(description),
            None => description.to_owned(),
        }
    }
}
