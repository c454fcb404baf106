//! What is decided for one namespace, and how it becomes part of the plan.

use super::{Action, LEAVING, MAX_FAILURES, Plan, TokenState, Write};
use crate::domain::model::problem::Problem;
use jiff::Timestamp;

/// The state of a matching namespace, and what is written there.
pub(super) enum Outcome {
    Counted(TokenState),
    Failed(Problem),
    Write(TokenState, Action, u64),
    /// Not written before this time.
    Later(TokenState, Timestamp),
}

impl Plan {
    pub(super) fn add_matched(&mut self, name: &str, outcome: Outcome, last_problem: Option<&Problem>) {
        let (state, problem) = match outcome {
            Outcome::Counted(state) => (state, None),
            Outcome::Failed(problem) => (TokenState::Failing, Some(problem)),
            Outcome::Write(state, action, fingerprint) => {
                self.writes.push(Write { namespace: name.to_owned(), action, fingerprint });
                (state, last_problem.cloned())
            }
            Outcome::Later(state, time) => {
                self.plan_again_at(time);
                (state, last_problem.cloned())
            }
        };
        match state {
            TokenState::Ready => self.counts.ready += 1,
            TokenState::Waiting => self.counts.waiting += 1,
            TokenState::Failing => {
                self.counts.failing += 1;
                if self.failures.len() < MAX_FAILURES {
                    self.failures.push((name.to_owned(), problem));
                }
            }
        }
    }

    pub(super) fn add_leaving(&mut self, name: &str, (action, time): (Option<Action>, Option<Timestamp>)) {
        let write = |action| Write { namespace: name.to_owned(), action, fingerprint: LEAVING };
        self.writes.extend(action.map(write));
        if let Some(time) = time {
            self.plan_again_at(time);
        }
    }

    fn plan_again_at(&mut self, time: Timestamp) {
        self.next = Some(self.next.map_or(time, |next| next.min(time)));
    }
}
