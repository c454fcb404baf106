//! One attempt to get a token: reserve, read the issuer, ask once, check, commit, record; and the
//! way back from every point of it.

use super::{Flow, Outcome, failed, note};
use crate::api::{Reason, RecordedSecret, RecordedToken};
use crate::domain::cause::{Cause, Errand};
use crate::domain::effect::{Answer, Content, Named, Request, Rows, Verdict, Write};
use crate::domain::fault::Fault;
use crate::domain::faults::{immutable, not_ours, refused, unanswered, unavailable, waiting, wrong_type};
use crate::domain::marker::Attempt;
use crate::domain::observed::{LoginMode, Observed};
use crate::domain::pull_secret::{Ownership, Reservation, SecretMeta, Stored};
use crate::domain::recorded::recorded;
use crate::domain::status::Fact;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::time::Duration;

/// How often a write whose outcome is not clear is read and tried, before the next pass takes over.
const TRIES: u8 = 5;
/// How often a new token's id is looked up: a portal's list may lag a moment.
const LOOK_UPS: u8 = 4;
/// Between two of these.
const MOMENT: Duration = Duration::from_millis(250);
/// How often a registry that refuses a new token is asked again: it may lag behind the portal by
/// seconds. The waits between double, to 7.5 s in all: less than an answer may take, so that no other
/// operator takes the reservation for forgotten.
const LOG_INS: u8 = 4;

/// What an attempt remembers.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempting {
    attempt: Attempt,
    errand: Errand,
    asked: Timestamp,
    /// The Secret was read after the commit, as metadata only.
    unread: bool,
    stage: Stage,
}

/// The request whose answer is awaited.
#[derive(Clone, Debug, PartialEq)]
enum Stage {
    Telling,
    Looking,
    Trying,
    Reserving { create: bool },
    Occupied,
    ReadingIssuer,
    Asking,
    Finding { username: String, left: u8 },
    Resting { username: String, left: u8 },
    Checking { token: Named, left: u8 },
    Lagging { token: Named, left: u8 },
    Committing { token: Named, tries: u8 },
    Reading { token: Named, tries: u8, refusal: Option<Fault> },
    Waiting { token: Named, tries: u8, refusal: Option<Fault> },
    LoggingIn { token: Named },
    Recording { token: Named, login: Verdict, tries: u8 },
    ReadingObject { token: Named, login: Verdict, tries: u8, former: Vec<Named> },
    Back(Back),
}

/// The way back: what is still to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
struct Back {
    at: Retreat,
    /// Seek what the portal may have made.
    seek: bool,
    /// What is to be revoked.
    revoke: Vec<Named>,
    tries: u8,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retreat {
    AskingForAudit,
    Dropping,
    Reading,
    Seeking,
    Revoking,
}

type Next = Flow<Attempting>;

/// Begins. A lost token is said to be lost before its successor is asked for.
#[must_use]
pub fn begin(seen: &Observed, errand: Errand) -> Next {
    let lost = errand.cause == Cause::Lost && recorded(&seen.object).token.is_some();
    let new =
        Attempting { attempt: seen.attempt.clone(), errand, asked: seen.now, unread: false, stage: Stage::Telling };
    let message =
        "the Secret was deleted or changed and holds no token: a new one is requested, and the old one revoked";
    match note(seen, Fact::SecretLost(message.to_owned())).filter(|_| lost) {
        Some(request) => Flow::Do(request, new),
        None => new.prove(seen),
    }
}

/// Takes out a reservation that nobody answers for, and seeks what came of it.
#[must_use]
pub fn recover(seen: &Observed, left_behind: &Attempt) -> Next {
    let errand = Errand::default();
    let former =
        Attempting { attempt: left_behind.clone(), errand, asked: seen.now, unread: false, stage: Stage::Telling };
    former.seek(Outcome::Again)
}

impl Attempting {
    fn at(self, request: Request, stage: Stage) -> Next {
        Flow::Do(request, Self { stage, ..self })
    }

