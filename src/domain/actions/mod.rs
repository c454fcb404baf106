//! The actions, each a small state machine: `(state, response) -> (state, request)`.
//!
//! A machine keeps the state that it needs between requests. The pass keeps the current object and Secret: it absorbs a
//! response that contains one of them before the machine handles it.

pub mod adopt;
pub mod confirm_revocation;
pub mod finalize;
pub mod import;
pub mod inspect_secret;
pub mod recheck;
pub mod request_token;
pub mod revoke;
pub mod revoke_not_allowed;
pub mod sync_description;
pub mod verify_login;

use super::model::problem::Problem;
use super::model::problem::messages::api_server_unavailable;
use super::observed::{Observed, UpstreamState};
use super::protocol::{Request, Response};
use super::status::{self, StatusContext, StatusEvent};
use std::time::Duration;

/// The next step of a state machine.
#[derive(Clone, Debug, PartialEq)]
pub enum Transition<S> {
    /// Perform this request and pass on the response.
    Perform(Request, S),
    /// The action has ended.
    Done(Outcome),
}

/// An action that was started and waits for the response to its request.
pub trait StateMachine: Sized {
    /// Handles the response to the pending request.
    #[must_use]
    fn step(self, observed: &Observed, response: Response) -> Transition<Self>;
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Done: decide again.
    Redecide,
    /// A token is stored and recorded: decide again; its marker is to be removed.
    Stored,
    /// An object changed in the meantime: requeue after a moment.
    RequeueSoon,
    /// The state of the current token in the portal: decide again.
    Upstream(UpstreamState),
    /// Nothing is left to do.
    Idle,
    /// Nothing is left to do for this duration, and there is nothing to report.
    IdleFor(Duration),
    /// Nothing can be done for this duration: report the problem.
    ReportFor(Duration, Problem),
    /// The action failed: report the problem and retry later.
    Failed(Problem),
}

impl<S> Transition<S> {
    /// Converts the state.
    pub fn map<T>(self, into: impl FnOnce(S) -> T) -> Transition<T> {
        match self {
            Self::Perform(request, state) => Transition::Perform(request, into(state)),
            Self::Done(outcome) => Transition::Done(outcome),
        }
    }
}

/// Returns the status write that an event requires, or `None` if the status does not change.
#[must_use]
pub fn status_write(observed: &Observed, event: StatusEvent) -> Option<Request> {
    status_write_of(observed, event, None)
}

/// The same for an event, and one more that follows from it at once.
#[must_use]
pub fn status_write_of(observed: &Observed, event: StatusEvent, and: Option<StatusEvent>) -> Option<Request> {
    let context = StatusContext::of(observed);
    let first = status::next_status(observed.object.status.as_ref(), &context, event);
    let next = match and {
        Some(event) => status::next_status(Some(&first), &context, event),
        None => first,
    };
    (observed.object.status.as_ref() != Some(&next)).then(|| Request::WriteStatus(Box::new(next)))
}

/// Maps an unsuccessful response to the outcome of an action that can simply be started again.
#[must_use]
pub fn from_response(response: Response) -> Outcome {
    match response {
        Response::WriteRejected(message) | Response::OutcomeUnknown(message) => {
            Outcome::Failed(api_server_unavailable(&message))
        }
        Response::IssuerDenied(problem)
        | Response::NotSent(problem)
        | Response::Rejected(problem)
        | Response::PortalOutcomeUnknown(problem)
        | Response::InvalidToken(problem) => Outcome::Failed(problem),
        _ => Outcome::RequeueSoon,
    }
}
