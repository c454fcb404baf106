//! Checks the portal row and the login of the current token, as requested by an annotation.

use super::{Outcome, StateMachine, Transition, confirm_revocation, from_response, status_write, verify_login};
use crate::domain::decide::absence::prove_absence;
use crate::domain::model::hash::hash64;
use crate::domain::model::issuer::IssuerInfo;
use crate::domain::model::login_result::LoginResult;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{login_rejected, login_rejected_once};
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token::TokenRef;
use crate::domain::observed::{Observed, Recheck, UpstreamState};
use crate::domain::protocol::{Request, Response};
use crate::domain::status::StatusEvent;
use jiff::Timestamp;
use std::time::Duration;

/// The pending request.
#[derive(Clone, Debug, PartialEq)]
pub enum Rechecking {
    /// Looks up the token's row, in a list whose read started at this time.
    FindingRow(Timestamp),
    /// Verifies the login of the Secret. Keeps the state of the token in the portal.
    VerifyingLogin(PortalFinding),
    /// Writes the status; then ends with this outcome.
    WritingStatus(Outcome),
}

/// The state of the token in the portal.
#[derive(Clone, Debug, PartialEq)]
pub enum PortalFinding {
    /// The portal lists the token, with a description of this hash.
    Present(u64),
    /// The portal's list lacks the token, although it had to contain it.
    Absent,
    /// The portal's list lacks the token, which is inconclusive for this duration and reason.
    Inconclusive(Duration, Problem),
    /// The portal user cannot list tokens.
    Hidden,
}

type RecheckTransition = Transition<Rechecking>;

/// Added to the time from which an absence proves a revocation.
const MARGIN: Duration = Duration::from_millis(50);

/// Starts with the portal.
#[must_use]
pub fn begin(observed: &Observed) -> RecheckTransition {
    let (Some(token), Some(issuer)) = (StatusView::of(&observed.object).token, observed.issuer_info()) else {
        return Transition::Done(Outcome::Redecide);
    };
    if let Some(query) = issuer.evidence().query_token(&TokenRef::from(&token)) {
        return Transition::Perform(Request::QueryRows(query), Rechecking::FindingRow(observed.now));
    }
    verify_login(observed, issuer, PortalFinding::Hidden)
}

fn verify_login(observed: &Observed, issuer: &IssuerInfo, upstream: PortalFinding) -> RecheckTransition {
    if issuer.checks_login() {
        return Transition::Perform(Request::VerifyLogin, Rechecking::VerifyingLogin(upstream));
    }
    conclude(observed, upstream, LoginResult::NotChecked)
}

impl StateMachine for Rechecking {
    fn step(self, observed: &Observed, response: Response) -> RecheckTransition {
        match (self, response) {
            (Self::FindingRow(started_at), Response::Rows(rows)) => {
                let status = StatusView::of(&observed.object);
                let (Some(token), Some(issuer)) = (&status.token, observed.issuer_info()) else {
                    return Transition::Done(Outcome::RequeueSoon);
                };
                let row = rows.into_iter().find(|row| row.token == TokenRef::from(token));
                let upstream = match row {
                    Some(row) => PortalFinding::Present(hash64(&row.description)),
                    None => match prove_absence(started_at, token.request_time.0, issuer, &status) {
                        Ok(()) => PortalFinding::Absent,
                        Err((left, problem)) => PortalFinding::Inconclusive(left, problem),
                    },
                };
                verify_login(observed, issuer, upstream)
            }
            (Self::VerifyingLogin(upstream), Response::Login(login_result)) => {
                conclude(observed, upstream, login_result)
            }
            (Self::WritingStatus(outcome), Response::Object(Some(_))) => Transition::Done(outcome),
            (_, other) => Transition::Done(from_response(other)),
        }
    }
}