    /// Takes the answer to what was to be done. An answer that does not belong to the request
    /// counts as unclear: it never leads on to a further request for a token.
    #[must_use]
    pub fn step(mut self, seen: &Observed, answer: Answer) -> Next {
        match std::mem::replace(&mut self.stage, Stage::Telling) {
            Stage::Telling => match answer {
                Answer::Object(Some(_)) => self.prove(seen),
                other => Flow::End(failed(other)),
            },
            Stage::Looking => match answer {
                Answer::Content(Some(found)) => match found.1 {
                    Content::WrongType => Flow::End(Outcome::Failed(wrong_type())),
                    Content::Immutable => Flow::End(Outcome::Failed(immutable())),
                    Content::Login { .. } | Content::Nothing => self.at(Request::TryCommit, Stage::Trying),
                },
                other => Flow::End(failed(other)),
            },
            Stage::Trying => match answer {
                Answer::Done => self.reserve(seen),
                Answer::Refused(message) => Flow::End(Outcome::Failed(refused(&message))),
                other => Flow::End(failed(other)),
            },
            Stage::Reserving { create } => self.reserved(create, answer),
            Stage::Occupied => match answer {
                Answer::Secret(Some(meta)) if meta.ownership == Ownership::Foreign => {
                    Flow::End(Outcome::Failed(not_ours()))
                }
                other => Flow::End(failed(other)),
            },
            Stage::ReadingIssuer => self.issuer_read(seen, answer),
            Stage::Asking => self.asked(seen, answer),
            Stage::Finding { username, left } => self.found(seen, username, left, answer),
            Stage::Resting { username, left } => self.find(seen, username, left),
            Stage::Checking { token, left } => self.checked(seen, token, left, answer),
            Stage::Lagging { token, left } => self.at(Request::LogIn, Stage::Checking { token, left }),
            Stage::Committing { token, tries } => self.committed(seen, token, tries, answer),
            Stage::Reading { token, tries, refusal } => self.read(seen, token, tries, refusal, answer),
            Stage::Waiting { token, tries, refusal } => {
                self.at(Request::ReadSecret, Stage::Reading { token, tries, refusal })
            }
            Stage::LoggingIn { token } => {
                let login = match answer {
                    Answer::Login(verdict) => verdict,
                    _ => Verdict::Unknown("no answer".to_owned()),
                };
                self.record(seen, token, login, TRIES)
            }
            Stage::Recording { token, login, tries } => self.recorded(seen, token, login, tries, answer),
            Stage::ReadingObject { token, login, tries, former } => match answer {
                Answer::Object(Some(object)) if recorded(&object).tokens() == former && tries > 0 => {
                    self.record(seen, token, login, tries - 1)
                }
                // The token is stored: what status lacks is adopted by the next pass.
                _ => Flow::End(Outcome::LookAgain),
            },
            Stage::Back(back) => self.retreat(seen, back, answer),
        }
    }

    /// A token that could not be stored is not asked for: quota, admission, permissions and name
    /// are proved first, by the creation or by a dry run of the commit.
    fn prove(self, seen: &Observed) -> Next {
        if seen.secret.is_some() { self.at(Request::ReadContent, Stage::Looking) } else { self.reserve(seen) }
    }

    fn reserve(self, seen: &Observed) -> Next {
        let reservation = Reservation { attempt: self.attempt.clone(), holder: seen.holder.clone() };
        let create = seen.secret.is_none();
        self.at(Request::Secret(Write::Reserve(reservation)), Stage::Reserving { create })
    }

    fn reserved(self, create: bool, answer: Answer) -> Next {
        match answer {
            Answer::Secret(Some(_)) => self.at(Request::ReadIssuer, Stage::ReadingIssuer),
            Answer::Refused(message) => Flow::End(Outcome::Failed(refused(&message))),
            // There is a Secret of that name that our cache does not show.
            Answer::Conflict if create => self.at(Request::ReadSecret, Stage::Occupied),
            other => Flow::End(failed(other)),
        }
    }

