//! The metadata of a pull secret. The Secret is the lock of the request protocol: the reservation and the stored token
//! are annotations of the same object.

use super::marker::AttemptId;
use super::request_cause::RequestCause;
use super::token_mac::TokenSignature;
use crate::api::{
    ADOPT_ANNOTATION, CAUSE_ANNOTATION, CLOSED_ANNOTATION, MAC_ANNOTATION, ORPHANED_ANNOTATION, OWNER_LABEL,
    PROVENANCE_ANNOTATION, REGISTRIES_ANNOTATION, RESERVATION_ANNOTATION, ROLE_LABEL, RecordedToken, STORED_ANNOTATION,
    TOKEN_ID_ANNOTATION, USERNAME_ANNOTATION,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Maximum length of a token's id or username, in bytes.
pub const MAX_NAME_BYTES: usize = 256;
/// Maximum length of a password for which a commit is checked before the token is requested, in bytes.
pub const MAX_SECRET_BYTES: usize = 4096;

/// A token request that may be in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reservation {
    pub attempt_id: AttemptId,
    /// Identity of the operator instance that made the reservation.
    pub identity: String,
}

impl Reservation {
    fn parse(text: &str) -> Option<Self> {
        let (attempt_id, identity) = text.split_once('.')?;
        Some(Self { attempt_id: AttemptId::parse(attempt_id)?, identity: identity.to_owned() })
    }
}

impl fmt::Display for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.attempt_id, self.identity)
    }
}

/// Where a stored token comes from. It is the only evidence if the portal user cannot list tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Provenance {
    /// Hash of the portal's URL and application; empty if unknown.
    pub portal: String,
    /// When the token was requested, in seconds since 1970.
    pub requested_at: i64,
    /// When the token expires, in seconds since 1970.
    pub expires_at: Option<i64>,
    /// Portal id of the token in status at that time, if there was one.
    pub previous_id: Option<String>,
}

impl Provenance {
    /// A text that cannot be parsed counts as absent.
    fn parse(text: &str) -> Self {
        let mut parts = text.splitn(3, '.');
        let (portal, times) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let (requested_at, expires_at) =
            times.split_once('~').map_or((times, None), |(requested_at, expires_at)| (requested_at, Some(expires_at)));
        requested_at.parse().map_or_else(
            |_| Self::default(),
            |requested_at| Self {
                portal: portal.to_owned(),
                requested_at,
                expires_at: expires_at.and_then(|time| time.parse().ok()).filter(|time| *time >= 0),
                previous_id: parts.next().map(str::to_owned),
            },
        )
    }

    /// When the token expires.
    #[must_use]
    pub fn expiration_time(&self) -> Option<Time> {
        Timestamp::from_second(self.expires_at?).ok().map(Time)
    }

    /// Whether the token comes from another portal than the one with this hash.
    #[must_use]
    pub fn from_other_portal(&self, portal_hash: &str) -> bool {
        !self.portal.is_empty() && self.portal != portal_hash
    }

    /// Whether the token is newer than the one in status. In a Secret that was restored to an earlier state it is not.
    #[must_use]
    pub fn is_newer_than(&self, current: &RecordedToken) -> bool {
        self.previous_id.as_ref() == Some(&current.id) || self.requested_at > current.request_time.0.as_second()
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.portal, self.requested_at)?;
        self.expires_at.iter().try_for_each(|expires_at| write!(f, "~{expires_at}"))?;
        self.previous_id.iter().try_for_each(|after| write!(f, ".{after}"))
    }
}

/// The token that a Secret stores, as recorded in its annotations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredToken {
    /// Id of the attempt that got the token.
    pub attempt_id: AttemptId,
    /// Portal id of the token.
    pub id: String,
    pub request_cause: RequestCause,
    /// Where the token comes from.
    pub provenance: Provenance,
    /// The operator's proof of the token.
    pub signature: TokenSignature,
}

/// Whether the object owns a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ownership {
    /// The Secret belongs to the object.
    Ours,
    /// The Secret belongs to another owner.
    Foreign,
}

/// The parsed metadata of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools, reason = "independent flags")]
pub struct SecretMeta {
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// Whether the object owns the Secret.
    pub ownership: Ownership,
    /// The Secret has a controller, which alone determines its owner.
    pub has_controller: bool,
    /// Whether the Secret has the object's controller reference and label.
    pub owned_and_labeled: bool,
    /// The Secret belongs to this object by its controller, by the label with the object's UID, or by the UID in
    /// status. A Secret that was handed over, or restored from another object, belongs to it only once a token is
    /// stored in it.
    pub is_own: bool,
    /// Its user handed over a Secret that has no controller.
    pub handed_over: bool,
    /// The reservation, if a token request may be in flight.
    pub reservation: Option<Reservation>,
    /// How long this process has observed that reservation.
    pub reservation_age: Duration,
    pub stored: Option<StoredToken>,
    /// No further attempt may be reserved.
    pub closed: bool,
    /// Hash of the registries for which the Secret was written.
    pub registries_hash: Option<String>,
}

