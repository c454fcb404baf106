//! Confirms that the token which the portal's list lacks was revoked: the registries are asked too.

use super::verify_login::retry_after;
use super::{Outcome, StateMachine, Transition, from_response, status_write};
use crate::api::Reason;
use crate::domain::decide::REISSUE_HOLD;
use crate::domain::model::cooldown::Operation;
use crate::domain::model::login_result::{LoginResult, RegistryProblem};
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{revoked_upstream, transient};
use crate::domain::model::status_view::StatusView;
use crate::domain::observed::Observed;
use crate::domain::protocol::{Request, Response};
use crate::domain::status::StatusEvent;
use std::time::Duration;

/// The pending request.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfirmingRevocation {
    /// Verifies the login of the token.
    VerifyingLogin,
    /// Records the revocation.
    WritingStatus,
}

type ConfirmRevocationTransition = Transition<ConfirmingRevocation>;

/// Starts by asking the registries, if any are to be asked.
#[must_use]
pub fn begin(observed: &Observed) -> ConfirmRevocationTransition {
    match observed.issuer_info() {
        Some(issuer) if issuer.checks_login() => {
            Transition::Perform(Request::VerifyLogin, ConfirmingRevocation::VerifyingLogin)
        }
        // No registry is asked: the list alone counts.
        _ => record_revoked(observed),
    }
}

impl StateMachine for ConfirmingRevocation {
    fn step(self, observed: &Observed, response: Response) -> ConfirmRevocationTransition {
        match (self, response) {
            (Self::VerifyingLogin, Response::Login(LoginResult::Rejected(_))) => record_revoked(observed),
            // Without a list, the registry's rejection was the only evidence, and it is withdrawn. And a Secret that
            // cannot be repaired already has a problem to report.
            (Self::VerifyingLogin, Response::Login(_))
                if observed.issuer_info().is_none_or(|issuer| issuer.evidence().login_decides())
                    || !observed.may(&Operation::InspectSecret) =>
            {
                Transition::Done(Outcome::Redecide)
            }
            (Self::VerifyingLogin, Response::Login(LoginResult::NotChecked)) => record_revoked(observed),
            (Self::VerifyingLogin, Response::Login(LoginResult::Accepted)) => Transition::Done(hidden_from_list()),
            (Self::VerifyingLogin, Response::Login(LoginResult::Unknown(why))) => {
                Transition::Done(Outcome::ReportFor(retry_after(&why), absence_unconfirmed(&why)))
            }
            (Self::WritingStatus, Response::Object(Some(_))) => Transition::Done(Outcome::Redecide),
            (_, other) => Transition::Done(from_response(other)),
        }
    }
}

/// Neither the portal nor the registry confirms that the token is valid.
pub(crate) fn absence_unconfirmed(why: &RegistryProblem) -> Problem {
    let message = format!(
        "the token is missing from the portal's list, and its login could not be verified at the registry ({why}). No action is taken until the registry responds"
    );
    transient(Reason::TokenNotFound, message)
}

/// The portal hides a working token: a role or a filter changed. The token is not replaced.
pub(crate) fn hidden_from_list() -> Outcome {
    let message = "the token is missing from the portal's list, but the registry accepts its login: the portal user may see fewer tokens than before. No action is taken";
    Outcome::ReportFor(Duration::from_mins(10), transient(Reason::TokenNotFound, message.to_owned()))
}

fn record_revoked(observed: &Observed) -> ConfirmRevocationTransition {
    match upstream_revocation_write(observed) {
        Some(request) => Transition::Perform(request, ConfirmingRevocation::WritingStatus),
        None => Transition::Done(Outcome::Redecide),
    }
}

/// Records a revocation by another user. It is overridden once, but not a second time within 24 hours.
pub(crate) fn upstream_revocation_write(observed: &Observed) -> Option<Request> {
    let status = StatusView::of(&observed.object);
    let before = status.upstream_revocation.map(|(time, _)| observed.now.duration_since(time));
    let again = before.and_then(|age| Duration::try_from(age).ok()).is_some_and(|age| age < REISSUE_HOLD);
    let problem = if !observed.object.reissue_revoked || again {
        revoked_upstream(observed.object.reissue_revoked)
    } else {
        reissue_problem()
    };
    status_write(observed, StatusEvent::RevokedUpstream { problem, again })
}

fn reissue_problem() -> Problem {
    let message = "the token was revoked in the portal: a new one is requested, which overrides the revocation. To keep it revoked, set spec.upstreamRevocationPolicy to Hold";
    transient(Reason::RevokedUpstream, message.to_owned())
}

#[cfg(test)]
#[path = "confirm_revocation_tests.rs"]
mod tests;
