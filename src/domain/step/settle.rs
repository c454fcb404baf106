//! Makes the portal show the description, and nothing more.

use super::{Flow, Outcome, failed, note};
use crate::api::Reason;
use crate::domain::effect::{Answer, Named, Request};
use crate::domain::fault::Fault;
use crate::domain::faults::{RETRIED, waiting};
use crate::domain::observed::{Listed, Observed};
use crate::domain::recorded::recorded;
use crate::domain::status::Fact;

/// What settling remembers.
#[derive(Clone, Debug, PartialEq)]
pub struct Settling {
    token: Named,
    wanted: String,
    /// It was edited for this generation before, and the portal shows something else.
    again: bool,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Finding,
    Editing,
    Comparing,
    Noting,
}

type Next = Flow<Settling>;

/// Begins.
#[must_use]
pub fn begin(seen: &Observed) -> Next {
    let known = recorded(&seen.object);
    let (Some(token), Some(facts)) = (known.token, seen.facts()) else { return Flow::End(Outcome::LookAgain) };
    let wanted = facts.describe(&seen.object.description, &token.nonce);
    let edited = [known.description_synced, known.description_refused].contains(&Some(seen.object.generation));
    let again = edited && matches!(seen.listed, Listed::Shown(_));
    let token = Named { id: token.id, username: token.username };
    let settling = Settling { token, wanted, again, stage: Stage::Finding };
    match &seen.shown {
        // This pass has just asked for it with the mark that stays.
        Some(shown) if *shown == settling.wanted => settling.say(seen, Fact::DescriptionSynced),
        None if facts.list_visible => settling.look(Stage::Finding),
        // A token that this pass asked for is known to be there; and where nobody can look, id and username are
        // all there is to go by.
        _ => settling.edit(),
    }
}

impl Settling {
    fn at(self, request: Request, stage: Stage) -> Next {
        Flow::Do(request, Self { stage, ..self })
    }

    fn look(self, stage: Stage) -> Next {
        let rows = self.token.rows();
        self.at(Request::Find(rows), stage)
    }

    fn edit(self) -> Next {
        let (token, description) = (self.token.clone(), self.wanted.clone());
        self.at(Request::Edit { token, description }, Stage::Editing)
    }

    fn say(self, seen: &Observed, fact: Fact) -> Next {
        match note(seen, fact) {
            Some(request) => self.at(request, Stage::Noting),
            None => Flow::End(Outcome::Again),
        }
    }

    /// Takes the answer to what was to be done.
    #[must_use]
    pub fn step(self, seen: &Observed, answer: Answer) -> Next {
        match (self.stage, answer) {
            (Stage::Finding, Answer::Rows(rows)) => {
                let row = rows.into_iter().find(|row| row.token == self.token);
                match row {
                    Some(row) if row.description == self.wanted => self.say(seen, Fact::DescriptionSynced),
                    Some(_) => self.edit(),
                    None => Flow::End(Outcome::Failed(not_listed())),
                }
            }
            // Edited before without lasting effect: now it is looked at what the portal makes of it.
            (Stage::Editing, Answer::Done) if self.again => self.look(Stage::Comparing),
            (Stage::Editing, Answer::Done) => self.say(seen, Fact::DescriptionSynced),
            (Stage::Editing, Answer::Denied(fault)) if fault.reason == Reason::RequestRefused => {
                let message = format!(
                    "the portal refused the description: {}. Change spec.description. {RETRIED}",
                    fault.message
                );
                self.say(seen, Fact::DescriptionNotSynced(Reason::EditRefused, message))
            }
            (Stage::Comparing, Answer::Rows(rows)) => {
                let shown = rows.into_iter().find(|row| row.token == self.token).map(|row| row.description);
                match shown {
                    Some(shown) if shown != self.wanted => self.say(seen, not_kept()),
                    _ => self.say(seen, Fact::DescriptionSynced),
                }
            }
            (Stage::Noting, Answer::Object(Some(_))) => Flow::End(Outcome::Again),
            (_, other) => Flow::End(failed(other)),
        }
    }
}

fn not_listed() -> Fault {
    let message = "the portal does not list the token, so its description is not edited yet: somebody may have revoked it, which the next audit finds out";
    waiting(Reason::TokenNotListed, message.to_owned())
}

fn not_kept() -> Fact {
    let message = "the portal accepted spec.description and shows another text: it may trim or change what it stores. Write the text as the portal shows it";
    Fact::DescriptionNotSynced(Reason::EditNotKept, message.to_owned())
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;
