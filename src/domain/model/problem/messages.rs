//! Problems with messages that say what to do.

use super::Problem;
use crate::api::{FINALIZER, IMPORT_ANNOTATION, REPLACE_ANNOTATION, Reason};
use crate::domain::model::login_result::RegistryProblem;
use crate::domain::model::pull_secret::SecretMeta;
use jiff::Timestamp;

/// Creates a problem that ends without manual action once its cause is removed.
#[must_use]
pub const fn transient(reason: Reason, message: String) -> Problem {
    Problem { reason, message, terminal: false }
}

/// A problem that requires manual action.
#[must_use]
pub fn terminal(reason: Reason, message: &str) -> Problem {
    Problem { reason, message: message.to_owned(), terminal: true }
}

/// Creates a problem of an issuer. Its reason determines whether manual action is required.
#[must_use]
pub fn issuer_problem(reason: Reason, message: impl Into<String>) -> Problem {
    Problem { reason, message: message.into(), terminal: reason.requires_user_action() }
}

#[must_use]
pub fn api_server_unavailable(message: &str) -> Problem {
    transient(Reason::APIServerUnavailable, format!("{message}; retrying"))
}

/// The API server rejects the Secret.
#[must_use]
pub fn secret_rejected(message: &str) -> Problem {
    transient(
        Reason::SecretRejected,
        format!(
            "the API server rejects the Secret: {message}. Change the quota, policy or permission named there, or spec.secret. The operator retries within 30 seconds"
        ),
    )
}

/// The API server rejects the operator's finalizer.
#[must_use]
pub fn finalizer_rejected(message: &str) -> Problem {
    transient(
        Reason::APIServerUnavailable,
        format!(
            "the API server rejects the finalizer {FINALIZER} on this object: {message}. Without it no token is requested, and deleting the object would leak its token. Change the policy or permission named there. The operator retries within 30 seconds"
        ),
    )
}

/// The Secret exists and is not managed by this object.
#[must_use]
pub fn secret_not_owned(secret: &SecretMeta) -> Problem {
    let hand_over = if secret.has_controller {
        "It is controlled by another object (metadata.ownerReferences)"
    } else {
        "To hand it over to this object, annotate it with registry-token.dev/adopt=true; its content is then replaced"
    };
    let message = format!(
        "the Secret exists and is not managed by this RegistryToken, so it is not changed. Delete or rename it, or create a RegistryToken with another spec.secret.name. {hand_over}"
    );
    terminal(Reason::SecretNotOwned, &message)
}

/// A token that a person requested cannot be taken over.
#[must_use]
pub fn import_failed(why: &str) -> Problem {
    let message = format!(
        "the token that {IMPORT_ANNOTATION} names cannot be imported: {why}. No token is requested meanwhile. The operator retries every minute; to get a new token instead, remove the annotation"
    );
    terminal(Reason::ImportFailed, &message)
}

/// The Secret whose token is to be imported is not handed over.
#[must_use]
pub fn import_not_handed_over(secret: &SecretMeta) -> Problem {
    import_failed(if secret.has_controller {
        "the Secret is controlled by another object (metadata.ownerReferences)"
    } else {
        "the Secret is not handed over: annotate it with registry-token.dev/adopt=true"
    })
}

/// A token request may be in flight, or its response was lost.
#[must_use]
pub fn outcome_unknown() -> Problem {
    transient(
        Reason::RequestOutcomeUnknown,
        "the outcome of an earlier token request is unknown. Any token it created will be found and revoked before a new one is requested".to_owned(),
    )
}

/// The issuer does not exist.
#[must_use]
pub fn issuer_not_found(issuer: &str) -> Problem {
    let message = format!(
        "{issuer}, referenced by spec.issuerRef, does not exist: create it. If the name is wrong, create another RegistryToken, since issuerRef cannot be changed"
    );
    terminal(Reason::IssuerNotFound, &message)
}

#[must_use]
pub fn issuer_deleting() -> Problem {
    terminal(Reason::IssuerDeleting, "the issuer is being deleted: create it again, or delete this object")
}

/// `spec.suspend` is set.
#[must_use]
pub fn suspended() -> Problem {
    transient(Reason::Suspended, "spec.suspend is true, so no token is requested: set it to false".to_owned())
}

/// The token is expired, and is not replaced while `spec.suspend` is set.
#[must_use]
pub fn token_expired() -> Problem {
    let message = "the token is expired, and spec.suspend is true, so no new one is requested: set it to false";
    transient(Reason::TokenExpired, message.to_owned())
}

