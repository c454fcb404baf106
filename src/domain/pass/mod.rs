//! One pass over an object: decide, perform, decide again, until nothing is left to do or it has to wait. A pass is
//! pure: the driver performs its requests.

use self::running::{Completion, RunningAction};
use super::actions::{Outcome, StateMachine, Transition, from_response, status_write};
use super::decide::{Action, Decision, decision};
use super::model::cooldown::Operation;
use super::model::problem::Problem;
use super::model::problem::messages::secret_rejected;
use super::model::request_cause::Cause;
use super::observed::Observed;
use super::protocol::{Request, Response};
use super::status::StatusEvent;
use std::time::Duration;

/// A pass that is not idle after this many actions is requeued.
const MAX_ACTIONS: u8 = 16;

/// One pass over an object.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "independent flags")]
pub struct Pass {
    observed: Observed,
    /// Object and Secret were read live in this pass.
    live: bool,
    /// The pass has a preparation slot.
    has_slot: bool,
    /// The pass has made its one attempt.
    has_requested: bool,
    /// Why the API server rejected the labels and annotations of the spec in the last write of the Secret.
    template_rejection: Option<Problem>,
    /// The last action only concerned the Secret.
    secret_only: bool,
    actions_left: u8,
    /// The check that made the last decision.
    check: &'static str,
    stage: Stage,
}

/// The pending request, with the action that it belongs to.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "a pass has exactly one stage, so a box would only add an allocation")]
enum Stage {
    AcquiringSlot,
    ReadingObject,
    ReadingSecret,
    RequeuingIssuer,
    ReadingLastWriter,
    SettingFinalizer {
        present: bool,
    },
    RestoringFinalizer,
    RestoringOwnership,
    /// Performs an action, whose outcome is handled like this.
    Running(RunningAction, Completion),
    /// Writes an event into status.
    Recording,
    Reporting(PassResult),
    Ended,
}

#[derive(Clone, Debug, PartialEq)]
pub enum PassResult {
    /// Nothing to do until the next event.
    Idle,
    /// Nothing to do for this duration.
    IdleFor(Duration),
    /// The object waits: requeue after this duration.
    RequeueAfter(Duration),
    /// An object changed in the meantime: requeue after a moment.
    RequeueSoon,
    /// The pass failed: requeue with backoff.
    Failed(Problem),
}

/// The next step of the driver.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Perform this request and pass on the response.
    Perform(Request),
    /// The pass has ended.
    Done(PassResult),
}

impl Pass {
    /// Starts a pass with the contents of the caches.
    #[must_use]
    pub fn begin(observed: Observed) -> (Self, Step) {
        let stage = Stage::Ended;
        Self {
            observed,
            live: false,
            has_slot: false,
            has_requested: false,
            template_rejection: None,
            secret_only: false,
            actions_left: MAX_ACTIONS,
            check: "",
            stage,
        }
        .decide()
    }

    /// Returns the current observation.
    #[must_use]
    pub const fn observed(&self) -> &Observed {
        &self.observed
    }

