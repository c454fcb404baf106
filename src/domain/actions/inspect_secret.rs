//! The whole Secret is read, and what is not as it should be is put right.

use super::{Outcome, Transition, from_response, status_write};
use crate::api::RecordedSecret;
use crate::domain::model::problem::messages::{secret_immutable, secret_rejected, secret_type_mismatch};
use crate::domain::model::pull_secret::{Ownership, SecretMeta};
use crate::domain::model::status_view::status_view;
use crate::domain::model::token_mac::TokenSignature;
use crate::domain::observed::Observed;
use crate::domain::protocol::{Named, Request, Response, SecretContent, SecretWrite};
use crate::domain::status::StatusEvent;

/// The request whose answer is awaited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InspectingSecret {
    /// The whole Secret.
    Reading,
    /// The status: other registries have to let the token in.
    RecordingRegistries,
    /// A write that puts it right.
    Repairing {
        /// Pods can pull with its content; only labels and annotations are put right.
        content_valid: bool,
    },
    /// The status: pods can pull, though the API server refuses what was to be put right, as this says.
    RecordingRejection(String),
    /// Its `stored` mark is taken away.
    ClearingToken,
    /// The status.
    WritingStatus,
}

type InspectSecretTransition = Transition<InspectingSecret>;

/// Begins.
#[must_use]
pub const fn begin() -> InspectSecretTransition {
    Transition::Perform(Request::ReadContent, InspectingSecret::Reading)
}

impl InspectingSecret {
    /// Takes the answer to what was to be done.
    #[must_use]
    pub fn step(self, observed: &Observed, answer: Response) -> InspectSecretTransition {
        match (self, answer) {
            (Self::Reading, Response::Content(Some(found))) => check_content(observed, &found.1),
            // It is gone: decided anew, on what was just read.
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
    let (Some(meta), Some(facts)) = (&observed.secret, observed.issuer_info()) else {
        return Transition::Done(Outcome::RequeueSoon);
    };
    if meta.ownership == Ownership::Foreign {
        return Transition::Done(Outcome::Redecide);
    }
    let current = status_view(&observed.object).token;
    let stored = meta.stored.as_ref().map(|stored| &stored.id);
    if stored.is_none() || stored != current.as_ref().map(|token| &token.id) {
        // Another operator disowned or replaced the token meanwhile: by the object that was read before, neither
        // are its data good nor is the new login a stranger's.
        return Transition::Done(Outcome::Redecide);
    }
    match content {
        SecretContent::WrongType => Transition::Done(Outcome::Failed(secret_type_mismatch())),
        SecretContent::Immutable { username: holds }
            if holds.is_some() && *holds == current.as_ref().map(|one| one.username.clone()) =>
        {
            Transition::Done(Outcome::Failed(secret_immutable()))
        }
        SecretContent::Login {
            username,
            registries_match: registries,
            checksum_valid: true,
            template_applied: dressed,
        } if current.as_ref().is_some_and(|token| token.username == *username) => {
            let sealed = meta.stored.as_ref().map(|stored| &stored.signature) == current_signature(observed).as_ref();
            if *registries
                && *dressed
                && sealed
                && meta.owned_and_labeled
                && meta.registries_hash.as_ref() == Some(&facts.registries_hash)
            {
                record_inspected(observed)
            } else if *registries {
                repair(observed, true)
            } else {
                // Said first: who dies after the repair would take the token for tried there.
                match status_write(observed, StatusEvent::RegistriesChanged).filter(|_| facts.checks_login()) {
                    Some(request) => Transition::Perform(request, InspectingSecret::RecordingRegistries),
                    None => repair(observed, false),
                }
            }
        }
        // The token in status is not in the Secret: the next decision asks for another.
        SecretContent::Login { .. } | SecretContent::Empty | SecretContent::Immutable { .. } => {
            Transition::Perform(Request::WriteSecret(SecretWrite::ClearToken), InspectingSecret::ClearingToken)
        }
    }
}

/// The proof of the current token.
fn current_signature(observed: &Observed) -> Option<TokenSignature> {
    let status = status_view(&observed.object);
    Some(observed.sign_stored(status.portal.as_ref()?, &Named::from(&status.token?)))
}

fn repair(observed: &Observed, content_in_order: bool) -> InspectSecretTransition {
    match current_signature(observed) {
        Some(seal) => Transition::Perform(
            Request::WriteSecret(SecretWrite::Repair(seal)),
            InspectingSecret::Repairing { content_valid: content_in_order },
        ),
        None => Transition::Done(Outcome::Redecide),
    }
}

fn record_inspected(observed: &Observed) -> InspectSecretTransition {
    let Some(meta) = &observed.secret else { return Transition::Done(Outcome::RequeueSoon) };
    match status_write(observed, StatusEvent::SecretInspected(recorded_secret(observed, meta))) {
        Some(request) => Transition::Perform(request, InspectingSecret::WritingStatus),
        None => Transition::Done(Outcome::Redecide),
    }
}

/// The labels or annotations of the spec are refused. That stops neither pods nor any other action, so the status says
/// first what is true of the content, if it does not yet.
fn record_inspected_then_reject(observed: &Observed, message: String) -> InspectSecretTransition {
    let Some(meta) = &observed.secret else { return Transition::Done(Outcome::RequeueSoon) };
    let status = status_view(&observed.object);
    let is_said = status.ready
        && status.secret_version.as_ref() == Some(&meta.resource_version)
        && status.observed_generation == Some(observed.object.generation);
    match status_write(observed, StatusEvent::SecretInspected(recorded_secret(observed, meta))).filter(|_| !is_said) {
        Some(request) => Transition::Perform(request, InspectingSecret::RecordingRejection(message)),
        None => Transition::Done(Outcome::Failed(secret_rejected(&message))),
    }
}

fn recorded_secret(observed: &Observed, meta: &SecretMeta) -> RecordedSecret {
    RecordedSecret {
        name: observed.object.secret_name.clone(),
        uid: Some(meta.uid.clone()),
        resource_version: Some(meta.resource_version.clone()),
        mac: None,
    }
}

#[cfg(test)]
#[path = "inspect_secret_tests.rs"]
mod tests;
