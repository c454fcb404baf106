//! What stands in the way, in words that say what to do.

use super::Problem;
use crate::api::{FINALIZER, REPLACE_ANNOTATION, Reason};
use crate::domain::model::marker::MARKER_LENGTH;
use crate::domain::model::object::Object;
use crate::domain::model::pull_secret::SecretMeta;
use crate::domain::model::status_view::StatusView;
use crate::domain::observed::IssuerInfo;
use crate::domain::protocol::RegistryProblem;
use jiff::Timestamp;
use std::time::Duration;

/// A wait that ends by itself when its cause goes.
#[must_use]
pub const fn transient(reason: Reason, message: String) -> Problem {
    Problem { reason, message, terminal: false }
}

fn terminal(reason: Reason, message: &str) -> Problem {
    Problem { reason, message: message.to_owned(), terminal: true }
}

/// The API server could not be asked.
#[must_use]
pub fn api_server_unavailable(message: &str) -> Problem {
    transient(Reason::APIServerUnavailable, format!("{message}; tried again"))
}

/// The API server refuses the Secret.
#[must_use]
pub fn secret_rejected(message: &str) -> Problem {
    transient(
        Reason::SecretRejected,
        format!(
            "the API server refuses the Secret: {message}. Change the quota, policy or permission that it names, or spec.secret. Retried within half a minute"
        ),
    )
}

/// The API server refuses our finalizer.
#[must_use]
pub fn finalizer_rejected(message: &str) -> Problem {
    transient(
        Reason::APIServerUnavailable,
        format!(
            "the API server rejects the finalizer {FINALIZER} on this object: {message}. Without it no token is requested, and deleting the object leaks the one that it has: change the policy or permission that it names. Retried within half a minute"
        ),
    )
}

/// A Secret of that name belongs to somebody else.
#[must_use]
pub fn secret_not_owned(secret: &SecretMeta) -> Problem {
    let hand_over = if secret.has_controller {
        "It has a controller (metadata.ownerReferences), which goes on writing it"
    } else {
        "To hand it over instead, annotate it with registry-token.dev/adopt=true; its content is replaced"
    };
    let message = format!(
        "a Secret of this name exists and is not ours, so it is left alone: delete or rename it, or create a RegistryToken with another spec.secret.name. {hand_over}"
    );
    terminal(Reason::SecretNotOwned, &message)
}

/// A request may be under way, or its answer got lost.
#[must_use]
pub fn outcome_unknown() -> Problem {
    transient(
        Reason::RequestOutcomeUnknown,
        "an earlier request for a token got no clear answer: what it may have made is sought in the portal and revoked before the next request".to_owned(),
    )
}

/// The issuer is not there.
#[must_use]
pub fn issuer_not_found(issuer: &str) -> Problem {
    let message = format!(
        "{issuer}, which spec.issuerRef names, does not exist: create it. If the name is wrong, create another RegistryToken, since issuerRef cannot be changed"
    );
    terminal(Reason::IssuerNotFound, &message)
}

/// The issuer goes.
#[must_use]
pub fn issuer_deleting() -> Problem {
    terminal(Reason::IssuerDeleting, "the issuer is being deleted: create it again, or delete this object")
}

/// Nothing new is begun.
#[must_use]
pub fn suspended() -> Problem {
    transient(Reason::Suspended, "spec.suspend is set, so no token is requested: set it to false".to_owned())
}

/// A compromised token is not replaced while nothing new may begin.
#[must_use]
pub fn replacement_suspended() -> Problem {
    transient(
        Reason::Suspended,
        format!(
            "{REPLACE_ANNOTATION} asks for a new token, and spec.suspend is set: set it to false to replace the token"
        ),
    )
}

/// The registry does not let the token in.
#[must_use]
pub fn login_rejected(why: &str) -> Problem {
    let message = format!(
        "the registry does not let the token in ({why}); asked again. Where it never will, check the issuer's registries, or delete the Secret: it is made anew"
    );
    transient(Reason::LoginRejected, message)
}

/// The registry cannot be asked.
#[must_use]
pub fn registry_unavailable(why: &RegistryProblem) -> Problem {
    let after = why.retry_after.map(|wait| format!(" after {} s, as it wants", wait.as_secs())).unwrap_or_default();
    transient(why.reason, format!("the registry cannot be asked ({why}); asked again{after}"))
}

/// Where there is no list: the registry refuses a token that it accepted before.
#[must_use]
pub fn login_rejected_once(why: &str, at: Timestamp) -> Problem {
    let at = at.strftime("%Y-%m-%dT%H:%M:%SZ");
    let message = format!(
        "the registry rejects the login of a token that it accepted before ({why}). The login is tried again at {at}; if it is rejected then, the token counts as revoked in the portal"
    );
    transient(Reason::LoginRejected, message)
}

/// A type cannot be changed in place.
#[must_use]
pub fn secret_type_mismatch() -> Problem {
    terminal(
        Reason::SecretTypeMismatch,
        "the Secret is not of type kubernetes.io/dockerconfigjson, and a type cannot be changed: delete the Secret, and it is made anew",
    )
}

