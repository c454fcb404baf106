//! The words for facts. A condition, an event, a log line and a metric label use the same one.

use std::fmt;

/// The types of our conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConditionType {
    /// Object: pods can pull. Issuer: the portal answers as configured.
    Ready,
    /// The registry lets the token in.
    LoginVerified,
    /// The portal shows `spec.description`.
    DescriptionSynced,
    /// Only while true: the operator is at work towards the spec.
    Reconciling,
    /// Only while true: nothing goes on until somebody changes something.
    Stalled,
    /// Only while true: `spec.suspend` forbids anything new.
    Suspended,
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Why a condition is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The Secret holds the current token.
    TokenStored,
    /// The portal answers as configured.
    PortalReady,
    /// The portal answers, and suddenly lists so few tokens that it is not believed.
    TokenListShrunk,
    /// The portal answers, and does not list the tokens to our user.
    TokenListForbidden,
    /// The portal answers, and its list could not be read to the end, or what was found in it not be
    /// put in order.
    AuditFailed,
    /// The portal answers, and the Secret with its credentials is being deleted.
    CredentialsDeleting,
    /// The portal answers, and its limits are too low for all the rotations.
    RotationTooFrequent,
    /// The portal shows the description of the spec.
    Synced,
    /// The description is edited next.
    DescriptionPending,
    /// The portal refused the new description.
    DescriptionRejected,
    /// The portal accepted the description and shows another.
    DescriptionAltered,
    /// The registry lets the token in.
    LoginAccepted,
    /// The registry does not let the token in.
    LoginRejected,
    /// The registry cannot be asked.
    RegistryUnavailable,
    /// `spec.suspend` is set.
    Suspended,
    /// Somebody revoked the token in the portal.
    RevokedUpstream,
    /// The portal does not list a token that is to be revoked, which proves nothing yet.
    TokenNotFound,
    /// Status or Secret name a token without a valid proof that it is this object's: it is left alone.
    TokenUnverified,
    /// A request got no clear answer; what it may have made is sought and revoked first.
    RequestOutcomeUnknown,
    /// The portal refused to hand out a token.
    RequestRejected,
    /// The Secret lost the token; a new one is requested.
    SecretLost,
    /// The Secret is changed or deleted again and again; a new token is requested more and more rarely.
    SecretOverwritten,
    /// Tokens were requested for this object within a short time; the next request waits.
    RequestBackoff,
    /// The Secret stores the token, and what it holds has not been read yet.
    SecretUnverified,
    /// The object names an issuer that is not there.
    IssuerNotFound,
    /// The issuer is there and not ready.
    IssuerNotReady,
    /// The issuer is being deleted.
    IssuerDeleting,
    /// The issuer does not serve this namespace.
    NamespaceNotAllowed,
    /// A Secret of that name belongs to somebody else.
    SecretNotOwned,
    /// The Secret has a type that cannot be changed.
    SecretTypeMismatch,
    /// The Secret was made immutable.
    SecretImmutable,
    /// The API server refuses the Secret: quota, admission or permissions.
    SecretRejected,
    /// The description and the marker are longer than the portal allows.
    DescriptionTooLong,
    /// The issuer's portal is another than where the token lives.
    PortalChanged,
    /// The issuer's Secret or a key of it is missing.
    CredentialsMissing,
    /// A value in the issuer's Secret is not one line of UTF-8 text.
    CredentialsInvalid,
    /// The issuer's Secret is not labeled for use by a `TokenIssuer`.
    CredentialsNotLabeled,
    /// The issuer's CA is missing or is not a certificate.
    CABundleInvalid,
    /// The portal does not accept the credentials.
    Unauthorized,
    /// The portal shows this user no such application, table or task.
    AccessDenied,
    /// The portal's `$metadata` lacks a name that the spec pins, or does not tell which one is meant.
    MetadataMismatch,
    /// The portal cannot be reached.
    Unreachable,
    /// The operator does not connect to such an address for this issuer.
    AddressNotAllowed,
    /// The operator speaks no http for a namespaced issuer.
    InsecureHTTPNotAllowed,
    /// The operator serves no namespaced issuers.
    NamespacedIssuersDisabled,
    /// The portal's certificate is not trusted.
    TlsUntrusted,
    /// The portal did not answer in time.
    TimedOut,
    /// The portal asks for fewer requests.
    RateLimited,
    /// The portal answered with an error of its own.
    PortalError,
    /// The registry answered with an error of its own.
    RegistryError,
    /// The portal's answer is not what it should be.
    InvalidResponse,
    /// What the API server holds is not what this version's kinds look like.
    InvalidObject,
    /// The API server could not be asked.
    APIServerUnavailable,
}

impl Reason {
    /// Whether an issuer with this waits for a person: trying again alone does not help.
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
                | Self::InsecureHTTPNotAllowed
                | Self::AddressNotAllowed
                | Self::PortalChanged
        )
    }

    /// Whether what failed with this would fail with everything else that the portal is asked, too.
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
    /// The variants, from this file itself: a new one must not be forgotten in a list here.
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
    fn docs_conditions_says_what_to_do_about_every_reason() {
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
