//! Where the portal lists no tokens to our user: what the registries say of each object's current token, asked one
//! after the other, stands in the list's place. It finds out what a colleague revoked; what a lost answer made
//! it cannot.

use super::inventory::hash64_of;
use crate::domain::decide::absence::MissingTokens;
use crate::domain::model::status_view::StatusView;
use crate::domain::observed::UpstreamState;
use crate::domain::protocol::{Named, Verdict};
use jiff::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// So many registries' silences in a row, and nobody else is asked: they are down.
const MAX_CONSECUTIVE_UNKNOWN: u8 = 3;

/// What was heard. Of a token a digest of its id and username stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginAudit {
    started_at: Timestamp,
    /// Of each token that was asked about: since when it is refused, if it is.
    results: HashMap<u64, Option<Timestamp>>,
    previously_rejected: HashMap<u64, Timestamp>,
    consecutive_unknown: u8,
    complete: bool,
}

impl LoginAudit {
    /// Nobody has been asked yet, but for a former time: what was refused then and is now, is refused since then.
    #[must_use]
    pub fn new(begun: Timestamp, former: Option<&Self>) -> Self {
        let former = former.into_iter().flat_map(|one| one.results.iter());
        let former = former.filter_map(|(token, since)| Some((*token, (*since)?))).collect();
        Self {
            started_at: begun,
            results: HashMap::new(),
            previously_rejected: former,
            consecutive_unknown: 0,
            complete: false,
        }
    }

    /// When it was begun.
    #[must_use]
    pub const fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// The token that an object is to be asked about: its current one, if a registry has let it in before. Of one
    /// that it never let in, or which it may not know yet, a refusal says nothing.
    #[must_use]
    pub fn target(&self, status: &StatusView, lag: Duration) -> Option<Named> {
        let token = status.token.as_ref().filter(|_| status.login_verified)?;
        let age = Duration::try_from(self.started_at.duration_since(token.request_time.0)).unwrap_or_default();
        (age >= lag).then(|| Named::from(token))
    }

    /// Takes in what was said of a token.
    pub fn record(&mut self, token: &Named, verdict: &Verdict) {
        match verdict {
            Verdict::Accepted | Verdict::Rejected(_) => {
                self.consecutive_unknown = 0;
                let token = token_hash(token);
                let since = self.previously_rejected.get(&token).copied().unwrap_or(self.started_at);
                self.results.insert(token, (*verdict != Verdict::Accepted).then_some(since));
            }
            Verdict::Unknown(_) => self.consecutive_unknown = self.consecutive_unknown.saturating_add(1),
            // Its Secret has another login, or none: its object's own pass sees to that.
            Verdict::NotChecked => {}
        }
    }

    /// Everybody was asked.
    pub const fn mark_complete(&mut self) {
        self.complete = true;
    }

    /// Whether everybody was asked, and no more registries than one now and then were silent.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete && self.should_continue()
    }

    /// Whether it is of use to go on.
    #[must_use]
    pub const fn should_continue(&self) -> bool {
        self.consecutive_unknown < MAX_CONSECUTIVE_UNKNOWN
    }

    /// How many are refused at once. A registry that was set up anew, or cannot look anybody up, is likelier than so
    /// many decisions of colleagues; and so it is where it refuses everybody, be they ever so few.
    #[must_use]
    pub fn missing_tokens(&self, most_percent: usize) -> MissingTokens {
        let (missing, of) = (self.results.values().flatten().count(), self.results.len());
        let counted = MissingTokens::from_counts(missing, of, most_percent);
        let everybody = missing == of && of > 1 && most_percent < 100;
        MissingTokens { plausible: counted.plausible && !everybody, ..counted }
    }

    /// What it says of one token.
    #[must_use]
    pub fn upstream_state(&self, token: &Named, believed: bool) -> UpstreamState {
        match self.results.get(&token_hash(token)) {
            Some(None) => UpstreamState::LoginAccepted,
            Some(Some(since)) if believed => UpstreamState::Absent(*since),
            _ => UpstreamState::Unknown,
        }
    }
}

/// By its id too: at other portals all tokens of a user log in with one name.
fn token_hash(token: &Named) -> u64 {
    hash64_of(token)
}

/// What an audit goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditEvidence {
    /// The portal's list.
    Inventory(super::inventory::Inventory),
    /// The registries' word.
    LoginAudit(LoginAudit),
}

impl AuditEvidence {
    /// When it began to be gathered.
    #[must_use]
    pub const fn started_at(&self) -> Timestamp {
        match self {
            Self::Inventory(inventory) => inventory.started_at,
            Self::LoginAudit(heard) => heard.started_at,
        }
    }

    /// What it says of one token.
    #[must_use]
    pub fn upstream_state(&self, token: &Named, believed: bool) -> UpstreamState {
        match self {
            Self::Inventory(inventory) => crate::domain::decide::absence::upstream_state(inventory, token, believed),
            Self::LoginAudit(heard) => heard.upstream_state(token, believed),
        }
    }

    /// Whether it is the portal's list: nothing else shows what nobody knows.
    #[must_use]
    pub const fn is_inventory(&self) -> bool {
        matches!(self, Self::Inventory(_))
    }

    /// Whether there is more to be gathered, as soon as that can be.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        match self {
            Self::Inventory(_) => true,
            Self::LoginAudit(heard) => heard.is_complete(),
        }
    }

    /// How many tokens the portal lists.
    #[must_use]
    pub fn token_count(&self) -> Option<usize> {
        match self {
            Self::Inventory(inventory) => Some(inventory.len()),
            Self::LoginAudit(_) => None,
        }
    }
}

#[cfg(test)]
#[path = "login_audit_tests.rs"]
mod tests;