fn conclude(observed: &Observed, upstream: PortalFinding, login_result: LoginResult) -> RecheckTransition {
    let status = StatusView::of(&observed.object);
    match (upstream, login_result) {
        // The row exists, but the registry rejects the login: this must be reported, since pods cannot pull.
        (PortalFinding::Present(_), LoginResult::Rejected(why)) => {
            let outcome = Outcome::Failed(login_rejected(&why));
            report_login(observed, LoginResult::Rejected(why), outcome)
        }
        (PortalFinding::Present(shown), LoginResult::Accepted) => {
            report_login(observed, LoginResult::Accepted, Outcome::Upstream(UpstreamState::Present(shown)))
        }
        (PortalFinding::Present(shown), _) => Transition::Done(Outcome::Upstream(UpstreamState::Present(shown))),
        (PortalFinding::Absent, LoginResult::Rejected(_) | LoginResult::NotChecked) => record_revoked(observed),
        (PortalFinding::Absent, LoginResult::Accepted) => Transition::Done(confirm_revocation::hidden_from_list()),
        (PortalFinding::Absent, LoginResult::Unknown(why)) => Transition::Done(Outcome::ReportFor(
            verify_login::retry_after(&why),
            confirm_revocation::absence_unconfirmed(&why),
        )),
        // The token logged in before, and now neither the list nor the registry knows it: no list lags that far.
        (PortalFinding::Inconclusive(..), LoginResult::Rejected(_))
            if status.login_verified && is_same_user(observed, &status) =>
        {
            record_revoked(observed)
        }
        (PortalFinding::Inconclusive(..) | PortalFinding::Hidden, LoginResult::Accepted) => {
            report_login(observed, LoginResult::Accepted, Outcome::Redecide)
        }
        (PortalFinding::Inconclusive(left, problem), _) => Transition::Done(Outcome::ReportFor(left + MARGIN, problem)),
        (PortalFinding::Hidden, LoginResult::Rejected(why)) if status.login_verified => {
            login_rejected_again(observed, &why)
        }
        (PortalFinding::Hidden, LoginResult::Rejected(why)) => {
            let outcome = Outcome::Failed(login_rejected(&why));
            report_login(observed, LoginResult::Rejected(why), outcome)
        }
        (PortalFinding::Hidden, _) => Transition::Done(Outcome::Redecide),
    }
}

/// Without a list, only a second rejection counts, once no response can be outstanding: the registry may have failed
/// temporarily.
fn login_rejected_again(observed: &Observed, why: &str) -> RecheckTransition {
    let Some(issuer) = observed.issuer_info() else { return Transition::Done(Outcome::RequeueSoon) };
    let since = if let Recheck::RejectedSince(since) = observed.recheck { since } else { observed.now };
    let age = Duration::try_from(observed.now.duration_since(since)).unwrap_or_default();
    let left = issuer.response_deadline.saturating_sub(age);
    if left.is_zero() {
        return record_revoked(observed);
    }
    let at = since.checked_add(issuer.response_deadline).unwrap_or(Timestamp::MAX);
    Transition::Done(Outcome::ReportFor(left + MARGIN, login_rejected_once(why, at)))
}

fn record_revoked(observed: &Observed) -> RecheckTransition {
    match confirm_revocation::upstream_revocation_write(observed) {
        Some(request) => Transition::Perform(request, Rechecking::WritingStatus(Outcome::Redecide)),
        None => Transition::Done(Outcome::Redecide),
    }
}

fn report_login(observed: &Observed, login_result: LoginResult, next: Outcome) -> RecheckTransition {
    match status_write(observed, StatusEvent::LoginChecked(login_result)) {
        Some(request) => Transition::Perform(request, Rechecking::WritingStatus(next)),
        None => Transition::Done(next),
    }
}

/// Whether the same portal user reads the list. Another user may see fewer tokens.
fn is_same_user(observed: &Observed, status: &StatusView) -> bool {
    let user = status.portal.as_ref().map(|portal| &portal.user);
    observed.issuer_info().is_some_and(|issuer| user.is_none_or(|user| *user == issuer.portal.user))
}

#[cfg(test)]
#[path = "recheck_tests.rs"]
mod tests;