    fn issuer_read(mut self, seen: &Observed, answer: Answer) -> Next {
        match answer {
            Answer::Done => {
                self.asked = seen.now;
                let Some(facts) = seen.facts() else { return self.drop(Outcome::LookAgain) };
                let description = seen.marker(facts, &self.attempt).mark(&seen.object.description);
                self.at(Request::Token { description }, Stage::Asking)
            }
            Answer::Withdrawn(fault) => self.drop(Outcome::Failed(fault)),
            Answer::Unclear(message) | Answer::Refused(message) => self.drop(Outcome::Failed(unavailable(&message))),
            _ => self.drop(Outcome::LookAgain),
        }
    }

    fn asked(self, seen: &Observed, answer: Answer) -> Next {
        match answer {
            Answer::Token { id: Some(id), username } => self.check(seen, Named { id, username }),
            Answer::Token { id: None, username } => self.find(seen, username, LOOK_UPS),
            Answer::Late => self.at(Request::ReadIssuer, Stage::ReadingIssuer),
            Answer::NotSent(fault) | Answer::Denied(fault) => self.drop(Outcome::Failed(fault)),
            Answer::Ambiguous(fault) => {
                let lost = unanswered();
                self.seek(Outcome::Failed(Fault { message: format!("{}. {}", fault.message, lost.message), ..lost }))
            }
            _ => self.seek(Outcome::Failed(unanswered())),
        }
    }

    fn find(self, seen: &Observed, username: String, left: u8) -> Next {
        match seen.facts() {
            Some(facts) if facts.list_visible => {
                let marker = seen.marker(facts, &self.attempt);
                self.at(Request::Find(Rows::Marked(marker)), Stage::Finding { username, left })
            }
            // A token that cannot be named cannot be revoked later.
            _ => self.seek(Outcome::Failed(unanswered())),
        }
    }

    fn found(self, seen: &Observed, username: String, left: u8, answer: Answer) -> Next {
        let rows = match answer {
            Answer::Rows(rows) => rows,
            _ => vec![],
        };
        match rows.into_iter().find(|row| row.token.username == username) {
            Some(row) => self.check(seen, row.token),
            None if left > 0 => {
                let wait = MOMENT * u32::from(LOOK_UPS - left + 1);
                self.at(Request::Pause(wait), Stage::Resting { username, left: left - 1 })
            }
            None => self.seek(Outcome::Failed(unanswered())),
        }
    }

    /// A token that works is replaced only by one that works.
    fn check(self, seen: &Observed, token: Named) -> Next {
        let wanted = seen.facts().is_some_and(|facts| facts.login != LoginMode::Disabled);
        if wanted && self.errand.cause.replaces_a_working_token() {
            return self.at(Request::LogIn, Stage::Checking { token, left: LOG_INS });
        }
        self.commit(token, TRIES)
    }

    fn checked(self, seen: &Observed, token: Named, left: u8, answer: Answer) -> Next {
        let best_effort = seen.facts().is_some_and(|facts| facts.login == LoginMode::BestEffort);
        let message = match answer {
            Answer::Login(Verdict::Accepted | Verdict::NotAsked) => return self.commit(token, TRIES),
            Answer::Login(Verdict::Unknown(_)) if best_effort => return self.commit(token, TRIES),
            Answer::Login(Verdict::Refused(_)) if left > 0 => {
                let wait = MOMENT * 2_u32.pow(u32::from(LOG_INS - left + 1));
                return self.at(Request::Pause(wait), Stage::Lagging { token, left: left - 1 });
            }
            Answer::Login(Verdict::Refused(why)) => {
                let fault = waiting(
                    Reason::LoginRefused,
                    format!(
                        "the registry does not let the new token in ({why}): it is revoked, and the old one kept; tried again"
                    ),
                );
                return self.undo(token, Outcome::Failed(fault));
            }
            Answer::Login(Verdict::Unknown(why)) => why,
            _ => "no answer".to_owned(),
        };
        let fault = waiting(
            Reason::RegistryUnavailable,
            format!(
                "the registry cannot be asked whether it lets the new token in ({message}): it is revoked, and the old one kept; tried again"
            ),
        );
        self.undo(token, Outcome::Failed(fault))
    }

