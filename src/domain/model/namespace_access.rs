//! Whether an issuer serves the namespace of an object, and when the tokens of one that it no longer serves are revoked.

use super::conditions::find;
use super::problem::Problem;
use super::problem::messages::terminal;
use crate::api::{ConditionType, Reason, RegistryTokenStatus};
use jiff::Timestamp;
use std::time::Duration;

/// Whether the issuer serves the namespace, according to the caches. A token is requested or revoked only after the
/// issuer and the namespace were read live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NamespaceAccess {
    /// Nothing follows from it: a cache is not synced, or the issuer is missing or not ready.
    #[default]
    Unknown,
    Allowed,
    NotAllowed {
        /// When this process first noticed it. Status may know an earlier time.
        noticed: Timestamp,
        /// How long the tokens are kept.
        grace: Duration,
    },
}

/// The grace period of an object whose namespace is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GracePeriod {
    /// When it began.
    pub since: Timestamp,
    /// When the tokens are revoked.
    pub end: Timestamp,
}

impl NamespaceAccess {
    /// Returns the grace period, if the namespace is not allowed. It began when it was recorded in status: a restart
    /// neither extends nor shortens it. A later time in status, or none, does not extend it either, as far as this
    /// process has noticed an earlier one.
    #[must_use]
    pub fn grace_period(self, status: Option<&RegistryTokenStatus>) -> Option<GracePeriod> {
        let Self::NotAllowed { noticed, grace } = self else { return None };
        let since = recorded(status).map_or(noticed, |(since, _)| since.min(noticed));
        Some(GracePeriod { since, end: since.checked_add(grace).unwrap_or(Timestamp::MAX) })
    }
}

impl GracePeriod {
    /// Returns the message of the condition: what happens and when, or what has happened.
    #[must_use]
    pub fn message(&self, status: &RegistryTokenStatus) -> String {
        let [since, end] = [self.since, self.end].map(in_seconds);
        if status.token.is_none() && status.retiring.is_empty() {
            return format!(
                "the issuer has not served this namespace since {since}: the object has no valid token, and none is requested"
            );
        }
        format!(
            "the issuer has not served this namespace since {since}: its tokens are revoked at {end}, unless the namespace matches the issuer's allowedNamespaces.selector again by then. Pods can pull until then"
        )
    }
}

/// Returns since when the namespace is not allowed according to a status, and the message.
#[must_use]
pub fn recorded(status: Option<&RegistryTokenStatus>) -> Option<(Timestamp, &str)> {
    let condition = find(&status?.conditions, ConditionType::NamespaceAllowed)?;
    (condition.status == "False").then_some((condition.last_transition_time.0, condition.message.as_str()))
}

/// Returns why no token is requested.
#[must_use]
pub fn not_allowed(since: Timestamp) -> Problem {
    let message = format!(
        "the issuer has not served this namespace since {}, so no token is requested, and after the grace period none is kept: label the namespace to match the issuer's allowedNamespaces.selector, or use another issuer",
        in_seconds(since)
    );
    terminal(Reason::NamespaceNotAllowed, &message)
}

fn in_seconds(time: Timestamp) -> impl std::fmt::Display {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
