//! How hard and how often a portal is asked.

use super::duration::ShortDuration;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How hard the portal may be worked, and how long it may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("duration(self.connectTimeout) <= duration(self.requestTimeout) && duration(self.firstByteTimeout) <= duration(self.requestTimeout)")
    .message("connectTimeout and firstByteTimeout are parts of a request: make requestTimeout at least as long"))]
#[x_kube(validation = Rule::new("[self.connectTimeout, self.firstByteTimeout, self.requestTimeout].all(t, duration(t) >= duration('100ms') && duration(t) <= duration('10m'))")
    .message("a time-out must be between 100ms and 10m"))]
pub struct Limits {
    /// Calls a second, at most; 5 unless given. A call is one request in most cases: a task in one step, a page
    /// of the list. A staged task counts once and is up to five requests; a login, and a look at what the portal
    /// is like, count with the call that needs them.
    #[serde(default = "Limits::default_rate")]
    #[schemars(range(min = 1, max = 10000))]
    pub requests_per_second: i32,

    /// Calls at a time, at most, and so requests at a time; 4 unless given.
    #[serde(default = "Limits::default_concurrency")]
    #[schemars(range(min = 1, max = 256))]
    pub concurrency: i32,

    /// How long a connection may take to come about; 5s unless given.
    #[serde(default = "Limits::default_connect")]
    pub connect_timeout: ShortDuration,

    /// How long an answer may take to begin; 60s unless given. A cold application takes several seconds.
    #[serde(default = "Limits::default_first_byte")]
    pub first_byte_timeout: ShortDuration,

    /// How long a request may take in all; 90s unless given.
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
    /// The most that the CRD lets a spec ask for.
    pub const MAX: Self = Self {
        requests_per_second: 10_000,
        concurrency: 256,
        connect_timeout: ShortDuration::from_secs(600),
        first_byte_timeout: ShortDuration::from_secs(600),
        request_timeout: ShortDuration::from_secs(600),
    };

    /// The same, where it stays below a ceiling, and the ceiling where it does not.
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

/// How often the portal's whole list is read, and what of it is believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("duration(self.interval) >= duration('1m') && duration(self.interval) <= duration('24h')")
    .message("audit.interval must be between 1m and 24h"))]
pub struct Audit {
    /// How often; 10m unless given.
    #[serde(default = "Audit::default_interval")]
    pub interval: ShortDuration,

    /// If more of our tokens than this are gone at once (and at least 5), the list is not believed: nothing
    /// is requested anew, and the issuer says so. 10 unless given.
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
