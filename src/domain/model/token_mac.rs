//! Proof of what the operator notes of a token: a message authentication code (MAC) under a key that only the operator
//! has. Status and annotations can be written by others, so a token that they name counts only with a valid MAC.
//!
//! The MAC covers the object's UID, the portal, the token's id and username, and the role in which the token is noted:
//! an entry that was copied to another object, edited, or moved to another place is not valid there.

use crate::api::RecordedPortal;
use crate::domain::protocol::Named;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::hmac;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Version of the encoding, in the text and under the MAC.
const VERSION: &str = "v1";
/// Bytes of a MAC over a constant that name a key. They say nothing of the key.
const KEY_ID_BYTES: usize = 6;

/// The fewest bytes that a key may have.
pub const MIN_KEY_BYTES: usize = 32;

/// In which role a token is noted.
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

/// Whose token is noted, and where it lives.
#[derive(Clone, Copy, Debug)]
pub struct MacSubject<'a> {
    /// UID of the `RegistryToken`.
    pub uid: &'a str,
    /// The portal.
    pub portal: &'a RecordedPortal,
    /// The portal's id of the token.
    pub id: &'a str,
    /// The name that it logs in with.
    pub username: &'a str,
}

impl<'a> MacSubject<'a> {
    /// A token of the object with this UID.
    #[must_use]
    pub fn of(uid: &'a str, portal: &'a RecordedPortal, token: &'a Named) -> Self {
        Self { uid, portal, id: &token.id, username: &token.username }
    }

    fn encode(&self, role: TokenRole) -> Vec<u8> {
        let RecordedPortal { kind, url, scope, user } = self.portal;
        let kind = format!("{kind:?}");
        encode(&[VERSION, role.as_str(), self.uid, &kind, url, scope, user, self.id, self.username])
    }
}

/// The operator's proof of a stored token, as it is noted beside it. It counts only if it is valid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TokenSignature {
    /// The name that the token logs in with; empty where none is noted.
    pub username: String,
    /// The MAC; empty where none is noted.
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
    /// None: nothing is proved, and nothing signed.
    signing: Option<MacKey>,
    accepted: Vec<MacKey>,
    created: Timestamp,
}

/// The keys of the operator: one that signs, and those that are accepted beside it. Cheap to clone.
#[derive(Clone)]
pub struct MacKeys(Arc<KeySet>);

impl MacKeys {
    /// Keys from their bytes. `since` is when they came to be: what an older object names without proof may have been
    /// signed with a key that was lost. None: a key is shorter than [`MIN_KEY_BYTES`].
    #[must_use]
    pub fn new<'a>(signing: &[u8], accepted: impl IntoIterator<Item = &'a [u8]>, since: Timestamp) -> Option<Self> {
        let accepted = accepted.into_iter().map(MacKey::new).collect::<Option<Vec<_>>>()?;
        Some(Self(Arc::new(KeySet { signing: Some(MacKey::new(signing)?), accepted, created: since })))
    }

    /// When they came to be.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.0.created
    }

    /// The MAC of a token in a role, as text: `v1.<key id>.<base64url>`; empty without keys.
    #[must_use]
    pub fn sign(&self, subject: MacSubject<'_>, role: TokenRole) -> String {
        self.tag(&subject.encode(role))
    }

    /// Whether a text is the MAC of this token in this role, under one of the keys.
    #[must_use]
    pub fn verify(&self, subject: MacSubject<'_>, role: TokenRole, text: &str) -> bool {
        self.is_valid_tag(&subject.encode(role), text)
    }

    /// The MAC of a Secret, by UID, that was recorded for the object of this UID; empty without keys.
    #[must_use]
    pub fn sign_secret(&self, uid: &str, secret_uid: &str) -> String {
        self.tag(&encode(&[VERSION, "secret", uid, secret_uid]))
    }

    /// Whether a text is the MAC of this Secret for this object, under one of the keys.
    #[must_use]
    pub fn verify_secret(&self, uid: &str, secret_uid: &str, text: &str) -> bool {
        self.is_valid_tag(&encode(&[VERSION, "secret", uid, secret_uid]), text)
    }

    /// The MAC of a mark that was left to the user of a Secret in this namespace; empty without keys.
    #[must_use]
    pub fn sign_marker(&self, namespace: &str, mark: &str) -> String {
        self.tag(&encode(&[VERSION, "orphaned", namespace, mark]))
    }

    /// Whether a text is the MAC of this mark in this namespace, under one of the keys.
    #[must_use]
    pub fn verify_marker(&self, namespace: &str, mark: &str, text: &str) -> bool {
        self.is_valid_tag(&encode(&[VERSION, "orphaned", namespace, mark]), text)
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

    /// Whether a text names a key that is not among these: another replica may know a newer one.
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

/// No keys: nothing is proved by them.
impl Default for MacKeys {
    fn default() -> Self {
        Self(Arc::new(KeySet { signing: None, accepted: vec![], created: Timestamp::MIN }))
    }
}

/// The id by which MACs name a key; it says nothing of the key. None: it is shorter than [`MIN_KEY_BYTES`].
#[must_use]
pub fn key_id(secret: &[u8]) -> Option<String> {
    MacKey::new(secret).map(|key| key.id)
}

/// Two are the same if their keys are.
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

/// Shows nothing of the keys.
impl fmt::Debug for MacKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKeys")
    }
}

fn parse(text: &str) -> Option<(&str, &str)> {
    let (id, tag) = text.strip_prefix(VERSION)?.strip_prefix('.')?.split_once('.')?;
    (!id.is_empty() && !tag.contains('.')).then_some((id, tag))
}

/// Each part with its length before it: no two messages have the same encoding.
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
