//! Request limits of a portal, and audit settings.

use super::duration::ShortDuration;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Request rate, concurrency and timeouts of a portal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("duration(self.connectTimeout) <= duration(self.requestTimeout) && duration(self.firstByteTimeout) <= duration(self.requestTimeout)")
    .message("connectTimeout and firstByteTimeout are parts of a request: make requestTimeout at least as long"))]
#[x_kube(validation = Rule::new("[self.connectTimeout, self.firstByteTimeout, self.requestTimeout].all(t, duration(t) >= duration('100ms') && duration(t) <= duration('10m'))")
    .message("a timeout must be between 100ms and 10m"))]
pub struct Limits {
    /// Maximum number of calls per second. Defaults to 5. Most calls are one request: a task in one step, or a page of
    /// the list. A staged task counts once and takes up to five requests. A login and a read of the portal's metadata
    /// count as part of the call that needs them.
    #[serde(default = "Limits::default_rate")]
    #[schemars(range(min = 1, max = 10000))]
    pub requests_per_second: i32,

    /// Maximum number of concurrent calls, and thus of concurrent requests. Defaults to 4.
    #[serde(default = "Limits::default_concurrency")]
    #[schemars(range(min = 1, max = 256))]
    pub concurrency: i32,

    /// Timeout for establishing a connection. Defaults to 5s.
    #[serde(default = "Limits::default_connect")]
    pub connect_timeout: ShortDuration,

    /// Timeout until the first byte of a response. Defaults to 60s. An application that is not yet loaded takes several
    /// seconds.
    #[serde(default = "Limits::default_first_byte")]
    pub first_byte_timeout: ShortDuration,

    /// Timeout of a complete request. Defaults to 90s.
    #[serde(default = "Limits::default_request")]
    pub request_timeout: ShortDuration,
}

impl Limits {
    const fn default_rate() -> i32 {
        5
    }
    const fn default_concurrency() -> i32 {
        4
    }
    const fn default_connect() -> ShortDuration {
        ShortDuration::from_secs(5)
    }
    const fn default_first_byte() -> ShortDuration {
        ShortDuration::from_secs(60)
    }
    const fn default_request() -> ShortDuration {
        ShortDuration::from_secs(90)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_second: Self::default_rate(),
            concurrency: Self::default_concurrency(),
            connect_timeout: Self::default_connect(),
            first_byte_timeout: Self::default_first_byte(),
            request_timeout: Self::default_request(),
        }
    }
}

impl Limits {
    /// The maximum values that the CRD allows.
    pub const MAX: Self = Self {
        requests_per_second: 10_000,
        concurrency: 256,
        connect_timeout: ShortDuration::from_secs(600),
        first_byte_timeout: ShortDuration::from_secs(600),
        request_timeout: ShortDuration::from_secs(600),
    };

    /// Returns these limits, each reduced to the ceiling where it exceeds it.
    #[must_use]
    pub fn clamped_to(&self, ceiling: &Self) -> Self {
        Self {
            requests_per_second: self.requests_per_second.min(ceiling.requests_per_second),
            concurrency: self.concurrency.min(ceiling.concurrency),
            connect_timeout: self.connect_timeout.min(ceiling.connect_timeout),
            first_byte_timeout: self.first_byte_timeout.min(ceiling.first_byte_timeout),
            request_timeout: self.request_timeout.min(ceiling.request_timeout),
        }
    }
}

/// How often the portal's complete list is read, and when it is considered implausible.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("duration(self.interval) >= duration('1m') && duration(self.interval) <= duration('24h')")
    .message("audit.interval must be between 1m and 24h"))]
pub struct Audit {
    /// Interval between audits. Defaults to 10m.
    #[serde(default = "Audit::default_interval")]
    pub interval: ShortDuration,

    /// If more than this percentage of the operator's tokens (and at least 5) are missing at once, the list is
    /// considered implausible: no token is replaced, and the issuer reports `TokenListShrunk`. Defaults to 10.
    #[serde(default = "Audit::default_vanished")]
    #[schemars(range(min = 0, max = 100))]
    pub max_vanished_percent: i32,
}

impl Audit {
    const fn default_interval() -> ShortDuration {
        ShortDuration::from_secs(600)
    }
    const fn default_vanished() -> i32 {
        10
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self { interval: Self::default_interval(), max_vanished_percent: Self::default_vanished() }
    }
}
