//! The core's view of a `RegistryToken`.

use super::rotation_windows::RotationWindows;
use super::token_mac::MacKeys;
use crate::api::RegistryTokenStatus;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// The parts of a `RegistryToken` on which decisions depend.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "independent fields of the spec")]
pub struct Object {
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// `metadata.creationTimestamp`.
    pub created: Timestamp,
    /// `metadata.generation`.
    pub generation: i64,
    /// The object is being deleted.
    pub deleting: bool,
    /// The object has the operator's finalizer.
    pub has_finalizer: bool,
    /// `spec.description`.
    pub description: String,
    /// `spec.scope.projects`; empty if the token may access all that the issuer allows.
    pub projects: Vec<String>,
    /// Name of the pull secret.
    pub secret_name: String,
    /// Kind and name of the issuer, for messages.
    pub issuer: String,
    /// `spec.rotation`; absent if the token is never rotated.
    pub rotation: Option<Rotation>,
    /// `spec.rotation.windows`.
    pub rotation_windows: RotationWindows,
    /// `spec.suspend`: no token is requested and no description edited.
    pub suspended: bool,
    /// A token that was revoked in the portal is replaced.
    pub reissue_revoked: bool,
    /// Tokens are revoked when the object is deleted.
    pub revoke_on_deletion: bool,
    /// Requests by annotation, with keys as in `status.handledAnnotations`.
    pub requested_annotations: BTreeMap<String, String>,
    /// Portal id of the token that a new object takes over instead of requesting one.
    pub import: Option<String>,
    /// Ids of tokens that the user has confirmed as revoked.
    pub confirmed_revoked: Vec<String>,
    /// The status, if present. It may belong to another object.
    pub status: Option<RegistryTokenStatus>,
    /// The operator's keys: tokens in the status count only with a valid MAC under one of them.
    pub keys: MacKeys,
}

/// When a token is rotated, and how long the previous token stays valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rotation {
    /// Time from one request to the next.
    pub interval: Duration,
    /// How long the previous token stays valid.
    pub overlap: Duration,
}

impl Object {
    /// Returns the status, unless it belongs to another object, as in a restored copy.
    #[must_use]
    pub fn own_status(&self) -> Option<&RegistryTokenStatus> {
        self.status.as_ref().filter(|status| status.uid.as_ref() == Some(&self.uid))
    }
}
