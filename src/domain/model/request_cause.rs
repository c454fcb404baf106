//! The cause of a token request.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The cause of a token request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// The object has no token yet.
    #[default]
    First,
    /// The Secret lost the token, or its content was changed.
    Lost,
    /// The token was revoked in the portal by another user.
    RevokedUpstream,
    /// `spec.rotation.interval` has passed.
    Rotation,
    /// The annotation `registry-token.dev/rotate` has a new value.
    Rotate,
    /// The annotation `registry-token.dev/replace` has a new value: the token is compromised.
    Replace,
}

impl Cause {
    /// Whether the previous token stays valid for the overlap.
    #[must_use]
    pub const fn overlaps(self) -> bool {
        matches!(self, Self::Rotation | Self::Rotate)
    }

    /// Whether the Secret stores a working token, which a token that does not work must not replace.
    #[must_use]
    pub const fn replaces_working_token(self) -> bool {
        matches!(self, Self::Rotation | Self::Rotate | Self::Replace)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The cause of a token request and the annotations that it handles. It is stored with the token, so that an adoption
/// marks exactly these annotations as handled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RequestCause {
    #[serde(default)]
    pub cause: Cause,
    /// The annotations that requested the token, with keys as in `status.handledAnnotations`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub handles: BTreeMap<String, String>,
}

/// Keys of `status.handledAnnotations`, for the annotations of the object and of its issuer.
pub const ANNOTATION_KEYS: [(&str, Cause); 4] = [
    ("replace", Cause::Replace),
    ("issuerReplace", Cause::Replace),
    ("rotate", Cause::Rotate),
    ("issuerRotate", Cause::Rotate),
];
