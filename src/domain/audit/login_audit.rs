//! Verifies the login of each object's current token, one after the other. It replaces the list if the portal user
//! cannot list tokens. It detects tokens that were revoked in the portal, but not tokens created by requests whose
//! response was lost.

use crate::domain::audit::missing_tokens::MissingTokens;
use crate::domain::model::hash::hash64_of;
use crate::domain::model::login_result::LoginResult;
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token::TokenRef;
use crate::domain::observed::UpstreamState;
use jiff::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// After this many unknown results in a row no further token is verified: the registries are unavailable.
const MAX_CONSECUTIVE_UNKNOWN: u8 = 3;

/// The results. A token is kept as a hash of its id and username.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginAudit {
    started_at: Timestamp,
    /// For each token that was verified: the time since which its login has been rejected, or `None` if it was
    /// accepted.
    results: HashMap<u64, Option<Timestamp>>,
    previously_rejected: HashMap<u64, Timestamp>,
    consecutive_unknown: u8,
    complete: bool,
}

impl LoginAudit {
    /// Starts without results. A token that was rejected in the previous audit and is rejected again counts as rejected
    /// since then.
    #[must_use]
    pub fn new(started_at: Timestamp, former: Option<&Self>) -> Self {
        let former = former.into_iter().flat_map(|one| one.results.iter());
        let former = former.filter_map(|(token, since)| Some((*token, (*since)?))).collect();
        Self {
            started_at,
            results: HashMap::new(),
            previously_rejected: former,
            consecutive_unknown: 0,
            complete: false,
        }
    }

    /// When the audit started.
    #[must_use]
    pub const fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Returns the token of an object to verify: its current one, if its login was accepted before. For a token that
    /// was never accepted, or that the registry may not know yet, a rejection is inconclusive.
    #[must_use]
    pub fn target(&self, status: &StatusView, lag: Duration) -> Option<TokenRef> {
        let token = status.token.as_ref().filter(|_| status.login_verified)?;
        let age = Duration::try_from(self.started_at.duration_since(token.request_time.0)).unwrap_or_default();
        (age >= lag).then(|| TokenRef::from(token))
    }

    pub fn record(&mut self, token: &TokenRef, login_result: &LoginResult) {
        match login_result {
            LoginResult::Accepted | LoginResult::Rejected(_) => {
                self.consecutive_unknown = 0;
                let token = token_hash(token);
                let since = self.previously_rejected.get(&token).copied().unwrap_or(self.started_at);
                self.results.insert(token, (*login_result != LoginResult::Accepted).then_some(since));
            }
            LoginResult::Unknown(_) => self.consecutive_unknown = self.consecutive_unknown.saturating_add(1),
            // The Secret has another login or none: the object's own pass handles that.
            LoginResult::NotChecked => {}
        }
    }

    /// Records that every token was verified.
    pub const fn mark_complete(&mut self) {
        self.complete = true;
    }

    /// Whether every token was verified, without too many unknown results in a row.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete && self.should_continue()
    }

    /// Whether the registries still respond, so that continuing is useful.
    #[must_use]
    pub const fn should_continue(&self) -> bool {
        self.consecutive_unknown < MAX_CONSECUTIVE_UNKNOWN
    }

    /// Counts the rejected tokens. A registry that was reinstalled or cannot look up any token is more likely than this
    /// many revocations by colleagues. The same holds if it rejects every token, however few there are.
    #[must_use]
    pub fn missing_tokens(&self, most_percent: usize) -> MissingTokens {
        let (missing, of) = (self.results.values().flatten().count(), self.results.len());
        let counted = MissingTokens::from_counts(missing, of, most_percent);
        let all_rejected = missing == of && of > 1 && most_percent < 100;
        MissingTokens { plausible: counted.plausible && !all_rejected, ..counted }
    }

    #[must_use]
    pub fn upstream_state(&self, token: &TokenRef, plausible: bool) -> UpstreamState {
        match self.results.get(&token_hash(token)) {
            Some(None) => UpstreamState::LoginAccepted,
            Some(Some(since)) if plausible => UpstreamState::Absent(*since),
            _ => UpstreamState::Unknown,
        }
    }
}

/// Includes the id: in some portals all tokens of a user share one username.
fn token_hash(token: &TokenRef) -> u64 {
    hash64_of(token)
}

/// The source of an audit result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditEvidence {
    /// The portal's list.
    Inventory(super::inventory::Inventory),
    /// The login results.
    LoginAudit(LoginAudit),
}

impl AuditEvidence {
    /// When the audit started.
    #[must_use]
    pub const fn started_at(&self) -> Timestamp {
        match self {
            Self::Inventory(inventory) => inventory.started_at,
            Self::LoginAudit(audit) => audit.started_at,
        }
    }

    #[must_use]
    pub fn upstream_state(&self, token: &TokenRef, plausible: bool) -> UpstreamState {
        match self {
            Self::Inventory(inventory) => super::missing_tokens::upstream_state(inventory, token, plausible),
            Self::LoginAudit(audit) => audit.upstream_state(token, plausible),
        }
    }

    /// Whether the source is the portal's list: only a list shows unknown tokens.
    #[must_use]
    pub const fn is_inventory(&self) -> bool {
        matches!(self, Self::Inventory(_))
    }

    /// Whether the audit is complete. An incomplete one continues as soon as possible.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        match self {
            Self::Inventory(_) => true,
            Self::LoginAudit(audit) => audit.is_complete(),
        }
    }

    /// Number of tokens that the portal lists, if known.
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
