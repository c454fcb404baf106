//! Decides whether an issuer that is being deleted can be removed.

use jiff::Timestamp;
use std::time::Duration;

/// The decision for an issuer that is being deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletionDecision {
    /// Objects still use it.
    InUse,
    /// The response to a request of this issuer may still arrive.
    Wait(Duration),
    /// A final audit must start now.
    Audit,
    /// A final audit is needed, but the portal is unavailable.
    Blocked,
    /// The issuer can be removed.
    Allowed,
}

/// Whether the portal's list can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListAccess {
    /// The list can be read.
    Visible,
    /// The portal responds, but the portal user cannot list tokens: an audit never finds anything.
    Hidden,
    /// The portal is unavailable.
    Unknown,
}

/// Input of the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeletionInput {
    /// An object with the operator's finalizer refers to the issuer. It is read live after the issuer's deletion
    /// timestamp was set, and a token request reads the issuer after its object got the finalizer: so at least one of
    /// the two sees the other.
    pub in_use: bool,
    /// The issuer has the operator's finalizer. Without it, no token was requested.
    pub has_finalizer: bool,
    /// Time since which no object uses the issuer.
    pub unused_since: Timestamp,
    /// When the last audit started that left nothing to do.
    pub audited_at: Option<Timestamp>,
    /// Whether the portal can be audited.
    pub list: ListAccess,
    /// The longest time in which a response may still arrive, counted from the read of the issuer.
    pub response_deadline: Duration,
    /// The current time.
    pub now: Timestamp,
}

/// Decides whether the issuer can be removed: once no object uses it, and an audit has completed that started after the
/// response deadline. If the portal user cannot list tokens, only the response deadline is awaited.
#[must_use]
pub fn decide_deletion(input: &DeletionInput) -> DeletionDecision {
    if input.in_use {
        return DeletionDecision::InUse;
    }
    if !input.has_finalizer {
        return DeletionDecision::Allowed;
    }
    // None: the issuer was still in use at that time.
    let age = |then: Timestamp| Duration::try_from(then.duration_since(input.unused_since)).ok();
    if input.audited_at.and_then(age).is_some_and(|age| age >= input.response_deadline) {
        return DeletionDecision::Allowed;
    }
    let left = input.response_deadline.saturating_sub(age(input.now).unwrap_or_default());
    match input.list {
        _ if !left.is_zero() => DeletionDecision::Wait(left),
        ListAccess::Visible => DeletionDecision::Audit,
        ListAccess::Hidden => DeletionDecision::Allowed,
        ListAccess::Unknown => DeletionDecision::Blocked,
    }
}

#[cfg(test)]
#[path = "issuer_deletion_tests.rs"]
mod tests;
