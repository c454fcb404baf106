//! What a list that lacks tokens proves of them.

use crate::domain::audit::AuditedToken;
use crate::domain::audit::inventory::Inventory;
use crate::domain::observed::UpstreamState;
use crate::domain::protocol::Named;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many tokens are gone at once, and whether that is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MissingTokens {
    /// Tokens that a list lacks which had to show them.
    pub missing: usize,
    /// Tokens that it had to show.
    pub expected: usize,
    /// Whether so many may have been revoked by hand.
    pub plausible: bool,
    /// The one namespace whose objects lack so many that it is not believed: without them it would be. Whoever writes
    /// the statuses of that namespace could else keep revocations from being noticed everywhere.
    pub only_implausible_namespace: Option<String>,
}

/// So few are always believed.
const ALWAYS_PLAUSIBLE: usize = 5;

impl MissingTokens {
    /// Counts what an inventory lacks. A list that shrinks at once is more likely a changed role, or a
    /// filter, than so many decisions of colleagues.
    #[must_use]
    pub fn count(inventory: &Inventory, owners: &[AuditedToken], lag: Duration, most_percent: usize) -> Self {
        let expected = owners.iter().filter(|owner| must_list(inventory, owner, lag));
        let mut namespaces: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (owner, token) in expected.filter_map(|owner| Some((owner, owner.tokens.first()?))) {
            let (missing, of) = namespaces.entry(&owner.namespace).or_default();
            *missing += usize::from(inventory.description_hash(token).is_none());
            *of += 1;
        }
        let sum = |all: (usize, usize), one: &(usize, usize)| (all.0 + one.0, all.1 + one.1);
        let (missing, of) = namespaces.values().fold((0, 0), sum);
        let counted = Self::from_counts(missing, of, most_percent);
        let most = namespaces.iter().max_by_key(|(_, (missing, _))| *missing).filter(|_| !counted.plausible);
        let only = most.filter(|(_, one)| Self::from_counts(missing - one.0, of - one.1, most_percent).plausible);
        // Where there is no other namespace, there is nobody else who could be harmed.
        let only = only.filter(|_| namespaces.len() > 1).map(|(namespace, _)| (*namespace).to_owned());
        Self { only_implausible_namespace: only, ..counted }
    }

    /// Whether it is believed of an object of this namespace.
    #[must_use]
    pub fn is_plausible_in(&self, namespace: &str) -> bool {
        self.plausible || self.only_implausible_namespace.as_deref().is_some_and(|only| only != namespace)
    }

    /// So many of so many.
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

fn must_list(inventory: &Inventory, owner: &AuditedToken, lag: Duration) -> bool {
    let seen_by_us = owner.portal_user.as_ref().is_none_or(|user| *user == inventory.user);
    let old = owner.requested_at.is_some_and(|since| {
        Duration::try_from(inventory.started_at.duration_since(since)).is_ok_and(|age| age >= lag)
    });
    seen_by_us && old
}

/// What an inventory says of one token.
#[must_use]
pub fn upstream_state(inventory: &Inventory, token: &Named, believed: bool) -> UpstreamState {
    match inventory.description_hash(token) {
        Some(shown) => UpstreamState::Present(shown),
        None if believed => UpstreamState::Absent(inventory.started_at),
        None => UpstreamState::Unknown,
    }
}

#[cfg(test)]
#[path = "absence_tests.rs"]
mod tests;
