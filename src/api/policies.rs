//! Rotation, upstream revocation and deletion policies.

use super::duration::ShortDuration;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// When a token is rotated, and how long the previous token stays valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("duration(self.interval) >= duration('1h') && duration(self.interval) <= duration('8760h')")
    .message("interval must be between 1h and 8760h, a year"))]
#[x_kube(validation = Rule::new("duration(self.overlap) < duration(self.interval)")
    .message("overlap must be shorter than interval: the old token must be revoked before the next rotation"))]
pub struct RotationSpec {
    /// Maximum age of a token, from 1h to 8760h. A token is rotated up to a tenth of the interval earlier, so that
    /// objects created together do not rotate together.
    #[schemars(regex(pattern = "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    pub interval: ShortDuration,

    /// How long the old token stays valid beside the new one, for pods that start in the meantime. Defaults to 15m.
    #[serde(default = "default_overlap")]
    #[schemars(regex(pattern = "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    pub overlap: ShortDuration,

    /// When rotations may begin. A rotation that is due waits for the next window; within a window, rotations are
    /// spread over its first half. `registry-token.dev/rotate` and `registry-token.dev/replace` do not wait. Without
    /// windows, a rotation begins when it is due. Windows that do not open before the token expires are ignored; the
    /// condition `RotationWindowsValid` reports that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub windows: Vec<RotationWindowSpec>,
}

/// A recurring period in which rotations may begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("duration(self.duration) >= duration('5m') && duration(self.duration) <= duration('168h')")
    .message("duration must be between 5m and 168h, a week"))]
pub struct RotationWindowSpec {
    /// When the window opens, as five cron fields: minute, hour, day of the month, month, day of the week. An example
    /// is `0 2 * * 6`, which is 02:00 on Saturdays.
    #[schemars(length(max = 100), regex(pattern = r"^[0-9A-Za-z*,/#-]+( [0-9A-Za-z*,/#-]+){4}$"))]
    pub schedule: String,

    /// How long the window is open, from 5m to 168h.
    #[schemars(regex(pattern = "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    pub duration: ShortDuration,

    /// IANA time zone of the schedule, such as `Europe/Amsterdam`. Defaults to UTC.
    #[serde(default = "default_time_zone")]
    #[schemars(length(max = 64), regex(pattern = "^[A-Za-z0-9_+/-]+$"))]
    pub time_zone: String,
}

fn default_time_zone() -> String {
    "UTC".to_owned()
}

const fn default_overlap() -> ShortDuration {
    ShortDuration::from_secs(15 * 60)
}

/// What happens when a token is revoked in the portal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum UpstreamRevocationPolicy {
    /// The token is replaced.
    #[default]
    Reissue,
    /// The token is not replaced until a user requests it.
    Hold,
}

/// What happens to a token when its object is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum DeletionPolicy {
    /// The token is revoked before the object is deleted.
    #[default]
    Revoke,
    /// Token and Secret are left to the user.
    Orphan,
}
