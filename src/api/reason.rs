//! Condition types and reasons. Conditions, events, log lines and metric labels use the same reasons.

use std::fmt;

/// The condition types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConditionType {
    /// `RegistryToken`: pods can pull. Issuer: the portal responds as configured.
    Ready,
    /// The registries accept the login of the token.
    LoginVerified,
    /// The portal shows `spec.description`.
    DescriptionSynced,
    /// Present only with `spec.rotation.windows`: every window is valid, and one opens in time.
    RotationWindowsValid,
    /// The `ServiceAccount`s that the spec names have the Secret in `imagePullSecrets`. Present only if it names any.
    ServiceAccountsSynced,
    /// Present only while false: the Secret for Argo CD does not have the login of the current token, or is not deleted yet.
    ArgoCDRepositorySynced,
    /// Present only while false: the issuer does not serve the namespace of the object.
    NamespaceAllowed,
    /// Present only while true: the operator is working toward the spec.
    Reconciling,
    /// Present only while true: manual action is required.
    Stalled,
    /// Present only while true: `spec.suspend` is set, so that no token is requested and no description edited.
    Suspended,
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Why a condition has its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The Secret stores the current token.
    TokenStored,
    /// The portal responds as configured.
    PortalReady,
    /// The portal responds, but its list suddenly lacks so many tokens that it is considered implausible.
    TokenListShrunk,
    /// The portal responds, but the portal user may not list the tokens.
    TokenListForbidden,
    /// The portal responds, but its list could not be read completely, or orphaned tokens could not be revoked.
    AuditFailed,
    /// The portal responds, but the Secret with its credentials is being deleted.
    CredentialsDeleting,
    /// The portal responds, but the rate limit is too low for the configured rotations.
    RotationTooFrequent,
    /// The portal shows the description of the spec, or the `ServiceAccount`s name the Secret.
    Synced,
    /// The edit of the description is pending.
    DescriptionPending,
    /// The portal rejected the new description.
    DescriptionRejected,
    /// The portal accepted the description but shows a different text.
    DescriptionAltered,
    /// The portal cannot change the description of a token. The next token gets the one of the spec.
    EditUnsupported,
    /// Rotations that are due begin in a window.
    RotationWindowsApply,
    /// A rotation window is not valid, or does not open in time. It is ignored.
    RotationWindowIgnored,
    /// The Secret is added to the `ServiceAccount`s once it contains a token.
    ServiceAccountsPending,
    /// A `ServiceAccount` that the spec names does not exist.
    ServiceAccountNotFound,
    /// Another client removes the Secret from a `ServiceAccount`.
    ServiceAccountOverwritten,
    /// The API server rejects reading or changing a `ServiceAccount`: permissions or admission.
    ServiceAccountRejected,
    /// The Secret for Argo CD is written once the pull secret stores the current token.
    ArgoCDRepositoryPending,
    /// The URL for Argo CD is in none of the issuer's registries.
    ArgoCDRepositoryNotServed,
    /// The registries accept the login of the token.
    LoginAccepted,
    /// A registry rejects the login of the token.
    LoginRejected,
    /// A registry cannot be reached.
    RegistryUnavailable,
    /// `spec.suspend` is set.
    Suspended,
    /// The token is expired, and `spec.suspend` is set, so that it is not replaced.
    TokenExpired,
    /// The token was revoked in the portal by another user.
    RevokedUpstream,
    /// The token is missing from the portal's list; this is not yet conclusive.
    TokenNotFound,
    /// Status or Secret name a token without a valid proof that it belongs to this object. The token is left alone.
    TokenUnverified,
    /// The outcome of a token request is unknown. Any token it created is found and revoked before a new one is
    /// requested.
    RequestOutcomeUnknown,
    /// The portal rejected the token request.
    RequestRejected,
    /// The portal rejected the token request because it allows no further token.
    TokenLimitReached,
    /// The Secret no longer contains the token; a new one is requested.
    SecretLost,
    /// The Secret is repeatedly changed or deleted; new tokens are requested at increasing intervals.
    SecretOverwritten,
    /// Several tokens were requested for this object within a short time; the next request is delayed.
    RequestBackoff,
    /// The token is stored, but the content of the Secret has not been read yet.
    SecretUnverified,
    /// The issuer does not exist.
    IssuerNotFound,
    /// The issuer exists but is not ready.
    IssuerNotReady,
    /// The issuer is being deleted.
    IssuerDeleting,
    /// The issuer does not allow this namespace.
    NamespaceNotAllowed,
    /// The token that a person requested cannot be taken over.
    ImportFailed,
    /// The Secret exists and is not managed by this object.
    SecretNotOwned,
    /// The Secret has another type, which cannot be changed.
    SecretTypeMismatch,
    /// The Secret is immutable.
    SecretImmutable,
    /// The API server rejects the Secret: quota, admission or permissions.
    SecretRejected,
    /// Every matching namespace has a working token.
    TokensReady,
    /// Tokens of matching namespaces are being requested or changed.
    TokensPending,
    /// Tokens of matching namespaces require manual action; `status.failures` names them.
    TokensFailing,
    /// The tokens are being revoked, because the object is being deleted.
    TokensRevoking,
    /// A `RegistryToken` of this name exists and is not managed by this object.
    TokenNotOwned,
    /// The API server rejects the `RegistryToken`: quota, admission or validation.
    TokenRejected,
    /// The description and the marker together are longer than the portal allows.
    DescriptionTooLong,
    /// The scope of the spec is not within what the issuer allows, or its portal cannot limit tokens.
    ScopeNotAllowed,
    /// The issuer refers to another portal than the one that contains the token.
    PortalChanged,
    /// The credentials Secret, or a key of it, is missing.
    CredentialsMissing,
    /// A value in the credentials Secret is not one line of UTF-8 text.
    CredentialsInvalid,
    /// The credentials Secret is not labeled for use by a `TokenIssuer`.
    CredentialsNotLabeled,
    /// The CA bundle is missing or is not a valid certificate.
    CABundleInvalid,
    /// The portal rejects the credentials.
    Unauthorized,
    /// The portal user has no access to the application, table or task.
    AccessDenied,
    /// The portal's `$metadata` lacks a name that the spec sets, or is ambiguous.
    MetadataMismatch,
    /// The portal cannot be reached.
    Unreachable,
    /// The operator does not connect to this address for this issuer.
    AddressNotAllowed,
    /// The operator does not allow http for namespaced issuers.
    InsecureHTTPNotAllowed,
    /// Namespaced issuers are disabled in this operator.
    NamespacedIssuersDisabled,
    /// The operator watches single namespaces, and no cluster issuers.
    ClusterIssuersDisabled,
    /// The portal's certificate is not trusted.
    TlsUntrusted,
    /// The portal did not respond in time.
    TimedOut,
    /// The portal rate-limits requests.
    RateLimited,
    /// The portal responded with an error.
    PortalError,
    /// The registry responded with an error.
    RegistryError,
    /// The portal's response is invalid.
    InvalidResponse,
    /// The stored object does not match the schema of this version.
    InvalidObject,
    /// The API server is unavailable.
    APIServerUnavailable,
}

