//! Verifies the login of a token that has not logged in yet.

use super::{Outcome, StateMachine, Transition, from_response, status_write};
use crate::api::{ConditionType, LoginCheck};
use crate::domain::decide::deadlines::next_deadline;
use crate::domain::model::conditions::find;
use crate::domain::model::login_result::{LoginResult, RegistryProblem};
use crate::domain::model::problem::messages::login_rejected;
use crate::domain::model::status_view::StatusView;
use crate::domain::observed::Observed;
use crate::domain::protocol::{Request, Response};
use crate::domain::status::StatusEvent;
use std::time::Duration;

/// The pending request.
#[derive(Clone, Debug, PartialEq)]
pub enum VerifyingLogin {
    /// Verifies the login of a token that has not been accepted yet.
    VerifyingLogin,
    /// Writes the status; then ends with this outcome.
    WritingStatus(Outcome),
}

/// Minimum delay before a registry that lags behind the portal, or is unavailable, is asked again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Maximum delay, even if the registry requests a longer one.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// Delay if no token waits for the result.
const BEST_EFFORT_RETRY_AFTER: Duration = Duration::from_mins(5);

type VerifyLoginTransition = Transition<VerifyingLogin>;

/// Verifies a token that has not been accepted yet.
#[must_use]
pub const fn begin() -> VerifyLoginTransition {
    Transition::Perform(Request::VerifyLogin, VerifyingLogin::VerifyingLogin)
}

impl StateMachine for VerifyingLogin {
    fn step(self, observed: &Observed, response: Response) -> VerifyLoginTransition {
        match (self, response) {
            (Self::VerifyingLogin, Response::Login(login_result)) => login_checked(observed, login_result),
            (Self::WritingStatus(outcome), Response::Object(Some(_))) => Transition::Done(outcome),
            (_, other) => Transition::Done(from_response(other)),
        }
    }
}

/// Delay before a registry without a result is asked again: short, unless it requests a longer one.
#[must_use]
pub fn retry_after(why: &RegistryProblem) -> Duration {
    why.retry_after.map_or(RETRY_AFTER, |wait| wait.clamp(RETRY_AFTER, MAX_RETRY_AFTER))
}

fn login_checked(observed: &Observed, login_result: LoginResult) -> VerifyLoginTransition {
    let outcome = match &login_result {
        LoginResult::Accepted => Outcome::Redecide,
        // The Secret lost its login in the meantime.
        LoginResult::NotChecked => return Transition::Done(Outcome::RequeueSoon),
        LoginResult::Rejected(why) => Outcome::Failed(login_rejected(why)),
        // An unreachable registry does not block here.
        LoginResult::Unknown(why)
            if observed.issuer_info().is_some_and(|issuer| issuer.login_check == LoginCheck::BestEffort) =>
        {
            let due = next_deadline(observed, &StatusView::of(&observed.object));
            let later = BEST_EFFORT_RETRY_AFTER.max(retry_after(why));
            Outcome::IdleFor(due.map_or(later, |due| due.min(later)))
        }
        LoginResult::Unknown(why) => match why.retry_after {
            Some(_) => Outcome::ReportFor(retry_after(why), why.into()),
            None => Outcome::Failed(why.into()),
        },
    };
    if is_reported(observed, &login_result) {
        return Transition::Done(outcome);
    }
    write_status(observed, StatusEvent::LoginChecked(login_result), outcome)
}

/// Whether the conditions already report the result. They may also report something more important, which a write would
/// remove and the end of the pass would restore, each time the registry is asked.
fn is_reported(observed: &Observed, login_result: &LoginResult) -> bool {
    let status = StatusView::of(&observed.object);
    let is_required = observed.issuer_info().is_some_and(|issuer| issuer.login_check == LoginCheck::Required);
    let (problem, ready_fits) = match login_result {
        LoginResult::Rejected(why) => (login_rejected(why), !status.ready),
        LoginResult::Unknown(why) => (why.into(), status.ready || is_required),
        LoginResult::Accepted | LoginResult::NotChecked => return false,
    };
    let condition =
        observed.object.own_status().and_then(|status| find(&status.conditions, ConditionType::LoginVerified));
    ready_fits
        && condition.is_some_and(|condition| {
            condition.observed_generation == Some(observed.object.generation)
                && condition.reason == problem.reason.to_string()
                && condition.message == problem.message
        })
}

fn write_status(observed: &Observed, event: StatusEvent, next: Outcome) -> VerifyLoginTransition {
    match status_write(observed, event) {
        Some(request) => Transition::Perform(request, VerifyingLogin::WritingStatus(next)),
        None => Transition::Done(next),
    }
}

#[cfg(test)]
#[path = "verify_login_tests.rs"]
mod tests;