    /// The name of the check that made the last decision.
    #[must_use]
    pub const fn check(&self) -> &'static str {
        self.check
    }

    /// Handles the response to the pending request, and the time at which it arrived.
    #[must_use]
    pub fn step(mut self, response: Response, now: jiff::Timestamp) -> (Self, Step) {
        self.observed.now = now;
        let response = self.absorb_template_rejection(response);
        self.absorb(&response);
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::AcquiringSlot if matches!(response, Response::NotSent(_)) => self.finish(from_response(response)),
            Stage::AcquiringSlot => {
                // The wait may have been long: the old observation may only be used for writes guarded by its version.
                self.has_slot = true;
                self.live = false;
                self.decide()
            }
            Stage::ReadingObject => match response {
                Response::Object(Some(_)) if self.requests_first_token() => {
                    self.live = true;
                    self.decide()
                }
                Response::Object(Some(_)) => self.request(Request::ReadSecret, Stage::ReadingSecret),
                Response::Object(None) => self.done(PassResult::Idle),
                other => self.finish(from_response(other)),
            },
            Stage::ReadingSecret => match response {
                Response::Secret(_) => {
                    self.live = true;
                    self.decide()
                }
                other => self.finish(from_response(other)),
            },
            Stage::SettingFinalizer { present: put } => match response {
                Response::Object(Some(_)) if put => {
                    // The response to the operator's own write is as good as a read; the Secret is checked by its
                    // creation.
                    self.live = true;
                    self.decide()
                }
                Response::Object(_) | Response::Done => self.done(PassResult::Idle),
                other => self.finish(from_response(other)),
            },
            Stage::RestoringFinalizer => self.finish_restore(Operation::RestoreFinalizer, response),
            Stage::RestoringOwnership => self.finish_restore(Operation::RestoreOwnership, response),
            Stage::Running(action, completion) => {
                self.record_request(action.token_request_sent(&response));
                if action.found_hidden_secret(&response) {
                    self.observed.request_history.record_hidden_secret();
                }
                let completion = action.exception().unwrap_or(completion);
                let transition = action.step(&self.observed, response);
                self.advance(transition, completion)
            }
            Stage::ReadingLastWriter => {
                let writer = if let Response::LastWriter(writer) = response { writer } else { None };
                self.observed.request_history.record_writer(writer);
                self.decide()
            }
            Stage::Recording => match response {
                Response::Object(Some(_)) => self.decide(),
                other => self.finish(from_response(other)),
            },
            // The next pass reports what cannot be written now.
            Stage::Reporting(end) => self.done(end),
            Stage::RequeuingIssuer | Stage::Ended => self.done(PassResult::Idle),
        }
    }

    /// Rejected labels and annotations block nothing else; the pass reports them at its end.
    fn absorb_template_rejection(&mut self, response: Response) -> Response {
        let (message, response) = match response {
            Response::DoneWithoutTemplate(message) => (message, Response::Done),
            Response::SecretWithoutTemplate(secret, message) => (message, Response::Secret(Some(secret))),
            other => return other,
        };
        self.template_rejection = Some(secret_rejected(&message));
        response
    }

    /// Updates the observation with the object or the Secret in a response.
    fn absorb(&mut self, response: &Response) {
        match response {
            Response::Object(Some(object)) => self.observed.object = (**object).clone(),
            Response::Secret(found) => self.observed.secret = found.as_deref().cloned(),
            Response::Content(found) => self.observed.secret = found.as_ref().map(|found| found.0.clone()),
            Response::Import(found) => self.observed.secret = found.as_ref().map(|found| found.0.clone()),
            _ => {}
        }
    }

    fn request(mut self, request: Request, stage: Stage) -> (Self, Step) {
        self.stage = stage;
        (self, Step::Perform(request))
    }

    fn done(mut self, end: PassResult) -> (Self, Step) {
        self.stage = Stage::Ended;
        (self, Step::Done(end))
    }

    /// Whether a first token is to be requested, and no Secret is known: as after the write of the finalizer, the Secret is
    /// checked by its creation. If that failed before, it is read.
    fn requests_first_token(&self) -> bool {
        self.observed.secret.is_none()
            && !self.observed.request_history.has_hidden_secret()
            && matches!(decision(&self.observed).action, Action::RequestToken(request) if request.cause == Cause::First)
    }

    fn read_object(self) -> (Self, Step) {
        self.request(Request::ReadObject, Stage::ReadingObject)
    }

    /// Decides and starts the next action. With cached data, only a write guarded by its version may start. For
    /// everything else object and Secret are read first, in this order, so that a token counts as lost only if the
    /// Secret was read after the status that names the token.
    fn decide(mut self) -> (Self, Step) {
        let Some(rounds) = self.actions_left.checked_sub(1) else { return self.done(PassResult::RequeueSoon) };
        self.actions_left = rounds;
        let Decision { check, action } = decision(&self.observed);
        self.check = check;
        if matches!(action, Action::AddFinalizer | Action::RequestToken(_)) && !self.has_slot {
            // A wait here keeps nothing: no reservation, and no version that could become outdated.
            let successor =
                matches!(&action, Action::RequestToken(request_cause) if request_cause.cause.replaces_working_token());
            return self.request(Request::AcquireSlot { urgent: !successor }, Stage::AcquiringSlot);
        }
        // Restoring the finalizer needs no read: the object's version guards the write.
        let protects = matches!(action, Action::RestoreFinalizer);
        let cache_suffices = action.may_use_cache() && (protects || self.observed.cache_suffices());
        if !(self.live || cache_suffices) {
            return self.read_object();
        }
        self.start(action)
    }

    /// Records an event in status, and decides again.
    fn record(self, event: StatusEvent) -> (Self, Step) {
        match status_write(&self.observed, event) {
            Some(request) => self.request(request, Stage::Recording),
            None => self.finish(Outcome::RequeueSoon),
        }
    }

    /// Performs the next request of the running action, or handles its outcome.
    fn advance(self, transition: Transition<RunningAction>, completion: Completion) -> (Self, Step) {
        match transition {
            Transition::Perform(request, action) => self.request(request, Stage::Running(action, completion)),
            Transition::Done(outcome) => self.complete(completion, outcome),
        }
    }
}

#[cfg(test)]
#[path = "scenario_tests.rs"]
mod courses;
#[cfg(test)]
#[path = "expiry_tests.rs"]
mod expiry_tests;
mod finish;
mod running;
mod start;
#[cfg(test)]
#[path = "tests.rs"]
mod tests;