    fn commit(self, token: Named, tries: u8) -> Next {
        let stored = Stored { attempt: self.attempt.clone(), id: token.id.clone(), errand: self.errand.clone() };
        self.at(Request::Secret(Write::Commit(stored)), Stage::Committing { token, tries })
    }

    fn committed(self, seen: &Observed, token: Named, tries: u8, answer: Answer) -> Next {
        match answer {
            Answer::Secret(Some(_)) => self.log_in(seen, token),
            Answer::Refused(message) => {
                self.at(Request::ReadSecret, Stage::Reading { token, tries, refusal: Some(refused(&message)) })
            }
            _ => self.at(Request::ReadSecret, Stage::Reading { token, tries, refusal: None }),
        }
    }

    /// What became of a commit that was refused or not answered.
    fn read(mut self, seen: &Observed, token: Named, tries: u8, refusal: Option<Fault>, answer: Answer) -> Next {
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
            // Nothing names this attempt any more, and nothing can: nobody else would revoke it.
            self.revoke(vec![token], outcome)
        } else if refusal.is_some() || left == 0 {
            self.undo(token, outcome)
        } else {
            self.commit(token, left)
        }
    }

    fn log_in(self, seen: &Observed, token: Named) -> Next {
        let wanted = seen.facts().is_some_and(|facts| facts.login != LoginMode::Disabled);
        // A token that replaces a working one has just been let in.
        match (wanted, self.errand.cause.replaces_a_working_token()) {
            (false, _) => self.record(seen, token, Verdict::NotAsked, TRIES),
            (true, true) => self.record(seen, token, Verdict::Accepted, TRIES),
            (true, false) => self.at(Request::LogIn, Stage::LoggingIn { token }),
        }
    }

    fn record(self, seen: &Observed, token: Named, login: Verdict, tries: u8) -> Next {
        let (Some(facts), Some(meta)) = (seen.facts(), &seen.secret) else { return Flow::End(Outcome::LookAgain) };
        let recorded = RecordedToken {
            id: token.id.clone(),
            username: token.username.clone(),
            nonce: seen.marker(facts, &self.attempt).nonce().to_string(),
            request_time: Time(self.asked),
        };
        let secret = RecordedSecret {
            name: seen.object.secret_name.clone(),
            uid: Some(meta.uid.clone()),
            resource_version: Some(meta.resource_version.clone()).filter(|_| !self.unread),
        };
        let (portal, errand) = (facts.portal.clone(), self.errand.clone());
        let fact = Fact::TokenStored { token: recorded, portal, secret, errand, login: login.clone() };
        match note(seen, fact) {
            Some(request) => self.at(request, Stage::Recording { token, login, tries }),
            None => Flow::End(Outcome::Stored),
        }
    }

