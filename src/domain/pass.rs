//! One pass over an object: decide, carry out, decide again, until nothing is left to do or
//! something has to be waited for. Pure: whoever drives it performs its requests.

mod ending;

use super::decide::{Action, decide};
use super::effect::{Answer, Request, Write};
use super::fault::Fault;
use super::faults::refused;
use super::observed::Observed;
use super::recorded::recorded;
use super::status::Fact;
use super::step::{Flow, Outcome, adopt, attempt, inspect, leave, note, recheck, revoke, settle, verify};
use super::vain::Deed;
use crate::api::Reason;
use std::time::Duration;

/// A pass that has not come to rest after so many actions goes on later.
const ROUNDS: u8 = 16;

/// One pass over an object.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a thing that happened or did not")]
pub struct Pass {
    seen: Observed,
    /// Object and Secret are answers of the API server, given in this pass.
    fresh: bool,
    /// There is leave to prepare a request.
    room: bool,
    /// This pass has made its attempt.
    attempted: bool,
    /// The description that it asked with.
    described: Option<String>,
    /// Why the Secret that is committed lacks the labels and annotations of the spec.
    template_refusal: Option<Fault>,
    /// What was done last concerned the Secret alone.
    secret_only: bool,
    rounds: u8,
    stage: Stage,
}

/// The request whose answer is awaited, with what asked for it.
#[derive(Clone, Debug, PartialEq)]
enum Stage {
    Room,
    ReadingObject,
    ReadingSecret,
    HoldingIssuer,
    FindingWriter,
    Finalizer { put: bool },
    RestoringFinalizer,
    RestoringOwnership,
    Attempt(attempt::Attempting),
    Recover(attempt::Attempting),
    Adopt(adopt::Adopting),
    Inspect(inspect::Inspecting),
    Verify(verify::Verifying),
    Recheck(recheck::Rechecking),
    Retire(revoke::Retiring),
    Settle(settle::Settling),
    Leave(leave::Leaving),
    Redating,
    Confirming,
    Saying(End),
    Ended,
}

/// How a pass ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// All is as it should be, until an event says otherwise.
    Rest,
    /// All is as it should be, for so much time.
    RestFor(Duration),
    /// Something is waited for: look again after so much time.
    After(Duration),
    /// The world changed meanwhile: look again after a moment.
    Retry,
    /// It did not succeed: look again later.
    Failed(Fault),
}

/// What the driver does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Perform this and bring the answer.
    Do(Request),
    /// The pass is over.
    End(End),
}

impl Pass {
    /// Begins with what the caches hold.
    #[must_use]
    pub fn begin(seen: Observed) -> (Self, Next) {
        let stage = Stage::Ended;
        Self {
            seen,
            fresh: false,
            room: false,
            attempted: false,
            described: None,
            template_refusal: None,
            secret_only: false,
            rounds: ROUNDS,
            stage,
        }
        .decide()
    }

    /// What is known now.
    #[must_use]
    pub const fn seen(&self) -> &Observed {
        &self.seen
    }

