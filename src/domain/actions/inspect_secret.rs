//! Reads the complete Secret and repairs it.

use super::{Outcome, StateMachine, Transition, from_response, status_write};
use crate::api::RecordedSecret;
use crate::domain::decide::deadlines::{expiration_differs, recorded_expiration};
use crate::domain::model::problem::messages::{secret_immutable, secret_rejected, secret_type_mismatch};
use crate::domain::model::pull_secret::{Ownership, SecretMeta};
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token::TokenRef;
use crate::domain::model::token_mac::TokenSignature;
use crate::domain::observed::Observed;
use crate::domain::protocol::{Request, Response, SecretContent, SecretWrite};
use crate::domain::status::StatusEvent;

/// The pending request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InspectingSecret {
    /// Reads the complete Secret.
    Reading,
    /// Records in status that other registries have to accept the login.
    RecordingRegistries,
    /// Repairs the Secret.
    Repairing {
        /// Pods can pull with the content; only labels and annotations are repaired.
        content_valid: bool,
    },
    /// Records in status that pods can pull, although the API server rejected the repair with this message.
    RecordingRejection(String),
    /// Removes the `stored` annotation.
    ClearingToken,
    WritingStatus,
}

type InspectSecretTransition = Transition<InspectingSecret>;

/// Starts by reading the Secret.
#[must_use]
pub const fn begin() -> InspectSecretTransition {
    Transition::Perform(Request::ReadContent, InspectingSecret::Reading)
}

impl StateMachine for InspectingSecret {
    fn step(self, observed: &Observed, response: Response) -> InspectSecretTransition {
        match (self, response) {
            (Self::Reading, Response::Content(Some(found))) => check_content(observed, &found.1),
            // The Secret was deleted: decide again with what was just read.
            (Self::Reading, Response::Content(None))
            | (Self::ClearingToken, Response::Secret(_))
            | (Self::WritingStatus, Response::Object(Some(_))) => Transition::Done(Outcome::Redecide),
            (Self::RecordingRegistries, Response::Object(Some(_))) => repair(observed, false),
            (Self::Repairing { .. }, Response::Secret(Some(_))) => record_inspected(observed),
            (Self::Repairing { content_valid: true }, Response::WriteRejected(message)) => {
                record_inspected_then_reject(observed, message)
            }
            (Self::RecordingRejection(message), Response::Object(Some(_)))
            | (Self::Repairing { .. } | Self::ClearingToken, Response::WriteRejected(message)) => {
                Transition::Done(Outcome::Failed(secret_rejected(&message)))
            }
            (_, other) => Transition::Done(from_response(other)),
        }
    }
}

fn check_content(observed: &Observed, content: &SecretContent) -> InspectSecretTransition {
    let (Some(meta), Some(issuer)) = (&observed.secret, observed.issuer_info()) else {
        return Transition::Done(Outcome::RequeueSoon);
    };
    if meta.ownership == Ownership::Foreign {
        return Transition::Done(Outcome::Redecide);
    }
    let current = StatusView::of(&observed.object).token;
    let stored = meta.stored.as_ref().map(|stored| &stored.id);
    if stored.is_none() || stored != current.as_ref().map(|token| &token.id) {
        // Another operator cleared or replaced the token in the meantime. Compared with the object read earlier, the
        // data are then not valid, and the new login is not foreign either.
        return Transition::Done(Outcome::Redecide);
    }
    match content {
        SecretContent::WrongType => Transition::Done(Outcome::Failed(secret_type_mismatch())),
        SecretContent::Immutable { username }
            if username.is_some() && *username == current.as_ref().map(|one| one.username.clone()) =>
        {
            Transition::Done(Outcome::Failed(secret_immutable()))
        }
        SecretContent::Login { username, registries_match, checksum_valid: true, template_applied }
            if current.as_ref().is_some_and(|token| token.username == *username) =>
        {
            let signed = meta.stored.as_ref().map(|stored| &stored.signature) == current_signature(observed).as_ref();
            if *registries_match
                && *template_applied
                && signed
                && meta.owned_and_labeled
                && meta.registries_hash.as_ref() == Some(&issuer.registries_hash)
            {
                record_inspected(observed)
            } else if *registries_match {
                repair(observed, true)
            } else {
                // Recorded before the repair: after a crash, the login would otherwise count as verified at the new
                // registries.
                match status_write(observed, StatusEvent::RegistriesChanged).filter(|_| issuer.checks_login()) {
                    Some(request) => Transition::Perform(request, InspectingSecret::RecordingRegistries),
                    None => repair(observed, false),
                }
            }
        }
        // The Secret does not contain the token in status: the next decision requests another one.
        SecretContent::Login { .. } | SecretContent::Empty | SecretContent::Immutable { .. } => {
            Transition::Perform(Request::WriteSecret(SecretWrite::ClearToken), InspectingSecret::ClearingToken)
        }
    }
}

fn current_signature(observed: &Observed) -> Option<TokenSignature> {
    let status = StatusView::of(&observed.object);
    Some(observed.sign_stored(status.portal.as_ref()?, &TokenRef::from(&status.token?)))
}

fn repair(observed: &Observed, content_valid: bool) -> InspectSecretTransition {
    match current_signature(observed) {
        Some(signature) => Transition::Perform(
            Request::WriteSecret(SecretWrite::Repair(signature)),
            InspectingSecret::Repairing { content_valid },
        ),
        None => Transition::Done(Outcome::Redecide),
    }
}

fn record_inspected(observed: &Observed) -> InspectSecretTransition {
    let Some(meta) = &observed.secret else { return Transition::Done(Outcome::RequeueSoon) };
    match status_write(observed, inspected(observed, meta, &StatusView::of(&observed.object))) {
        Some(request) => Transition::Perform(request, InspectingSecret::WritingStatus),
        None => Transition::Done(Outcome::Redecide),
    }
}

/// The API server rejects the labels or annotations of the spec. That affects neither pods nor other actions, so the
/// status first reports the state of the content, unless it already does.
fn record_inspected_then_reject(observed: &Observed, message: String) -> InspectSecretTransition {
    let Some(meta) = &observed.secret else { return Transition::Done(Outcome::RequeueSoon) };
    let status = StatusView::of(&observed.object);
    let is_said = status.ready
        && status.secret_version.as_ref() == Some(&meta.resource_version)
        && status.observed_generation == Some(observed.object.generation)
        && !expiration_differs(meta, &status);
    match status_write(observed, inspected(observed, meta, &status)).filter(|_| !is_said) {
        Some(request) => Transition::Perform(request, InspectingSecret::RecordingRejection(message)),
        None => Transition::Done(Outcome::Failed(secret_rejected(&message))),
    }
}

fn inspected(observed: &Observed, meta: &SecretMeta, status: &StatusView) -> StatusEvent {
    let secret = RecordedSecret {
        name: observed.object.secret_name.clone(),
        uid: Some(meta.uid.clone()),
        resource_version: Some(meta.resource_version.clone()),
        mac: None,
    };
    StatusEvent::SecretInspected(secret, recorded_expiration(meta, status))
}

#[cfg(test)]
#[path = "inspect_secret_tests.rs"]
mod tests;
