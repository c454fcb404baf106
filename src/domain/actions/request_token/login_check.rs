//! The login check of a token request: whether the registry can be reached, and whether it accepts the new token.

use super::{BASE_WAIT, MAX_TRIES, RequestTokenTransition, RequestingToken, Stage};
use crate::api::{LoginCheck, Reason};
use crate::domain::actions::{Outcome, Transition, verify_login};
use crate::domain::model::login_result::LoginResult;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::transient;
use crate::domain::model::token::TokenRef;
use crate::domain::observed::Observed;
use crate::domain::protocol::{Request, Response};

/// How often the login of a new token is retried after a rejection: the registry may lag behind the portal by seconds.
/// The delays double, up to 7.5 s in total. That is less than the response deadline, so no other operator considers the
/// reservation abandoned.
pub(crate) const MAX_LOGINS: u8 = 4;

fn login_check(observed: &Observed) -> LoginCheck {
    observed.issuer_info().map_or(LoginCheck::Disabled, |issuer| issuer.login_check)
}

/// Maps a registry's reason that could also be a portal's: otherwise it would be taken for a problem of the portal.
const fn as_registry_reason(reason: Reason) -> Reason {
    if matches!(reason, Reason::RegistryError) { reason } else { Reason::RegistryUnavailable }
}

/// Returns the login result of a response; without a result, the login is unknown.
pub(crate) fn login_result(response: Response) -> LoginResult {
    match response {
        Response::Login(login_result) => login_result,
        _ => LoginResult::Unknown("no response".into()),
    }
}

impl RequestingToken {
    /// If a successor must log in before the commit, an unavailable registry is detected before a token is requested:
    /// otherwise each attempt would create a token and revoke it.
    pub(crate) fn probe_registry(self, observed: &Observed) -> RequestTokenTransition {
        if self.request_cause.cause.replaces_working_token() && login_check(observed) == LoginCheck::Required {
            return self.transition_to(Request::VerifyLogin, Stage::ProbingRegistry);
        }
        self.dry_run_commit(observed)
    }

    pub(crate) fn probed(self, observed: &Observed, response: Response) -> RequestTokenTransition {
        match login_result(response) {
            // A rejection concerns the old token: one more reason to request the new one.
            LoginResult::Accepted | LoginResult::Rejected(_) | LoginResult::NotChecked => self.dry_run_commit(observed),
            LoginResult::Unknown(why) => {
                let message = format!(
                    "no new token is requested, because its login could not be verified at the registry ({why}). The current token is kept; retrying"
                );
                let problem = transient(as_registry_reason(why.reason), message);
                // Nothing was sent, so the registry's own delay is sufficient.
                Transition::Done(match why.retry_after {
                    Some(_) => Outcome::ReportFor(verify_login::retry_after(&why), problem),
                    None => Outcome::Failed(problem),
                })
            }
        }
    }

    /// A working token is replaced only by a working token.
    pub(crate) fn verify_new_login(self, observed: &Observed, token: TokenRef) -> RequestTokenTransition {
        if self.request_cause.cause.replaces_working_token() && login_check(observed) != LoginCheck::Disabled {
            return self.transition_to(Request::VerifyLogin, Stage::VerifyingLogin { token, left: MAX_LOGINS });
        }
        self.commit(observed, token, MAX_TRIES)
    }

    pub(crate) fn new_login_verified(
        mut self,
        observed: &Observed,
        token: TokenRef,
        left: u8,
        response: Response,
    ) -> RequestTokenTransition {
        let (reason, message) = match login_result(response) {
            LoginResult::NotChecked => return self.commit(observed, token, MAX_TRIES),
            LoginResult::Accepted => {
                self.login_result = Some(LoginResult::Accepted);
                return self.commit(observed, token, MAX_TRIES);
            }
            LoginResult::Unknown(why) if login_check(observed) == LoginCheck::BestEffort => {
                self.login_result = Some(LoginResult::Unknown(why));
                return self.commit(observed, token, MAX_TRIES);
            }
            LoginResult::Rejected(_) if left > 0 => {
                let wait = BASE_WAIT * 2_u32.pow(u32::from(MAX_LOGINS - left + 1));
                return self.transition_to(Request::Sleep(wait), Stage::LoginBackoff { token, left: left - 1 });
            }
            LoginResult::Rejected(why) => {
                (Reason::LoginRejected, format!("the registry rejects the login of the new token ({why})"))
            }
            LoginResult::Unknown(why) => (
                as_registry_reason(why.reason),
                format!("the login of the new token could not be verified at the registry ({why})"),
            ),
        };
        // Each attempt creates a token, so a rejected login is not retried soon.
        let terminal = reason == Reason::LoginRejected;
        let message = format!(
            "{message}. The new token is revoked, and the old one kept{}",
            if terminal { "" } else { "; retrying" }
        );
        self.revoke_new(token, Outcome::Failed(Problem { terminal, ..transient(reason, message) }))
    }

    /// Verifies the login after the commit. A token that replaces a working one was verified before it.
    pub(crate) fn verify_stored_login(self, observed: &Observed, token: TokenRef) -> RequestTokenTransition {
        match (login_check(observed), self.login_result.clone()) {
            (LoginCheck::Disabled, _) => self.record_status(observed, token, LoginResult::NotChecked, MAX_TRIES),
            (_, Some(login)) => self.record_status(observed, token, login, MAX_TRIES),
            (_, None) => self.transition_to(Request::VerifyLogin, Stage::VerifyingStoredLogin { token }),
        }
    }
}