/// The relevant parts of a Secret's metadata, in plain types.
#[derive(Clone, Copy, Debug)]
pub struct RawMeta<'a> {
    pub uid: &'a str,
    pub resource_version: &'a str,
    /// UID of the Secret's controller, if it has one.
    pub controller_uid: Option<&'a str>,
    pub labels: &'a BTreeMap<String, String>,
    pub annotations: &'a BTreeMap<String, String>,
}

/// The object whose ownership of a Secret is checked.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// UID of the `RegistryToken`.
    pub uid: &'a str,
    /// UID of the Secret that the object's status recorded.
    pub recorded_secret_uid: Option<&'a str>,
    /// How long this process has observed the reservation in the Secret.
    pub reservation_age: Duration,
    /// The label names the UID of another object, which exists.
    pub label_names_other_object: bool,
}

/// Keeps only what the operator itself writes: known keys, and values of bounded length.
fn keep_known_annotations(mut request_cause: RequestCause) -> RequestCause {
    let known = |key: &str| super::request_cause::ANNOTATION_KEYS.iter().any(|(known, _)| *known == key);
    request_cause.handles.retain(|key, value| known(key) && value.len() <= MAX_NAME_BYTES);
    request_cause
}

impl SecretMeta {
    /// Parses metadata. What cannot be parsed counts as absent, since anyone can forge annotations.
    #[must_use]
    pub fn parse(raw: RawMeta<'_>, owner: Owner<'_>) -> Self {
        let text = |key: &str| raw.annotations.get(key).map(String::as_str);
        let owner_label = raw.labels.get(OWNER_LABEL);
        let handed_over = text(ADOPT_ANNOTATION) == Some("true");
        // Without a controller, the label is sufficient: a restore drops owner references and assigns a new UID.
        // Exceptions: the label names another existing object, whose owner reference was removed; the Secret was released
        // to its user; or it is the second Secret of another object.
        let is_free = !owner.label_names_other_object && !raw.labels.contains_key(ROLE_LABEL);
        let free = owner_label.is_some_and(|uid| uid == owner.uid || is_free);
        let by_label = free && text(ORPHANED_ANNOTATION).is_none();
        let is_ours = match raw.controller_uid {
            Some(uid) => uid == owner.uid,
            None => by_label || handed_over || owner.recorded_secret_uid == Some(raw.uid),
        };
        let recorded = owner.recorded_secret_uid == Some(raw.uid);
        let own_label = owner_label.is_some_and(|uid| uid == owner.uid);
        let is_own = match raw.controller_uid {
            Some(uid) => uid == owner.uid,
            None => recorded || (own_label && by_label),
        };
        let stored = text(STORED_ANNOTATION).and_then(AttemptId::parse).zip(text(TOKEN_ID_ANNOTATION));
        let request_cause = || {
            text(CAUSE_ANNOTATION)
                .and_then(|json| serde_json::from_str(json).ok())
                .map(keep_known_annotations)
                .unwrap_or_default()
        };
        Self {
            uid: raw.uid.to_owned(),
            resource_version: raw.resource_version.to_owned(),
            ownership: if is_ours { Ownership::Ours } else { Ownership::Foreign },
            has_controller: raw.controller_uid.is_some(),
            handed_over: handed_over && raw.controller_uid.is_none(),
            owned_and_labeled: raw.controller_uid == Some(owner.uid) && own_label,
            is_own,
            reservation: text(RESERVATION_ANNOTATION).and_then(Reservation::parse),
            reservation_age: owner.reservation_age,
            stored: stored.map(|(attempt_id, id)| StoredToken {
                attempt_id,
                id: id.to_owned(),
                request_cause: request_cause(),
                provenance: text(PROVENANCE_ANNOTATION).map(Provenance::parse).unwrap_or_default(),
                signature: TokenSignature {
                    username: text(USERNAME_ANNOTATION).unwrap_or_default().to_owned(),
                    mac: text(MAC_ANNOTATION).unwrap_or_default().to_owned(),
                },
            }),
            // An annotation of a previous owner does not apply to this object's attempts.
            closed: text(CLOSED_ANNOTATION) == Some(owner.uid),
            registries_hash: text(REGISTRIES_ANNOTATION).map(str::to_owned),
        }
    }
}

#[cfg(test)]
#[path = "pull_secret_tests.rs"]
mod tests;
