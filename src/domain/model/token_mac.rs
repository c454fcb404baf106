//! Proves what the operator recorded about a token, with a message authentication code (MAC) under a key that only the
//! operator has. Others can write status and annotations, so a token in them counts only with a valid MAC.
//!
//! The MAC covers the object's UID, the portal, the token's id and username, and the role in which the token is
//! recorded: an entry that was edited, or copied to another object or another role, is not valid.

use crate::api::RecordedPortal;
use crate::domain::model::token::TokenRef;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::hmac;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Version of the encoding, part of the text and of the signed data.
const VERSION: &str = "v1";
/// Length of a key id, in bytes. The id is taken from a MAC of a constant, and reveals nothing about the key.
const KEY_ID_BYTES: usize = 6;

/// Minimum length of a key, in bytes.
pub const MIN_KEY_BYTES: usize = 32;

/// The role in which a token is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenRole {
    /// `status.token`.
    Current,
    /// `status.retiring`.
    Retiring,
    /// The annotations of the pull Secret.
    Stored,
}

impl TokenRole {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Retiring => "retiring",
            Self::Stored => "stored",
        }
    }
}

/// The token that a MAC covers: its object, portal, id and username.
#[derive(Clone, Copy, Debug)]
pub struct MacSubject<'a> {
    /// UID of the `RegistryToken`.
    pub uid: &'a str,
    pub portal: &'a RecordedPortal,
    /// Portal id of the token.
    pub id: &'a str,
    /// Username of the token.
    pub username: &'a str,
}

impl<'a> MacSubject<'a> {
    /// Creates the subject for a token of the object with this UID.
    #[must_use]
    pub fn of(uid: &'a str, portal: &'a RecordedPortal, token: &'a TokenRef) -> Self {
        Self { uid, portal, id: &token.id, username: &token.username }
    }

    fn encode(&self, role: TokenRole) -> Vec<u8> {
        let RecordedPortal { kind, url, scope, user } = self.portal;
        let kind = format!("{kind:?}");
        encode(&[VERSION, role.as_str(), self.uid, &kind, url, scope, user, self.id, self.username])
    }
}

/// The operator's proof of a stored token, as recorded beside it. It counts only if it is valid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TokenSignature {
    /// Username of the token; empty if not recorded.
    pub username: String,
    /// The MAC; empty if not recorded.
    pub mac: String,
}

struct MacKey {
    id: String,
    key: hmac::Key,
}

impl MacKey {
    fn new(secret: &[u8]) -> Option<Self> {
        if secret.len() < MIN_KEY_BYTES {
            return None;
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let tag = hmac::sign(&key, b"registry-token.dev key id");
        let id = URL_SAFE_NO_PAD.encode(tag.as_ref().get(..KEY_ID_BYTES)?);
        Some(Self { id, key })
    }
}

struct KeySet {
    /// Without a signing key nothing is proved or signed.
    signing: Option<MacKey>,
    accepted: Vec<MacKey>,
    created: Timestamp,
}

/// The operator's keys: one that signs, and others that are also accepted. Cheap to clone.
#[derive(Clone)]
pub struct MacKeys(Arc<KeySet>);

impl MacKeys {
    /// Creates the keys. `since` is when they were created: tokens without proof of an older object may have been
    /// signed with a key that was lost. Returns `None` if a key is shorter than [`MIN_KEY_BYTES`].
    #[must_use]
    pub fn new<'a>(signing: &[u8], accepted: impl IntoIterator<Item = &'a [u8]>, since: Timestamp) -> Option<Self> {
        let accepted = accepted.into_iter().map(MacKey::new).collect::<Option<Vec<_>>>()?;
        Some(Self(Arc::new(KeySet { signing: Some(MacKey::new(signing)?), accepted, created: since })))
    }

