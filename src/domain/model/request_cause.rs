//! Why a token is asked for.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Why a token is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// The object has none yet.
    #[default]
    First,
    /// The Secret lost it, or it was changed there.
    Lost,
    /// Somebody revoked it in the portal.
    RevokedUpstream,
    /// `spec.rotation.interval` has passed.
    Rotation,
    /// The annotation `registry-token.dev/rotate` has a new value.
    Rotate,
    /// The annotation `registry-token.dev/replace` has a new value: the old one is compromised.
    Replace,
}

impl Cause {
    /// Whether the former token stays valid for the overlap.
    #[must_use]
    pub const fn overlaps(self) -> bool {
        matches!(self, Self::Rotation | Self::Rotate)
    }

    /// Whether the Secret holds a token that works, which a bad new one must not replace.
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

/// What an attempt answers, as it stands beside the token that came of it: whoever adopts that
/// token marks just this as done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RequestCause {
    /// Why it was made.
    #[serde(default)]
    pub cause: Cause,
    /// The annotations that asked for it, with keys as in `status.handledAnnotations`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub handles: BTreeMap<String, String>,
}
