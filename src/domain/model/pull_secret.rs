//! What the metadata of a pull secret says. The Secret is the lock of the requesting protocol:
//! a reservation and what is stored are annotations of that one object.

use super::marker::AttemptId;
use super::request_cause::RequestCause;
use super::token_mac::TokenSignature;
use crate::api::{
    ADOPT_ANNOTATION, CAUSE_ANNOTATION, CLOSED_ANNOTATION, MAC_ANNOTATION, ORPHANED_ANNOTATION, OWNER_LABEL,
    PROVENANCE_ANNOTATION, REGISTRIES_ANNOTATION, RESERVATION_ANNOTATION, RecordedToken, STORED_ANNOTATION,
    TOKEN_ID_ANNOTATION, USERNAME_ANNOTATION,
};
use crate::domain::observed::IssuerInfo;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The longest id or username of a token, in bytes.
pub const MAX_NAME_BYTES: usize = 256;
/// The longest secret that a commit is tried with before it is requested, in bytes.
pub const MAX_SECRET_BYTES: usize = 4096;

/// A request for a token that may be under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reservation {
    /// Which one.
    pub attempt_id: AttemptId,
    /// The operator process that made it.
    pub identity: String,
}

impl Reservation {
    fn parse(text: &str) -> Option<Self> {
        let (attempt, holder) = text.split_once('.')?;
        Some(Self { attempt_id: AttemptId::parse(attempt)?, identity: holder.to_owned() })
    }
}

impl fmt::Display for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.attempt_id, self.identity)
    }
}

/// Where a stored token comes from: all there is to prove it by where the portal lists nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Provenance {
    /// Hash of the portal's address and application; empty where nothing is noted.
    pub portal: String,
    /// When it was asked for, in seconds since 1970.
    pub requested_at: i64,
    /// The portal's id of the token that status named then, if it named one.
    pub previous_id: Option<String>,
}

impl Provenance {
    /// What cannot be read counts as absent.
    fn parse(text: &str) -> Self {
        let mut parts = text.splitn(3, '.');
        let (portal, asked) = (parts.next().unwrap_or_default(), parts.next().and_then(|asked| asked.parse().ok()));
        asked.map_or_else(Self::default, |asked| Self {
            portal: portal.to_owned(),
            requested_at: asked,
            previous_id: parts.next().map(str::to_owned),
        })
    }

    /// Whether it comes from another portal than the issuer names now.
    #[must_use]
    pub fn from_other_portal(&self, facts: &IssuerInfo) -> bool {
        !self.portal.is_empty() && self.portal != facts.portal_hash()
    }

    /// Whether it is younger than the token that status names: what a Secret was restored to is not.
    #[must_use]
    pub fn is_newer_than(&self, current: &RecordedToken) -> bool {
        self.previous_id.as_ref() == Some(&current.id) || self.requested_at > current.request_time.0.as_second()
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.portal, self.requested_at)?;
        self.previous_id.iter().try_for_each(|after| write!(f, ".{after}"))
    }
}

/// The token that a Secret holds, as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredToken {
    /// The attempt that got it.
    pub attempt_id: AttemptId,
    /// The portal's id of it.
    pub id: String,
    /// What the attempt was made for.
    pub request_cause: RequestCause,
    /// Where it comes from.
    pub provenance: Provenance,
    /// The operator's proof of it.
    pub signature: TokenSignature,
}

/// Whose a Secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ownership {
    /// It belongs to the object.
    Ours,
    /// It belongs to somebody else.
    Foreign,
}

/// What a Secret's metadata says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct SecretMeta {
    /// Its UID.
    pub uid: String,
    /// Its version.
    pub resource_version: String,
    /// Whose it is.
    pub ownership: Ownership,
    /// It has a controller: whose it is, that alone says.
    pub has_controller: bool,
    /// Whether our controller reference and label stand in it.
    pub owned_and_labeled: bool,
    /// It is this object's own: by its controller, by our label with the object's UID, or by the UID in status. One that
    /// was handed over, or restored from another object's, is not before a token is stored in it.
    pub is_own: bool,
    /// A request that may be under way.
    pub reservation: Option<Reservation>,
    /// For how long this process has seen that reservation.
    pub reservation_age: Duration,
    /// The token in it.
    pub stored: Option<StoredToken>,
    /// No further attempt may be made.
    pub closed: bool,
    /// Hash of the registries that it was written for.
    pub registries_hash: Option<String>,
}