    /// When the keys were created.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.0.created
    }

    /// Returns the MAC of a token in a role, as `v1.<key id>.<base64url>`; empty without keys.
    #[must_use]
    pub fn sign(&self, subject: MacSubject<'_>, role: TokenRole) -> String {
        self.tag(&subject.encode(role))
    }

    /// Whether a text is the MAC of this token in this role, under one of the keys.
    #[must_use]
    pub fn verify(&self, subject: MacSubject<'_>, role: TokenRole, text: &str) -> bool {
        self.is_valid_tag(&subject.encode(role), text)
    }

    /// Returns the MAC of a Secret's UID that was recorded for the object with this UID; empty without keys.
    #[must_use]
    pub fn sign_secret(&self, uid: &str, secret_uid: &str) -> String {
        self.tag(&encode(&[VERSION, "secret", uid, secret_uid]))
    }

    /// Whether a text is the MAC of this Secret for this object, under one of the keys.
    #[must_use]
    pub fn verify_secret(&self, uid: &str, secret_uid: &str, text: &str) -> bool {
        self.is_valid_tag(&encode(&[VERSION, "secret", uid, secret_uid]), text)
    }

    /// Returns the MAC of a marker that was released to the user of a Secret in this namespace; empty without keys.
    #[must_use]
    pub fn sign_marker(&self, namespace: &str, marker: &str) -> String {
        self.tag(&encode(&[VERSION, "orphaned", namespace, marker]))
    }

    /// Whether a text is the MAC of this marker in this namespace, under one of the keys.
    #[must_use]
    pub fn verify_marker(&self, namespace: &str, marker: &str, text: &str) -> bool {
        self.is_valid_tag(&encode(&[VERSION, "orphaned", namespace, marker]), text)
    }

    fn tag(&self, message: &[u8]) -> String {
        let Some(signing) = &self.0.signing else { return String::new() };
        let tag = hmac::sign(&signing.key, message);
        format!("{VERSION}.{}.{}", signing.id, URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    fn is_valid_tag(&self, message: &[u8], text: &str) -> bool {
        let Some((id, tag)) = parse(text) else { return false };
        let Ok(tag) = URL_SAFE_NO_PAD.decode(tag) else { return false };
        self.iter().filter(|key| key.id == id).any(|key| hmac::verify(&key.key, message, &tag).is_ok())
    }

    /// Whether a text names an unknown key: another replica may know a newer one.
    #[must_use]
    pub fn is_signed_by_unknown_key(&self, text: &str) -> bool {
        parse(text).is_some_and(|(id, _)| self.iter().all(|key| key.id != id))
    }

    fn iter(&self) -> impl Iterator<Item = &MacKey> {
        self.0.signing.iter().chain(&self.0.accepted)
    }

    fn key_ids(&self) -> (Vec<&str>, Timestamp) {
        (self.iter().map(|key| key.id.as_str()).collect(), self.0.created)
    }
}

/// No keys: they prove nothing.
impl Default for MacKeys {
    fn default() -> Self {
        Self(Arc::new(KeySet { signing: None, accepted: vec![], created: Timestamp::MIN }))
    }
}

/// Returns the id by which MACs refer to a key; it reveals nothing about the key. Returns `None` if the key is shorter
/// than [`MIN_KEY_BYTES`].
#[must_use]
pub fn key_id(secret: &[u8]) -> Option<String> {
    MacKey::new(secret).map(|key| key.id)
}

/// Two values are equal if their keys are.
impl PartialEq for MacKeys {
    fn eq(&self, other: &Self) -> bool {
        self.key_ids() == other.key_ids()
    }
}

impl Eq for MacKeys {}

impl Hash for MacKeys {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key_ids().hash(state);
    }
}

/// Never prints keys.
impl fmt::Debug for MacKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKeys")
    }
}

fn parse(text: &str) -> Option<(&str, &str)> {
    let (id, tag) = text.strip_prefix(VERSION)?.strip_prefix('.')?.split_once('.')?;
    (!id.is_empty() && !tag.contains('.')).then_some((id, tag))
}

/// Prefixes each part with its length, so that no two messages have the same encoding.
fn encode(parts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

#[cfg(test)]
#[path = "token_mac_tests.rs"]
mod tests;
