//! What is known when a decision is made.

use super::model::marker::{AttemptId, IssuerTag, Marker, Nonce, hash};
use super::model::object::Object;
use super::model::pull_secret::{SecretMeta, StoredToken};
use super::model::status_view::{StatusView, status_view};
use super::model::token_mac::{MacSubject, TokenRole, TokenSignature};
use super::protocol::Named;
use super::retry::cooldown::{Cooldown, Operation};
use super::retry::request_backoff::RequestHistory;
use crate::api::{Reason, RecordedPortal};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything that a decision stands on.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The API server's time, as near as we know it.
    pub now: Timestamp,
    /// The object.
    pub object: Object,
    /// Its Secret's metadata, if there is one with our label.
    pub secret: Option<SecretMeta>,
    /// Its issuer.
    pub issuer: IssuerState,
    /// This operator process.
    pub identity: String,
    /// This process has the lease: no other is at work, as far as it knows.
    pub is_leader: bool,
    /// What the last audit says of the current token.
    pub upstream: UpstreamState,
    /// Asked for by annotation: look at everything, once.
    pub resync_requested: bool,
    /// Asked for by annotation: look at the portal's row and try the login.
    pub recheck: Recheck,
    /// How long until an edit that the portal rejected is tried again; none where none was, or nobody has counted yet.
    pub edit_retry_after: Option<Duration>,
    /// A number for the one attempt that this pass may make.
    pub attempt_id: AttemptId,
    /// What the portal shows of the token that this pass has asked for and stored: with the mark, and of the object
    /// as it was then.
    pub submitted_description: Option<String>,
    /// What was tried in vain, and is not to be tried again yet.
    pub cooldowns: Vec<Cooldown>,
    /// Tokens that this process has revoked, with the portal's clear answer: they are gone, whatever status still names.
    pub revoked_tokens: Vec<Named>,
    /// The digest of what the portal made of a description that it did not keep as it was sent.
    pub normalized_description: Option<u64>,
    /// Its recent token requests, by which the next one may have to wait.
    pub request_history: RequestHistory,
}

impl Observed {
    /// What the issuer asks, where it can be worked with.
    #[must_use]
    pub const fn issuer_info(&self) -> Option<&IssuerInfo> {
        match &self.issuer {
            IssuerState::Ready(facts) => Some(facts),
            _ => None,
        }
    }

    /// Whether what a cache shows may be rested on. A Secret that lost its label is not shown: of an
    /// object that may have one, its absence proves nothing.
    #[must_use]
    pub fn cache_suffices(&self) -> bool {
        let shown = self.secret.is_some() || !self.object.has_finalizer;
        match &self.issuer {
            IssuerState::Unknown => true,
            IssuerState::Ready(_) => shown,
            // Of an object that works it would be said that it does not; and a label that was stripped is put back.
            IssuerState::Missing | IssuerState::NotReady { .. } => shown || status_view(&self.object).token.is_none(),
        }
    }

    /// The token that a Secret of this object stores, if the operator's MAC proves that it stored it. It lives where status
    /// says, or where the issuer is now.
    #[must_use]
    pub fn verify_stored(&self, stored: &StoredToken) -> Option<Named> {
        let recorded = self.object.own_status().and_then(|status| status.portal.as_ref());
        let token = Named { id: stored.id.clone(), username: stored.signature.username.clone() };
        let valid = |portal: &RecordedPortal| {
            let subject = MacSubject::of(&self.object.uid, portal, &token);
            self.object.keys.verify(subject, TokenRole::Stored, &stored.signature.mac)
        };
        let proved = recorded.into_iter().chain(self.issuer_info().map(|facts| &facts.portal)).any(valid);
        proved.then_some(token)
    }

    /// The proof to note beside a token that the Secret stores.
    #[must_use]
    pub fn sign_stored(&self, portal: &RecordedPortal, token: &Named) -> TokenSignature {
        let subject = MacSubject::of(&self.object.uid, portal, token);
        TokenSignature { username: token.username.clone(), mac: self.object.keys.sign(subject, TokenRole::Stored) }
    }

