//! The result of a login at the registries.

use crate::api::Reason;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LoginResult {
    /// The registry accepts the login. A registry that allows anonymous access does so too.
    Accepted,
    /// The registry rejects the login (HTTP 401 or 403), with this message, which names the host. A registry may lag
    /// behind its portal by seconds.
    Rejected(String),
    /// The registry gave no result, for this reason. That shows nothing about the token.
    Unknown(RegistryProblem),
    /// The check is disabled, or the password is unknown.
    NotChecked,
}

/// Why a registry gave no result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RegistryProblem {
    /// `RegistryUnavailable`, or a reason of the registry itself, such as `RegistryError`.
    pub reason: Reason,
    /// Human-readable: what happened and what to do. Never contains a response body or a secret.
    pub message: String,
    /// The delay that the registry requested.
    pub retry_after: Option<Duration>,
}

impl<T: Into<String>> From<T> for RegistryProblem {
    fn from(message: T) -> Self {
        Self { reason: Reason::RegistryUnavailable, message: message.into(), retry_after: None }
    }
}

impl std::fmt::Display for RegistryProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}
