//! How a pass ends: what is said, and when to look again.

use super::{Pass, PassResult, Stage, Step};
use crate::domain::actions::{Outcome, Transition, from_response, recheck, revoke, status_write};
use crate::domain::decide::deadlines::reportable_cooldowns;
use crate::domain::decide::pods_can_pull;
use crate::domain::decide::rotation::pending_annotation;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{finalizer_rejected, secret_rejected};
use crate::domain::model::request_cause::Cause;
use crate::domain::model::status_view::status_view;
use crate::domain::observed::{Recheck, UpstreamState};
use crate::domain::protocol::Response;
use crate::domain::retry::cooldown::{Cooldown, Operation, affects_one_action, is_permanent};
use crate::domain::retry::request_backoff::must_wait;
use crate::domain::status::StatusEvent;
use std::time::Duration;

impl Pass {
    /// Decides anew, or ends.
    pub(super) fn finish(mut self, outcome: Outcome) -> (Self, Step) {
        // What was done since may have changed what the portal shows; what the Secret holds changes nothing there.
        if !std::mem::take(&mut self.secret_only) {
            self.observed.upstream = UpstreamState::Unknown;
        }
        match outcome {
            Outcome::Redecide => {
                self.report_template_rejection();
                self.decide()
            }
            Outcome::Stored => {
                self.observed.request_history.record_stored();
                self.report_template_rejection();
                self.observed.submitted_description = self.submitted_description.take();
                self.decide()
            }
            Outcome::Upstream(listed) => {
                self.observed.upstream = listed;
                self.decide()
            }
            Outcome::RequeueSoon => self.done(PassResult::RequeueSoon),
            Outcome::Idle => self.finish_idle(None),
            Outcome::IdleFor(left) => self.finish_idle(Some(left)),
            Outcome::ReportFor(left, fault) => {
                let (fault, soon) = self.with_other_problems(fault);
                let left = soon.map_or(left, |soon| left.min(soon));
                self.report(fault, |fault| {
                    if left.is_zero() { PassResult::Failed(fault) } else { PassResult::RequeueAfter(left) }
                })
            }
            Outcome::Failed(fault) => {
                let (fault, _) = self.with_other_problems(fault);
                self.report(fault, PassResult::Failed)
            }
        }
    }

    /// The Secret is as it can be: what is refused is reported, and tried again like a repair.
    fn report_template_rejection(&mut self) {
        if let Some(fault) = self.template_rejection.take() {
            self.start_cooldown(Cooldown::new(Operation::InspectSecret, fault));
        }
    }

    /// Counts a request for a token that reached the portal, or may have.
    pub(super) fn record_request(&mut self, was_sent: bool) {
        if was_sent {
            let mut requests = std::mem::take(&mut self.observed.request_history);
            requests.record_sent(&self.observed);
            self.observed.request_history = requests;
        }
    }

    /// A request that gave no token that could be kept: the next one waits, and this says until when.
    pub(super) fn delay_next_request(&mut self, outcome: Outcome) -> Outcome {
        match &outcome {
            Outcome::Failed(fault) if self.observed.request_history.record_failed(fault) && !fault.terminal => {
                must_wait(&self.observed, Cause::Lost)
                    .map_or(outcome, |wait| Outcome::ReportFor(wait.left, wait.problem))
            }
            _ => outcome,
        }
    }

    pub(super) fn start_cooldown(&mut self, vain: Cooldown) {
        self.observed.cooldowns.retain(|former| former.operation != vain.operation);
        self.observed.cooldowns.push(vain);
    }

    /// What an action came to. One that failed for a reason of its own holds up no other: it is noted, all else is done,
    /// and then it is reported. `held` is the outcome as it ends the pass, with the wait of the next token request.
    pub(super) fn finish_action(mut self, deed: Operation, outcome: &Outcome, delayed: Outcome) -> (Self, Step) {
        let (fault, left) = match outcome {
            Outcome::Failed(fault) => (fault, None),
            Outcome::ReportFor(left, fault) => (fault, Some(*left)),
            Outcome::IdleFor(left) if deed == Operation::VerifyLogin => {
                self.start_cooldown(Cooldown::silent(deed, *left));
                return self.finish(Outcome::Redecide);
            }
            _ => return self.finish(delayed),
        };
        // A registry's failures are told from a portal's by who was asked.
        let registry = matches!(deed, Operation::VerifyLogin | Operation::ConfirmRevocation);
        // Of an object that goes, the way out is decided as a whole.
        let alone = deed != Operation::Finalize && (registry || affects_one_action(fault));
        if !alone && !is_permanent(fault) {
            return self.finish(delayed);
        }
        let vain = Cooldown::new(deed, fault.clone());
        let fault = vain.problem.clone();
        self.start_cooldown(Cooldown { remaining: left.unwrap_or(vain.remaining), ..vain });
        self.finish(match delayed {
            _ if alone => Outcome::Redecide,
            Outcome::ReportFor(..) => delayed,
            _ => Outcome::Failed(fault),
        })
    }