/// The parts of an object's metadata that matter, in plain types.
#[derive(Clone, Copy, Debug)]
pub struct RawMeta<'a> {
    /// UID of the Secret.
    pub uid: &'a str,
    /// Version of the Secret.
    pub resource_version: &'a str,
    /// UID of its controller, if it has one.
    pub controller_uid: Option<&'a str>,
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: &'a BTreeMap<String, String>,
}

/// Who asks whether a Secret is theirs.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// UID of the `RegistryToken`.
    pub uid: &'a str,
    /// UID of the Secret that its status recorded.
    pub recorded_secret_uid: Option<&'a str>,
    /// For how long this process has seen the reservation that is in the Secret.
    pub reservation_age: Duration,
    /// The object whose UID is the Secret's label is another one, and is there.
    pub label_names_other_object: bool,
}

/// Only what the operator itself would write is read back: known keys, and values of a bounded length.
fn keep_known_annotations(mut errand: RequestCause) -> RequestCause {
    let known = |key: &str| crate::domain::decide::rotation::ANNOTATION_KEYS.iter().any(|(known, _)| *known == key);
    errand.handles.retain(|key, value| known(key) && value.len() <= MAX_NAME_BYTES);
    errand
}

impl SecretMeta {
    /// Reads metadata. What cannot be read counts as absent: annotations are anybody's to forge.
    #[must_use]
    pub fn parse(raw: RawMeta<'_>, owner: Owner<'_>) -> Self {
        let text = |key: &str| raw.annotations.get(key).map(String::as_str);
        let labelled = raw.labels.get(OWNER_LABEL);
        let handed_over = text(ADOPT_ANNOTATION) == Some("true");
        // Without a controller our label is enough: a restore drops owner references and gives a new UID.
        // But not the label of an object that is there: somebody stripped that one's owner reference. Nor
        // that of a Secret that was left to its user.
        let free = labelled.is_some_and(|uid| uid == owner.uid || !owner.label_names_other_object);
        let by_label = free && text(ORPHANED_ANNOTATION).is_none();
        let ours = match raw.controller_uid {
            Some(uid) => uid == owner.uid,
            None => by_label || handed_over || owner.recorded_secret_uid == Some(raw.uid),
        };
        let recorded = owner.recorded_secret_uid == Some(raw.uid);
        let own_label = labelled.is_some_and(|uid| uid == owner.uid);
        let claimed = match raw.controller_uid {
            Some(uid) => uid == owner.uid,
            None => recorded || (own_label && by_label),
        };
        let stored = text(STORED_ANNOTATION).and_then(AttemptId::parse).zip(text(TOKEN_ID_ANNOTATION));
        let errand = || {
            text(CAUSE_ANNOTATION)
                .and_then(|json| serde_json::from_str(json).ok())
                .map(keep_known_annotations)
                .unwrap_or_default()
        };
        Self {
            uid: raw.uid.to_owned(),
            resource_version: raw.resource_version.to_owned(),
            ownership: if ours { Ownership::Ours } else { Ownership::Foreign },
            has_controller: raw.controller_uid.is_some(),
            owned_and_labeled: raw.controller_uid == Some(owner.uid) && own_label,
            is_own: claimed,
            reservation: text(RESERVATION_ANNOTATION).and_then(Reservation::parse),
            reservation_age: owner.reservation_age,
            stored: stored.map(|(attempt, id)| StoredToken {
                attempt_id: attempt,
                id: id.to_owned(),
                request_cause: errand(),
                provenance: text(PROVENANCE_ANNOTATION).map(Provenance::parse).unwrap_or_default(),
                signature: TokenSignature {
                    username: text(USERNAME_ANNOTATION).unwrap_or_default().to_owned(),
                    mac: text(MAC_ANNOTATION).unwrap_or_default().to_owned(),
                },
            }),
            // A former owner's says nothing about this object's attempts.
            closed: text(CLOSED_ANNOTATION) == Some(owner.uid),
            registries_hash: text(REGISTRIES_ANNOTATION).map(str::to_owned),
        }
    }
}

#[cfg(test)]
#[path = "pull_secret_tests.rs"]
mod tests;
