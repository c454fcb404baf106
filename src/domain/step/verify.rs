//! The registry's word: of a token that has not logged in yet, and of one that the portal lacks.

use super::{Flow, Outcome, failed, note};
use crate::api::{ConditionType, Reason};
use crate::domain::conditions::find;
use crate::domain::decide::HELD_FOR;
use crate::domain::due::until_due;
use crate::domain::effect::{Answer, RegistryProblem, Request, Verdict};
use crate::domain::fault::Fault;
use crate::domain::faults::{login_refused, registry_unavailable, revoked_upstream, waiting};
use crate::domain::observed::{LoginMode, Observed};
use crate::domain::recorded::recorded;
use crate::domain::status::Fact;
use crate::domain::vain::Deed;
use std::time::Duration;

/// The request whose answer is awaited.
#[derive(Clone, Debug, PartialEq)]
pub enum Verifying {
    /// A login with what the Secret holds, of a token that has not been let in yet.
    Waiting,
    /// The same, of one that the portal lacks.
    Doubting,
    /// The status; then this.
    Noting(Outcome),
}

/// A registry that lags behind the portal is asked again so soon, and a dead one not much later.
const AGAIN: Duration = Duration::from_secs(5);

/// However long a registry asks to wait.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// The same, where nothing waits for its word.
const LATER: Duration = Duration::from_mins(5);

type Next = Flow<Verifying>;

/// Asks about a token that has not been let in yet.
#[must_use]
pub const fn begin() -> Next {
    Flow::Do(Request::LogIn, Verifying::Waiting)
}

/// Asks about a token that the portal lacks.
#[must_use]
pub fn doubt(seen: &Observed) -> Next {
    match seen.facts() {
        Some(facts) if facts.asks_registry() => Flow::Do(Request::LogIn, Verifying::Doubting),
        // The registry cannot be asked: the list alone counts.
        _ => gone(seen),
    }
}

impl Verifying {
    /// Which action it belongs to.
    #[must_use]
    pub const fn deed(&self) -> Deed {
        match self {
            Self::Doubting => Deed::ConfirmRevocation,
            Self::Waiting | Self::Noting(_) => Deed::Verify,
        }
    }

    /// Takes the answer to what was to be done.
    #[must_use]
    pub fn step(self, seen: &Observed, answer: Answer) -> Next {
        match (self, answer) {
            (Self::Waiting, Answer::Login(verdict)) => heard(seen, verdict),
            (Self::Doubting, Answer::Login(Verdict::Refused(_))) => gone(seen),
            // Without a list there was only the registry's word, and that is withdrawn. And of a Secret that
            // cannot be put right that is what there is to say.
            (Self::Doubting, Answer::Login(_))
                if seen.facts().is_none_or(|facts| !facts.list_visible) || seen.in_vain(&Deed::Inspect).is_some() =>
            {
                Flow::End(Outcome::Again)
            }
            (Self::Doubting, Answer::Login(Verdict::NotAsked)) => gone(seen),
            (Self::Doubting, Answer::Login(Verdict::Accepted)) => Flow::End(hidden()),
            (Self::Doubting, Answer::Login(Verdict::Unknown(why))) => {
                Flow::End(Outcome::WaitFor(again(&why), unasked(&why)))
            }
            (Self::Noting(outcome), Answer::Object(Some(_))) => Flow::End(outcome),
            (_, other) => Flow::End(failed(other)),
        }
    }
}

/// When a registry that said nothing is asked again: soon, unless it asks to wait.
#[must_use]
pub fn again(why: &RegistryProblem) -> Duration {
    why.retry_after.map_or(AGAIN, |wait| wait.clamp(AGAIN, LONGEST_WAIT))
}

fn heard(seen: &Observed, verdict: Verdict) -> Next {
    let outcome = match &verdict {
        Verdict::Accepted => Outcome::Again,
        // The Secret lost its login meanwhile.
        Verdict::NotAsked => return Flow::End(Outcome::LookAgain),
        Verdict::Refused(why) => Outcome::Failed(login_refused(why)),
        // Nothing is held up by it.
        Verdict::Unknown(why) if seen.facts().is_some_and(|facts| facts.login == LoginMode::BestEffort) => {
            let due = until_due(seen, &recorded(&seen.object));
            let later = LATER.max(again(why));
            Outcome::RestFor(due.map_or(later, |due| due.min(later)))
        }
        Verdict::Unknown(why) => match why.retry_after {
            Some(_) => Outcome::WaitFor(again(why), registry_unavailable(why)),
            None => Outcome::Failed(registry_unavailable(why)),
        },
    };
    if is_said(seen, &verdict) {
        return Flow::End(outcome);
    }
    write(seen, Fact::LoggedIn(verdict), outcome)
}

/// Whether the conditions say it already. They may say more besides, or what is more urgent, which a write would take
/// away and the end of the pass put back, each time that the registry is asked.
fn is_said(seen: &Observed, verdict: &Verdict) -> bool {
    let known = recorded(&seen.object);
    let is_required = seen.facts().is_some_and(|facts| facts.login == LoginMode::Required);
    let (fault, ready_fits) = match verdict {
        Verdict::Refused(why) => (login_refused(why), !known.ready),
        Verdict::Unknown(why) => (registry_unavailable(why), known.ready || is_required),
        Verdict::Accepted | Verdict::NotAsked => return false,
    };
    let said = seen.object.own_status().and_then(|status| find(&status.conditions, ConditionType::LoginVerified));
    ready_fits
        && said.is_some_and(|one| {
            one.observed_generation == Some(seen.object.generation)
                && one.reason == fault.reason.to_string()
                && one.message == fault.message
        })
}

fn write(seen: &Observed, fact: Fact, then: Outcome) -> Next {
    match note(seen, fact) {
        Some(request) => Flow::Do(request, Verifying::Noting(then)),
        None => Flow::End(then),
    }
}

/// Neither the portal nor the registry says that the token lives.
pub(super) fn unasked(why: &RegistryProblem) -> Fault {
    let message = format!(
        "the portal does not list the token, and the registry cannot be asked ({why}): nothing is done before it answers"
    );
    waiting(Reason::TokenNotListed, message)
}

/// The portal hides a token that works: a role changed, or a filter. It is not replaced.
pub(super) fn hidden() -> Outcome {
    let message = "the portal does not list the token, but the registry lets it in: the portal user may see fewer tokens than before. Nothing is done about it";
    Outcome::WaitFor(Duration::from_mins(10), waiting(Reason::TokenNotListed, message.to_owned()))
}

fn gone(seen: &Observed) -> Next {
    match revoked(seen) {
        Some(request) => Flow::Do(request, Verifying::Noting(Outcome::Again)),
        None => Flow::End(Outcome::Again),
    }
}

/// Somebody revoked it: what status says then. A colleague's decision is overridden once, and not twice within a day.
pub(super) fn revoked(seen: &Observed) -> Option<Request> {
    let known = recorded(&seen.object);
    let before = known.upstream_revocation.map(|(time, _)| seen.now.duration_since(time));
    let again = before.and_then(|age| Duration::try_from(age).ok()).is_some_and(|age| age < HELD_FOR);
    let fault = if !seen.object.reissue || again { revoked_upstream(seen.object.reissue) } else { overridden() };
    note(seen, Fact::RevokedUpstream { fault, again })
}

fn overridden() -> Fault {
    let message = "somebody revoked the token in the portal: a new one is requested, which overrides that decision. Set spec.upstreamRevocationPolicy: Hold to respect it";
    waiting(Reason::RevokedUpstream, message.to_owned())
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
