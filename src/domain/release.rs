//! Whether an issuer that is being deleted may go.

use jiff::Timestamp;
use std::time::Duration;

/// What is to be done with an issuer that is being deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Objects still need it.
    InUse,
    /// A request that was sent for it may still be answered.
    Wait(Duration),
    /// A last audit is needed, begun now.
    Audit,
    /// It may go.
    Now,
}

/// What the decision stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Releasing {
    /// An object with our finalizer names it. Looked for past every cache after its deletion
    /// timestamp, as an attempt reads the issuer after its object has the finalizer: one side sees
    /// the other.
    pub in_use: bool,
    /// It carries our finalizer; without it no token was requested with it.
    pub held: bool,
    /// Since when nobody uses it.
    pub free_since: Timestamp,
    /// When the last audit of its portal was begun.
    pub audited: Option<Timestamp>,
    /// Longest time that an answer may take, from the moment at which the issuer was read.
    pub longest_answer: Duration,
    /// What time it is.
    pub now: Timestamp,
}

/// Whether it may go: once nobody uses it, and an audit that outlives the latest answer is done.
#[must_use]
pub fn release(seen: &Releasing) -> Release {
    if seen.in_use {
        return Release::InUse;
    }
    if !seen.held {
        return Release::Now;
    }
    let age = |then: Timestamp| Duration::try_from(then.duration_since(seen.free_since)).unwrap_or_default();
    if seen.audited.is_some_and(|audited| age(audited) >= seen.longest_answer) {
        return Release::Now;
    }
    match seen.longest_answer.saturating_sub(age(seen.now)) {
        left if left.is_zero() => Release::Audit,
        left => Release::Wait(left),
    }
}

#[cfg(test)]
#[path = "release_tests.rs"]
mod tests;
