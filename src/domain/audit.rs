//! The audit of one issuer's portal: which of the tokens that it lists were asked for by us and
//! belong to nobody. Pure, as the passes are.
//!
//! A token is revoked here only if it bears this issuer's mark, and reads begun after it was seen,
//! past every cache, **Secrets first, then objects**, find its nonce in no Secret, and its name in no
//! status; and if its row, read once more after that, still bears the mark. In this order, since a token moves from a Secret's reservation over its `stored` mark
//! into the status: read the other way round, it could be missed in both.

use super::effect::{Named, Row};
use super::fault::Fault;
use super::identity::same_id;
use super::inventory::Inventory;
use super::marker::{Attempt, Marker, Nonce};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};

/// An object of the issuer, as far as an audit looks at it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Its UID.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Name of its Secret.
    pub secret: String,
    /// The tokens that its own status names, the current one first.
    pub tokens: Vec<Named>,
    /// When the current one was requested.
    pub requested: Option<Timestamp>,
    /// As which portal user.
    pub user: Option<String>,
}

/// A Secret, as far as an audit looks at it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The UIDs that its label and its controller reference name.
    pub claims: Vec<String>,
    /// The attempt that is reserved in it.
    pub reserved: Option<Attempt>,
    /// The attempt whose token is stored in it, with that token's id.
    pub stored: Option<(Attempt, String)>,
    /// Marks left to a user.
    pub orphaned: Vec<Nonce>,
}

/// Everything that explains a marked token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    reserved: HashSet<Nonce>,
    stored: HashMap<Nonce, String>,
    recorded: HashSet<Named>,
}

impl Known {
    /// Puts together what Secrets and objects say. A Secret speaks for each object that it may
    /// belong to: by label, by controller and by name, so that stripping one of them makes no
    /// running attempt a suspect. It speaks for no object that is gone: what that one asked for goes too.
    #[must_use]
    pub fn of(holders: &[Holder], owners: &[Owner]) -> Self {
        let mut known = Self::default();
        let mut by_secret: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
        let alive: HashSet<&str> = owners.iter().map(|owner| owner.uid.as_str()).collect();
        for owner in owners {
            by_secret.entry((&owner.namespace, &owner.secret)).or_default().push(&owner.uid);
            known.recorded.extend(owner.tokens.iter().cloned());
        }
        for holder in holders {
            known.reserved.extend(holder.orphaned.iter().cloned());
            let named = by_secret.get(&(holder.namespace.as_str(), holder.name.as_str()));
            let claims = holder.claims.iter().map(String::as_str).filter(|uid| alive.contains(uid));
            for uid in claims.chain(named.into_iter().flatten().copied()) {
                known.reserved.extend(holder.reserved.as_ref().map(|attempt| Nonce::of(uid, attempt)));
                let stored = holder.stored.as_ref().map(|(attempt, id)| (Nonce::of(uid, attempt), id.clone()));
                known.stored.extend(stored);
            }
        }
        known
    }

    /// Whether a marked token is accounted for. One attempt has one token: another with the mark of a
    /// stored one is nobody's.
    #[must_use]
    pub fn explains(&self, row: &Row, marker: &Marker) -> bool {
        let (token, nonce) = (&row.token, marker.nonce());
        // What was asked for while the list was hidden may be known by its username only.
        let by_name = Named { id: token.username.clone(), ..token.clone() };
        let stored = self.stored.get(nonce).is_some_and(|id| same_id(id, &token.id) || *id == token.username);
        stored || self.reserved.contains(nonce) || [token, &by_name].iter().any(|one| self.recorded.contains(*one))
    }
}

/// What an audit asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// The portal's complete list.
    Scan,
    /// The issuer's objects, past every cache.
    Owners,
    /// The Secrets with our label, past every cache, and these by name.
    Holders(Vec<(String, String)>),
    /// The row of a suspect, once more.
    Row(Named),
    /// Revoke a token.
    Revoke(Named),
}

/// What an audit is told.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Answer {
    /// The list, and what the caches know.
    Scanned(Inventory, Known),
    /// The issuer's objects.
    Owners(Vec<Owner>),
    /// The Secrets.
    Holders(Vec<Holder>),
    /// The row, if there is one.
    Row(Option<Row>),
    /// It is done.
    Done,
    /// It did not succeed.
    Failed(Fault),
}

/// What the driver does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Perform this and bring the answer.
    Do(Request),
    /// It is over.
    End(Result<Found, Fault>),
}

