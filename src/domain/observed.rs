//! What is known when a decision is made.

use super::effect::Named;
use super::marker::{Attempt, IssuerTag, Marker, Nonce, hash};
use super::object::Object;
use super::pull_secret::{SecretMeta, Stored};
use super::recorded::{Recorded, recorded};
use super::request_backoff::RequestHistory;
use super::token_mac::{Role, Seal, Subject};
use super::vain::{Deed, Vain};
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
    pub issuer: IssuerView,
    /// This operator process.
    pub holder: String,
    /// This process has the lease: no other is at work, as far as it knows.
    pub leads: bool,
    /// What the last audit says of the current token.
    pub listed: Listed,
    /// Asked for by annotation: look at everything, once.
    pub look_closer: bool,
    /// Asked for by annotation: look at the portal's row and try the login.
    pub recheck: Recheck,
    /// How long until an edit that the portal rejected is tried again; none where none was, or nobody has counted yet.
    pub edit_retry: Option<Duration>,
    /// A number for the one attempt that this pass may make.
    pub attempt: Attempt,
    /// What the portal shows of the token that this pass has asked for and stored: with the mark, and of the object
    /// as it was then.
    pub shown: Option<String>,
    /// What was tried in vain, and is not to be tried again yet.
    pub vain: Vec<Vain>,
    /// Tokens that this process has revoked, with the portal's clear answer: they are gone, whatever status still names.
    pub revoked: Vec<Named>,
    /// The digest of what the portal made of a description that it did not keep as it was sent.
    pub kept: Option<u64>,
    /// Its recent token requests, by which the next one may have to wait.
    pub requests: RequestHistory,
}

impl Observed {
    /// What the issuer asks, where it can be worked with.
    #[must_use]
    pub const fn facts(&self) -> Option<&IssuerFacts> {
        match &self.issuer {
            IssuerView::Ready(facts) => Some(facts),
            _ => None,
        }
    }

    /// Whether what a cache shows may be rested on. A Secret that lost its label is not shown: of an
    /// object that may have one, its absence proves nothing.
    #[must_use]
    pub fn cache_suffices(&self) -> bool {
        let shown = self.secret.is_some() || !self.object.finalizer;
        match &self.issuer {
            IssuerView::Unknown => true,
            IssuerView::Ready(_) => shown,
            // Of an object that works it would be said that it does not; and a label that was stripped is put back.
            IssuerView::Missing | IssuerView::NotReady { .. } => shown || recorded(&self.object).token.is_none(),
        }
    }

    /// The token that a Secret of this object stores, if the operator's MAC proves that it stored it. It lives where status
    /// says, or where the issuer is now.
    #[must_use]
    pub fn sealed(&self, stored: &Stored) -> Option<Named> {
        let recorded = self.object.own_status().and_then(|status| status.portal.as_ref());
        let token = Named { id: stored.id.clone(), username: stored.seal.username.clone() };
        let valid = |portal: &RecordedPortal| {
            let subject = Subject::of(&self.object.uid, portal, &token);
            self.object.keys.verify(subject, Role::Stored, &stored.seal.mac)
        };
        let proved = recorded.into_iter().chain(self.facts().map(|facts| &facts.portal)).any(valid);
        proved.then_some(token)
    }

    /// The proof to note beside a token that the Secret stores.
    #[must_use]
    pub fn seal(&self, portal: &RecordedPortal, token: &Named) -> Seal {
        let subject = Subject::of(&self.object.uid, portal, token);
        Seal { username: token.username.clone(), mac: self.object.keys.sign(subject, Role::Stored) }
    }

    /// Whether the proof in the Secret is the one that the key that signs now makes for the current token.
    #[must_use]
    pub fn is_sealed(&self, held: &SecretMeta, known: &Recorded) -> bool {
        let (Some(portal), Some(token)) = (&known.portal, &known.token) else { return false };
        held.stored.as_ref().is_some_and(|stored| stored.seal == self.seal(portal, &Named::from(token)))
    }

    /// Whether this was tried in vain, and what is known of it.
    #[must_use]
    pub fn in_vain(&self, deed: &Deed) -> Option<&Vain> {
        self.vain.iter().find(|vain| vain.deed == *deed)
    }

    /// The mark of an attempt for this object.
    #[must_use]
    pub fn marker(&self, facts: &IssuerFacts, attempt: &Attempt) -> Marker {
        Marker::new(facts.tag.clone(), Nonce::of(&self.object.uid, attempt))
    }
}

/// Whether somebody asked for a look at portal and registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Recheck {
    /// Nobody did, or it is done.
    #[default]
    No,
    /// Somebody did.
    Asked,
    /// The registry rejects the login since then, and where there is no list only a second time counts.
    RefusedSince(Timestamp),
}

/// What the last audit says of an object's current token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Listed {
    /// Nothing: there was none since the token was last touched, or the list is not believed.
    #[default]
    Unknown,
    /// The portal's complete list, begun then, lacks it; or there is no list, and a registry, asked after that, refused it.
    Missing(Timestamp),
    /// The portal lists it with a description of this digest.
    Shown(u64),
    /// The portal lists nothing to our user, and the registries let it in.
    LetIn,
}

/// The issuer, as far as it is known.
#[derive(Clone, Debug, PartialEq)]
pub enum IssuerView {
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
    Ready(IssuerFacts),
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
pub struct IssuerFacts {
    /// Its part of every mark.
    pub tag: IssuerTag,
    /// Where it is, and as whom we speak to it.
    pub portal: RecordedPortal,
    /// Hash of its registries.
    pub registries: String,
    /// A hash of its spec and credentials: a refusal of the portal stands on both.
    pub inputs: [u8; 32],
    /// Longest description, marker included.
    pub description_max: Option<usize>,
    /// Longest time that an answer may take, from the moment at which the issuer was read.
    pub longest_answer: Duration,
    /// It is being deleted.
    pub deleting: bool,
    /// Our finalizer is on it: it outlives the tokens that it is asked for.
    pub held: bool,
    /// Our user sees the portal's list.
    pub list_visible: bool,
    /// The mark stays in the description.
    pub permanent: bool,
    /// How much the registry's word counts.
    pub login: LoginMode,
    /// What is asked of all its tokens by annotation: keys as in `status.handledAnnotations`.
    pub asked: BTreeMap<String, String>,
}

impl IssuerFacts {
    /// Whether logins are tried at the registry.
    #[must_use]
    pub fn asks_registry(&self) -> bool {
        self.login != LoginMode::Disabled
    }

    /// Whether anybody can say which tokens are gone: the portal's list, or a registry.
    #[must_use]
    pub fn can_be_audited(&self) -> bool {
        self.list_visible || self.asks_registry()
    }

    /// A hash of where the portal is: what tells one from another.
    #[must_use]
    pub fn home(&self) -> String {
        hash(&[&self.portal.url, &self.portal.scope], 12)
    }

    /// What the portal is to show of a token with this nonce.
    #[must_use]
    pub fn describe(&self, description: &str, nonce: &str) -> String {
        match Nonce::parse(nonce).filter(|_| self.permanent) {
            Some(nonce) => Marker::new(self.tag.clone(), nonce).mark(description),
            None => description.to_owned(),
        }
    }
}
