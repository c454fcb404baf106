//! Somebody asked for a look at everything: the portal's row of the current token, and its login.

use super::{Flow, Outcome, failed, note};
use crate::domain::effect::{Answer, Named, Request, Verdict};
use crate::domain::fault::Fault;
use crate::domain::faults::{login_refused, not_listed_for, revoked_unless_accepted};
use crate::domain::inventory::digest;
use crate::domain::observed::{IssuerFacts, Listed, Observed, Recheck};
use crate::domain::recorded::{Recorded, recorded};
use crate::domain::status::Fact;
use crate::domain::step::verify;
use jiff::Timestamp;
use std::time::Duration;

/// The request whose answer is awaited.
#[derive(Clone, Debug, PartialEq)]
pub enum Rechecking {
    /// The token's row, in a list begun then.
    Finding(Timestamp),
    /// A login with what the Secret holds, and what the portal says of the token.
    LoggingIn(Upstream),
    /// The status; then this.
    Noting(Outcome),
}

/// What the portal says of the token.
#[derive(Clone, Debug, PartialEq)]
pub enum Upstream {
    /// It lists the token, with a description of this digest.
    Present(u64),
    /// Its list lacks the token, and had to show it.
    Absent,
    /// Its list lacks the token, which proves nothing for this time and reason.
    Unproved(Duration, Fault),
    /// It lists nothing to our user.
    Hidden,
}

type Next = Flow<Rechecking>;

/// So much later than the moment at which an absence proves a revocation.
const MARGIN: Duration = Duration::from_millis(50);

/// Begins with the portal.
#[must_use]
pub fn begin(seen: &Observed) -> Next {
    let (Some(token), Some(facts)) = (recorded(&seen.object).token, seen.facts()) else {
        return Flow::End(Outcome::Again);
    };
    if facts.list_visible {
        return Flow::Do(Request::Find(Named::from(&token).rows()), Rechecking::Finding(seen.now));
    }
    log_in(seen, facts, Upstream::Hidden)
}

fn log_in(seen: &Observed, facts: &IssuerFacts, upstream: Upstream) -> Next {
    if facts.asks_registry() {
        return Flow::Do(Request::LogIn, Rechecking::LoggingIn(upstream));
    }
    conclude(seen, upstream, Verdict::NotAsked)
}

impl Rechecking {
    /// Takes the answer to what was to be done.
    #[must_use]
    pub fn step(self, seen: &Observed, answer: Answer) -> Next {
        match (self, answer) {
            (Self::Finding(begun), Answer::Rows(rows)) => {
                let known = recorded(&seen.object);
                let (Some(token), Some(facts)) = (&known.token, seen.facts()) else {
                    return Flow::End(Outcome::LookAgain);
                };
                let row = rows.into_iter().find(|row| row.token == Named::from(token));
                let upstream = match row {
                    Some(row) => Upstream::Present(digest(&row.description)),
                    None => match not_listed_for(begun, token.request_time.0, facts, &known) {
                        Ok(()) => Upstream::Absent,
                        Err((left, fault)) => Upstream::Unproved(left, fault),
                    },
                };
                log_in(seen, facts, upstream)
            }
            (Self::LoggingIn(upstream), Answer::Login(verdict)) => conclude(seen, upstream, verdict),
            (Self::Noting(outcome), Answer::Object(Some(_))) => Flow::End(outcome),
            (_, other) => Flow::End(failed(other)),
        }
    }
}

fn conclude(seen: &Observed, upstream: Upstream, verdict: Verdict) -> Next {
    let known = recorded(&seen.object);
    match (upstream, verdict) {
        // Its row is there: whoever refuses the login now has to be looked at, and pods cannot pull.
        (Upstream::Present(_), Verdict::Refused(why)) => {
            let outcome = Outcome::Failed(login_refused(&why));
            say(seen, Verdict::Refused(why), outcome)
        }
        (Upstream::Present(shown), Verdict::Accepted) => {
            say(seen, Verdict::Accepted, Outcome::Upstream(Listed::Shown(shown)))
        }
        (Upstream::Present(shown), _) => Flow::End(Outcome::Upstream(Listed::Shown(shown))),
        (Upstream::Absent, Verdict::Refused(_) | Verdict::NotAsked) => confirmed(seen),
        (Upstream::Absent, Verdict::Accepted) => Flow::End(verify::hidden()),
        (Upstream::Absent, Verdict::Unknown(why)) => {
            Flow::End(Outcome::WaitFor(verify::again(&why), verify::unasked(&why)))
        }
        // It logged in before, and neither the list nor the registry know it any more: no list lags that far.
        (Upstream::Unproved(..), Verdict::Refused(_)) if known.verified && is_same_user(seen, &known) => {
            confirmed(seen)
        }
        (Upstream::Unproved(..) | Upstream::Hidden, Verdict::Accepted) => say(seen, Verdict::Accepted, Outcome::Again),
        (Upstream::Unproved(left, fault), _) => Flow::End(Outcome::WaitFor(left + MARGIN, fault)),
        (Upstream::Hidden, Verdict::Refused(why)) if known.verified => refused_again(seen, &why),
        (Upstream::Hidden, Verdict::Refused(why)) => {
            let outcome = Outcome::Failed(login_refused(&why));
            say(seen, Verdict::Refused(why), outcome)
        }
        (Upstream::Hidden, _) => Flow::End(Outcome::Again),
    }
}

/// Where there is no list, only a second refusal counts, when no answer can be late any more: the registry may have been
/// out of order for a moment.
fn refused_again(seen: &Observed, why: &str) -> Next {
    let Some(facts) = seen.facts() else { return Flow::End(Outcome::LookAgain) };
    let since = if let Recheck::RefusedSince(since) = seen.recheck { since } else { seen.now };
    let age = Duration::try_from(seen.now.duration_since(since)).unwrap_or_default();
    let left = facts.longest_answer.saturating_sub(age);
    if left.is_zero() {
        return confirmed(seen);
    }
    let at = since.checked_add(facts.longest_answer).unwrap_or(Timestamp::MAX);
    Flow::End(Outcome::WaitFor(left + MARGIN, revoked_unless_accepted(why, at)))
}

fn confirmed(seen: &Observed) -> Next {
    match verify::revoked(seen) {
        Some(request) => Flow::Do(request, Rechecking::Noting(Outcome::Again)),
        None => Flow::End(Outcome::Again),
    }
}

fn say(seen: &Observed, verdict: Verdict, then: Outcome) -> Next {
    match note(seen, Fact::LoggedIn(verdict)) {
        Some(request) => Flow::Do(request, Rechecking::Noting(then)),
        None => Flow::End(then),
    }
}

/// A list that another user reads may show less.
fn is_same_user(seen: &Observed, known: &Recorded) -> bool {
    let user = known.portal.as_ref().map(|portal| &portal.user);
    seen.facts().is_some_and(|facts| user.is_none_or(|user| *user == facts.portal.user))
}

#[cfg(test)]
#[path = "recheck_tests.rs"]
mod tests;
