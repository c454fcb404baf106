//! Where the portal lists no tokens to our user: what the registries say of each object's current token, asked one
//! after the other, stands in the list's place. It finds out what a colleague revoked; what a lost answer made
//! it cannot.

use super::audit::Owner;
use super::effect::{Named, Verdict};
use super::inventory::digest;
use super::observed::Listed;
use super::vanished::{Vanished, must_show};
use jiff::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// So many registries' silences in a row, and nobody else is asked: they are down.
const SILENCES: u8 = 3;

/// What was heard. Of a token a digest of its username stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollCall {
    begun: Timestamp,
    let_in: HashMap<u64, bool>,
    silences: u8,
}

impl RollCall {
    /// Nobody has been asked yet.
    #[must_use]
    pub fn new(begun: Timestamp) -> Self {
        Self { begun, let_in: HashMap::new(), silences: 0 }
    }

    /// When it was begun.
    #[must_use]
    pub const fn begun(&self) -> Timestamp {
        self.begun
    }

    /// The token that an object is to be asked about: its current one, unless it is so young that a registry
    /// may not know it yet.
    #[must_use]
    pub fn concerns<'a>(&self, owner: &'a Owner, user: &str, lag: Duration) -> Option<&'a Named> {
        owner.tokens.first().filter(|_| must_show(self.begun, user, owner, lag))
    }

    /// Takes in what was said of a token.
    pub fn hear(&mut self, token: &Named, verdict: &Verdict) {
        match verdict {
            Verdict::Accepted | Verdict::Refused(_) => {
                self.silences = 0;
                self.let_in.insert(digest(&token.username), *verdict == Verdict::Accepted);
            }
            Verdict::Unknown(_) => self.silences = self.silences.saturating_add(1),
            // Its Secret has another login, or none: its object's own pass sees to that.
            Verdict::NotAsked => {}
        }
    }

    /// Whether it is of use to go on.
    #[must_use]
    pub const fn goes_on(&self) -> bool {
        self.silences < SILENCES
    }

    /// How many are refused at once. A registry that was set up anew is likelier than so many decisions of colleagues.
    #[must_use]
    pub fn vanished(&self, most_percent: usize) -> Vanished {
        let missing = self.let_in.values().filter(|let_in| !**let_in).count();
        Vanished::of(missing, self.let_in.len(), most_percent)
    }

    /// What it says of one token.
    #[must_use]
    pub fn listed(&self, token: &Named, believed: bool) -> Listed {
        match self.let_in.get(&digest(&token.username)) {
            Some(true) => Listed::LetIn,
            Some(false) if believed => Listed::Missing(self.begun),
            _ => Listed::Unknown,
        }
    }
}

/// What an audit goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The portal's list.
    List(super::inventory::Inventory),
    /// The registries' word.
    RollCall(RollCall),
}

impl Evidence {
    /// When it began to be gathered.
    #[must_use]
    pub const fn begun(&self) -> Timestamp {
        match self {
            Self::List(inventory) => inventory.begun,
            Self::RollCall(heard) => heard.begun,
        }
    }

    /// What it says of one token.
    #[must_use]
    pub fn listed(&self, token: &Named, believed: bool) -> Listed {
        match self {
            Self::List(inventory) => super::vanished::listed(inventory, token, believed),
            Self::RollCall(heard) => heard.listed(token, believed),
        }
    }

    /// Whether it is the portal's list: nothing else shows what nobody knows.
    #[must_use]
    pub const fn is_list(&self) -> bool {
        matches!(self, Self::List(_))
    }

    /// How many tokens the portal lists.
    #[must_use]
    pub fn tokens(&self) -> Option<usize> {
        match self {
            Self::List(inventory) => Some(inventory.len()),
            Self::RollCall(_) => None,
        }
    }
}

#[cfg(test)]
#[path = "roll_call_tests.rs"]
mod tests;
