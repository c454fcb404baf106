//! How a pass ends: what is said, and when to look again.

use super::{End, Next, Pass, Stage};
use crate::domain::cause::Cause;
use crate::domain::decide::works;
use crate::domain::due::reported;
use crate::domain::effect::Answer;
use crate::domain::errand::pending;
use crate::domain::fault::Fault;
use crate::domain::faults::{finalizer_refused, refused};
use crate::domain::observed::{Listed, Recheck};
use crate::domain::recorded::recorded;
use crate::domain::request_backoff::must_wait;
use crate::domain::status::Fact;
use crate::domain::step::{Flow, Outcome, failed, note, recheck, revoke};
use crate::domain::vain::{Deed, Vain, concerns_one_action, lasts};
use std::time::Duration;

impl Pass {
    /// Decides anew, or ends.
    pub(super) fn finish(mut self, outcome: Outcome) -> (Self, Next) {
        // What was done since may have changed what the portal shows; what the Secret holds changes nothing there.
        if !std::mem::take(&mut self.secret_only) {
            self.seen.listed = Listed::Unknown;
        }
        match outcome {
            Outcome::Again => {
                self.report_refused_template();
                self.decide()
            }
            Outcome::Stored => {
                self.seen.requests.stored();
                self.report_refused_template();
                self.seen.shown = self.described.take();
                self.decide()
            }
            Outcome::Upstream(listed) => {
                self.seen.listed = listed;
                self.decide()
            }
            Outcome::LookAgain => self.end(End::Retry),
            Outcome::Rest => self.rest(None),
            Outcome::RestFor(left) => self.rest(Some(left)),
            Outcome::WaitFor(left, fault) => {
                let (fault, soon) = self.with_reported(fault);
                let left = soon.map_or(left, |soon| left.min(soon));
                self.say(fault, |fault| if left.is_zero() { End::Failed(fault) } else { End::After(left) })
            }
            Outcome::Failed(fault) => {
                let (fault, _) = self.with_reported(fault);
                self.say(fault, End::Failed)
            }
        }
    }

    /// The Secret is as it can be: what is refused is reported, and tried again like a repair.
    fn report_refused_template(&mut self) {
        if let Some(fault) = self.template_refusal.take() {
            self.tried(Vain::new(Deed::Inspect, fault));
        }
    }

    /// Counts a request for a token that reached the portal, or may have.
    pub(super) fn note_request(&mut self, was_sent: bool) {
        if was_sent {
            let mut requests = std::mem::take(&mut self.seen.requests);
            requests.sent(&self.seen);
            self.seen.requests = requests;
        }
    }

    /// A request that gave no token that could be kept: the next one waits, and this says until when.
    pub(super) fn hold_next_request(&mut self, outcome: Outcome) -> Outcome {
        match &outcome {
            Outcome::Failed(fault) if self.seen.requests.failed(fault) && !fault.stalled => {
                must_wait(&self.seen, Cause::Lost).map_or(outcome, |wait| Outcome::WaitFor(wait.left, wait.fault))
            }
            _ => outcome,
        }
    }

    pub(super) fn tried(&mut self, vain: Vain) {
        self.seen.vain.retain(|former| former.deed != vain.deed);
        self.seen.vain.push(vain);
    }

    /// What an action came to. One that failed for a reason of its own holds up no other: it is noted, all else is done,
    /// and then it is reported. `held` is the outcome as it ends the pass, with the wait of the next token request.
    pub(super) fn failed(mut self, deed: Deed, outcome: &Outcome, held: Outcome) -> (Self, Next) {
        let (fault, left) = match outcome {
            Outcome::Failed(fault) => (fault, None),
            Outcome::WaitFor(left, fault) => (fault, Some(*left)),
            Outcome::RestFor(left) if deed == Deed::Verify => {
                self.tried(Vain::silent(deed, *left));
                return self.finish(Outcome::Again);
            }
            _ => return self.finish(held),
        };
        // A registry's failures are told from a portal's by who was asked.
        let registry = matches!(deed, Deed::Verify | Deed::ConfirmRevocation);
        // Of an object that goes, the way out is decided as a whole.
        let alone = deed != Deed::Leave && (registry || concerns_one_action(fault));
        if !alone && !lasts(fault) {
            return self.finish(held);
        }
        let vain = Vain::new(deed, fault.clone());
        let fault = vain.fault.clone();
        self.tried(Vain { left: left.unwrap_or(vain.left), ..vain });
        self.finish(match held {
            _ if alone => Outcome::Again,
            Outcome::WaitFor(..) => held,
            _ => Outcome::Failed(fault),
        })
    }

