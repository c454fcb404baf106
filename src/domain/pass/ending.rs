//! How a pass ends: what is said, and when to look again.

use super::{End, Next, Pass, Stage};
use crate::domain::decide::works;
use crate::domain::due::stuck;
use crate::domain::fault::Fault;
use crate::domain::observed::Listed;
use crate::domain::recorded::recorded;
use crate::domain::status::Fact;
use crate::domain::step::{Flow, Outcome, note, revoke};
use crate::domain::vain::{Deed, Vain};
use std::time::Duration;

impl Pass {
    /// Decides anew, or ends.
    pub(super) fn finish(mut self, outcome: Outcome) -> (Self, Next) {
        // What was done since may have changed what the portal shows.
        self.seen.listed = Listed::Unknown;
        match outcome {
            Outcome::Again => self.decide(),
            Outcome::Stored => {
                self.seen.shown = self.described.take();
                self.decide()
            }
            Outcome::LookAgain => self.end(End::Retry),
            Outcome::Rest => self.rest(None),
            Outcome::RestFor(left) => self.rest(Some(left)),
            Outcome::WaitFor(left, fault) => {
                let (fault, soon) = self.with_stuck(fault);
                let left = soon.map_or(left, |soon| left.min(soon));
                self.say(fault, |fault| if left.is_zero() { End::Failed(fault) } else { End::After(left) })
            }
            Outcome::Failed(fault) => {
                let (fault, _) = self.with_stuck(fault);
                self.say(fault, End::Failed)
            }
        }
    }

    pub(super) fn tried(&mut self, vain: Vain) {
        self.seen.vain.retain(|former| former.deed != vain.deed);
        self.seen.vain.push(vain);
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

    pub(super) fn stuck(&self) -> Option<Vain> {
        // Of an object that goes, the way out is decided as a whole.
        stuck(&self.seen, &recorded(&self.seen.object)).filter(|_| !self.seen.object.deleting)
    }

    /// All else is done: what is left is a token that cannot be revoked, if there is one.
    pub(super) fn rest(self, left: Option<Duration>) -> (Self, Next) {
        match (self.stuck(), left) {
            (Some(vain), _) if vain.left.is_zero() => self.say(vain.fault, End::Failed),
            (Some(vain), left) => {
                let left = left.map_or(vain.left, |left| left.min(vain.left));
                self.say(vain.fault, |_| End::After(left))
            }
            (None, Some(left)) => self.end(End::RestFor(left)),
            (None, None) => self.end(End::Rest),
        }
    }

    /// What hinders, and beside it the token that cannot be revoked; with when that is tried again.
    pub(super) fn with_stuck(&self, fault: Fault) -> (Fault, Option<Duration>) {
        match self.stuck() {
            Some(vain) => {
                let message = format!("{}. Besides, {}", fault.message, vain.fault.message);
                (Fault { message, ..fault }, Some(vain.left))
            }
            None => (fault, None),
        }
    }

    /// Says what hinders. A working object stays ready.
    pub(super) fn say(self, fault: Fault, end: impl FnOnce(Fault) -> End) -> (Self, Next) {
        let working = works(&self.seen);
        let said = note(&self.seen, Fact::Hindered { fault: fault.clone(), working });
        let end = end(fault);
        match said {
            Some(request) => self.ask(request, Stage::Saying(end)),
            None => self.end(end),
        }
    }
}
