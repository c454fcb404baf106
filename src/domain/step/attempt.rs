//! One attempt to get a token: reserve, read the issuer, ask once, check, commit, record; and the
//! way back from every point of it.

mod back;
mod keep;
mod login;
mod reserve;

use self::back::Back;
use self::login::heard;
use super::{Flow, Outcome, failed, note};
use crate::api::Reason;
use crate::domain::cause::{Cause, Errand};
use crate::domain::effect::{Answer, Content, Named, Request, Rows, Verdict};
use crate::domain::fault::Fault;
use crate::domain::faults::{immutable, not_ours, refused, unanswered, unavailable, wrong_type};
use crate::domain::marker::Attempt;
use crate::domain::observed::Observed;
use crate::domain::pull_secret::{Ownership, Stored};
use crate::domain::recorded::recorded;
use crate::domain::status::Fact;
use jiff::Timestamp;
use std::time::Duration;

/// How often a write whose outcome is not clear is read and tried, before the next pass takes over.
const TRIES: u8 = 5;
/// How often a new token's id is looked up: a portal's list may lag behind by seconds. Each wait is four times as long
/// as the one before, 21 s in all: the token's secret is at hand, and is lost if the token is given up.
const LOOK_UPS: u8 = 4;
/// The first of these waits.
const MOMENT: Duration = Duration::from_millis(250);

/// What an attempt remembers.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempting {
    attempt: Attempt,
    errand: Errand,
    asked: Timestamp,
    /// How often the issuer may still be read anew, because a request would have gone out too late.
    readings: u8,
    /// What the registry said before the commit.
    login: Option<Verdict>,
    /// The Secret was read after the commit, as metadata only.
    unread: bool,
    /// What the Secret stored when this was decided upon.
    held: Option<Stored>,
    stage: Stage,
}

/// The request whose answer is awaited.
#[derive(Clone, Debug, PartialEq)]
enum Stage {
    Telling,
    Looking,
    Sounding,
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

type Next = Flow<Attempting>;

/// Begins. A lost token is said to be lost before its successor is asked for.
#[must_use]
pub fn begin(seen: &Observed, errand: Errand) -> Next {
    let known = recorded(&seen.object);
    // Where it is said already that pods cannot pull, what is in the way is said, and not by turns.
    let lost = errand.cause == Cause::Lost && known.token.is_some() && known.ready;
    let new = Attempting::new(seen, seen.attempt.clone(), errand);
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
    Attempting::new(seen, left_behind.clone(), Errand::default()).seek(Outcome::Again)
}

impl Attempting {
    fn new(seen: &Observed, attempt: Attempt, errand: Errand) -> Self {
        let (asked, stage) = (seen.now, Stage::Telling);
        let held = seen.secret.as_ref().and_then(|secret| secret.stored.clone());
        Self { attempt, errand, asked, readings: TRIES, login: None, unread: false, held, stage }
    }

    /// Whether this answer means that a request for a token reached the portal, or may have. What an issuer as a whole
    /// is refused does not count: its objects wait for it.
    #[must_use]
    pub fn was_sent(&self, answer: &Answer) -> bool {
        self.stage == Stage::Asking
            && match answer {
                Answer::NotSent(_) | Answer::Late | Answer::Changed => false,
                Answer::Denied(fault) => fault.reason == Reason::RequestRefused,
                _ => true,
            }
    }

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
                // Deleted, and made anew by somebody else.
                Answer::Content(Some(found)) if found.0.ownership == Ownership::Foreign => {
                    Flow::End(Outcome::Failed(not_ours(&found.0)))
                }
                // Somebody else has reserved it since it was decided upon, or has stored a token meanwhile.
                Answer::Content(Some(found)) if found.0.reservation.is_some() || found.0.stored != self.held => {
                    Flow::End(Outcome::LookAgain)
                }
                Answer::Content(Some(found)) => match found.1 {
                    Content::WrongType => Flow::End(Outcome::Failed(wrong_type())),
                    Content::Immutable { .. } => Flow::End(Outcome::Failed(immutable())),
                    Content::Login { .. } | Content::Nothing => self.sound_out(seen),
                },
                other => Flow::End(failed(other)),
            },
            Stage::Sounding => self.sounded(seen, answer),
            Stage::Trying => match answer {
                Answer::Done => self.reserve(seen),
                Answer::Refused(message) => Flow::End(Outcome::Failed(refused(&message))),
                other => Flow::End(failed(other)),
            },
            Stage::Reserving { create } => self.reserved(create, answer),
            Stage::Occupied => match answer {
                Answer::Secret(Some(meta)) if meta.ownership == Ownership::Foreign => {
                    Flow::End(Outcome::Failed(not_ours(&meta)))
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
            Stage::LoggingIn { token } => self.record(seen, token, heard(answer), TRIES),
            Stage::Recording { token, login, tries } => self.status_written(seen, token, login, tries, answer),
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
            Answer::Useless { token, fault } => self.undo(token, Outcome::Failed(fault)),
            Answer::Late => match self.readings.checked_sub(1) {
                Some(readings) => Self { readings, ..self }.at(Request::ReadIssuer, Stage::ReadingIssuer),
                // A reservation is not held for ever.
                None => self.drop(Outcome::LookAgain),
            },
            Answer::Denied(fault) if fault.reason == Reason::RequestRefused => {
                let message = format!(
                    "the portal refused the request for a token: {}. Change spec.description, or what the issuer sends with it (spec.thinkwise.tasks.request)",
                    fault.message
                );
                self.drop(Outcome::Failed(Fault { message, ..fault }))
            }
            Answer::NotSent(fault) | Answer::Denied(fault) => self.drop(Outcome::Failed(fault)),
            Answer::Invalid(fault) => self.seek(Outcome::Failed(fault)),
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

    /// No answer is waited for that long: another operator would take the reservation for forgotten.
    fn is_overdue(&self, seen: &Observed) -> bool {
        let age = Duration::try_from(seen.now.duration_since(self.asked)).unwrap_or_default();
        seen.facts().is_none_or(|facts| age >= facts.longest_answer)
    }

    fn found(self, seen: &Observed, username: String, left: u8, answer: Answer) -> Next {
        let rows = match answer {
            Answer::Rows(rows) => rows,
            Answer::Useless { token, fault } => return self.undo(token, Outcome::Failed(fault)),
            _ => vec![],
        };
        match rows.into_iter().find(|row| row.token.username == username) {
            Some(row) => self.check(seen, row.token),
            None if left > 0 && !self.is_overdue(seen) => {
                let wait = MOMENT * 4_u32.pow(u32::from(LOOK_UPS.saturating_sub(left)));
                self.at(Request::Pause(wait), Stage::Resting { username, left: left - 1 })
            }
            None => self.seek(Outcome::Failed(unanswered())),
        }
    }
}

#[cfg(test)]
#[path = "attempt_back_tests.rs"]
mod back_tests;
#[cfg(test)]
#[path = "attempt_keep_tests.rs"]
mod keep_tests;
#[cfg(test)]
#[path = "attempt_law_tests.rs"]
mod laws;
#[cfg(test)]
#[path = "attempt_tests.rs"]
mod tests;
