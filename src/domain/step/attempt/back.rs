//! The way back from an attempt: the reservation goes, and with it whatever was made.

use super::{Attempting, MOMENT, Next, Stage, TRIES};
use crate::domain::effect::{Answer, Named, Request, Rows, Write};
use crate::domain::fault::Fault;
use crate::domain::faults::{refused, unavailable};
use crate::domain::observed::Observed;
use crate::domain::pull_secret::SecretMeta;
use crate::domain::recorded::recorded;
use crate::domain::step::{Flow, Outcome, failed};

/// The way back: what is still to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Back {
    at: Retreat,
    /// Seek what the portal may have made.
    seek: bool,
    /// What is to be revoked.
    revoke: Vec<Named>,
    tries: u8,
    /// Why the reservation could not be taken back, the last time that was tried.
    refusal: Option<Fault>,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retreat {
    AskingForAudit,
    Dropping,
    Reading,
    Seeking,
    /// Whether the object names what was committed after all.
    Naming,
    Waiting,
    Revoking,
}

impl Back {
    const fn new(at: Retreat, outcome: Outcome) -> Self {
        Self { at, seek: false, revoke: vec![], tries: TRIES, refusal: None, outcome }
    }
}

impl Attempting {
    /// Nothing was made: the reservation alone goes.
    pub(super) fn drop(self, outcome: Outcome) -> Next {
        self.back(Back::new(Retreat::Dropping, outcome))
    }

    /// Something may have been made: the reservation goes first, so that no commit of this attempt
    /// can succeed any more; then it is sought. What the portal does later than that, an audit finds.
    pub(super) fn seek(self, outcome: Outcome) -> Next {
        self.back(Back { seek: true, ..Back::new(Retreat::AskingForAudit, outcome) })
    }

    /// A token in hand that is not to be stored.
    pub(super) fn undo(self, token: Named, outcome: Outcome) -> Next {
        self.back(Back { revoke: vec![token], ..Back::new(Retreat::Dropping, outcome) })
    }

    /// Tokens that the Secret names no more. One that was committed, and adopted by another operator, may have been
    /// rotated away since: then the object names it.
    pub(super) fn revoke(self, revoke: Vec<Named>, outcome: Outcome) -> Next {
        self.back(Back { revoke, ..Back::new(Retreat::Naming, outcome) })
    }

    fn back(self, back: Back) -> Next {
        let request = match back.at {
            Retreat::AskingForAudit => Request::WantAudit,
            Retreat::Dropping => Request::Secret(Write::Drop),
            // Seeking is asked for by the caller, which knows the mark.
            Retreat::Reading | Retreat::Seeking => Request::ReadSecret,
            Retreat::Naming => Request::ReadObject,
            Retreat::Waiting => Request::Pause(MOMENT * 2),
            Retreat::Revoking => match back.revoke.last() {
                Some(token) => Request::Revoke(token.clone()),
                None => return Flow::End(back.outcome),
            },
        };
        self.at(request, Stage::Back(back))
    }

    pub(super) fn retreat(self, seen: &Observed, mut back: Back, answer: Answer) -> Next {
        match (back.at, answer) {
            (Retreat::AskingForAudit, _) => self.back(Back { at: Retreat::Dropping, ..back }),
            (Retreat::Dropping, Answer::Secret(_)) => self.dropped(seen, back),
            (Retreat::Dropping, other) => {
                let refusal = match other {
                    Answer::Refused(message) => Some(refused(&message)),
                    Answer::Unclear(message) => Some(unavailable(&message)),
                    _ => None,
                };
                self.back(Back { at: Retreat::Reading, refusal, ..back })
            }
            (Retreat::Reading, Answer::Secret(found)) => self.not_dropped(back, found.as_deref()),
            (Retreat::Seeking, Answer::Rows(rows)) => {
                back.revoke.extend(rows.into_iter().map(|row| row.token));
                self.back(Back { at: Retreat::Revoking, ..back })
            }
            (Retreat::Naming, Answer::Object(Some(object))) => {
                let named = recorded(&object).tokens();
                back.revoke.retain(|token| !named.contains(token));
                self.back(Back { at: Retreat::Revoking, ..back })
            }
            // It may have been left to its user: what is, an audit can tell.
            (Retreat::Naming, Answer::Object(None)) => match seen.facts() {
                Some(facts) if !facts.list_visible && seen.object.revoke => {
                    self.back(Back { at: Retreat::Revoking, ..back })
                }
                _ => self.leave_to_audit(back),
            },
            (Retreat::Naming, _) if back.tries > 0 => {
                self.back(Back { at: Retreat::Waiting, tries: back.tries - 1, ..back })
            }
            (Retreat::Waiting, _) => self.back(Back { at: Retreat::Naming, ..back }),
            // The audit that was asked for seeks it again.
            (Retreat::Seeking, other) => Flow::End(failed(other)),
            (Retreat::Revoking, Answer::Done) => {
                back.revoke.pop();
                self.back(back)
            }
            (Retreat::Revoking, _) if back.revoke.is_empty() => Flow::End(back.outcome),
            (Retreat::Reading | Retreat::Naming | Retreat::Revoking, _) => self.leave_to_audit(back),
        }
    }

    /// The reservation could not be taken back, or nobody knows whether it was.
    fn not_dropped(self, back: Back, found: Option<&SecretMeta>) -> Next {
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
            (false, _) => self.back(Back { at: Retreat::Naming, ..back }),
            // The next pass sees our reservation, and takes it out. Where that is not allowed, that is what
            // stands in the way now, whatever did before.
            (true, 0) => Flow::End(back.refusal.map_or(back.outcome, Outcome::Failed)),
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
