//! Somebody asked for a look at everything: the portal's row of the current token, and its login.

use super::verify_login;
use super::{Outcome, Transition, from_response, status_write};
use crate::domain::audit::inventory::hash64;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{login_rejected, login_rejected_once, prove_absence};
use crate::domain::model::status_view::{StatusView, status_view};
use crate::domain::observed::{IssuerInfo, Observed, Recheck, UpstreamState};
use crate::domain::protocol::{Named, Request, Response, Verdict};
use crate::domain::status::StatusEvent;
use jiff::Timestamp;
use std::time::Duration;

/// The request whose answer is awaited.
#[derive(Clone, Debug, PartialEq)]
pub enum Rechecking {
    /// The token's row, in a list begun then.
    FindingRow(Timestamp),
    /// A login with what the Secret holds, and what the portal says of the token.
    VerifyingLogin(PortalFinding),
    /// The status; then this.
    WritingStatus(Outcome),
}

/// What the portal says of the token.
#[derive(Clone, Debug, PartialEq)]
pub enum PortalFinding {
    /// It lists the token, with a description of this digest.
    Present(u64),
    /// Its list lacks the token, and had to show it.
    Absent,
    /// Its list lacks the token, which proves nothing for this time and reason.
    Inconclusive(Duration, Problem),
    /// It lists nothing to our user.
    Hidden,
}

type RecheckTransition = Transition<Rechecking>;

/// So much later than the moment at which an absence proves a revocation.
const MARGIN: Duration = Duration::from_millis(50);

/// Begins with the portal.
#[must_use]
pub fn begin(observed: &Observed) -> RecheckTransition {
    let (Some(token), Some(facts)) = (status_view(&observed.object).token, observed.issuer_info()) else {
        return Transition::Done(Outcome::Redecide);
    };
    if facts.list_visible {
        return Transition::Perform(
            Request::QueryRows(Named::from(&token).row_query()),
            Rechecking::FindingRow(observed.now),
        );
    }
    verify_login(observed, facts, PortalFinding::Hidden)
}

fn verify_login(observed: &Observed, facts: &IssuerInfo, upstream: PortalFinding) -> RecheckTransition {
    if facts.checks_login() {
        return Transition::Perform(Request::VerifyLogin, Rechecking::VerifyingLogin(upstream));
    }
    conclude(observed, upstream, Verdict::NotChecked)
}

impl Rechecking {
    /// Takes the answer to what was to be done.
    #[must_use]
    pub fn step(self, observed: &Observed, answer: Response) -> RecheckTransition {
        match (self, answer) {
            (Self::FindingRow(begun), Response::Rows(rows)) => {
                let status = status_view(&observed.object);
                let (Some(token), Some(facts)) = (&status.token, observed.issuer_info()) else {
                    return Transition::Done(Outcome::RequeueSoon);
                };
                let row = rows.into_iter().find(|row| row.token == Named::from(token));
                let upstream = match row {
                    Some(row) => PortalFinding::Present(hash64(&row.description)),
                    None => match prove_absence(begun, token.request_time.0, facts, &status) {
                        Ok(()) => PortalFinding::Absent,
                        Err((left, fault)) => PortalFinding::Inconclusive(left, fault),
                    },
                };
                verify_login(observed, facts, upstream)
            }
            (Self::VerifyingLogin(upstream), Response::Login(verdict)) => conclude(observed, upstream, verdict),
            (Self::WritingStatus(outcome), Response::Object(Some(_))) => Transition::Done(outcome),
            (_, other) => Transition::Done(from_response(other)),
        }
    }
}

fn conclude(observed: &Observed, upstream: PortalFinding, verdict: Verdict) -> RecheckTransition {
    let status = status_view(&observed.object);
    match (upstream, verdict) {
        // Its row is there: whoever refuses the login now has to be looked at, and pods cannot pull.
        (PortalFinding::Present(_), Verdict::Rejected(why)) => {
            let outcome = Outcome::Failed(login_rejected(&why));
            report_login(observed, Verdict::Rejected(why), outcome)
        }
        (PortalFinding::Present(shown), Verdict::Accepted) => {
            report_login(observed, Verdict::Accepted, Outcome::Upstream(UpstreamState::Present(shown)))
        }
        (PortalFinding::Present(shown), _) => Transition::Done(Outcome::Upstream(UpstreamState::Present(shown))),
        (PortalFinding::Absent, Verdict::Rejected(_) | Verdict::NotChecked) => record_revoked(observed),
        (PortalFinding::Absent, Verdict::Accepted) => Transition::Done(verify_login::hidden_from_list()),
        (PortalFinding::Absent, Verdict::Unknown(why)) => Transition::Done(Outcome::ReportFor(
            verify_login::retry_after(&why),
            verify_login::absence_unconfirmed(&why),
        )),
        // It logged in before, and neither the list nor the registry know it any more: no list lags that far.
        (PortalFinding::Inconclusive(..), Verdict::Rejected(_))
            if status.login_verified && is_same_user(observed, &status) =>
        {
            record_revoked(observed)
        }
        (PortalFinding::Inconclusive(..) | PortalFinding::Hidden, Verdict::Accepted) => {
            report_login(observed, Verdict::Accepted, Outcome::Redecide)
        }
        (PortalFinding::Inconclusive(left, fault), _) => Transition::Done(Outcome::ReportFor(left + MARGIN, fault)),
        (PortalFinding::Hidden, Verdict::Rejected(why)) if status.login_verified => {
            login_rejected_again(observed, &why)
        }
        (PortalFinding::Hidden, Verdict::Rejected(why)) => {
            let outcome = Outcome::Failed(login_rejected(&why));
            report_login(observed, Verdict::Rejected(why), outcome)
        }
        (PortalFinding::Hidden, _) => Transition::Done(Outcome::Redecide),
    }
}

/// Where there is no list, only a second refusal counts, when no answer can be late any more: the registry may have been
/// out of order for a moment.
fn login_rejected_again(observed: &Observed, why: &str) -> RecheckTransition {
    let Some(facts) = observed.issuer_info() else { return Transition::Done(Outcome::RequeueSoon) };
    let since = if let Recheck::RejectedSince(since) = observed.recheck { since } else { observed.now };
    let age = Duration::try_from(observed.now.duration_since(since)).unwrap_or_default();
    let left = facts.response_deadline.saturating_sub(age);
    if left.is_zero() {
        return record_revoked(observed);
    }
    let at = since.checked_add(facts.response_deadline).unwrap_or(Timestamp::MAX);
    Transition::Done(Outcome::ReportFor(left + MARGIN, login_rejected_once(why, at)))
}

fn record_revoked(observed: &Observed) -> RecheckTransition {
    match verify_login::upstream_revocation_write(observed) {
        Some(request) => Transition::Perform(request, Rechecking::WritingStatus(Outcome::Redecide)),
        None => Transition::Done(Outcome::Redecide),
    }
}

fn report_login(observed: &Observed, verdict: Verdict, then: Outcome) -> RecheckTransition {
    match status_write(observed, StatusEvent::LoginChecked(verdict)) {
        Some(request) => Transition::Perform(request, Rechecking::WritingStatus(then)),
        None => Transition::Done(then),
    }
}

/// A list that another user reads may show less.
fn is_same_user(observed: &Observed, status: &StatusView) -> bool {
    let user = status.portal.as_ref().map(|portal| &portal.user);
    observed.issuer_info().is_some_and(|facts| user.is_none_or(|user| *user == facts.portal.user))
}

#[cfg(test)]
#[path = "recheck_tests.rs"]
mod tests;
