//! One pass over an object: decide, carry out, decide again, until nothing is left to do or
//! something has to be waited for. Pure: whoever drives it performs its requests.

use super::actions::{
    Outcome, Transition, adopt, finalize, inspect_secret, recheck, request_token, revoke, status_write,
    sync_description, verify_login,
};
use super::decide::{Action, decide};
use super::model::problem::Problem;
use super::model::problem::messages::secret_rejected;
use super::model::status_view::status_view;
use super::observed::Observed;
use super::protocol::{Request, Response, SecretWrite};
use super::retry::cooldown::Operation;
use super::status::StatusEvent;
use crate::api::Reason;
use std::time::Duration;

/// A pass that has not come to rest after so many actions goes on later.
const MAX_ACTIONS: u8 = 16;

/// One pass over an object.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a thing that happened or did not")]
pub struct Pass {
    observed: Observed,
    /// Object and Secret are answers of the API server, given in this pass.
    live: bool,
    /// There is leave to prepare a request.
    has_slot: bool,
    /// This pass has made its attempt.
    has_requested: bool,
    /// The description that it asked with.
    submitted_description: Option<String>,
    /// Why the Secret that is committed lacks the labels and annotations of the spec.
    template_rejection: Option<Problem>,
    /// What was done last concerned the Secret alone.
    secret_only: bool,
    actions_left: u8,
    stage: Stage,
}

/// The request whose answer is awaited, with what asked for it.
#[derive(Clone, Debug, PartialEq)]
enum Stage {
    AcquiringSlot,
    ReadingObject,
    ReadingSecret,
    RequeuingIssuer,
    ReadingLastWriter,
    SettingFinalizer { present: bool },
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
    ClampingTimestamps,
    ForgettingConfirmedTokens,
    Reporting(PassResult),
    Ended,
}

/// How a pass ended.
#[derive(Clone, Debug, PartialEq)]
pub enum PassResult {
    /// All is as it should be, until an event says otherwise.
    Idle,
    /// All is as it should be, for so much time.
    IdleFor(Duration),
    /// Something is waited for: look again after so much time.
    RequeueAfter(Duration),
    /// The world changed meanwhile: look again after a moment.
    RequeueSoon,
    /// It did not succeed: look again later.
    Failed(Problem),
}

/// What the driver does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Perform this and bring the answer.
    Perform(Request),
    /// The pass is over.
    Done(PassResult),
}

