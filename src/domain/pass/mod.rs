//! One pass over an object: decide, perform, decide again, until nothing is left to do or it has to wait. A pass is
//! pure: the driver performs its requests.

use super::actions::{
    Outcome, Transition, adopt, finalize, inspect_secret, recheck, request_token, revoke, status_write,
    sync_description, verify_login,
};
use super::decide::{Action, Decision, decision};
use super::model::problem::Problem;
use super::model::problem::messages::secret_rejected;
use super::model::status_view::StatusView;
use super::observed::Observed;
use super::protocol::{Request, Response, SecretWrite};
use super::retry::cooldown::Operation;
use super::status::StatusEvent;
use crate::api::Reason;
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
    /// The description with which the token was requested.
    submitted_description: Option<String>,
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
    RequestToken(request_token::RequestingToken),
    Recover(request_token::RequestingToken),
    Adopt(adopt::Adopting),
    InspectSecret(inspect_secret::InspectingSecret),
    VerifyLogin(verify_login::VerifyingLogin),
    Recheck(recheck::Rechecking),
    RevokeRetiring(revoke::RevokingRetiring),
    SyncDescription(sync_description::SyncingDescription),
    Finalize(finalize::Finalizing),
    /// Writes an event into status.
    Recording,
    Reporting(PassResult),
    Ended,
}

