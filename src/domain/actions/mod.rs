//! The actions, each as a small state machine: (state, answer) -> (request, state).
//!
//! A machine holds what it must remember while it waits for an answer. What object and Secret are
//! now, the pass keeps: an answer that brings one of them is taken in before the machine sees it.

pub mod adopt;
pub mod finalize;
pub mod inspect_secret;
pub mod recheck;
pub mod request_token;
pub mod revoke;
pub mod sync_description;
pub mod verify_login;

use super::model::problem::Problem;
use super::model::problem::messages::api_server_unavailable;
use super::observed::{Observed, UpstreamState};
use super::protocol::{Request, Response};
use super::status::{self, StatusContext, StatusEvent};
use std::time::Duration;

/// Where a machine goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Transition<S> {
    /// Perform this and bring the answer.
    Perform(Request, S),
    /// It is over.
    Done(Outcome),
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Done: decide again.
    Redecide,
    /// A token is stored and recorded: decide again, and the mark is to be taken off.
    Stored,
    /// The world changed meanwhile: look again, after a moment.
    RequeueSoon,
    /// This is what the portal says of the current token: decide again.
    Upstream(UpstreamState),
    /// Nothing more now.
    Idle,
    /// Nothing more before so much time has passed; there is nothing to say.
    IdleFor(Duration),
    /// Nothing more before so much time has passed; say what is waited for.
    ReportFor(Duration, Problem),
    /// It did not succeed; say so and try again later.
    Failed(Problem),
}

impl<S> Transition<S> {
    /// The same with another state.
    pub fn map<T>(self, into: impl FnOnce(S) -> T) -> Transition<T> {
        match self {
            Self::Perform(request, state) => Transition::Perform(request, into(state)),
            Self::Done(outcome) => Transition::Done(outcome),
        }
    }
}

/// Writes what a fact makes of the status; none where nothing changed.
#[must_use]
pub fn status_write(observed: &Observed, fact: StatusEvent) -> Option<Request> {
    let next = status::next_status(observed.object.status.as_ref(), &StatusContext::of(observed), fact);
    (observed.object.status.as_ref() != Some(&next)).then(|| Request::WriteStatus(Box::new(next)))
}

/// What an answer of the API server that is no success means for an action that can simply be begun anew.
#[must_use]
pub fn from_response(answer: Response) -> Outcome {
    match answer {
        Response::WriteRejected(message) | Response::OutcomeUnknown(message) => {
            Outcome::Failed(api_server_unavailable(&message))
        }
        Response::IssuerDenied(fault)
        | Response::NotSent(fault)
        | Response::Rejected(fault)
        | Response::PortalOutcomeUnknown(fault)
        | Response::InvalidToken(fault) => Outcome::Failed(fault),
        _ => Outcome::RequeueSoon,
    }
}
