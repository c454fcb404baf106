//! An operation that failed, and the time until it is retried. Each retry costs calls, so one after a permanent failure
//! waits.

use super::problem::Problem;
use super::problem::messages::with_retry_hint;
use crate::api::Reason;
use std::time::Duration;

/// Time before a rejected operation is retried: something that the operator cannot observe may have changed, such as a
/// rule in the portal.
pub const COOLDOWN: Duration = Duration::from_mins(10);

/// An operation that can fail.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    RequestToken,
    /// Clear a reservation that an earlier attempt left behind.
    Recover,
    /// Repair the Secret.
    InspectSecret,
    /// Restore the owner label and the owner reference of the Secret.
    RestoreOwnership,
    /// Restore the finalizer of an object that has a token.
    RestoreFinalizer,
    /// Confirm that the current token was revoked in the portal.
    ConfirmRevocation,
    /// Verify the login of the current token.
    VerifyLogin,
    /// Make the portal show the description.
    SyncDescription,
    /// Revoke the tokens of an object whose namespace the issuer does not serve any more.
    RevokeNotAllowed,
    /// Revoke the retiring token with this id.
    Revoke(String),
    /// Wait for the user to confirm that tokens without proof are revoked.
    ConfirmUnverifiedTokens,
    Finalize,
}

/// A failed operation that is not retried yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Cooldown {
    pub operation: Operation,
    /// Time until it is retried; zero if the next pass may retry it.
    pub remaining: Duration,
    /// Why it failed.
    pub problem: Problem,
}

impl Cooldown {
    /// Creates a cooldown with the duration that the problem requires.
    #[must_use]
    pub fn new(operation: Operation, problem: Problem) -> Self {
        if is_permanent(&problem) {
            return Self { operation, remaining: COOLDOWN, problem: with_retry_hint(problem) };
        }
        Self { operation, remaining: Duration::ZERO, problem }
    }

    /// Creates a cooldown that is not reported: a registry whose response is optional, and which is asked again later.
    #[must_use]
    pub const fn silent(operation: Operation, left: Duration) -> Self {
        let problem = Problem { reason: Reason::RegistryUnavailable, message: String::new(), terminal: false };
        Self { operation, remaining: left, problem }
    }

    /// Whether the cooldown is not reported.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.problem.message.is_empty()
    }
}

/// Whether the problem affects this operation only, so that it blocks no other.
#[must_use]
pub const fn affects_one_action(problem: &Problem) -> bool {
    !problem.reason.affects_whole_portal()
        && !matches!(
            problem.reason,
            Reason::APIServerUnavailable
                | Reason::RequestOutcomeUnknown
                | Reason::IssuerNotFound
                | Reason::IssuerNotReady
                | Reason::IssuerDeleting
                | Reason::NamespaceNotAllowed
        )
}

/// Whether an early retry is useless. Exceptions are problems that are cheap to check and that end without an event: a
/// foreign Secret, of which only the metadata is read, and an issuer that must not be used.
#[must_use]
pub const fn is_permanent(problem: &Problem) -> bool {
    let looked_at_soon = matches!(
        problem.reason,
        Reason::SecretNotOwned | Reason::IssuerNotFound | Reason::IssuerDeleting | Reason::NamespaceNotAllowed
    );
    problem.terminal && !looked_at_soon
}
