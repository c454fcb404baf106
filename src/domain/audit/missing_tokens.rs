//! How many tokens a list lacks, and whether that many may have been revoked.

use crate::domain::audit::AuditedToken;
use crate::domain::audit::inventory::Inventory;
use crate::domain::model::token::TokenRef;
use crate::domain::observed::UpstreamState;
use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many tokens are missing at once, and whether that is plausible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MissingTokens {
    /// Number of tokens that the list lacks although it had to contain them.
    pub missing: usize,
    /// Number of tokens that the list had to contain.
    pub expected: usize,
    /// Whether this many tokens may have been revoked manually.
    pub plausible: bool,
    /// The one namespace with an implausible number of missing tokens, without which the rest is plausible. Otherwise a
    /// user who can write the statuses of that namespace could keep revocations everywhere from being detected.
    pub only_implausible_namespace: Option<String>,
}

/// Fewer missing tokens than this are always plausible.
const ALWAYS_PLAUSIBLE: usize = 5;

impl MissingTokens {
    /// Counts the tokens that an inventory lacks. If a list suddenly shrinks, a changed role or filter is more likely
    /// than this many revocations by colleagues.
    #[must_use]
    pub fn count(
        inventory: &Inventory,
        objects: impl IntoIterator<Item: Borrow<AuditedToken>>,
        lag: Duration,
        most_percent: usize,
    ) -> Self {
        let mut namespaces: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for object in objects {
            let object = object.borrow();
            let Some(token) = object.tokens.first().filter(|_| must_list(inventory, object, lag)) else { continue };
            let (missing, of) = namespaces.entry(object.namespace.clone()).or_default();
            *missing += usize::from(inventory.description_hash(token).is_none());
            *of += 1;
        }
        let sum = |all: (usize, usize), one: &(usize, usize)| (all.0 + one.0, all.1 + one.1);
        let (missing, of) = namespaces.values().fold((0, 0), sum);
        let counted = Self::from_counts(missing, of, most_percent);
        let most = namespaces.iter().max_by_key(|(_, (missing, _))| *missing).filter(|_| !counted.plausible);
        let only = most.filter(|(_, one)| Self::from_counts(missing - one.0, of - one.1, most_percent).plausible);
        // With only one namespace, no other namespace can be affected.
        let only = only.filter(|_| namespaces.len() > 1).map(|(namespace, _)| namespace.clone());
        Self { only_implausible_namespace: only, ..counted }
    }

    /// Whether the absence of a token is plausible for objects of this namespace.
    #[must_use]
    pub fn is_plausible_in(&self, namespace: &str) -> bool {
        self.plausible || self.only_implausible_namespace.as_deref().is_some_and(|only| only != namespace)
    }

    /// Creates the counts, and decides whether they are plausible.
    #[must_use]
    pub const fn from_counts(missing: usize, of: usize, most_percent: usize) -> Self {
        Self {
            missing,
            expected: of,
            plausible: missing < ALWAYS_PLAUSIBLE || missing * 100 <= of * most_percent,
            only_implausible_namespace: None,
        }
    }
}

fn must_list(inventory: &Inventory, object: &AuditedToken, lag: Duration) -> bool {
    let same_user = object.portal_user.as_ref().is_none_or(|user| *user == inventory.user);
    let old_enough = object.requested_at.is_some_and(|since| {
        Duration::try_from(inventory.started_at.duration_since(since)).is_ok_and(|age| age >= lag)
    });
    same_user && old_enough
}

#[must_use]
pub fn upstream_state(inventory: &Inventory, token: &TokenRef, plausible: bool) -> UpstreamState {
    match inventory.description_hash(token) {
        Some(shown) => UpstreamState::Present(shown),
        None if plausible => UpstreamState::Absent(inventory.started_at),
        None => UpstreamState::Unknown,
    }
}

#[cfg(test)]
#[path = "missing_tokens_tests.rs"]
mod tests;
