//! Whether an issuer that is being deleted may go.

use jiff::Timestamp;
use std::time::Duration;

/// What is to be done with an issuer that is being deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletionDecision {
    /// Objects still need it.
    InUse,
    /// A request that was sent for it may still be answered.
    Wait(Duration),
    /// A last audit is needed, begun now.
    Audit,
    /// A last audit is needed, and the portal cannot be asked.
    Blocked,
    /// It may go.
    Allowed,
}

/// Whether the portal's list can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListAccess {
    /// It can.
    Visible,
    /// The portal answers, and does not list its tokens to our user: an audit finds nothing, now or ever.
    Hidden,
    /// The portal cannot be asked now.
    Unknown,
}

/// What the decision stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeletionInput {
    /// An object with our finalizer names it. Looked for past every cache after its deletion
    /// timestamp, as an attempt reads the issuer after its object has the finalizer: one side sees
    /// the other.
    pub in_use: bool,
    /// It carries our finalizer; without it no token was requested with it.
    pub has_finalizer: bool,
    /// Since when nobody uses it.
    pub unused_since: Timestamp,
    /// When the last audit of its portal was begun that left nothing to be done.
    pub audited_at: Option<Timestamp>,
    /// Whether the portal can be audited.
    pub list: ListAccess,
    /// Longest time that an answer may take, from the moment at which the issuer was read.
    pub response_deadline: Duration,
    /// What time it is.
    pub now: Timestamp,
}

/// Whether it may go: once nobody uses it, and an audit that outlives the latest answer is done. Where
/// the portal does not list its tokens, the latest answer alone is waited for.
#[must_use]
pub fn decide_deletion(input: &DeletionInput) -> DeletionDecision {
    if input.in_use {
        return DeletionDecision::InUse;
    }
    if !input.has_finalizer {
        return DeletionDecision::Allowed;
    }
    // None: that was while it was in use still.
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