    fn recorded(self, seen: &Observed, token: Named, login: Verdict, tries: u8, answer: Answer) -> Next {
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

    /// Nothing was made: the reservation alone goes.
    fn drop(self, outcome: Outcome) -> Next {
        self.back(Back { at: Retreat::Dropping, seek: false, revoke: vec![], tries: TRIES, outcome })
    }

    /// Something may have been made: the reservation goes first, so that no commit of this attempt
    /// can succeed any more; then it is sought. What the portal does later than that, an audit finds.
    fn seek(self, outcome: Outcome) -> Next {
        self.back(Back { at: Retreat::AskingForAudit, seek: true, revoke: vec![], tries: TRIES, outcome })
    }

    /// A token in hand that is not to be stored.
    fn undo(self, token: Named, outcome: Outcome) -> Next {
        self.back(Back { at: Retreat::Dropping, seek: false, revoke: vec![token], tries: TRIES, outcome })
    }

    /// Tokens that nothing names and nothing can name.
    fn revoke(self, revoke: Vec<Named>, outcome: Outcome) -> Next {
        self.back(Back { at: Retreat::Revoking, seek: false, revoke, tries: TRIES, outcome })
    }

    fn back(self, back: Back) -> Next {
        let request = match back.at {
            Retreat::AskingForAudit => Request::WantAudit,
            Retreat::Dropping => Request::Secret(Write::Drop),
            Retreat::Reading => Request::ReadSecret,
            Retreat::Revoking => match back.revoke.last() {
                Some(token) => Request::Revoke(token.clone()),
                None => return Flow::End(back.outcome),
            },
            // Replaced by the caller, which knows the mark.
            Retreat::Seeking => Request::ReadSecret,
        };
        self.at(request, Stage::Back(back))
    }

    fn retreat(self, seen: &Observed, mut back: Back, answer: Answer) -> Next {
        match (back.at, answer) {
            (Retreat::AskingForAudit, _) => self.back(Back { at: Retreat::Dropping, ..back }),
            (Retreat::Dropping, Answer::Secret(_)) => self.dropped(seen, back),
            (Retreat::Dropping, _) => self.back(Back { at: Retreat::Reading, ..back }),
            (Retreat::Reading, Answer::Secret(found)) => self.not_dropped(seen, back, found.as_deref()),
            (Retreat::Reading, _) => self.leave_to_audit(back),
            (Retreat::Seeking, Answer::Rows(rows)) => {
                back.revoke.extend(rows.into_iter().map(|row| row.token));
                self.back(Back { at: Retreat::Revoking, ..back })
            }
            // The audit that was asked for seeks it again.
            (Retreat::Seeking, other) => Flow::End(failed(other)),
            (Retreat::Revoking, Answer::Done) => {
                back.revoke.pop();
                self.back(back)
            }
            (Retreat::Revoking, _) if back.revoke.is_empty() => Flow::End(back.outcome),
            (Retreat::Revoking, _) => self.leave_to_audit(back),
        }
    }

    /// The reservation could not be taken back, or nobody knows whether it was.
    fn not_dropped(self, seen: &Observed, back: Back, found: Option<&SecretMeta>) -> Next {
        let stored = found.and_then(|meta| meta.stored.as_ref());
        if stored.is_some_and(|stored| stored.attempt == self.attempt) {
            // Whoever made it has committed meanwhile.
            return Flow::End(Outcome::LookAgain);
        }
        let reserved = found.and_then(|meta| meta.reservation.as_ref());
        match (reserved.is_some_and(|held| held.attempt == self.attempt), back.tries) {
            // Somebody else took it back, or committed and has gone on since: then its token may be one
            // that retires. What it made is left to the audit that is asked for.
            (false, _) if back.seek => Flow::End(back.outcome),
            (false, _) => self.dropped(seen, back),
            // The next pass sees our reservation, and takes it out.
            (true, 0) => Flow::End(back.outcome),
            (true, tries) => self.back(Back { at: Retreat::Dropping, tries: tries - 1, ..back }),
        }
    }

    fn dropped(self, seen: &Observed, back: Back) -> Next {
        match seen.facts().filter(|facts| back.seek && facts.list_visible) {
            Some(facts) => {
                let marker = seen.marker(facts, &self.attempt);
                self.at(Request::Find(Rows::Marked(marker)), Stage::Back(Back { at: Retreat::Seeking, ..back }))
            }
            None => self.back(Back { at: Retreat::Revoking, ..back }),
        }
    }

    /// What was made bears its mark, so the audit that is asked for now revokes it.
    fn leave_to_audit(self, back: Back) -> Next {
        self.at(Request::WantAudit, Stage::Back(Back { at: Retreat::Revoking, revoke: vec![], ..back }))
    }
}
