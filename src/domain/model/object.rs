//! What the core knows of a `RegistryToken`.

use super::token_mac::MacKeys;
use crate::api::RegistryTokenStatus;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// The object, as far as decisions stand on it.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a wish of the spec of its own")]
pub struct Object {
    /// Its UID.
    pub uid: String,
    /// Its version.
    pub resource_version: String,
    /// `metadata.creationTimestamp`.
    pub created: Timestamp,
    /// `metadata.generation`.
    pub generation: i64,
    /// It is being deleted.
    pub deleting: bool,
    /// Our finalizer is on it.
    pub has_finalizer: bool,
    /// `spec.description`.
    pub description: String,
    /// Name of its Secret.
    pub secret_name: String,
    /// Kind and name of its issuer, for messages.
    pub issuer: String,
    /// `spec.rotation`; never, where it is absent.
    pub rotation: Option<Rotation>,
    /// Nothing new is begun.
    pub suspended: bool,
    /// A token that somebody revoked in the portal is replaced.
    pub reissue_revoked: bool,
    /// Tokens are revoked when the object goes.
    pub revoke_on_deletion: bool,
    /// What is asked for by annotation: keys as in `status.handledAnnotations`.
    pub requested_annotations: BTreeMap<String, String>,
    /// Ids of tokens of which its user says that they are revoked.
    pub confirmed_revoked: Vec<String>,
    /// Its status, if it has one; it may be another object's.
    pub status: Option<RegistryTokenStatus>,
    /// The operator's keys: what the status says of tokens counts only with a MAC under one of them.
    pub keys: MacKeys,
}

/// When a token is replaced, and how long its predecessor lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rotation {
    /// From request to request.
    pub interval: Duration,
    /// How long the old one stays valid.
    pub overlap: Duration,
}

impl Object {
    /// Its status, unless that speaks of another object's tokens, as a restored copy's does.
    #[must_use]
    pub fn own_status(&self) -> Option<&RegistryTokenStatus> {
        self.status.as_ref().filter(|status| status.uid.as_ref() == Some(&self.uid))
    }
}