/// An immutable Secret cannot be changed in place.
#[must_use]
pub fn secret_immutable() -> Problem {
    terminal(Reason::SecretImmutable, "the Secret was made immutable: delete it, and it is made anew")
}

/// When what was rejected is tried again, and how to have it tried now.
pub const RETRY_HINT: &str = "Retried after ten minutes, when the spec, the Secret or the issuer changes, or at once when registry-token.dev/reconcile has a new value";

/// The same of a rejection that lasts, in the words of its condition.
#[must_use]
pub fn with_retry_hint(fault: Problem) -> Problem {
    if fault.message.contains(RETRY_HINT) {
        return fault;
    }
    Problem { message: format!("{}. {RETRY_HINT}", fault.message), ..fault }
}

/// An admission policy makes each new Secret immutable.
#[must_use]
pub fn secret_created_immutable() -> Problem {
    terminal(
        Reason::SecretImmutable,
        "an admission policy makes the Secret immutable when it is created, so no token could be stored in it, and none is requested: exempt this Secret from that policy, and delete it",
    )
}

/// An admission policy gives each new Secret another type.
#[must_use]
pub fn secret_created_with_other_type() -> Problem {
    terminal(
        Reason::SecretTypeMismatch,
        "an admission policy gives the Secret another type than kubernetes.io/dockerconfigjson when it is created, so no token is requested: exempt this Secret from that policy, and delete it",
    )
}

/// An admission policy takes away what the protocol stands on.
#[must_use]
pub fn secret_changed_by_admission() -> Problem {
    terminal(
        Reason::SecretRejected,
        "an admission policy changes the label registry-token.dev/owner, the owner reference or the annotations of the Secret when it is created, so no token is requested: exempt this Secret from that policy, and delete it",
    )
}

/// Somebody revoked the token in the portal, and it stays revoked.
#[must_use]
pub fn revoked_upstream(again: bool) -> Problem {
    let why = if again {
        "for the second time within 24 hours, so it is not replaced before those have passed"
    } else {
        "and spec.upstreamRevocationPolicy is Hold, so it is not replaced"
    };
    terminal(
        Reason::RevokedUpstream,
        &format!(
            "somebody revoked the token in the portal, {why}: annotate this object with registry-token.dev/replace=<any new value> to have a new one, or delete it"
        ),
    )
}

/// The description with the mark does not fit.
#[must_use]
pub fn description_too_long(object: &Object, facts: &IssuerInfo) -> Option<Problem> {
    let length = object.description.chars().count();
    let most = facts.max_description_chars.filter(|most| length + MARKER_LENGTH > *most)?;
    let message = format!(
        "spec.description has {length} characters; the portal allows {most} and {MARKER_LENGTH} are needed for the operator's mark: shorten it to {}",
        most.saturating_sub(MARKER_LENGTH)
    );
    Some(terminal(Reason::DescriptionTooLong, &message))
}

/// The issuer's portal is another than the one where the token lives.
#[must_use]
pub fn portal_changed(status: &StatusView, facts: &IssuerInfo) -> Option<Problem> {
    let recorded = status.portal.as_ref()?;
    let moved = !recorded.is_same_location(&facts.portal);
    let message = format!(
        "the token lives at {} ({}), and the issuer now names {} ({}): set the issuer back; tokens do not move",
        recorded.url, recorded.scope, facts.portal.url, facts.portal.scope
    );
    moved.then(|| terminal(Reason::PortalChanged, &message))
}

/// What a Secret stores, and no status names, is of another portal than the issuer's.
#[must_use]
pub fn token_from_other_portal() -> Problem {
    let message =
        "the Secret holds a token of another portal than the issuer names now: set the issuer back; tokens do not move";
    terminal(Reason::PortalChanged, message)
}

/// Whether it proves anything that a list, begun then, lacks a token that was in the portal at that
/// other time.
///
/// # Errors
/// It does not: the list was read as another user, who may see less, or before the token had to be
/// in it; with what to wait for.
pub fn prove_absence(
    begun: Timestamp,
    since: Timestamp,
    facts: &IssuerInfo,
    status: &StatusView,
) -> Result<(), (Duration, Problem)> {
    let user = status.portal.as_ref().map(|portal| &portal.user);
    // The registry's word, where it stands for the list, does not depend on who asks the portal.
    if facts.list_visible && user.is_some_and(|user| *user != facts.portal.user) {
        let message = format!(
            "the portal shows no such token to {}, which proves nothing, for {} requested it: give the issuer credentials that see it",
            facts.portal.user,
            user.map_or("", |user| user)
        );
        return Err((Duration::from_mins(1), transient(Reason::TokenNotFound, message)));
    }
    let age = Duration::try_from(begun.duration_since(since)).unwrap_or_default();
    // Lists lag behind tasks; by less than an answer may take.
    let left = facts.response_deadline.saturating_sub(age);
    if left.is_zero() {
        return Ok(());
    }
    let at = since.checked_add(facts.response_deadline).unwrap_or(Timestamp::MAX).strftime("%Y-%m-%dT%H:%M:%SZ");
    let message =
        format!("the portal does not list the token yet, which proves nothing so early: looked at again at {at}");
    Err((left, transient(Reason::TokenNotFound, message)))
}