/// The result of a pass.
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
            submitted_description: None,
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
            Stage::AcquiringSlot if matches!(response, Response::NotSent(_)) => {
                self.finish(super::actions::from_response(response))
            }
            Stage::AcquiringSlot => {
                // The wait may have been long: the old observation may only be used for writes guarded by its version.
                self.has_slot = true;
                self.live = false;
                self.decide()
            }
            Stage::ReadingObject => match response {
                Response::Object(Some(_)) => self.request(Request::ReadSecret, Stage::ReadingSecret),
                Response::Object(None) => self.done(PassResult::Idle),
                other => self.finish(super::actions::from_response(other)),
            },
            Stage::ReadingSecret => match response {
                Response::Secret(_) => {
                    self.live = true;
                    self.decide()
                }
                other => self.finish(super::actions::from_response(other)),
            },
            Stage::SettingFinalizer { present: put } => match response {
                Response::Object(Some(_)) if put => {
                    // The response to the operator's own write is as good as a read; the Secret is checked by its
                    // creation.
                    self.live = true;
                    self.decide()
                }
                Response::Object(_) | Response::Done => self.done(PassResult::Idle),
                other => self.finish(super::actions::from_response(other)),
            },
            Stage::RestoringFinalizer => self.finish_restore(Operation::RestoreFinalizer, response),
            Stage::RestoringOwnership => self.finish_restore(Operation::RestoreOwnership, response),
            Stage::Recover(state) => {
                let transition = state.step(&self.observed, response);
                self.advance(transition, Some(Operation::Recover), Stage::Recover)
            }
            Stage::RequestToken(state) => {
                self.record_request(state.was_sent(&response));
                let transition = state.step(&self.observed, response);
                self.advance(transition, Some(Operation::RequestToken), Stage::RequestToken)
            }
            Stage::Adopt(state) => {
                let transition = state.step(&self.observed, response);
                self.advance(transition, None, Stage::Adopt)
            }
            Stage::InspectSecret(state) => {
                let transition = state.step(&self.observed, response);
                self.secret_only = matches!(transition, Transition::Done(_));
                self.advance(transition, Some(Operation::InspectSecret), Stage::InspectSecret)
            }
            Stage::VerifyLogin(state) => {
                let operation = state.operation();
                let transition = state.step(&self.observed, response);
                self.advance(transition, Some(operation), Stage::VerifyLogin)
            }
            Stage::Recheck(state) => {
                let transition = state.step(&self.observed, response);
                self.finish_recheck(transition)
            }
            Stage::RevokeRetiring(state) => {
                let transition = state.step(&self.observed, response);
                self.finish_revocations(transition)
            }
            Stage::SyncDescription(state) => {
                let transition = state.step(&self.observed, response);
                self.advance(transition, Some(Operation::SyncDescription), Stage::SyncDescription)
            }
            Stage::Finalize(state) => {
                let transition = state.step(&self.observed, response);
                self.advance(transition, Some(Operation::Finalize), Stage::Finalize)
            }
            Stage::ReadingLastWriter => {
                let writer = if let Response::LastWriter(writer) = response { writer } else { None };
                self.observed.request_history.record_writer(writer);
                self.decide()
            }
            Stage::Recording => match response {
                Response::Object(Some(_)) => self.decide(),
                other => self.finish(super::actions::from_response(other)),
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
            _ => {}
        }
    }

    fn request(mut self, request: Request, stage: Stage) -> (Self, Step) {
        if let Request::RequestToken { description } = &request {
            self.submitted_description = Some(description.clone());
        }
        self.stage = stage;
        (self, Step::Perform(request))
    }

    fn done(mut self, end: PassResult) -> (Self, Step) {
        self.stage = Stage::Ended;
        (self, Step::Done(end))
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

    fn start(mut self, action: Action) -> (Self, Step) {
        match action {
            Action::Idle => self.finish(Outcome::Idle),
            Action::IdleFor(left) => self.finish(Outcome::IdleFor(left)),
            Action::Report(problem) => self.finish(Outcome::Failed(problem)),
            Action::ReportFor(_, problem) if self.observed.request_history.needs_writer(&problem) => {
                self.request(Request::ReadLastWriter, Stage::ReadingLastWriter)
            }
            Action::ReportFor(left, problem) => {
                if problem.reason == Reason::SecretOverwritten {
                    self.observed.request_history.record_delayed();
                }
                self.finish(Outcome::ReportFor(left, problem))
            }
            Action::ClampTimestamps => self.record(StatusEvent::TimestampsClamped),
            Action::ClearUpstreamRevocation => self.record(StatusEvent::NotRevoked),
            Action::ForgetConfirmedTokens => {
                let confirmed = StatusView::of(&self.observed.object).unverified.confirmed(&self.observed.object);
                self.record(StatusEvent::RevocationsConfirmed(confirmed))
            }
            Action::ProtectIssuer => self.request(Request::RequeueIssuer, Stage::RequeuingIssuer),
            Action::RestoreFinalizer => self.request(Request::SetFinalizer(true), Stage::RestoringFinalizer),
            Action::RestoreOwnership => {
                self.request(Request::WriteSecret(SecretWrite::RestoreOwnership), Stage::RestoringOwnership)
            }
            Action::AddFinalizer => {
                self.request(Request::SetFinalizer(true), Stage::SettingFinalizer { present: true })
            }
            Action::RemoveFinalizer => {
                self.request(Request::SetFinalizer(false), Stage::SettingFinalizer { present: false })
            }
            // One attempt per pass, with the attempt id that the pass was given.
            Action::RequestToken(_) if self.has_requested => self.done(PassResult::RequeueSoon),
            Action::RequestToken(request_cause) => {
                self.has_requested = true;
                let transition = request_token::begin(&self.observed, request_cause);
                self.advance(transition, Some(Operation::RequestToken), Stage::RequestToken)
            }
            Action::Recover => {
                let reservation = self.observed.secret.as_ref().and_then(|secret| secret.reservation.clone());
                let Some(reservation) = reservation else { return self.finish(Outcome::RequeueSoon) };
                let transition = request_token::recover(&self.observed, &reservation.attempt_id);
                self.advance(transition, Some(Operation::Recover), Stage::Recover)
            }
            Action::Adopt => {
                let transition = adopt::begin(&self.observed);
                self.advance(transition, None, Stage::Adopt)
            }
            Action::InspectSecret => {
                self.observed.resync_requested = false;
                self.advance(inspect_secret::begin(), Some(Operation::InspectSecret), Stage::InspectSecret)
            }
            Action::Recheck => {
                let transition = recheck::begin(&self.observed);
                self.finish_recheck(transition)
            }
            Action::VerifyLogin => {
                self.advance(verify_login::begin(), Some(Operation::VerifyLogin), Stage::VerifyLogin)
            }
            Action::ConfirmRevocation => {
                let transition = verify_login::confirm_revocation(&self.observed);
                self.advance(transition, Some(Operation::ConfirmRevocation), Stage::VerifyLogin)
            }
            Action::RevokeRetiring => {
                let transition = revoke::revoke_retiring(&self.observed);
                self.finish_revocations(transition)
            }
            Action::SyncDescription => {
                self.observed.edit_retry_after = None;
                let transition = sync_description::begin(&self.observed);
                self.advance(transition, Some(Operation::SyncDescription), Stage::SyncDescription)
            }
            Action::Finalize => {
                let transition = finalize::begin(&self.observed);
                self.advance(transition, Some(Operation::Finalize), Stage::Finalize)
            }
        }
    }

    fn advance<S>(
        mut self,
        transition: Transition<S>,
        operation: Option<Operation>,
        into: impl FnOnce(S) -> Stage,
    ) -> (Self, Step) {
        match transition {
            Transition::Perform(request, state) => self.request(request, into(state)),
            Transition::Done(outcome) => {
                let delayed = self.delay_next_request(outcome.clone());
                match operation {
                    Some(operation) => self.finish_action(operation, &outcome, delayed),
                    None => self.finish(delayed),
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "scenario_tests.rs"]
mod courses;
mod finish;
#[cfg(test)]
#[path = "tests.rs"]
mod tests;
