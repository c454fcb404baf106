//! The action that a pass has started: one of the state machines, and how its outcome is handled.

use crate::domain::actions::confirm_revocation::ConfirmingRevocation;
use crate::domain::actions::{
    StateMachine, Transition, adopt, finalize, import, inspect_secret, recheck, request_token, revoke,
    revoke_not_allowed, sync_description, verify_login,
};
use crate::domain::model::cooldown::Operation;
use crate::domain::observed::Observed;
use crate::domain::protocol::Response;

/// The state machine of the action that was started.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RunningAction {
    RequestToken(request_token::RequestingToken),
    Recover(request_token::RequestingToken),
    Adopt(adopt::Adopting),
    Import(import::Importing),
    InspectSecret(inspect_secret::InspectingSecret),
    VerifyLogin(verify_login::VerifyingLogin),
    ConfirmRevocation(ConfirmingRevocation),
    Recheck(recheck::Rechecking),
    RevokeRetiring(revoke::RevokingRetiring),
    RevokeNotAllowed(revoke_not_allowed::RevokingNotAllowed),
    SyncDescription(sync_description::SyncingDescription),
    Finalize(finalize::Finalizing),
}

/// How the outcome of an action is handled.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Completion {
    /// A failure ends the pass.
    EndsPass,
    /// A failure that concerns only this operation starts its cooldown, and the pass continues.
    Cooldown(Operation),
    /// The same for a repair of the Secret, which leaves the portal as it is.
    SecretCooldown,
    /// The `reconcile` annotation is handled once the result is conclusive.
    Recheck,
    /// A token that cannot be revoked blocks nothing else.
    Revocations,
}

impl RunningAction {
    /// Whether the response shows that a token request reached the portal, or may have.
    pub(super) fn token_request_sent(&self, response: &Response) -> bool {
        matches!(self, Self::RequestToken(state) if state.was_sent(response))
    }

    /// Whether the response shows that a Secret exists that the cache does not contain.
    pub(super) fn found_hidden_secret(&self, response: &Response) -> bool {
        matches!(self, Self::RequestToken(state) if state.found_hidden_secret(response))
    }

    /// How the outcome of the pending request is handled, if not like that of the action: a revocation that cannot be
    /// recorded delays the login check.
    pub(super) fn exception(&self) -> Option<Completion> {
        match self {
            Self::ConfirmRevocation(ConfirmingRevocation::WritingStatus) => {
                Some(Completion::Cooldown(Operation::VerifyLogin))
            }
            _ => None,
        }
    }
}

impl StateMachine for RunningAction {
    fn step(self, observed: &Observed, response: Response) -> Transition<Self> {
        match self {
            Self::RequestToken(state) => state.step(observed, response).map(Self::RequestToken),
            Self::Recover(state) => state.step(observed, response).map(Self::Recover),
            Self::Adopt(state) => state.step(observed, response).map(Self::Adopt),
            Self::Import(state) => state.step(observed, response).map(Self::Import),
            Self::InspectSecret(state) => state.step(observed, response).map(Self::InspectSecret),
            Self::VerifyLogin(state) => state.step(observed, response).map(Self::VerifyLogin),
            Self::ConfirmRevocation(state) => state.step(observed, response).map(Self::ConfirmRevocation),
            Self::Recheck(state) => state.step(observed, response).map(Self::Recheck),
            Self::RevokeRetiring(state) => state.step(observed, response).map(Self::RevokeRetiring),
            Self::RevokeNotAllowed(state) => state.step(observed, response).map(Self::RevokeNotAllowed),
            Self::SyncDescription(state) => state.step(observed, response).map(Self::SyncDescription),
            Self::Finalize(state) => state.step(observed, response).map(Self::Finalize),
        }
    }
}