    /// Takes the answer to what was to be done, and the time at which it came.
    #[must_use]
    pub fn step(mut self, answer: Answer, now: jiff::Timestamp) -> (Self, Next) {
        self.seen.now = now;
        let answer = self.note_refused_template(answer);
        self.take_in(&answer);
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Room if matches!(answer, Answer::NotSent(_)) => self.finish(super::step::failed(answer)),
            Stage::Room => {
                // It may have been waited for long: what was seen begins only what its version guards.
                self.room = true;
                self.fresh = false;
                self.decide()
            }
            Stage::ReadingObject => match answer {
                Answer::Object(Some(_)) => self.ask(Request::ReadSecret, Stage::ReadingSecret),
                Answer::Object(None) => self.end(End::Rest),
                other => self.finish(super::step::failed(other)),
            },
            Stage::ReadingSecret => match answer {
                Answer::Secret(_) => {
                    self.fresh = true;
                    self.decide()
                }
                other => self.finish(super::step::failed(other)),
            },
            Stage::Finalizer { put } => match answer {
                Answer::Object(Some(_)) if put => {
                    // The answer to our own write is as good as a read; the Secret is proved by its creation.
                    self.fresh = true;
                    self.decide()
                }
                Answer::Object(_) | Answer::Done => self.end(End::Rest),
                other => self.finish(super::step::failed(other)),
            },
            Stage::RestoringFinalizer => self.restored(Deed::RestoreFinalizer, answer),
            Stage::RestoringOwnership => self.restored(Deed::RestoreOwnership, answer),
            Stage::Recover(state) => {
                let flow = state.step(&self.seen, answer);
                self.go(flow, Some(Deed::Recover), Stage::Recover)
            }
            Stage::Attempt(state) => {
                self.note_request(state.was_sent(&answer));
                let flow = state.step(&self.seen, answer);
                self.go(flow, Some(Deed::Attempt), Stage::Attempt)
            }
            Stage::Adopt(state) => {
                let flow = state.step(&self.seen, answer);
                self.go(flow, None, Stage::Adopt)
            }
            Stage::Inspect(state) => {
                let flow = state.step(&self.seen, answer);
                self.secret_only = matches!(flow, Flow::End(_));
                self.go(flow, Some(Deed::Inspect), Stage::Inspect)
            }
            Stage::Verify(state) => {
                let deed = state.deed();
                let flow = state.step(&self.seen, answer);
                self.go(flow, Some(deed), Stage::Verify)
            }
            Stage::Recheck(state) => {
                let flow = state.step(&self.seen, answer);
                self.rechecked(flow)
            }
            Stage::Retire(state) => {
                let flow = state.step(&self.seen, answer);
                self.retired(flow)
            }
            Stage::Settle(state) => {
                let flow = state.step(&self.seen, answer);
                self.go(flow, Some(Deed::Settle), Stage::Settle)
            }
            Stage::Leave(state) => {
                let flow = state.step(&self.seen, answer);
                self.go(flow, Some(Deed::Leave), Stage::Leave)
            }
            Stage::FindingWriter => {
                let writer = if let Answer::Writer(writer) = answer { writer } else { None };
                self.seen.requests.written_by(writer);
                self.decide()
            }
            Stage::Redating | Stage::Confirming => match answer {
                Answer::Object(Some(_)) => self.decide(),
                other => self.finish(super::step::failed(other)),
            },
            // What cannot be written now is said by the next pass.
            Stage::Saying(end) => self.end(end),
            Stage::HoldingIssuer | Stage::Ended => self.end(End::Rest),
        }
    }

    /// Labels and annotations that are refused hold up nothing else; the pass reports them at its end.
    fn note_refused_template(&mut self, answer: Answer) -> Answer {
        let (message, answer) = match answer {
            Answer::WithoutTemplate(message) => (message, Answer::Done),
            Answer::SecretWithoutTemplate(secret, message) => (message, Answer::Secret(Some(secret))),
            other => return other,
        };
        self.template_refusal = Some(refused(&message));
        answer
    }

    /// An answer that brings object or Secret brings what they are now.
    fn take_in(&mut self, answer: &Answer) {
        match answer {
            Answer::Object(Some(object)) => self.seen.object = (**object).clone(),
            Answer::Secret(found) => self.seen.secret = found.as_deref().cloned(),
            Answer::Content(found) => self.seen.secret = found.as_ref().map(|found| found.0.clone()),
            _ => {}
        }
    }

    fn ask(mut self, request: Request, stage: Stage) -> (Self, Next) {
        if let Request::Token { description } = &request {
            self.described = Some(description.clone());
        }
        self.stage = stage;
        (self, Next::Do(request))
    }

    fn end(mut self, end: End) -> (Self, Next) {
        self.stage = Stage::Ended;
        (self, Next::End(end))
    }

    fn read_object(self) -> (Self, Next) {
        self.ask(Request::ReadObject, Stage::ReadingObject)
    }

    /// Decides, and begins what was decided. What a cache holds may start nothing that is not
    /// guarded by its version: for everything else object and Secret are read first, in this order,
    /// so that a token counts as lost only by a Secret that was read after the status naming it.
    fn decide(mut self) -> (Self, Next) {
        let Some(rounds) = self.rounds.checked_sub(1) else { return self.end(End::Retry) };
        self.rounds = rounds;
        let action = decide(&self.seen);
        if matches!(action, Action::AddFinalizer | Action::Attempt(_)) && !self.room {
            // Waiting here holds nothing: no reservation, no version that could grow old.
            let successor = matches!(&action, Action::Attempt(errand) if errand.cause.replaces_a_working_token());
            return self.ask(Request::Room { urgent: !successor }, Stage::Room);
        }
        // What protects a token waits for no read: the object's version guards it.
        let protects = matches!(action, Action::RestoreFinalizer);
        let cache_suffices = action.may_use_cache() && (protects || self.seen.cache_suffices());
        if !(self.fresh || cache_suffices) {
            return self.read_object();
        }
        self.carry_out(action)
    }

    fn carry_out(mut self, action: Action) -> (Self, Next) {
        match action {
            Action::Rest => self.finish(Outcome::Rest),
            Action::RestFor(left) => self.finish(Outcome::RestFor(left)),
            Action::Wait(fault) => self.finish(Outcome::Failed(fault)),
            Action::WaitFor(_, fault) if self.seen.requests.asks_for_writer(&fault) => {
                self.ask(Request::FindWriter, Stage::FindingWriter)
            }
            Action::WaitFor(left, fault) => {
                if fault.reason == Reason::SecretOverwritten {
                    self.seen.requests.held_back();
                }
                self.finish(Outcome::WaitFor(left, fault))
            }
            Action::Redate => match note(&self.seen, Fact::Redated) {
                Some(request) => self.ask(request, Stage::Redating),
                None => self.finish(Outcome::LookAgain),
            },
            Action::Confirm => {
                let confirmed = recorded(&self.seen.object).unproved.confirmed(&self.seen.object);
                match note(&self.seen, Fact::Confirmed(confirmed)) {
                    Some(request) => self.ask(request, Stage::Confirming),
                    None => self.finish(Outcome::LookAgain),
                }
            }
            Action::HoldIssuer => self.ask(Request::WakeIssuer, Stage::HoldingIssuer),
            Action::RestoreFinalizer => self.ask(Request::Finalizer(true), Stage::RestoringFinalizer),
            Action::RestoreOwnership => self.ask(Request::Secret(Write::RestoreOwnership), Stage::RestoringOwnership),
            Action::AddFinalizer => self.ask(Request::Finalizer(true), Stage::Finalizer { put: true }),
            Action::RemoveFinalizer => self.ask(Request::Finalizer(false), Stage::Finalizer { put: false }),
            // One attempt a pass, whose number it was given.
            Action::Attempt(_) if self.attempted => self.end(End::Retry),
            Action::Attempt(errand) => {
                self.attempted = true;
                let flow = attempt::begin(&self.seen, errand);
                self.go(flow, Some(Deed::Attempt), Stage::Attempt)
            }
            Action::Recover => {
                let held = self.seen.secret.as_ref().and_then(|secret| secret.reservation.clone());
                let Some(held) = held else { return self.finish(Outcome::LookAgain) };
                let flow = attempt::recover(&self.seen, &held.attempt);
                self.go(flow, Some(Deed::Recover), Stage::Recover)
            }
            Action::Adopt => {
                let flow = adopt::begin(&self.seen);
                self.go(flow, None, Stage::Adopt)
            }
            Action::Inspect => {
                self.seen.look_closer = false;
                self.go(inspect::begin(), Some(Deed::Inspect), Stage::Inspect)
            }
            Action::Recheck => {
                let flow = recheck::begin(&self.seen);
                self.rechecked(flow)
            }
            Action::Verify => self.go(verify::begin(), Some(Deed::Verify), Stage::Verify),
            Action::Vanished => {
                let flow = verify::doubt(&self.seen);
                self.go(flow, Some(Deed::ConfirmRevocation), Stage::Verify)
            }
            Action::RevokeRetiring => {
                let flow = revoke::retire(&self.seen);
                self.retired(flow)
            }
            Action::Settle => {
                self.seen.edit_retry = None;
                let flow = settle::begin(&self.seen);
                self.go(flow, Some(Deed::Settle), Stage::Settle)
            }
            Action::Leave => {
                let flow = leave::begin(&self.seen);
                self.go(flow, Some(Deed::Leave), Stage::Leave)
            }
        }
    }

    fn go<S>(mut self, flow: Flow<S>, deed: Option<Deed>, into: impl FnOnce(S) -> Stage) -> (Self, Next) {
        match flow {
            Flow::Do(request, state) => self.ask(request, into(state)),
            Flow::End(outcome) => {
                let held = self.hold_next_request(outcome.clone());
                match deed {
                    Some(deed) => self.failed(deed, &outcome, held),
                    None => self.finish(held),
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "pass_course_tests.rs"]
mod courses;
#[cfg(test)]
#[path = "pass_tests.rs"]
mod tests;
