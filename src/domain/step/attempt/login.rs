//! The registry's word in an attempt: whether it can be asked at all, and whether it lets the new
//! token in.

use super::{Attempting, MOMENT, Next, Stage, TRIES};
use crate::api::Reason;
use crate::domain::effect::{Answer, Named, Request, Verdict};
use crate::domain::fault::Fault;
use crate::domain::faults::waiting;
use crate::domain::observed::{LoginMode, Observed};
use crate::domain::step::{Flow, Outcome, verify};

/// How often a registry that refuses a new token is asked again: it may lag behind the portal by
/// seconds. The waits between double, to 7.5 s in all: less than an answer may take, so that no other
/// operator takes the reservation for forgotten.
pub(super) const LOG_INS: u8 = 4;

fn mode(seen: &Observed) -> LoginMode {
    seen.facts().map_or(LoginMode::Disabled, |facts| facts.login)
}

/// A registry's reason that a portal may have too would be taken for the portal's here.
const fn as_attempted(reason: Reason) -> Reason {
    if matches!(reason, Reason::RegistryFailed) { reason } else { Reason::RegistryUnavailable }
}

/// What was heard; no answer is no verdict.
pub(super) fn heard(answer: Answer) -> Verdict {
    match answer {
        Answer::Login(verdict) => verdict,
        _ => Verdict::Unknown("no answer".into()),
    }
}

impl Attempting {
    /// Where a successor must be let in first, a registry that is down is found out before a token is
    /// asked for: else each try would make one and revoke it.
    pub(super) fn sound_out(self, seen: &Observed) -> Next {
        if self.errand.cause.replaces_a_working_token() && mode(seen) == LoginMode::Required {
            return self.at(Request::LogIn, Stage::Sounding);
        }
        self.try_commit(seen)
    }

    pub(super) fn sounded(self, seen: &Observed, answer: Answer) -> Next {
        match heard(answer) {
            // A refusal is about the old token: one more reason for the new one.
            Verdict::Accepted | Verdict::Refused(_) | Verdict::NotAsked => self.try_commit(seen),
            Verdict::Unknown(why) => {
                let message = format!(
                    "the registry cannot be asked ({why}), so no new token is requested: it could not be checked; the present one is kept, and this tried again"
                );
                let fault = waiting(as_attempted(why.reason), message);
                // Nothing was sent: its own wait is all that this one needs.
                Flow::End(match why.retry_after {
                    Some(_) => Outcome::WaitFor(verify::again(&why), fault),
                    None => Outcome::Failed(fault),
                })
            }
        }
    }

    /// A token that works is replaced only by one that works.
    pub(super) fn check(self, seen: &Observed, token: Named) -> Next {
        if self.errand.cause.replaces_a_working_token() && mode(seen) != LoginMode::Disabled {
            return self.at(Request::LogIn, Stage::Checking { token, left: LOG_INS });
        }
        self.commit(seen, token, TRIES)
    }

    pub(super) fn checked(mut self, seen: &Observed, token: Named, left: u8, answer: Answer) -> Next {
        let (reason, message) = match heard(answer) {
            Verdict::NotAsked => return self.commit(seen, token, TRIES),
            Verdict::Accepted => {
                self.login = Some(Verdict::Accepted);
                return self.commit(seen, token, TRIES);
            }
            Verdict::Unknown(why) if mode(seen) == LoginMode::BestEffort => {
                self.login = Some(Verdict::Unknown(why));
                return self.commit(seen, token, TRIES);
            }
            Verdict::Refused(_) if left > 0 => {
                let wait = MOMENT * 2_u32.pow(u32::from(LOG_INS - left + 1));
                return self.at(Request::Pause(wait), Stage::Lagging { token, left: left - 1 });
            }
            Verdict::Refused(why) => {
                (Reason::LoginRefused, format!("the registry does not let the new token in ({why})"))
            }
            Verdict::Unknown(why) => (
                as_attempted(why.reason),
                format!("the registry cannot be asked whether it lets the new token in ({why})"),
            ),
        };
        // Each try makes a token: one that was refused to the end is not made again soon.
        let stalled = reason == Reason::LoginRefused;
        let message =
            format!("{message}: it is revoked, and the old one kept{}", if stalled { "" } else { "; tried again" });
        self.undo(token, Outcome::Failed(Fault { stalled, ..waiting(reason, message) }))
    }

    /// After the commit. Of a token that replaces a working one the registry was asked before.
    pub(super) fn log_in(self, seen: &Observed, token: Named) -> Next {
        match (mode(seen), self.login.clone()) {
            (LoginMode::Disabled, _) => self.record(seen, token, Verdict::NotAsked, TRIES),
            (_, Some(login)) => self.record(seen, token, login, TRIES),
            (_, None) => self.at(Request::LogIn, Stage::LoggingIn { token }),
        }
    }
}
