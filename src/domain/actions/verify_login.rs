//! The registry's word: of a token that has not logged in yet, and of one that the portal lacks.

use super::{Outcome, Transition, from_response, status_write};
use crate::api::{ConditionType, Reason};
use crate::domain::decide::REISSUE_HOLD;
use crate::domain::decide::deadlines::next_deadline;
use crate::domain::model::conditions::find;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{login_rejected, registry_unavailable, revoked_upstream, transient};
use crate::domain::model::status_view::status_view;
use crate::domain::observed::{LoginMode, Observed};
use crate::domain::protocol::{RegistryProblem, Request, Response, Verdict};
use crate::domain::retry::cooldown::Operation;
use crate::domain::status::StatusEvent;
use std::time::Duration;

/// The request whose answer is awaited.
#[derive(Clone, Debug, PartialEq)]
pub enum VerifyingLogin {
    /// A login with what the Secret holds, of a token that has not been let in yet.
    VerifyingLogin,
    /// The same, of one that the portal lacks.
    ConfirmingRevocation,
    /// The status; then this.
    WritingStatus(Outcome),
}

/// A registry that lags behind the portal is asked again so soon, and a dead one not much later.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// However long a registry asks to wait.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// The same, where nothing waits for its word.
const BEST_EFFORT_RETRY_AFTER: Duration = Duration::from_mins(5);

type VerifyLoginTransition = Transition<VerifyingLogin>;

/// Asks about a token that has not been let in yet.
#[must_use]
pub const fn begin() -> VerifyLoginTransition {
    Transition::Perform(Request::VerifyLogin, VerifyingLogin::VerifyingLogin)
}

/// Asks about a token that the portal lacks.
#[must_use]
pub fn confirm_revocation(observed: &Observed) -> VerifyLoginTransition {
    match observed.issuer_info() {
        Some(facts) if facts.checks_login() => {
            Transition::Perform(Request::VerifyLogin, VerifyingLogin::ConfirmingRevocation)
        }
        // The registry cannot be asked: the list alone counts.
        _ => record_revoked(observed),
    }
}

impl VerifyingLogin {
    /// Which action it belongs to.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        match self {
            Self::ConfirmingRevocation => Operation::ConfirmRevocation,
            Self::VerifyingLogin | Self::WritingStatus(_) => Operation::VerifyLogin,
        }
    }

    /// Takes the answer to what was to be done.
    #[must_use]
    pub fn step(self, observed: &Observed, answer: Response) -> VerifyLoginTransition {
        match (self, answer) {
            (Self::VerifyingLogin, Response::Login(verdict)) => login_checked(observed, verdict),
            (Self::ConfirmingRevocation, Response::Login(Verdict::Rejected(_))) => record_revoked(observed),
            // Without a list there was only the registry's word, and that is withdrawn. And of a Secret that
            // cannot be put right that is what there is to say.
            (Self::ConfirmingRevocation, Response::Login(_))
                if observed.issuer_info().is_none_or(|facts| !facts.list_visible)
                    || observed.cooldown(&Operation::InspectSecret).is_some() =>
            {
                Transition::Done(Outcome::Redecide)
            }
            (Self::ConfirmingRevocation, Response::Login(Verdict::NotChecked)) => record_revoked(observed),
            (Self::ConfirmingRevocation, Response::Login(Verdict::Accepted)) => Transition::Done(hidden_from_list()),
            (Self::ConfirmingRevocation, Response::Login(Verdict::Unknown(why))) => {
                Transition::Done(Outcome::ReportFor(retry_after(&why), absence_unconfirmed(&why)))
            }
            (Self::WritingStatus(outcome), Response::Object(Some(_))) => Transition::Done(outcome),
            (_, other) => Transition::Done(from_response(other)),
        }
    }
}

/// When a registry that said nothing is asked again: soon, unless it asks to wait.
#[must_use]
pub fn retry_after(why: &RegistryProblem) -> Duration {
    why.retry_after.map_or(RETRY_AFTER, |wait| wait.clamp(RETRY_AFTER, MAX_RETRY_AFTER))
}

