//! Ends a pass: what is reported, and when the object is requeued.

use super::running::Completion;
use super::{Pass, PassResult, Stage, Step};
use crate::domain::actions::{Outcome, from_response, status_write};
use crate::domain::decide::deadlines::reportable_cooldowns;
use crate::domain::decide::pods_can_pull;
use crate::domain::decide::rotation::pending_annotation;
use crate::domain::model::cooldown::{Cooldown, Operation, affects_one_action, is_permanent};
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{finalizer_rejected, secret_rejected};
use crate::domain::model::request_cause::Cause;
use crate::domain::model::status_view::StatusView;
use crate::domain::observed::{Recheck, UpstreamState};
use crate::domain::protocol::Response;
use crate::domain::retry::request_backoff::{inputs_hash, must_wait};
use crate::domain::status::StatusEvent;
use std::time::Duration;

impl Pass {
    /// Decides again, or ends the pass.
    pub(super) fn finish(mut self, outcome: Outcome) -> (Self, Step) {
        // The portal may show something else after this action, unless it only concerned the Secret.
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
                self.observed.token_requested = true;
                self.decide()
            }
            Outcome::Upstream(listed) => {
                self.observed.upstream = listed;
                self.decide()
            }
            Outcome::RequeueSoon => self.done(PassResult::RequeueSoon),
            Outcome::Idle => self.finish_idle(None),
            Outcome::IdleFor(left) => self.finish_idle(Some(left)),
            Outcome::ReportFor(left, problem) => {
                let (problem, soon) = self.with_other_problems(problem);
                let left = soon.map_or(left, |soon| left.min(soon));
                self.report(problem, |problem| {
                    if left.is_zero() { PassResult::Failed(problem) } else { PassResult::RequeueAfter(left) }
                })
            }
            Outcome::Failed(problem) => {
                let (problem, _) = self.with_other_problems(problem);
                self.report(problem, PassResult::Failed)
            }
        }
    }

    /// The content of the Secret is valid: the rejected labels and annotations are reported, and retried like a repair.
    fn report_template_rejection(&mut self) {
        if let Some(problem) = self.template_rejection.take() {
            self.start_cooldown(Cooldown::new(Operation::InspectSecret, problem));
        }
    }

    /// Counts a token request that reached the portal, or may have.
    pub(super) fn record_request(&mut self, was_sent: bool) {
        if was_sent {
            let inputs = inputs_hash(&self.observed);
            self.observed.request_history.record_sent(self.observed.now, inputs);
        }
    }

    /// After a request that gave no token to keep, the next one is delayed, and the problem says until when.
    fn delay_next_request(&mut self, outcome: Outcome) -> Outcome {
        match &outcome {
            Outcome::Failed(problem) if self.observed.request_history.record_failed(problem) && !problem.terminal => {
                must_wait(&self.observed, Cause::Lost)
                    .map_or(outcome, |wait| Outcome::ReportFor(wait.left, wait.problem))
            }
            _ => outcome,
        }
    }

    fn start_cooldown(&mut self, cooldown: Cooldown) {
        self.observed.cooldowns.retain(|former| former.operation != cooldown.operation);
        self.observed.cooldowns.push(cooldown);
    }

    /// Handles the outcome of an action. If only this action is affected, it blocks no other: the problem is recorded,
    /// all other actions run, and then it is reported. `delayed` is the outcome that ends the pass, including the delay
    /// of the next token request.
    fn finish_action(mut self, operation: Operation, outcome: &Outcome, delayed: Outcome) -> (Self, Step) {
        let (problem, left) = match outcome {
            Outcome::Failed(problem) => (problem, None),
            Outcome::ReportFor(left, problem) => (problem, Some(*left)),
            Outcome::IdleFor(left) if matches!(operation, Operation::VerifyLogin | Operation::RevokeNotAllowed) => {
                self.start_cooldown(Cooldown::silent(operation, *left));
                return self.finish(Outcome::Redecide);
            }
            _ => return self.finish(delayed),
        };
        // The operation shows whether a failure is a registry's or a portal's.
        let registry = matches!(operation, Operation::VerifyLogin | Operation::ConfirmRevocation);
        // For a deleted object, the finalization is decided as a whole.
        let alone = operation != Operation::Finalize && (registry || affects_one_action(problem));
        if !alone && !is_permanent(problem) {
            return self.finish(delayed);
        }
        let cooldown = Cooldown::new(operation, problem.clone());
        let problem = cooldown.problem.clone();
        self.start_cooldown(Cooldown { remaining: left.unwrap_or(cooldown.remaining), ..cooldown });
        self.finish(match delayed {
            _ if alone => Outcome::Redecide,
            Outcome::ReportFor(..) => delayed,
            _ => Outcome::Failed(problem),
        })
    }

    /// Handles the outcome of an action.
    pub(super) fn complete(mut self, completion: Completion, outcome: Outcome) -> (Self, Step) {
        match completion {
            Completion::Recheck => self.finish_recheck(outcome),
            Completion::Revocations => self.finish_revocations(outcome),
            Completion::EndsPass => {
                let delayed = self.delay_next_request(outcome);
                self.finish(delayed)
            }
            Completion::SecretCooldown => {
                self.secret_only = true;
                self.complete(Completion::Cooldown(Operation::InspectSecret), outcome)
            }
            Completion::Cooldown(operation) => {
                let delayed = self.delay_next_request(outcome.clone());
                self.finish_action(operation, &outcome, delayed)
            }
        }
    }

    /// Handles the outcome of a recheck. It is done once its result is conclusive.
    fn finish_recheck(mut self, outcome: Outcome) -> (Self, Step) {
        let login_decides = self.observed.issuer_info().is_some_and(|issuer| issuer.evidence().login_decides());
        match &outcome {
            Outcome::ReportFor(..) if login_decides && self.observed.recheck == Recheck::Requested => {
                self.observed.recheck = Recheck::RejectedSince(self.observed.now);
            }
            Outcome::ReportFor(..) | Outcome::RequeueSoon => {}
            // The portal was unavailable.
            Outcome::Failed(problem) if !affects_one_action(problem) => {}
            _ => self.observed.recheck = Recheck::NotRequested,
        }
        self.finish_action(Operation::ConfirmRevocation, &outcome.clone(), outcome)
    }

    /// Handles the response to restoring the finalizer, the label or the owner reference.
    pub(super) fn finish_restore(mut self, operation: Operation, response: Response) -> (Self, Step) {
        match response {
            Response::Object(Some(_)) | Response::Secret(Some(_)) => self.decide(),
            Response::WriteRejected(message) => {
                let is_finalizer = operation == Operation::RestoreFinalizer;
                let problem = if is_finalizer { finalizer_rejected(&message) } else { secret_rejected(&message) };
                self.start_cooldown(Cooldown::new(operation, problem));
                self.finish(Outcome::Redecide)
            }
            other => self.finish(from_response(other)),
        }
    }

    /// A token that cannot be revoked now blocks nothing else: it is reported when all other actions are done.
    fn finish_revocations(mut self, outcome: Outcome) -> (Self, Step) {
        let (problem, wait) = match outcome {
            Outcome::Failed(problem) => (problem, None),
            Outcome::ReportFor(left, problem) => (problem, Some(left)),
            outcome => return self.finish(outcome),
        };
        let due: Vec<_> = StatusView::of(&self.observed.object)
            .due_revocations(self.observed.now, self.observed.own_stored())
            .map(|token| token.id.clone())
            .collect();
        for id in due {
            let cooldown = Cooldown::new(Operation::Revoke(id), problem.clone());
            self.start_cooldown(Cooldown { remaining: wait.unwrap_or(cooldown.remaining), ..cooldown });
        }
        self.finish(Outcome::Redecide)
    }

    /// Returns the problems of this pass, except one with this message.
    fn other_problems(&self, message: &str) -> Vec<Cooldown> {
        if self.observed.object.deleting {
            return vec![];
        }
        let mut all: Vec<Cooldown> = vec![];
        for cooldown in reportable_cooldowns(&self.observed, &StatusView::of(&self.observed.object)) {
            if cooldown.problem.message != message
                && all.iter().all(|one| one.problem.message != cooldown.problem.message)
            {
                all.push(cooldown);
            }
        }
        all
    }

    /// All actions are done: reports the remaining problems.
    fn finish_idle(self, left: Option<Duration>) -> (Self, Step) {
        let Some(first) = self.other_problems("").into_iter().next() else {
            return self.done(left.map_or(PassResult::Idle, PassResult::IdleFor));
        };
        let (problem, soon) = self.with_other_problems(first.problem);
        let wait = left.into_iter().chain(soon).fold(first.remaining, Duration::min);
        self.report(
            problem,
            |problem| if wait.is_zero() { PassResult::Failed(problem) } else { PassResult::RequeueAfter(wait) },
        )
    }

    /// Adds the other problems to this one, and returns when they are retried.
    fn with_other_problems(&self, problem: Problem) -> (Problem, Option<Duration>) {
        let all = self.other_problems(&problem.message);
        let soon = all.iter().map(|cooldown| cooldown.remaining).min();
        let message = all
            .iter()
            .fold(problem.message, |message, cooldown| format!("{message}. Also: {}", cooldown.problem.message));
        (Problem { message, ..problem }, soon)
    }

    /// Reports a problem, and a requested replacement that waits for it. A working object stays ready.
    fn report(self, mut problem: Problem, end: impl FnOnce(Problem) -> PassResult) -> (Self, Step) {
        let waits = pending_annotation(&self.observed, &StatusView::of(&self.observed.object))
            .filter(|_| !self.observed.object.deleting);
        if let Some(annotation) = waits.filter(|annotation| !problem.message.contains(annotation)) {
            problem.message = format!("{}. {annotation} will be handled after that", problem.message);
        }
        let pods_can_pull = pods_can_pull(&self.observed, &StatusView::of(&self.observed.object));
        let said = status_write(&self.observed, StatusEvent::ProblemFound { problem: problem.clone(), pods_can_pull });
        let end = end(problem);
        match said {
            Some(request) => self.request(request, Stage::Reporting(end)),
            None => self.done(end),
        }
    }
}
