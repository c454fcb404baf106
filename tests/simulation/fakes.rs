//! What the simulated world consists of: objects, Secrets, tokens, the issuer, and delayed effects.

use registry_token_operator::api::RegistryTokenStatus;
use registry_token_operator::domain::model::marker::Nonce;
use registry_token_operator::domain::model::pull_secret::{Reservation, StoredToken};
use registry_token_operator::domain::model::token::TokenRef;
use std::collections::BTreeMap;

/// A `RegistryToken` in the API server.
#[derive(Clone, Debug, PartialEq)]
pub struct FakeObject {
    pub uid: String,
    pub version: u64,
    pub created: i64,
    pub generation: i64,
    pub deleting: bool,
    pub finalizer: bool,
    /// A user removed the finalizer, and no operator has reconciled the object since.
    pub unprotected: bool,
    pub description: String,
    pub requested: BTreeMap<String, String>,
    /// The last token that existed when the annotation was set. The token that handles the annotation is newer.
    pub requested_after: BTreeMap<String, u32>,
    pub revoke: bool,
    pub reissue: bool,
    pub suspended: bool,
    /// How often a full resync was requested.
    pub resync_requests: u32,
    /// Tokens whose revocation its user confirmed.
    pub confirmed_revoked: Vec<String>,
    pub status: Option<RegistryTokenStatus>,
}

/// A Secret in the API server.
#[derive(Clone, Debug, PartialEq)]
pub struct FakeSecret {
    pub uid: String,
    pub version: u64,
    pub controller: Option<String>,
    pub label: Option<String>,
    pub reservation: Option<Reservation>,
    pub stored: Option<StoredToken>,
    /// UID of the object for which it is closed.
    pub closed: Option<String>,
    /// The portal's id of the token whose login is the content.
    pub content: Option<u32>,
    /// UID with which the checksum is salted.
    pub checksum_uid: Option<String>,
    /// The content or the covered annotations were changed: the checksum does not match any more.
    pub tampered: bool,
    /// Another user created it. The operator must not change it.
    pub foreign: bool,
    /// A user made it immutable.
    pub immutable: bool,
    /// It has another type.
    pub wrong_type: bool,
    /// Its user allows the object of its name to adopt it.
    pub adoptable: bool,
    /// Nonces of the markers that tokens released to the user may still have.
    pub orphaned: Vec<Nonce>,
}

impl FakeSecret {
    /// Whether the checksum shows that an operator wrote content and annotations for this object.
    pub fn is_intact(&self, uid: &str) -> bool {
        !self.tampered && self.checksum_uid.as_deref() == Some(uid)
    }
}

/// A name in a namespace: the object and Secret of that name, and the old versions that caches may still return.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slot {
    pub object: Option<FakeObject>,
    pub secret: Option<FakeSecret>,
    pub old_objects: Vec<Option<FakeObject>>,
    pub old_secrets: Vec<Option<FakeSecret>>,
}

/// A token in the portal.
#[derive(Clone, Debug, PartialEq)]
pub struct PortalToken {
    pub token: TokenRef,
    pub description: String,
    pub created: i64,
    pub revoked: Option<i64>,
    /// When it expires.
    pub expires: Option<i64>,
    /// Released to its user.
    pub orphaned: bool,
    /// Created by another portal user, not by the operator.
    pub foreign: bool,
}

impl PortalToken {
    /// Whether it is expired at this time.
    pub fn is_expired(&self, clock: i64) -> bool {
        self.expires.is_some_and(|expires| expires <= clock)
    }
}

/// The issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FakeIssuer {
    pub deleting: bool,
    pub finalized: bool,
    /// The portal rejects its credentials.
    pub broken: bool,
    /// It points to another portal, where its credentials are not valid.
    pub moved: bool,
    /// Since when it does not serve the namespaces of the objects.
    pub denied_since: Option<i64>,
    /// When it first did not.
    pub first_denied: Option<i64>,
    /// How often that changed.
    pub namespace_changes: u32,
    /// The annotations that apply to all its tokens.
    pub requested: BTreeMap<String, String>,
    /// The last token that existed when the annotation was set.
    pub requested_after: BTreeMap<String, u32>,
}

/// How the registry responds to logins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegistryState {
    #[default]
    Up,
    /// It rejects every login.
    Rejects,
    Down,
}

/// A delayed effect of a request: the caller has stopped waiting for the response.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PendingEffect {
    pub effect: PortalEffect,
    /// The latest time of the effect.
    pub until: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PortalEffect {
    Mint(String),
    Edit(u32, String),
}
