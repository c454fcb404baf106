//! The possible decisions: one action for an object.

use crate::domain::model::problem::Problem;
use crate::domain::model::request_cause::RequestCause;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing is left to do.
    Idle,
    /// Nothing is left to do for this duration.
    IdleFor(Duration),
    /// Nothing can be done before something else changes; report it.
    Report(Problem),
    /// Nothing can be done before this much time has passed; report it.
    ReportFor(Duration, Problem),
    /// Requeue the issuer, so that it gets the operator's finalizer.
    ProtectIssuer,
    /// Add the operator's finalizer to the object.
    AddFinalizer,
    /// Restore the operator's finalizer on an object that has a token.
    RestoreFinalizer,
    /// Restore the owner label and the owner reference of the Secret.
    RestoreOwnership,
    /// Remove the operator's finalizer from the object.
    RemoveFinalizer,
    RequestToken(RequestCause),
    /// Clear a reservation that an earlier request left in the Secret, and revoke the token that it may have created.
    Recover,
    /// Take over the token with this portal id, which a person requested, from a Secret that was handed over. It handles the
    /// annotations that a requested token would handle.
    Import(String, RequestCause),
    /// Write the token that the Secret stores into status, if it is proved to belong to this object.
    Adopt,
    /// Stop reporting unverified tokens that the user confirmed as revoked.
    ForgetConfirmedTokens,
    /// Set timestamps in status that lie in the future, because a clock was ahead, to the current time.
    ClampTimestamps,
    /// Record when a rotation begins that did not begin in its window.
    RescheduleRotation,
    /// Clear the recorded revocation of the current token, which the portal lists again, although the Secret cannot be
    /// repaired.
    ClearUpstreamRevocation,
    /// Read the whole Secret and repair it.
    InspectSecret,
    /// The `reconcile` annotation changed: read the portal's row of the token, and verify the login.
    Recheck,
    /// Verify the login that the Secret contains.
    VerifyLogin,
    /// The portal does not list the current token: verify the login, and record what follows.
    ConfirmRevocation,
    /// Record whether the issuer serves the namespace.
    RecordNamespaceAccess,
    /// The issuer does not serve the namespace any more: remove the login from the Secret, and have all tokens revoked.
    RevokeNotAllowed,
    /// Revoke the retiring tokens that are due.
    RevokeRetiring,
    /// Make the portal show the description.
    SyncDescription,
    /// The object is being deleted: revoke its tokens, or leave them to the user.
    Finalize,
}

impl Action {
    /// Whether the action may start with cached data. It is then guarded by the version that was read. Everything else
    /// reads from the API server first.
    #[must_use]
    pub const fn may_use_cache(&self) -> bool {
        matches!(
            self,
            Self::Idle
                | Self::IdleFor(_)
                | Self::Report(_)
                | Self::ReportFor(..)
                | Self::ProtectIssuer
                | Self::AddFinalizer
                | Self::RestoreFinalizer
                | Self::ClampTimestamps
                | Self::RescheduleRotation
                | Self::RecordNamespaceAccess
        )
    }
}
