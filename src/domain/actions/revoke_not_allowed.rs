//! Takes the tokens from an object whose namespace the issuer does not serve any more. The login is removed from the
//! Secret first, then status says that the tokens are due, and then they are revoked like any replaced token: after a
//! crash in between, status still names each of them.

use super::{Outcome, StateMachine, Transition, from_response, status_write};
use crate::api::Reason;
use crate::domain::model::problem::messages::secret_rejected;
use crate::domain::observed::Observed;
use crate::domain::protocol::{Request, Response, SecretWrite};
use crate::domain::status::StatusEvent;
use std::time::Duration;

/// When issuer and namespace are read again, if they did not show that the namespace is not allowed.
const RETRY: Duration = Duration::from_secs(30);

/// The pending request.
#[derive(Clone, Debug, PartialEq)]
pub enum RevokingNotAllowed {
    /// Reads issuer and namespace: a cache may be outdated.
    ReadingIssuer,
    RemovingLogin,
    WritingStatus,
}

/// Starts with a live read.
#[must_use]
pub const fn begin() -> Transition<RevokingNotAllowed> {
    Transition::Perform(Request::ReadIssuer, RevokingNotAllowed::ReadingIssuer)
}

impl StateMachine for RevokingNotAllowed {
    fn step(self, observed: &Observed, response: Response) -> Transition<Self> {
        match (self, response) {
            (Self::ReadingIssuer, Response::IssuerDenied(problem)) if problem.reason == Reason::NamespaceNotAllowed => {
                match observed.own_secret() {
                    Some(_) => Transition::Perform(Request::WriteSecret(SecretWrite::RemoveLogin), Self::RemovingLogin),
                    None => write_status(observed),
                }
            }
            // Its spec may have another grace period.
            (Self::ReadingIssuer, Response::IssuerChanged) => Transition::Done(Outcome::RequeueSoon),
            // It is allowed, or nothing is known: an issuer that is missing or cannot be read denies nothing.
            (Self::ReadingIssuer, _) => Transition::Done(Outcome::IdleFor(RETRY)),
            (Self::RemovingLogin, Response::Secret(_)) => write_status(observed),
            (Self::RemovingLogin, Response::WriteRejected(message)) => {
                Transition::Done(Outcome::Failed(secret_rejected(&message)))
            }
            (Self::WritingStatus, Response::Object(Some(_))) => Transition::Done(Outcome::Redecide),
            (_, other) => Transition::Done(from_response(other)),
        }
    }
}

fn write_status(observed: &Observed) -> Transition<RevokingNotAllowed> {
    match status_write(observed, StatusEvent::NamespaceDenied) {
        Some(request) => Transition::Perform(request, RevokingNotAllowed::WritingStatus),
        None => Transition::Done(Outcome::Redecide),
    }
}

#[cfg(test)]
#[path = "revoke_not_allowed_tests.rs"]
mod tests;