    /// What a look at portal and registry came to. It is done when it says something for certain.
    pub(super) fn rechecked(mut self, flow: Flow<recheck::Rechecking>) -> (Self, Next) {
        let outcome = match flow {
            Flow::Do(request, state) => return self.ask(request, Stage::Recheck(state)),
            Flow::End(outcome) => outcome,
        };
        let hidden = self.seen.facts().is_some_and(|facts| !facts.list_visible);
        match &outcome {
            Outcome::WaitFor(..) if hidden && self.seen.recheck == Recheck::Asked => {
                self.seen.recheck = Recheck::RefusedSince(self.seen.now);
            }
            Outcome::WaitFor(..) | Outcome::LookAgain => {}
            // The portal could not be asked.
            Outcome::Failed(fault) if !concerns_one_action(fault) => {}
            _ => self.seen.recheck = Recheck::No,
        }
        self.failed(Deed::ConfirmRevocation, &outcome.clone(), outcome)
    }

    /// Finalizer, label or owner reference were put back, or could not be.
    pub(super) fn restored(mut self, deed: Deed, answer: Answer) -> (Self, Next) {
        match answer {
            Answer::Object(Some(_)) | Answer::Secret(Some(_)) => self.decide(),
            Answer::Refused(message) => {
                let is_finalizer = deed == Deed::RestoreFinalizer;
                let fault = if is_finalizer { finalizer_refused(&message) } else { refused(&message) };
                self.tried(Vain::new(deed, fault));
                self.finish(Outcome::Again)
            }
            other => self.finish(failed(other)),
        }
    }

    /// A token that cannot be revoked now holds nothing else up: it is said when all else is done.
    pub(super) fn retired(mut self, flow: Flow<revoke::Retiring>) -> (Self, Next) {
        let (fault, wait) = match flow {
            Flow::Do(request, state) => return self.ask(request, Stage::Retire(state)),
            Flow::End(Outcome::Failed(fault)) => (fault, None),
            Flow::End(Outcome::WaitFor(left, fault)) => (fault, Some(left)),
            Flow::End(outcome) => return self.finish(outcome),
        };
        let due: Vec<_> = recorded(&self.seen.object).due(&self.seen).map(|token| token.id.clone()).collect();
        for id in due {
            let vain = Vain::new(Deed::Revoke(id), fault.clone());
            self.tried(Vain { left: wait.unwrap_or(vain.left), ..vain });
        }
        self.finish(Outcome::Again)
    }

    /// What could not be done in this pass, beside what this says already.
    fn reported(&self, said: &str) -> Vec<Vain> {
        if self.seen.object.deleting {
            return vec![];
        }
        let mut all: Vec<Vain> = vec![];
        for vain in reported(&self.seen, &recorded(&self.seen.object)) {
            if vain.fault.message != said && all.iter().all(|one| one.fault.message != vain.fault.message) {
                all.push(vain);
            }
        }
        all
    }

    /// All else is done: what could not be done is reported.
    pub(super) fn rest(self, left: Option<Duration>) -> (Self, Next) {
        let Some(first) = self.reported("").into_iter().next() else {
            return self.end(left.map_or(End::Rest, End::RestFor));
        };
        let (fault, soon) = self.with_reported(first.fault);
        let wait = left.into_iter().chain(soon).fold(first.left, Duration::min);
        self.say(fault, |fault| if wait.is_zero() { End::Failed(fault) } else { End::After(wait) })
    }

    /// What hinders, and beside it what else could not be done; with when that is tried again.
    pub(super) fn with_reported(&self, fault: Fault) -> (Fault, Option<Duration>) {
        let all = self.reported(&fault.message);
        let soon = all.iter().map(|vain| vain.left).min();
        let message = all.iter().fold(fault.message, |said, vain| format!("{said}. Besides, {}", vain.fault.message));
        (Fault { message, ..fault }, soon)
    }

    /// Says what hinders, and what somebody asked for and waits for it. A working object stays ready.
    pub(super) fn say(self, mut fault: Fault, end: impl FnOnce(Fault) -> End) -> (Self, Next) {
        let waits = pending(&self.seen, &recorded(&self.seen.object)).filter(|_| !self.seen.object.deleting);
        if let Some(annotation) = waits.filter(|annotation| !fault.message.contains(annotation)) {
            fault.message = format!("{}. {annotation} is acted on after that", fault.message);
        }
        let working = works(&self.seen);
        let said = note(&self.seen, Fact::Hindered { fault: fault.clone(), working });
        let end = end(fault);
        match said {
            Some(request) => self.ask(request, Stage::Saying(end)),
            None => self.end(end),
        }
    }
}