/// A compromised token is not replaced while `spec.suspend` is set.
#[must_use]
pub fn replacement_suspended() -> Problem {
    transient(
        Reason::Suspended,
        format!(
            "{REPLACE_ANNOTATION} requests a new token, but spec.suspend is true: set it to false to replace the token"
        ),
    )
}

/// A registry rejects the login of the token.
#[must_use]
pub fn login_rejected(why: &str) -> Problem {
    let message = format!(
        "login rejected by the registry ({why}); retrying. If this persists, check spec.registries of the issuer, or delete the Secret to get a new token"
    );
    transient(Reason::LoginRejected, message)
}

/// A registry gave no result.
impl From<&RegistryProblem> for Problem {
    fn from(why: &RegistryProblem) -> Self {
        let after = why
            .retry_after
            .map(|wait| format!(" after {} s, as the registry requested", wait.as_secs()))
            .unwrap_or_default();
        transient(why.reason, format!("the login could not be verified at the registry ({why}); retrying{after}"))
    }
}

/// Without a list: the registry rejects a token that it accepted before.
#[must_use]
pub fn login_rejected_once(why: &str, at: Timestamp) -> Problem {
    let at = at.strftime("%Y-%m-%dT%H:%M:%SZ");
    let message = format!(
        "the registry rejects the login of a token that it accepted before ({why}). The login is retried at {at}; if it is rejected again, the token counts as revoked in the portal"
    );
    transient(Reason::LoginRejected, message)
}

/// The Secret has another type, which cannot be changed.
#[must_use]
pub fn secret_type_mismatch() -> Problem {
    terminal(
        Reason::SecretTypeMismatch,
        "the Secret is not of type kubernetes.io/dockerconfigjson, and the type of a Secret cannot be changed: delete the Secret to get a new one with a new token",
    )
}

#[must_use]
pub fn secret_immutable() -> Problem {
    terminal(Reason::SecretImmutable, "the Secret is immutable: delete it to get a new Secret with a new token")
}

/// When a rejected operation is retried, and how to trigger it immediately.
pub const RETRY_HINT: &str = "The operator retries after 10 minutes, or when the spec, the Secret or the issuer changes. To retry now, set the annotation registry-token.dev/reconcile to a new value";

/// Adds the retry hint to the message of a permanent problem.
#[must_use]
pub fn with_retry_hint(problem: Problem) -> Problem {
    if problem.message.contains(RETRY_HINT) {
        return problem;
    }
    Problem { message: format!("{}. {RETRY_HINT}", problem.message), ..problem }
}

/// An admission policy makes new Secrets immutable.
#[must_use]
pub fn secret_created_immutable() -> Problem {
    terminal(
        Reason::SecretImmutable,
        "an admission policy makes the Secret immutable when it is created, so it could not store a token and none is requested: exempt the Secret from that policy, and delete it",
    )
}

/// An admission policy gives new Secrets another type.
#[must_use]
pub fn secret_created_with_other_type() -> Problem {
    terminal(
        Reason::SecretTypeMismatch,
        "an admission policy creates the Secret with another type than kubernetes.io/dockerconfigjson, so no token is requested: exempt the Secret from that policy, and delete it",
    )
}

/// An admission policy changes the metadata on which the protocol depends.
#[must_use]
pub fn secret_changed_by_admission() -> Problem {
    terminal(
        Reason::SecretRejected,
        "an admission policy changes the label registry-token.dev/owner, the owner reference or the annotations of the Secret when it is created, so no token is requested: exempt the Secret from that policy, and delete it",
    )
}

/// The token was revoked in the portal and is not replaced.
#[must_use]
pub fn revoked_upstream(again: bool) -> Problem {
    let why = if again {
        "for the second time within 24 hours, so it is not replaced before 24 hours have passed"
    } else {
        "and spec.upstreamRevocationPolicy is Hold, so it is not replaced"
    };
    terminal(
        Reason::RevokedUpstream,
        &format!(
            "the token was revoked in the portal {why}. To get a new token, set the annotation registry-token.dev/replace to a new value; otherwise delete this object"
        ),
    )
}

/// The Secret stores a token that status does not name, of another portal than the issuer's current one.
#[must_use]
pub fn token_from_other_portal() -> Problem {
    let message = "the Secret stores a token of another portal than the issuer's current one: restore the issuer's configuration; tokens cannot be moved";
    terminal(Reason::PortalChanged, message)
}
