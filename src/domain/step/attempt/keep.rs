//! A token in hand: stored in the Secret, and named in the status.

use super::{Attempting, MOMENT, Next, Stage};
use crate::api::{RecordedSecret, RecordedToken};
use crate::domain::effect::{Answer, Named, Request, Verdict, Write};
use crate::domain::fault::Fault;
use crate::domain::faults::{refused, unavailable};
use crate::domain::observed::Observed;
use crate::domain::pull_secret::{Origin, Stored};
use crate::domain::recorded::recorded;
use crate::domain::status::Fact;
use crate::domain::step::{Flow, Outcome, failed, note};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

impl Attempting {
    pub(super) fn commit(self, seen: &Observed, token: Named, tries: u8) -> Next {
        let Some(facts) = seen.facts() else { return self.undo(token, Outcome::LookAgain) };
        let portal = facts.home();
        let after = recorded(&seen.object).current_id().cloned();
        let seal = seen.seal(&facts.portal, &token);
        let stored = Stored {
            seal,
            attempt: self.attempt.clone(),
            id: token.id.clone(),
            errand: self.errand.clone(),
            origin: Origin { portal, asked: self.asked.as_second(), after },
        };
        self.at(Request::Secret(Write::Commit(stored)), Stage::Committing { token, tries })
    }

    pub(super) fn committed(self, seen: &Observed, token: Named, tries: u8, answer: Answer) -> Next {
        match answer {
            Answer::Secret(Some(_)) => self.log_in(seen, token),
            Answer::Refused(message) => {
                self.at(Request::ReadSecret, Stage::Reading { token, tries, refusal: Some(refused(&message)) })
            }
            _ => self.at(Request::ReadSecret, Stage::Reading { token, tries, refusal: None }),
        }
    }

    /// What became of a commit that was refused or not answered.
    pub(super) fn read(
        mut self,
        seen: &Observed,
        token: Named,
        tries: u8,
        refusal: Option<Fault>,
        answer: Answer,
    ) -> Next {
        let left = tries.saturating_sub(1);
        let Answer::Secret(found) = answer else {
            if left > 0 {
                return self.at(Request::Pause(MOMENT * 2), Stage::Waiting { token, tries: left, refusal });
            }
            // What the Secret says is found by the next pass: stored is adopted, reserved is given up.
            return Flow::End(Outcome::LookAgain);
        };
        let stored = found.as_ref().and_then(|meta| meta.stored.as_ref());
        let reserved = found.as_ref().and_then(|meta| meta.reservation.as_ref());
        let outcome = refusal.clone().map_or(Outcome::LookAgain, Outcome::Failed);
        if stored.is_some_and(|stored| stored.attempt == self.attempt) {
            // Somebody may have changed the content since: it is read before it is called good.
            self.unread = true;
            self.log_in(seen, token)
        } else if reserved.is_none_or(|held| held.attempt != self.attempt) {
            // The Secret names this attempt no more, and never will.
            self.revoke(vec![token], outcome)
        } else if refusal.is_some() {
            self.undo(token, outcome)
        } else if left == 0 {
            // Else the next token would be asked for at once, and given back like this one.
            self.undo(token, Outcome::Failed(unavailable("the API server does not take the token for its Secret")))
        } else {
            self.commit(seen, token, left)
        }
    }

    pub(super) fn record(self, seen: &Observed, token: Named, login: Verdict, tries: u8) -> Next {
        let (Some(facts), Some(meta)) = (seen.facts(), &seen.secret) else { return Flow::End(Outcome::LookAgain) };
        let new = RecordedToken {
            id: token.id.clone(),
            username: token.username.clone(),
            nonce: seen.marker(facts, &self.attempt).nonce().to_string(),
            request_time: Time(self.asked),
            expiration_time: None,
            mac: None,
        };
        let secret = RecordedSecret {
            name: seen.object.secret_name.clone(),
            uid: Some(meta.uid.clone()),
            resource_version: Some(meta.resource_version.clone()).filter(|_| !self.unread),
            mac: None,
        };
        let (portal, errand) = (facts.portal.clone(), self.errand.clone());
        // What another operator has recorded since is proved, or it has nothing to do with this token.
        let after = recorded(&seen.object).current_id().cloned();
        let fact = Fact::TokenStored { token: new, portal, secret, errand, login: login.clone(), after };
        match note(seen, fact) {
            Some(request) => self.at(request, Stage::Recording { token, login, tries }),
            None => Flow::End(Outcome::Stored),
        }
    }

    pub(super) fn status_written(
        self,
        seen: &Observed,
        token: Named,
        login: Verdict,
        tries: u8,
        answer: Answer,
    ) -> Next {
        match answer {
            Answer::Object(Some(_)) => Flow::End(Outcome::Stored),
            // Somebody edited the object meanwhile. Another operator may have written other tokens.
            Answer::Conflict => {
                let former = recorded(&seen.object).tokens();
                self.at(Request::ReadObject, Stage::ReadingObject { token, login, tries, former })
            }
            // The token is stored: what status lacks is adopted by the next pass.
            other => Flow::End(failed(other)),
        }
    }
}