    /// What a look at portal and registry came to. It is done when it says something for certain.
    pub(super) fn finish_recheck(mut self, flow: Transition<recheck::Rechecking>) -> (Self, Step) {
        let outcome = match flow {
            Transition::Perform(request, state) => return self.request(request, Stage::Recheck(state)),
            Transition::Done(outcome) => outcome,
        };
        let hidden = self.observed.issuer_info().is_some_and(|facts| !facts.list_visible);
        match &outcome {
            Outcome::ReportFor(..) if hidden && self.observed.recheck == Recheck::Requested => {
                self.observed.recheck = Recheck::RejectedSince(self.observed.now);
            }
            Outcome::ReportFor(..) | Outcome::RequeueSoon => {}
            // The portal could not be asked.
            Outcome::Failed(fault) if !affects_one_action(fault) => {}
            _ => self.observed.recheck = Recheck::NotRequested,
        }
        self.finish_action(Operation::ConfirmRevocation, &outcome.clone(), outcome)
    }

    /// Finalizer, label or owner reference were put back, or could not be.
    pub(super) fn finish_restore(mut self, deed: Operation, answer: Response) -> (Self, Step) {
        match answer {
            Response::Object(Some(_)) | Response::Secret(Some(_)) => self.decide(),
            Response::WriteRejected(message) => {
                let is_finalizer = deed == Operation::RestoreFinalizer;
                let fault = if is_finalizer { finalizer_rejected(&message) } else { secret_rejected(&message) };
                self.start_cooldown(Cooldown::new(deed, fault));
                self.finish(Outcome::Redecide)
            }
            other => self.finish(from_response(other)),
        }
    }

    /// A token that cannot be revoked now holds nothing else up: it is said when all else is done.
    pub(super) fn finish_revocations(mut self, flow: Transition<revoke::RevokingRetiring>) -> (Self, Step) {
        let (fault, wait) = match flow {
            Transition::Perform(request, state) => return self.request(request, Stage::RevokeRetiring(state)),
            Transition::Done(Outcome::Failed(fault)) => (fault, None),
            Transition::Done(Outcome::ReportFor(left, fault)) => (fault, Some(left)),
            Transition::Done(outcome) => return self.finish(outcome),
        };
        let due: Vec<_> =
            status_view(&self.observed.object).due_revocations(&self.observed).map(|token| token.id.clone()).collect();
        for id in due {
            let vain = Cooldown::new(Operation::Revoke(id), fault.clone());
            self.start_cooldown(Cooldown { remaining: wait.unwrap_or(vain.remaining), ..vain });
        }
        self.finish(Outcome::Redecide)
    }

    /// What could not be done in this pass, beside what this says already.
    fn other_problems(&self, said: &str) -> Vec<Cooldown> {
        if self.observed.object.deleting {
            return vec![];
        }
        let mut all: Vec<Cooldown> = vec![];
        for vain in reportable_cooldowns(&self.observed, &status_view(&self.observed.object)) {
            if vain.problem.message != said && all.iter().all(|one| one.problem.message != vain.problem.message) {
                all.push(vain);
            }
        }
        all
    }

    /// All else is done: what could not be done is reported.
    pub(super) fn finish_idle(self, left: Option<Duration>) -> (Self, Step) {
        let Some(first) = self.other_problems("").into_iter().next() else {
            return self.done(left.map_or(PassResult::Idle, PassResult::IdleFor));
        };
        let (fault, soon) = self.with_other_problems(first.problem);
        let wait = left.into_iter().chain(soon).fold(first.remaining, Duration::min);
        self.report(
            fault,
            |fault| if wait.is_zero() { PassResult::Failed(fault) } else { PassResult::RequeueAfter(wait) },
        )
    }

    /// What hinders, and beside it what else could not be done; with when that is tried again.
    pub(super) fn with_other_problems(&self, fault: Problem) -> (Problem, Option<Duration>) {
        let all = self.other_problems(&fault.message);
        let soon = all.iter().map(|vain| vain.remaining).min();
        let message = all.iter().fold(fault.message, |said, vain| format!("{said}. Besides, {}", vain.problem.message));
        (Problem { message, ..fault }, soon)
    }

    /// Says what hinders, and what somebody asked for and waits for it. A working object stays ready.
    pub(super) fn report(self, mut fault: Problem, end: impl FnOnce(Problem) -> PassResult) -> (Self, Step) {
        let waits = pending_annotation(&self.observed, &status_view(&self.observed.object))
            .filter(|_| !self.observed.object.deleting);
        if let Some(annotation) = waits.filter(|annotation| !fault.message.contains(annotation)) {
            fault.message = format!("{}. {annotation} is acted on after that", fault.message);
        }
        let working = pods_can_pull(&self.observed);
        let said =
            status_write(&self.observed, StatusEvent::ProblemFound { problem: fault.clone(), pods_can_pull: working });
        let end = end(fault);
        match said {
            Some(request) => self.request(request, Stage::Reporting(end)),
            None => self.done(end),
        }
    }
}
