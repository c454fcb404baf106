//! How a call to a portal fails, told apart by what the portal may have done.

use crate::api::Reason;
use std::time::Duration;

/// Whether a call that failed may have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It is proved that nothing reached the portal.
    NotSent,
    /// The portal answered with a status that proves that nothing was done: most of 4xx, but not all.
    Rejected,
    /// Anything else: 5xx, a time-out, a broken answer. The portal may have acted.
    Unknown,
}

/// A call that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct PortalError {
    /// Whether it may have taken effect.
    pub delivery: Delivery,
    /// The word for it.
    pub reason: Reason,
    /// For people: what happened and what to do. Never holds a body or a secret.
    pub message: String,
    /// How long the portal asks to wait.
    pub retry_after: Option<Duration>,
    /// The token that a request made in vain, where only this tells which one it is.
    pub unusable_token: Option<Box<TokenMade>>,
}

/// A token that was made and cannot be used: its answer lacks the secret, or a name that is needed later.
/// What it takes to revoke it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenMade {
    /// The portal's id, or the username where that stands for it.
    pub id: String,
    /// The name that it logs in with; empty where that is not known, and not needed either.
    pub username: String,
}

impl PortalError {
    /// A failure without a wish of the portal's how long to wait.
    pub fn new(delivery: Delivery, reason: Reason, message: impl Into<String>) -> Self {
        Self { delivery, reason, message: message.into(), retry_after: None, unusable_token: None }
    }
}