fn login_checked(observed: &Observed, verdict: Verdict) -> VerifyLoginTransition {
    let outcome = match &verdict {
        Verdict::Accepted => Outcome::Redecide,
        // The Secret lost its login meanwhile.
        Verdict::NotChecked => return Transition::Done(Outcome::RequeueSoon),
        Verdict::Rejected(why) => Outcome::Failed(login_rejected(why)),
        // Nothing is held up by it.
        Verdict::Unknown(why)
            if observed.issuer_info().is_some_and(|facts| facts.login_check == LoginMode::BestEffort) =>
        {
            let due = next_deadline(observed, &status_view(&observed.object));
            let later = BEST_EFFORT_RETRY_AFTER.max(retry_after(why));
            Outcome::IdleFor(due.map_or(later, |due| due.min(later)))
        }
        Verdict::Unknown(why) => match why.retry_after {
            Some(_) => Outcome::ReportFor(retry_after(why), registry_unavailable(why)),
            None => Outcome::Failed(registry_unavailable(why)),
        },
    };
    if is_reported(observed, &verdict) {
        return Transition::Done(outcome);
    }
    write_status(observed, StatusEvent::LoginChecked(verdict), outcome)
}

/// Whether the conditions say it already. They may say more besides, or what is more urgent, which a write would take
/// away and the end of the pass put back, each time that the registry is asked.
fn is_reported(observed: &Observed, verdict: &Verdict) -> bool {
    let known = status_view(&observed.object);
    let is_required = observed.issuer_info().is_some_and(|facts| facts.login_check == LoginMode::Required);
    let (fault, ready_fits) = match verdict {
        Verdict::Rejected(why) => (login_rejected(why), !known.ready),
        Verdict::Unknown(why) => (registry_unavailable(why), known.ready || is_required),
        Verdict::Accepted | Verdict::NotChecked => return false,
    };
    let said = observed.object.own_status().and_then(|status| find(&status.conditions, ConditionType::LoginVerified));
    ready_fits
        && said.is_some_and(|one| {
            one.observed_generation == Some(observed.object.generation)
                && one.reason == fault.reason.to_string()
                && one.message == fault.message
        })
}

fn write_status(observed: &Observed, fact: StatusEvent, then: Outcome) -> VerifyLoginTransition {
    match status_write(observed, fact) {
        Some(request) => Transition::Perform(request, VerifyingLogin::WritingStatus(then)),
        None => Transition::Done(then),
    }
}

/// Neither the portal nor the registry says that the token lives.
pub(crate) fn absence_unconfirmed(why: &RegistryProblem) -> Problem {
    let message = format!(
        "the portal does not list the token, and the registry cannot be asked ({why}): nothing is done before it answers"
    );
    transient(Reason::TokenNotFound, message)
}

/// The portal hides a token that works: a role changed, or a filter. It is not replaced.
pub(crate) fn hidden_from_list() -> Outcome {
    let message = "the portal does not list the token, but the registry lets it in: the portal user may see fewer tokens than before. Nothing is done about it";
    Outcome::ReportFor(Duration::from_mins(10), transient(Reason::TokenNotFound, message.to_owned()))
}

fn record_revoked(observed: &Observed) -> VerifyLoginTransition {
    match upstream_revocation_write(observed) {
        Some(request) => Transition::Perform(request, VerifyingLogin::WritingStatus(Outcome::Redecide)),
        None => Transition::Done(Outcome::Redecide),
    }
}

/// Somebody revoked it: what status says then. A colleague's decision is overridden once, and not twice within a day.
pub(crate) fn upstream_revocation_write(observed: &Observed) -> Option<Request> {
    let status = status_view(&observed.object);
    let before = status.upstream_revocation.map(|(time, _)| observed.now.duration_since(time));
    let again = before.and_then(|age| Duration::try_from(age).ok()).is_some_and(|age| age < REISSUE_HOLD);
    let fault = if !observed.object.reissue_revoked || again {
        revoked_upstream(observed.object.reissue_revoked)
    } else {
        reissue_problem()
    };
    status_write(observed, StatusEvent::RevokedUpstream { problem: fault, again })
}

fn reissue_problem() -> Problem {
    let message = "somebody revoked the token in the portal: a new one is requested, which overrides that decision. Set spec.upstreamRevocationPolicy: Hold to respect it";
    transient(Reason::RevokedUpstream, message.to_owned())
}

#[cfg(test)]
#[path = "verify_login_tests.rs"]
mod tests;
