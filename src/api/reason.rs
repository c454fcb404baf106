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
    ListShrunken,
    /// The portal answers, and does not list the tokens to our user.
    ListHidden,
    /// The portal answers, and its limits are too low for all the rotations.
    RotationTooFrequent,
    /// The portal shows the description of the spec.
    Synced,
    /// The description is edited next.
    EditPending,
    /// The portal refused the new description.
    EditRefused,
    /// The portal accepted the description and shows another.
    EditNotKept,
    /// The registry lets the token in.
    LoginAccepted,
    /// The registry does not let the token in.
    LoginRefused,
    /// The registry cannot be asked.
    RegistryUnavailable,
    /// `spec.suspend` is set.
    Suspended,
    /// Somebody revoked the token in the portal.
    RevokedUpstream,
    /// The portal does not list a token that is to be revoked, which proves nothing yet.
    TokenNotListed,
    /// A request got no clear answer; what it may have made is sought and revoked first.
    RequestUnanswered,
    /// The portal refused to hand out a token.
    RequestRefused,
    /// The Secret lost the token; a new one is requested.
    SecretLost,
    /// The Secret stores the token, and what it holds has not been read yet.
    SecretUnread,
    /// The object names an issuer that is not there.
    IssuerNotFound,
    /// The issuer is there and not ready.
    IssuerNotReady,
    /// The issuer is being deleted.
    IssuerDeleting,
    /// The issuer does not serve this namespace.
    NamespaceNotAllowed,
    /// A Secret of that name belongs to somebody else.
    SecretNotOurs,
    /// The Secret has a type that cannot be changed.
    SecretTypeWrong,
    /// The Secret was made immutable.
    SecretImmutable,
    /// The API server refuses the Secret: quota, admission or permissions.
    SecretRefused,
    /// The description and the marker are longer than the portal allows.
    DescriptionTooLong,
    /// The issuer's portal is another than where the token lives.
    PortalChanged,
    /// The issuer's Secret or a key of it is missing.
    CredentialsMissing,
    /// The issuer's CA is missing or is not a certificate.
    TrustMissing,
    /// The portal does not accept the credentials.
    Unauthorised,
    /// The portal shows this user no such application, table or task.
    NoAccess,
    /// The portal's `$metadata` lacks a name that the spec pins, or does not tell which one is meant.
    MetadataMismatch,
    /// The portal cannot be reached.
    Unreachable,
    /// The portal's certificate is not trusted.
    TlsUntrusted,
    /// The portal did not answer in time.
    TimedOut,
    /// The portal asks for fewer requests.
    RateLimited,
    /// The portal answered with an error of its own.
    PortalFailed,
    /// The registry answered with an error of its own.
    RegistryFailed,
    /// The portal's answer is not what it should be.
    AnswerMalformed,
    /// The API server could not be asked.
    ClusterUnavailable,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
