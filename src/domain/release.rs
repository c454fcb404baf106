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
    /// A last audit is needed, and the portal cannot be asked.
    Blocked,
    /// It may go.
    Now,
}

/// Whether the portal's list can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// It can.
    Visible,
    /// The portal answers, and does not list its tokens to our user: an audit finds nothing, now or ever.
    Hidden,
    /// The portal cannot be asked now.
    Unknown,
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
    /// When the last audit of its portal was begun that left nothing to be done.
    pub audited: Option<Timestamp>,
    /// Whether the portal can be audited.
    pub list: List,
    /// Longest time that an answer may take, from the moment at which the issuer was read.
    pub longest_answer: Duration,
    /// What time it is.
    pub now: Timestamp,
}

/// Whether it may go: once nobody uses it, and an audit that outlives the latest answer is done. Where
/// the portal does not list its tokens, the latest answer alone is waited for.
#[must_use]
pub fn release(seen: &Releasing) -> Release {
    if seen.in_use {
        return Release::InUse;
    }
    if !seen.held {
        return Release::Now;
    }
    // None: that was while it was in use still.
    let age = |then: Timestamp| Duration::try_from(then.duration_since(seen.free_since)).ok();
    if seen.audited.and_then(age).is_some_and(|age| age >= seen.longest_answer) {
        return Release::Now;
    }
    let left = seen.longest_answer.saturating_sub(age(seen.now).unwrap_or_default());
    match seen.list {
        _ if !left.is_zero() => Release::Wait(left),
        List::Visible => Release::Audit,
        List::Hidden => Release::Now,
        List::Unknown => Release::Blocked,
    }
}

#[cfg(test)]
#[path = "release_tests.rs"]
mod tests;
