//! What becomes of a token after its birth.

use super::duration::ShortDuration;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// When a token is replaced, and how long its predecessor lives on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("duration(self.interval) >= duration('1h') && duration(self.interval) <= duration('8760h')")
    .message("interval must be between 1h and 8760h, a year"))]
#[x_kube(validation = Rule::new("duration(self.overlap) < duration(self.interval)")
    .message("overlap must be shorter than interval: the old token is revoked before the next one comes"))]
pub struct RotationSpec {
    /// How old a token becomes, from 1h to 8760h; up to a tenth less, so that objects which came together
    /// do not rotate together.
    #[schemars(regex(pattern = "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    pub interval: ShortDuration,

    /// How long the old token stays valid beside the new one, for pods that start meanwhile; 15m unless given.
    #[serde(default = "default_overlap")]
    #[schemars(regex(pattern = "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    pub overlap: ShortDuration,
}

const fn default_overlap() -> ShortDuration {
    ShortDuration::from_secs(15 * 60)
}

/// What happens when somebody revokes a token in the portal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum UpstreamRevocationPolicy {
    /// It is replaced.
    #[default]
    Reissue,
    /// It is not, until a person asks for it.
    Hold,
}

/// What happens to a token when its object goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum DeletionPolicy {
    /// It is revoked before the object goes.
    #[default]
    Revoke,
    /// Token and Secret are left to the user.
    Orphan,
}
