//! Before a token exists: what the Secret would refuse is tried, and the Secret is reserved.

use super::{Attempting, Next, Stage};
use crate::domain::effect::{Answer, Content, Named, Request, Write};
use crate::domain::faults::{changed_by_admission, created_immutable, created_with_another_type, refused};
use crate::domain::observed::{IssuerFacts, Observed};
use crate::domain::pull_secret::{LONGEST_NAME, Origin, Reservation, SecretMeta, Stored};
use crate::domain::step::{Flow, Outcome, failed};

impl Attempting {
    /// A token that could not be stored is not asked for: quota, admission, permissions and name
    /// are proved first, by the creation or by a dry run of the commit.
    pub(super) fn prove(self, seen: &Observed) -> Next {
        if seen.secret.is_some() { self.at(Request::ReadContent, Stage::Looking) } else { self.reserve(seen) }
    }

    /// A dry run of the commit, at the largest size that it may have.
    pub(super) fn try_commit(self, seen: &Observed) -> Next {
        let id = "0".repeat(LONGEST_NAME);
        let portal = seen.facts().map(IssuerFacts::home).unwrap_or_default();
        let origin = Origin { portal, asked: seen.now.as_second(), after: Some(id.clone()) };
        let token = Named { id: id.clone(), username: "0".repeat(LONGEST_NAME) };
        let seal = seen.facts().map(|facts| seen.seal(&facts.portal, &token)).unwrap_or_default();
        let stored = Stored { attempt: self.attempt.clone(), id, errand: self.errand.clone(), origin, seal };
        self.at(Request::TryCommit(Box::new(stored)), Stage::Trying)
    }

    fn is_reserved_in(&self, meta: &SecretMeta) -> bool {
        meta.tied && meta.reservation.as_ref().is_some_and(|held| held.attempt == self.attempt)
    }

    pub(super) fn reserve(self, seen: &Observed) -> Next {
        let reservation = Reservation { attempt: self.attempt.clone(), holder: seen.holder.clone() };
        let create = seen.secret.is_none();
        self.at(Request::Secret(Write::Reserve(reservation)), Stage::Reserving { create })
    }

    pub(super) fn reserved(self, create: bool, answer: Answer) -> Next {
        match answer {
            // What admission made of the Secret is known before a token exists.
            Answer::Secret(Some(meta)) if create && !self.is_reserved_in(&meta) => {
                self.drop(Outcome::Failed(changed_by_admission()))
            }
            Answer::Secret(Some(_)) => self.at(Request::ReadIssuer, Stage::ReadingIssuer),
            Answer::Content(Some(found)) if found.1 == Content::WrongType => {
                self.drop(Outcome::Failed(created_with_another_type()))
            }
            Answer::Content(Some(_)) => self.drop(Outcome::Failed(created_immutable())),
            Answer::Refused(message) => Flow::End(Outcome::Failed(refused(&message))),
            // There is a Secret of that name that our cache does not show.
            Answer::Conflict if create => self.at(Request::ReadSecret, Stage::Occupied),
            other => Flow::End(failed(other)),
        }
    }
}
