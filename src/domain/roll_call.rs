//! Where the portal lists no tokens to our user: what the registries say of each object's current token, asked one
//! after the other, stands in the list's place. It finds out what a colleague revoked; what a lost answer made
//! it cannot.

use super::effect::{Named, Verdict};
use super::inventory::digest_of;
use super::observed::Listed;
use super::recorded::Recorded;
use super::vanished::Vanished;
use jiff::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// So many registries' silences in a row, and nobody else is asked: they are down.
const SILENCES: u8 = 3;

/// What was heard. Of a token a digest of its id and username stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollCall {
    begun: Timestamp,
    /// Of each token that was asked about: since when it is refused, if it is.
    refused: HashMap<u64, Option<Timestamp>>,
    former: HashMap<u64, Timestamp>,
    silences: u8,
    complete: bool,
}

impl RollCall {
    /// Nobody has been asked yet, but for a former time: what was refused then and is now, is refused since then.
    #[must_use]
    pub fn new(begun: Timestamp, former: Option<&Self>) -> Self {
        let former = former.into_iter().flat_map(|one| one.refused.iter());
        let former = former.filter_map(|(token, since)| Some((*token, (*since)?))).collect();
        Self { begun, refused: HashMap::new(), former, silences: 0, complete: false }
    }

    /// When it was begun.
    #[must_use]
    pub const fn begun(&self) -> Timestamp {
        self.begun
    }

    /// The token that an object is to be asked about: its current one, if a registry has let it in before. Of one
    /// that it never let in, or which it may not know yet, a refusal says nothing.
    #[must_use]
    pub fn concerns(&self, known: &Recorded, lag: Duration) -> Option<Named> {
        let token = known.token.as_ref().filter(|_| known.verified)?;
        let age = Duration::try_from(self.begun.duration_since(token.request_time.0)).unwrap_or_default();
        (age >= lag).then(|| Named::from(token))
    }

    /// Takes in what was said of a token.
    pub fn hear(&mut self, token: &Named, verdict: &Verdict) {
        match verdict {
            Verdict::Accepted | Verdict::Refused(_) => {
                self.silences = 0;
                let token = key(token);
                let since = self.former.get(&token).copied().unwrap_or(self.begun);
                self.refused.insert(token, (*verdict != Verdict::Accepted).then_some(since));
            }
            Verdict::Unknown(_) => self.silences = self.silences.saturating_add(1),
            // Its Secret has another login, or none: its object's own pass sees to that.
            Verdict::NotAsked => {}
        }
    }

    /// Everybody was asked.
    pub const fn complete(&mut self) {
        self.complete = true;
    }

    /// Whether everybody was asked, and no more registries than one now and then were silent.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete && self.goes_on()
    }

    /// Whether it is of use to go on.
    #[must_use]
    pub const fn goes_on(&self) -> bool {
        self.silences < SILENCES
    }

    /// How many are refused at once. A registry that was set up anew, or cannot look anybody up, is likelier than so
    /// many decisions of colleagues; and so it is where it refuses everybody, be they ever so few.
    #[must_use]
    pub fn vanished(&self, most_percent: usize) -> Vanished {
        let (missing, of) = (self.refused.values().flatten().count(), self.refused.len());
        let counted = Vanished::of(missing, of, most_percent);
        let everybody = missing == of && of > 1 && most_percent < 100;
        Vanished { believed: counted.believed && !everybody, ..counted }
    }

    /// What it says of one token.
    #[must_use]
    pub fn listed(&self, token: &Named, believed: bool) -> Listed {
        match self.refused.get(&key(token)) {
            Some(None) => Listed::LetIn,
            Some(Some(since)) if believed => Listed::Missing(*since),
            _ => Listed::Unknown,
        }
    }
}

/// By its id too: at other portals all tokens of a user log in with one name.
fn key(token: &Named) -> u64 {
    digest_of(token)
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

    /// Whether there is more to be gathered, as soon as that can be.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        match self {
            Self::List(_) => true,
            Self::RollCall(heard) => heard.is_complete(),
        }
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