/// What an audit found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The portal's list.
    pub inventory: Inventory,
    /// Tokens that belonged to nobody, and were revoked.
    pub revoked: usize,
    /// Those that were to be revoked, and could not be.
    pub left: Option<Left>,
}

/// Tokens that belong to nobody and could not be revoked, or looked at once more before that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// How many.
    pub count: usize,
    /// Why the first one could not.
    pub fault: Fault,
}

/// An audit under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Audit {
    inventory: Option<Inventory>,
    suspects: Vec<(Row, Marker)>,
    revoked: usize,
    left: Option<Left>,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    Scanning,
    /// The objects' names, to find Secrets that lost their label.
    Naming,
    ReadingSecrets,
    ReadingObjects {
        holders: Vec<Holder>,
    },
    /// A suspect whose mark was taken off meanwhile was left to its user.
    LookingAgain,
    Revoking,
}

impl Audit {
    /// Begins with the portal's list.
    #[must_use]
    pub const fn begin() -> (Self, Next) {
        let audit = Self { inventory: None, suspects: vec![], revoked: 0, left: None, stage: Stage::Scanning };
        (audit, Next::Do(Request::Scan))
    }

    /// Takes the answer to what was to be done.
    #[must_use]
    pub fn step(mut self, answer: Answer) -> (Self, Next) {
        match (std::mem::replace(&mut self.stage, Stage::Revoking), answer) {
            (Stage::Scanning, Answer::Scanned(mut inventory, cached)) => {
                let suspect = |(row, marker): &(Row, Marker)| !cached.explains(row, marker);
                self.suspects = inventory.take_marked().into_iter().filter(suspect).collect();
                self.inventory = Some(inventory);
                if self.suspects.is_empty() { self.end() } else { self.ask(Request::Owners, Stage::Naming) }
            }
            (Stage::Naming, Answer::Owners(owners)) => {
                let names = owners.into_iter().map(|owner| (owner.namespace, owner.secret)).collect();
                self.ask(Request::Holders(names), Stage::ReadingSecrets)
            }
            (Stage::ReadingSecrets, Answer::Holders(holders)) => {
                self.ask(Request::Owners, Stage::ReadingObjects { holders })
            }
            (Stage::ReadingObjects { holders }, Answer::Owners(owners)) => {
                let known = Known::of(&holders, &owners);
                self.suspects.retain(|(row, marker)| !known.explains(row, marker));
                self.revoke_next()
            }
            (Stage::LookingAgain, Answer::Row(row)) => self.looked_at(row),
            (Stage::Revoking, Answer::Done) => {
                self.revoked += 1;
                self.suspects.pop();
                self.revoke_next()
            }
            (Stage::LookingAgain | Stage::Revoking, Answer::Failed(fault)) => self.leave(fault),
            (_, Answer::Failed(fault)) => (self, Next::End(Err(fault))),
            // An answer to another question: nothing is concluded from it.
            (_, _) => self.end(),
        }
    }

    fn ask(mut self, request: Request, stage: Stage) -> (Self, Next) {
        self.stage = stage;
        (self, Next::Do(request))
    }

    fn revoke_next(self) -> (Self, Next) {
        match self.suspects.last().map(|(row, _)| row.token.clone()) {
            Some(token) => self.ask(Request::Row(token), Stage::LookingAgain),
            None => self.end(),
        }
    }

    fn looked_at(mut self, row: Option<Row>) -> (Self, Next) {
        let still = self.suspects.last().is_some_and(|(suspect, marker)| {
            row.is_some_and(|row| row.token == suspect.token && marker.is_in(&row.description))
        });
        match self.suspects.last() {
            Some((row, _)) if still => {
                let token = row.token.clone();
                self.ask(Request::Revoke(token), Stage::Revoking)
            }
            _ => {
                self.suspects.pop();
                self.revoke_next()
            }
        }
    }

    /// A suspect stays until the next audit. What the list says of all others is true nevertheless; and
    /// where it is not this one alone that the portal refuses, the rest is not tried either.
    fn leave(mut self, fault: Fault) -> (Self, Next) {
        let others = fault.reason.concerns_the_portal();
        let count = if others { self.suspects.len() } else { 1 };
        self.suspects.truncate(self.suspects.len() - count);
        let left = self.left.get_or_insert(Left { count: 0, fault });
        left.count += count;
        self.revoke_next()
    }

    fn end(mut self) -> (Self, Next) {
        let Some(inventory) = self.inventory.take() else {
            return (self, Next::End(Err(super::faults::unavailable("the portal's list was not read"))));
        };
        let (revoked, left) = (self.revoked, self.left.take());
        (self, Next::End(Ok(Found { inventory, revoked, left })))
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
