//! What the metadata of a pull secret says. The Secret is the lock of the requesting protocol:
//! a reservation and what is stored are annotations of that one object.

use super::cause::Errand;
use super::marker::Attempt;
use super::observed::IssuerFacts;
use super::token_mac::Seal;
use crate::api::{
    ADOPT_ANNOTATION, ATTEMPT_ANNOTATION, CLOSED_ANNOTATION, HANDLES_ANNOTATION, MAC_ANNOTATION, ORIGIN_ANNOTATION,
    ORPHANED_ANNOTATION, OWNER_LABEL, REGISTRIES_ANNOTATION, RecordedToken, STORED_ANNOTATION, TOKEN_ID_ANNOTATION,
    USERNAME_ANNOTATION,
};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The longest id or username of a token, in bytes.
pub const LONGEST_NAME: usize = 256;
/// The longest secret that a commit is tried with before it is requested, in bytes.
pub const LONGEST_SECRET: usize = 4096;

/// A request for a token that may be under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reservation {
    /// Which one.
    pub attempt: Attempt,
    /// The operator process that made it.
    pub holder: String,
}

impl Reservation {
    fn parse(text: &str) -> Option<Self> {
        let (attempt, holder) = text.split_once('.')?;
        Some(Self { attempt: Attempt::parse(attempt)?, holder: holder.to_owned() })
    }
}

impl fmt::Display for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.attempt, self.holder)
    }
}

/// Where a stored token comes from: all there is to prove it by where the portal lists nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Hash of the portal's address and application; empty where nothing is noted.
    pub portal: String,
    /// When it was asked for, in seconds since 1970.
    pub asked: i64,
    /// The portal's id of the token that status named then, if it named one.
    pub after: Option<String>,
}

impl Origin {
    /// What cannot be read counts as absent.
    fn parse(text: &str) -> Self {
        let mut parts = text.splitn(3, '.');
        let (portal, asked) = (parts.next().unwrap_or_default(), parts.next().and_then(|asked| asked.parse().ok()));
        asked.map_or_else(Self::default, |asked| Self {
            portal: portal.to_owned(),
            asked,
            after: parts.next().map(str::to_owned),
        })
    }

    /// Whether it comes from another portal than the issuer names now.
    #[must_use]
    pub fn is_elsewhere(&self, facts: &IssuerFacts) -> bool {
        !self.portal.is_empty() && self.portal != facts.home()
    }

    /// Whether it is younger than the token that status names: what a Secret was restored to is not.
    #[must_use]
    pub fn follows(&self, current: &RecordedToken) -> bool {
        self.after.as_ref() == Some(&current.id) || self.asked > current.request_time.0.as_second()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.portal, self.asked)?;
        self.after.iter().try_for_each(|after| write!(f, ".{after}"))
    }
}

/// The token that a Secret holds, as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    /// The attempt that got it.
    pub attempt: Attempt,
    /// The portal's id of it.
    pub id: String,
    /// What the attempt was made for.
    pub errand: Errand,
    /// Where it comes from.
    pub origin: Origin,
    /// The operator's proof of it.
    pub seal: Seal,
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
    pub controlled: bool,
    /// Whether our controller reference and label stand in it.
    pub tied: bool,
    /// It is this object's own: by its controller, by our label with the object's UID, or by the UID in status. One that
    /// was handed over, or restored from another object's, is not before a token is stored in it.
    pub claimed: bool,
    /// A request that may be under way.
    pub reservation: Option<Reservation>,
    /// For how long this process has seen that reservation.
    pub reservation_seen: Duration,
    /// The token in it.
    pub stored: Option<Stored>,
    /// No further attempt may be made.
    pub closed: bool,
    /// Hash of the registries that it was written for.
    pub registries: Option<String>,
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
pub struct Claimant<'a> {
    /// UID of the `RegistryToken`.
    pub uid: &'a str,
    /// UID of the Secret that its status recorded.
    pub recorded_secret_uid: Option<&'a str>,
    /// For how long this process has seen the reservation that is in the Secret.
    pub reservation_seen: Duration,
    /// The object whose UID is the Secret's label is another one, and is there.
    pub label_of_another: bool,
}

/// Only what the operator itself would write is read back: known keys, and values of a bounded length.
fn known(mut errand: Errand) -> Errand {
    let known = |key: &str| super::errand::KEYS.iter().any(|(known, _)| *known == key);
    errand.handles.retain(|key, value| known(key) && value.len() <= LONGEST_NAME);
    errand
}

impl SecretMeta {
    /// Reads metadata. What cannot be read counts as absent: annotations are anybody's to forge.
    #[must_use]
    pub fn parse(raw: RawMeta<'_>, claimant: Claimant<'_>) -> Self {
        let text = |key: &str| raw.annotations.get(key).map(String::as_str);
        let labelled = raw.labels.get(OWNER_LABEL);
        let handed_over = text(ADOPT_ANNOTATION) == Some("true");
        // Without a controller our label is enough: a restore drops owner references and gives a new UID.
        // But not the label of an object that is there: somebody stripped that one's owner reference. Nor
        // that of a Secret that was left to its user.
        let free = labelled.is_some_and(|uid| uid == claimant.uid || !claimant.label_of_another);
        let by_label = free && text(ORPHANED_ANNOTATION).is_none();
        let ours = match raw.controller_uid {
            Some(uid) => uid == claimant.uid,
            None => by_label || handed_over || claimant.recorded_secret_uid == Some(raw.uid),
        };
        let recorded = claimant.recorded_secret_uid == Some(raw.uid);
        let own_label = labelled.is_some_and(|uid| uid == claimant.uid);
        let claimed = match raw.controller_uid {
            Some(uid) => uid == claimant.uid,
            None => recorded || (own_label && by_label),
        };
        let stored = text(STORED_ANNOTATION).and_then(Attempt::parse).zip(text(TOKEN_ID_ANNOTATION));
        let errand =
            || text(HANDLES_ANNOTATION).and_then(|json| serde_json::from_str(json).ok()).map(known).unwrap_or_default();
        Self {
            uid: raw.uid.to_owned(),
            resource_version: raw.resource_version.to_owned(),
            ownership: if ours { Ownership::Ours } else { Ownership::Foreign },
            controlled: raw.controller_uid.is_some(),
            tied: raw.controller_uid == Some(claimant.uid) && own_label,
            claimed,
            reservation: text(ATTEMPT_ANNOTATION).and_then(Reservation::parse),
            reservation_seen: claimant.reservation_seen,
            stored: stored.map(|(attempt, id)| Stored {
                attempt,
                id: id.to_owned(),
                errand: errand(),
                origin: text(ORIGIN_ANNOTATION).map(Origin::parse).unwrap_or_default(),
                seal: Seal {
                    username: text(USERNAME_ANNOTATION).unwrap_or_default().to_owned(),
                    mac: text(MAC_ANNOTATION).unwrap_or_default().to_owned(),
                },
            }),
            // A former owner's says nothing about this object's attempts.
            closed: text(CLOSED_ANNOTATION) == Some(claimant.uid),
            registries: text(REGISTRIES_ANNOTATION).map(str::to_owned),
        }
    }
}

#[cfg(test)]
#[path = "pull_secret_tests.rs"]
mod tests;