impl Pass {
    /// Begins with what the caches hold.
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
            stage,
        }
        .decide()
    }

    /// What is known now.
    #[must_use]
    pub const fn observed(&self) -> &Observed {
        &self.observed
    }

    /// Takes the answer to what was to be done, and the time at which it came.
    #[must_use]
    pub fn step(mut self, answer: Response, now: jiff::Timestamp) -> (Self, Step) {
        self.observed.now = now;
        let answer = self.absorb_template_rejection(answer);
        self.absorb(&answer);
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::AcquiringSlot if matches!(answer, Response::NotSent(_)) => {
                self.finish(super::actions::from_response(answer))
            }
            Stage::AcquiringSlot => {
                // It may have been waited for long: what was seen begins only what its version guards.
                self.has_slot = true;
                self.live = false;
                self.decide()
            }
            Stage::ReadingObject => match answer {
                Response::Object(Some(_)) => self.request(Request::ReadSecret, Stage::ReadingSecret),
                Response::Object(None) => self.done(PassResult::Idle),
                other => self.finish(super::actions::from_response(other)),
            },
            Stage::ReadingSecret => match answer {
                Response::Secret(_) => {
                    self.live = true;
                    self.decide()
                }
                other => self.finish(super::actions::from_response(other)),
            },
            Stage::SettingFinalizer { present: put } => match answer {
                Response::Object(Some(_)) if put => {
                    // The answer to our own write is as good as a read; the Secret is proved by its creation.
                    self.live = true;
                    self.decide()
                }
                Response::Object(_) | Response::Done => self.done(PassResult::Idle),
                other => self.finish(super::actions::from_response(other)),
            },
            Stage::RestoringFinalizer => self.finish_restore(Operation::RestoreFinalizer, answer),
            Stage::RestoringOwnership => self.finish_restore(Operation::RestoreOwnership, answer),
            Stage::Recover(state) => {
                let flow = state.step(&self.observed, answer);
                self.advance(flow, Some(Operation::Recover), Stage::Recover)
            }
            Stage::RequestToken(state) => {
                self.record_request(state.was_sent(&answer));
                let flow = state.step(&self.observed, answer);
                self.advance(flow, Some(Operation::RequestToken), Stage::RequestToken)
            }
            Stage::Adopt(state) => {
                let flow = state.step(&self.observed, answer);
                self.advance(flow, None, Stage::Adopt)
            }
            Stage::InspectSecret(state) => {
                let flow = state.step(&self.observed, answer);
                self.secret_only = matches!(flow, Transition::Done(_));
                self.advance(flow, Some(Operation::InspectSecret), Stage::InspectSecret)
            }
            Stage::VerifyLogin(state) => {
                let deed = state.operation();
                let flow = state.step(&self.observed, answer);
                self.advance(flow, Some(deed), Stage::VerifyLogin)
            }
            Stage::Recheck(state) => {
                let flow = state.step(&self.observed, answer);
                self.finish_recheck(flow)
            }
            Stage::RevokeRetiring(state) => {
                let flow = state.step(&self.observed, answer);
                self.finish_revocations(flow)
            }
            Stage::SyncDescription(state) => {
                let flow = state.step(&self.observed, answer);
                self.advance(flow, Some(Operation::SyncDescription), Stage::SyncDescription)
            }
            Stage::Finalize(state) => {
                let flow = state.step(&self.observed, answer);
                self.advance(flow, Some(Operation::Finalize), Stage::Finalize)
            }
            Stage::ReadingLastWriter => {
                let writer = if let Response::LastWriter(writer) = answer { writer } else { None };
                self.observed.request_history.record_writer(writer);
                self.decide()
            }
            Stage::ClampingTimestamps | Stage::ForgettingConfirmedTokens => match answer {
                Response::Object(Some(_)) => self.decide(),
                other => self.finish(super::actions::from_response(other)),
            },
            // What cannot be written now is said by the next pass.
            Stage::Reporting(end) => self.done(end),
            Stage::RequeuingIssuer | Stage::Ended => self.done(PassResult::Idle),
        }
    }

    /// Labels and annotations that are refused hold up nothing else; the pass reports them at its end.
    fn absorb_template_rejection(&mut self, answer: Response) -> Response {
        let (message, answer) = match answer {
            Response::DoneWithoutTemplate(message) => (message, Response::Done),
            Response::SecretWithoutTemplate(secret, message) => (message, Response::Secret(Some(secret))),
            other => return other,
        };
        self.template_rejection = Some(secret_rejected(&message));
        answer
    }

    /// An answer that brings object or Secret brings what they are now.
    fn absorb(&mut self, answer: &Response) {
        match answer {
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

    /// Decides, and begins what was decided. What a cache holds may start nothing that is not
    /// guarded by its version: for everything else object and Secret are read first, in this order,
    /// so that a token counts as lost only by a Secret that was read after the status naming it.
    fn decide(mut self) -> (Self, Step) {
        let Some(rounds) = self.actions_left.checked_sub(1) else { return self.done(PassResult::RequeueSoon) };
        self.actions_left = rounds;
        let action = decide(&self.observed);
        if matches!(action, Action::AddFinalizer | Action::RequestToken(_)) && !self.has_slot {
            // Waiting here holds nothing: no reservation, no version that could grow old.
            let successor = matches!(&action, Action::RequestToken(errand) if errand.cause.replaces_working_token());
            return self.request(Request::AcquireSlot { urgent: !successor }, Stage::AcquiringSlot);
        }
        // What protects a token waits for no read: the object's version guards it.
        let protects = matches!(action, Action::RestoreFinalizer);
        let cache_suffices = action.may_use_cache() && (protects || self.observed.cache_suffices());
        if !(self.live || cache_suffices) {
            return self.read_object();
        }
        self.start(action)
    }

    fn start(mut self, action: Action) -> (Self, Step) {
        match action {
            Action::Idle => self.finish(Outcome::Idle),
            Action::IdleFor(left) => self.finish(Outcome::IdleFor(left)),
            Action::Report(fault) => self.finish(Outcome::Failed(fault)),
            Action::ReportFor(_, fault) if self.observed.request_history.needs_writer(&fault) => {
                self.request(Request::ReadLastWriter, Stage::ReadingLastWriter)
            }
            Action::ReportFor(left, fault) => {
                if fault.reason == Reason::SecretOverwritten {
                    self.observed.request_history.record_delayed();
                }
                self.finish(Outcome::ReportFor(left, fault))
            }
            Action::ClampTimestamps => match status_write(&self.observed, StatusEvent::TimestampsClamped) {
                Some(request) => self.request(request, Stage::ClampingTimestamps),
                None => self.finish(Outcome::RequeueSoon),
            },
            Action::ForgetConfirmedTokens => {
                let confirmed = status_view(&self.observed.object).unverified.confirmed(&self.observed.object);
                match status_write(&self.observed, StatusEvent::RevocationsConfirmed(confirmed)) {
                    Some(request) => self.request(request, Stage::ForgettingConfirmedTokens),
                    None => self.finish(Outcome::RequeueSoon),
                }
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
            // One attempt a pass, whose number it was given.
            Action::RequestToken(_) if self.has_requested => self.done(PassResult::RequeueSoon),
            Action::RequestToken(errand) => {
                self.has_requested = true;
                let flow = request_token::begin(&self.observed, errand);
                self.advance(flow, Some(Operation::RequestToken), Stage::RequestToken)
            }
            Action::Recover => {
                let reservation = self.observed.secret.as_ref().and_then(|secret| secret.reservation.clone());
                let Some(reservation) = reservation else { return self.finish(Outcome::RequeueSoon) };
                let flow = request_token::recover(&self.observed, &reservation.attempt_id);
                self.advance(flow, Some(Operation::Recover), Stage::Recover)
            }
            Action::Adopt => {
                let flow = adopt::begin(&self.observed);
                self.advance(flow, None, Stage::Adopt)
            }
            Action::InspectSecret => {
                self.observed.resync_requested = false;
                self.advance(inspect_secret::begin(), Some(Operation::InspectSecret), Stage::InspectSecret)
            }
            Action::Recheck => {
                let flow = recheck::begin(&self.observed);
                self.finish_recheck(flow)
            }
            Action::VerifyLogin => {
                self.advance(verify_login::begin(), Some(Operation::VerifyLogin), Stage::VerifyLogin)
            }
            Action::ConfirmRevocation => {
                let flow = verify_login::confirm_revocation(&self.observed);
                self.advance(flow, Some(Operation::ConfirmRevocation), Stage::VerifyLogin)
            }
            Action::RevokeRetiring => {
                let flow = revoke::revoke_retiring(&self.observed);
                self.finish_revocations(flow)
            }
            Action::SyncDescription => {
                self.observed.edit_retry_after = None;
                let flow = sync_description::begin(&self.observed);
                self.advance(flow, Some(Operation::SyncDescription), Stage::SyncDescription)
            }
            Action::Finalize => {
                let flow = finalize::begin(&self.observed);
                self.advance(flow, Some(Operation::Finalize), Stage::Finalize)
            }
        }
    }

    fn advance<S>(
        mut self,
        flow: Transition<S>,
        deed: Option<Operation>,
        into: impl FnOnce(S) -> Stage,
    ) -> (Self, Step) {
        match flow {
            Transition::Perform(request, state) => self.request(request, into(state)),
            Transition::Done(outcome) => {
                let delayed = self.delay_next_request(outcome.clone());
                match deed {
                    Some(deed) => self.finish_action(deed, &outcome, delayed),
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