    /// Whether the proof in the Secret is the one that the key that signs now makes for the current token.
    #[must_use]
    pub fn is_signature_current(&self, secret: &SecretMeta, status: &StatusView) -> bool {
        let (Some(portal), Some(token)) = (&status.portal, &status.token) else { return false };
        secret.stored.as_ref().is_some_and(|stored| stored.signature == self.sign_stored(portal, &Named::from(token)))
    }

    /// Whether this was tried in vain, and what is known of it.
    #[must_use]
    pub fn cooldown(&self, deed: &Operation) -> Option<&Cooldown> {
        self.cooldowns.iter().find(|vain| vain.operation == *deed)
    }

    /// The mark of an attempt for this object.
    #[must_use]
    pub fn marker(&self, facts: &IssuerInfo, attempt: &AttemptId) -> Marker {
        Marker::new(facts.tag.clone(), Nonce::of(&self.object.uid, attempt))
    }
}

/// Whether somebody asked for a look at portal and registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Recheck {
    /// Nobody did, or it is done.
    #[default]
    NotRequested,
    /// Somebody did.
    Requested,
    /// The registry rejects the login since then, and where there is no list only a second time counts.
    RejectedSince(Timestamp),
}

/// What the last audit says of an object's current token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UpstreamState {
    /// Nothing: there was none since the token was last touched, or the list is not believed.
    #[default]
    Unknown,
    /// The portal's complete list, begun then, lacks it; or there is no list, and a registry, asked after that, refused it.
    Absent(Timestamp),
    /// The portal lists it with a description of this digest.
    Present(u64),
    /// The portal lists nothing to our user, and the registries let it in.
    LoginAccepted,
}

/// The issuer, as far as it is known.
#[derive(Clone, Debug, PartialEq)]
pub enum IssuerState {
    /// Nothing is known yet: the operator has just begun.
    Unknown,
    /// It is certain that there is none.
    Missing,
    /// It is there, and cannot be worked with now.
    NotReady {
        /// Its own reason.
        reason: Reason,
        /// Its own message.
        message: String,
    },
    /// It can be worked with.
    Ready(IssuerInfo),
}

/// How much the registry's word counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LoginMode {
    /// No token counts as ready that has not logged in.
    #[default]
    Required,
    /// A registry that cannot be asked holds nothing up.
    BestEffort,
    /// It is not asked.
    Disabled,
}

/// What an issuer asks of its objects.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct IssuerInfo {
    /// Its part of every mark.
    pub tag: IssuerTag,
    /// Where it is, and as whom we speak to it.
    pub portal: RecordedPortal,
    /// Hash of its registries.
    pub registries_hash: String,
    /// A hash of its spec and credentials: a refusal of the portal stands on both.
    pub config_hash: [u8; 32],
    /// Longest description, marker included.
    pub max_description_chars: Option<usize>,
    /// Longest time that an answer may take, from the moment at which the issuer was read.
    pub response_deadline: Duration,
    /// It is being deleted.
    pub deleting: bool,
    /// Our finalizer is on it: it outlives the tokens that it is asked for.
    pub has_finalizer: bool,
    /// Our user sees the portal's list.
    pub list_visible: bool,
    /// The mark stays in the description.
    pub keep_marker: bool,
    /// How much the registry's word counts.
    pub login_check: LoginMode,
    /// What is asked of all its tokens by annotation: keys as in `status.handledAnnotations`.
    pub requested_annotations: BTreeMap<String, String>,
}

impl IssuerInfo {
    /// Whether logins are tried at the registry.
    #[must_use]
    pub fn checks_login(&self) -> bool {
        self.login_check != LoginMode::Disabled
    }

    /// Whether anybody can say which tokens are gone: the portal's list, or a registry.
    #[must_use]
    pub fn can_be_audited(&self) -> bool {
        self.list_visible || self.checks_login()
    }

    /// A hash of where the portal is: what tells one from another.
    #[must_use]
    pub fn portal_hash(&self) -> String {
        hash(&[&self.portal.url, &self.portal.scope], 12)
    }

    /// What the portal is to show of a token with this nonce.
    #[must_use]
    pub fn published_description(&self, description: &str, nonce: &str) -> String {
        match Nonce::parse(nonce).filter(|_| self.keep_marker) {
            Some(nonce) => Marker::new(self.tag.clone(), nonce).append_to(description),
            None => description.to_owned(),
        }
    }
}
