//! The registry's word in an attempt: whether it can be asked at all, and whether it lets the new
//! token in.

use super::{BASE_WAIT, MAX_TRIES, RequestTokenTransition, RequestingToken, Stage};
use crate::api::Reason;
use crate::domain::actions::{Outcome, Transition, verify_login};
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::transient;
use crate::domain::observed::{LoginMode, Observed};
use crate::domain::protocol::{Named, Request, Response, Verdict};

/// How often a registry that refuses a new token is asked again: it may lag behind the portal by
/// seconds. The waits between double, to 7.5 s in all: less than an answer may take, so that no other
/// operator takes the reservation for forgotten.
pub(crate) const MAX_LOGINS: u8 = 4;

fn login_check(observed: &Observed) -> LoginMode {
    observed.issuer_info().map_or(LoginMode::Disabled, |facts| facts.login_check)
}

/// A registry's reason that a portal may have too would be taken for the portal's here.
const fn as_registry_reason(reason: Reason) -> Reason {
    if matches!(reason, Reason::RegistryError) { reason } else { Reason::RegistryUnavailable }
}

/// What was heard; no answer is no verdict.
pub(crate) fn login_result(answer: Response) -> Verdict {
    match answer {
        Response::Login(verdict) => verdict,
        _ => Verdict::Unknown("no answer".into()),
    }
}

impl RequestingToken {
    /// Where a successor must be let in first, a registry that is down is found out before a token is
    /// asked for: else each try would make one and revoke it.
    pub(crate) fn probe_registry(self, observed: &Observed) -> RequestTokenTransition {
        if self.request_cause.cause.replaces_working_token() && login_check(observed) == LoginMode::Required {
            return self.transition_to(Request::VerifyLogin, Stage::ProbingRegistry);
        }
        self.dry_run_commit(observed)
    }

    pub(crate) fn probed(self, observed: &Observed, answer: Response) -> RequestTokenTransition {
        match login_result(answer) {
            // A refusal is about the old token: one more reason for the new one.
            Verdict::Accepted | Verdict::Rejected(_) | Verdict::NotChecked => self.dry_run_commit(observed),
            Verdict::Unknown(why) => {
                let message = format!(
                    "the registry cannot be asked ({why}), so no new token is requested: it could not be checked; the present one is kept, and this tried again"
                );
                let fault = transient(as_registry_reason(why.reason), message);
                // Nothing was sent: its own wait is all that this one needs.
                Transition::Done(match why.retry_after {
                    Some(_) => Outcome::ReportFor(verify_login::retry_after(&why), fault),
                    None => Outcome::Failed(fault),
                })
            }
        }
    }

    /// A token that works is replaced only by one that works.
    pub(crate) fn verify_new_login(self, observed: &Observed, token: Named) -> RequestTokenTransition {
        if self.request_cause.cause.replaces_working_token() && login_check(observed) != LoginMode::Disabled {
            return self.transition_to(Request::VerifyLogin, Stage::VerifyingLogin { token, left: MAX_LOGINS });
        }
        self.commit(observed, token, MAX_TRIES)
    }

    pub(crate) fn new_login_verified(
        mut self,
        observed: &Observed,
        token: Named,
        left: u8,
        answer: Response,
    ) -> RequestTokenTransition {
        let (reason, message) = match login_result(answer) {
            Verdict::NotChecked => return self.commit(observed, token, MAX_TRIES),
            Verdict::Accepted => {
                self.login_result = Some(Verdict::Accepted);
                return self.commit(observed, token, MAX_TRIES);
            }
            Verdict::Unknown(why) if login_check(observed) == LoginMode::BestEffort => {
                self.login_result = Some(Verdict::Unknown(why));
                return self.commit(observed, token, MAX_TRIES);
            }
            Verdict::Rejected(_) if left > 0 => {
                let wait = BASE_WAIT * 2_u32.pow(u32::from(MAX_LOGINS - left + 1));
                return self.transition_to(Request::Sleep(wait), Stage::LoginBackoff { token, left: left - 1 });
            }
            Verdict::Rejected(why) => {
                (Reason::LoginRejected, format!("the registry does not let the new token in ({why})"))
            }
            Verdict::Unknown(why) => (
                as_registry_reason(why.reason),
                format!("the registry cannot be asked whether it lets the new token in ({why})"),
            ),
        };
        // Each try makes a token: one that was refused to the end is not made again soon.
        let stalled = reason == Reason::LoginRejected;
        let message =
            format!("{message}: it is revoked, and the old one kept{}", if stalled { "" } else { "; tried again" });
        self.revoke_new(token, Outcome::Failed(Problem { terminal: stalled, ..transient(reason, message) }))
    }

    /// After the commit. Of a token that replaces a working one the registry was asked before.
    pub(crate) fn verify_stored_login(self, observed: &Observed, token: Named) -> RequestTokenTransition {
        match (login_check(observed), self.login_result.clone()) {
            (LoginMode::Disabled, _) => self.record_status(observed, token, Verdict::NotChecked, MAX_TRIES),
            (_, Some(login)) => self.record_status(observed, token, login, MAX_TRIES),
            (_, None) => self.transition_to(Request::VerifyLogin, Stage::VerifyingStoredLogin { token }),
        }
    }
}
