//! Errors of portal calls, classified by whether the portal may have acted.

use crate::api::Reason;
use crate::domain::model::problem::Problem;
use crate::domain::model::token::TokenRef;
use std::time::Duration;

/// Whether a failed call may have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It is proved that nothing reached the portal.
    NotSent,
    /// The portal responded with a status that proves that nothing was done: most 4xx statuses, but not all.
    Rejected,
    /// Anything else: 5xx, a timeout, a broken response. The portal may have acted.
    Unknown,
}

impl Delivery {
    /// The outcome of a call that failed, as metrics and traces name it.
    #[must_use]
    pub const fn outcome(self) -> &'static str {
        match self {
            Self::NotSent => "unsent",
            Self::Rejected => "refused",
            Self::Unknown => "ambiguous",
        }
    }
}

/// A call that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct PortalError {
    /// Whether the call may have taken effect.
    pub delivery: Delivery,
    /// The condition reason.
    pub reason: Reason,
    /// Human-readable: what happened and what to do. Never contains a response body or a secret.
    pub message: String,
    /// How long to wait before the next call, if the portal said so.
    pub retry_after: Option<Duration>,
    /// A token that the request created and that cannot be used: its response lacks the secret, or a name that is
    /// needed later. Set where only this error identifies it; contains what is needed to revoke it.
    pub unusable_token: Option<Box<TokenRef>>,
}

impl PortalError {
    /// An error without a retry delay.
    pub fn new(delivery: Delivery, reason: Reason, message: impl Into<String>) -> Self {
        Self { delivery, reason, message: message.into(), retry_after: None, unusable_token: None }
    }

    /// Whether the cause may be the issuer's configuration or its portal, and not only this call.
    #[must_use]
    pub const fn may_concern_issuer(&self) -> bool {
        matches!(
            self.reason,
            Reason::Unauthorized
                | Reason::AccessDenied
                | Reason::MetadataMismatch
                | Reason::Unreachable
                | Reason::TlsUntrusted
                | Reason::InvalidResponse
        )
    }
}

impl From<PortalError> for Problem {
    /// A rejected request, a limit of tokens, and a mismatch in a task need manual action.
    fn from(failure: PortalError) -> Self {
        let needs_action =
            matches!(failure.reason, Reason::RequestRejected | Reason::TokenLimitReached | Reason::MetadataMismatch);
        let terminal = failure.delivery == Delivery::Rejected && needs_action;
        Self { reason: failure.reason, message: failure.message, terminal }
    }
}
