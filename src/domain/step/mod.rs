//! The actions, each as a small state machine: (state, answer) -> (request, state).
//!
//! A machine holds what it must remember while it waits for an answer. What object and Secret are
//! now, the pass keeps: an answer that brings one of them is taken in before the machine sees it.

pub mod adopt;
pub mod attempt;
pub mod inspect;
pub mod leave;
pub mod recheck;
pub mod revoke;
pub mod settle;
pub mod verify;

use super::effect::{Answer, Request};
use super::fault::Fault;
use super::faults::unavailable;
use super::observed::{Listed, Observed};
use super::status::{self, Fact, Saying};
use std::time::Duration;

/// Where a machine goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Flow<S> {
    /// Perform this and bring the answer.
    Do(Request, S),
    /// It is over.
    End(Outcome),
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Done: decide again.
    Again,
    /// A token is stored and recorded: decide again, and the mark is to be taken off.
    Stored,
    /// The world changed meanwhile: look again, after a moment.
    LookAgain,
    /// This is what the portal says of the current token: decide again.
    Upstream(Listed),
    /// Nothing more now.
    Rest,
    /// Nothing more before so much time has passed; there is nothing to say.
    RestFor(Duration),
    /// Nothing more before so much time has passed; say what is waited for.
    WaitFor(Duration, Fault),
    /// It did not succeed; say so and try again later.
    Failed(Fault),
}

impl<S> Flow<S> {
    /// The same with another state.
    pub fn map<T>(self, into: impl FnOnce(S) -> T) -> Flow<T> {
        match self {
            Self::Do(request, state) => Flow::Do(request, into(state)),
            Self::End(outcome) => Flow::End(outcome),
        }
    }
}

/// Writes what a fact makes of the status; none where nothing changed.
#[must_use]
pub fn note(seen: &Observed, fact: Fact) -> Option<Request> {
    let next = status::next(seen.object.status.as_ref(), &Saying::of(seen), fact);
    (seen.object.status.as_ref() != Some(&next)).then(|| Request::Status(Box::new(next)))
}

/// What an answer of the API server that is no success means for an action that can simply be begun anew.
#[must_use]
pub fn failed(answer: Answer) -> Outcome {
    match answer {
        Answer::Refused(message) | Answer::Unclear(message) => Outcome::Failed(unavailable(&message)),
        Answer::Withdrawn(fault)
        | Answer::NotSent(fault)
        | Answer::Denied(fault)
        | Answer::Ambiguous(fault)
        | Answer::Invalid(fault) => Outcome::Failed(fault),
        _ => Outcome::LookAgain,
    }
}
