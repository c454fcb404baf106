//! Backoff of token requests. A portal shows a password only once, so a loop that requests and loses tokens would fill
//! the portal's list and never end. Each object keeps a short history of its requests, which determines how long the
//! next one waits and what the condition says in the meantime.

use crate::api::Reason;
use crate::domain::model::cooldown::Operation;
use crate::domain::model::hash::hash;
use crate::domain::model::object::Object;
use crate::domain::model::problem::Problem;
use crate::domain::model::request_cause::Cause;
use crate::domain::model::request_history::RequestHistory;
use crate::domain::observed::Observed;
use jiff::Timestamp;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub struct RequestWait {
    /// The remaining delay.
    pub left: Duration,
    pub problem: Problem,
}

/// Whether a request for this cause has to wait. This is the only place that checks the backoff, whatever triggered the
/// pass.
#[must_use]
pub fn must_wait(observed: &Observed, cause: Cause) -> Option<RequestWait> {
    let history = &observed.request_history;
    let left = history.left(observed.now);
    let skips = history.may_skip_wait(&inputs_hash(observed), observed.resync_requested);
    (!left.is_zero() && !skips).then(|| RequestWait { left, problem: history.problem(cause) })
}

/// Whether a request for this cause has to wait: because of the backoff, or because the portal rejected the last one
/// and nothing has changed since.
#[must_use]
pub fn request_delay(observed: &Observed, cause: Cause) -> Option<(Duration, Problem)> {
    // A rejected successor is no reason to delay a token that pods wait for.
    let successor = cause.replaces_working_token();
    let rejected = observed
        .cooldown(&Operation::RequestToken)
        .filter(|cooldown| successor || cooldown.problem.reason != Reason::LoginRejected);
    let wait = must_wait(observed, cause).map(|wait| (wait.left, wait.problem));
    let rejected = rejected.map(|cooldown| (cooldown.remaining, cooldown.problem.clone()));
    match (rejected, wait) {
        (Some(rejected), Some(wait)) if wait.0 > rejected.0 => Some(wait),
        (rejected, wait) => rejected.or(wait),
    }
}

/// Hash of everything that a user may change to have a token requested immediately: the spec and the annotations of the
/// object and of its issuer, and the issuer's credentials.
#[must_use]
pub fn inputs_hash(observed: &Observed) -> String {
    let inputs = observed.issuer_info().map(|issuer| issuer.config_hash);
    let generation = format!("{} {inputs:?}", observed.object.generation);
    let issuer = observed.issuer_info().map(|issuer| &issuer.requested_annotations);
    let annotations = observed.object.requested_annotations.iter().chain(issuer.into_iter().flatten());
    let parts: Vec<&str> = annotations.flat_map(|(key, value)| [key.as_str(), value.as_str()]).collect();
    hash(&[&[generation.as_str()], parts.as_slice()].concat(), 16)
}

/// The history of one object between passes, if there is anything to remember. It is kept in memory; after a restart
/// it is reconstructed from the status.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum KeptHistory {
    #[default]
    Nothing,
    /// One request, at this time, whose token was stored: what is remembered of most objects.
    OneStored(Timestamp),
    Other(Box<RequestHistory>),
}

impl KeptHistory {
    /// Returns the current history of the object, reconstructed from the status if it is unknown.
    #[must_use]
    pub fn of(&self, object: &Object, now: Timestamp) -> RequestHistory {
        let known = match self {
            Self::Nothing => RequestHistory::from_status(object, now),
            Self::OneStored(sent) => RequestHistory::one_stored(*sent),
            Self::Other(history) => (**history).clone(),
        };
        known.at(now)
    }

    /// Forgets the requests that no longer delay another one.
    pub fn settle(&mut self, now: Timestamp) {
        let settled = match self {
            Self::Nothing => return,
            Self::OneStored(sent) => RequestHistory::one_stored(*sent).at(now),
            Self::Other(history) => (**history).clone().at(now),
        };
        if settled == RequestHistory::default() {
            *self = Self::Nothing;
        }
    }

    /// Records the history of a pass that ended.
    pub fn record(&mut self, observed: &Observed) {
        let history = &observed.request_history;
        // What the status says is kept as well: the delay runs from the first time that it was read, and a tenant may
        // remove the status.
        *self = match history.is_one_stored() {
            Some(sent) => Self::OneStored(sent),
            None if *history == RequestHistory::default() => Self::Nothing,
            None => Self::Other(Box::new(history.clone())),
        };
    }
}

#[cfg(test)]
#[path = "request_backoff_tests.rs"]
mod tests;