impl Reason {
    /// Whether an issuer with this reason requires manual action: retrying alone does not help.
    #[must_use]
    pub const fn requires_user_action(self) -> bool {
        matches!(
            self,
            Self::CredentialsMissing
                | Self::CredentialsInvalid
                | Self::CredentialsNotLabeled
                | Self::CABundleInvalid
                | Self::Unauthorized
                | Self::AccessDenied
                | Self::MetadataMismatch
                | Self::InvalidObject
                | Self::NamespacedIssuersDisabled
                | Self::ClusterIssuersDisabled
                | Self::InsecureHTTPNotAllowed
                | Self::AddressNotAllowed
                | Self::PortalChanged
        )
    }

    /// Whether every other request to the portal would fail for the same reason.
    #[must_use]
    pub const fn affects_whole_portal(self) -> bool {
        matches!(self, Self::Unauthorized | Self::Unreachable | Self::TlsUntrusted | Self::TimedOut | Self::RateLimited)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    /// The variants, read from this file, so that no test list can miss a new one.
    fn reasons() -> Vec<&'static str> {
        let text = include_str!("reason.rs");
        let body = text.split_once("pub enum Reason {").and_then(|(_, rest)| rest.split_once("\n}")).expect("there").0;
        body.lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("///"))
            .filter_map(|line| line.strip_suffix(','))
            .collect()
    }

    #[test]
    fn docs_conditions_lists_every_reason() {
        let page = include_str!("../../docs/conditions.md");
        let named: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        assert!(reasons().len() > 35 && reasons().contains(&"TokenStored"));
        for reason in reasons() {
            let quoted = format!("`{reason}`");
            let told = named.iter().any(|line| line.split('|').nth(1).is_some_and(|cell| cell.contains(&quoted)));
            assert!(told, "docs/conditions.md lacks {reason}");
        }
    }
}
