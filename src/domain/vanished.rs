//! What a list that lacks tokens proves of them.

use super::audit::Owner;
use super::effect::Named;
use super::inventory::Inventory;
use super::observed::Listed;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many tokens are gone at once, and whether that is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vanished {
    /// Tokens that a list lacks which had to show them.
    pub missing: usize,
    /// Tokens that it had to show.
    pub of: usize,
    /// Whether so many may have been revoked by hand.
    pub believed: bool,
    /// The one namespace whose objects lack so many that it is not believed: without them it would be. Whoever writes
    /// the statuses of that namespace could else keep revocations from being noticed everywhere.
    pub only_in: Option<String>,
}

/// So few are always believed.
const FEW: usize = 5;

impl Vanished {
    /// Counts what an inventory lacks. A list that shrinks at once is more likely a changed role, or a
    /// filter, than so many decisions of colleagues.
    #[must_use]
    pub fn count(inventory: &Inventory, owners: &[Owner], lag: Duration, most_percent: usize) -> Self {
        let expected = owners.iter().filter(|owner| must_show(inventory, owner, lag));
        let mut namespaces: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (owner, token) in expected.filter_map(|owner| Some((owner, owner.tokens.first()?))) {
            let (missing, of) = namespaces.entry(&owner.namespace).or_default();
            *missing += usize::from(inventory.shown(token).is_none());
            *of += 1;
        }
        let sum = |all: (usize, usize), one: &(usize, usize)| (all.0 + one.0, all.1 + one.1);
        let (missing, of) = namespaces.values().fold((0, 0), sum);
        let counted = Self::of(missing, of, most_percent);
        let most = namespaces.iter().max_by_key(|(_, (missing, _))| *missing).filter(|_| !counted.believed);
        let only = most.filter(|(_, one)| Self::of(missing - one.0, of - one.1, most_percent).believed);
        // Where there is no other namespace, there is nobody else who could be harmed.
        let only = only.filter(|_| namespaces.len() > 1).map(|(namespace, _)| (*namespace).to_owned());
        Self { only_in: only, ..counted }
    }

    /// Whether it is believed of an object of this namespace.
    #[must_use]
    pub fn is_believed_in(&self, namespace: &str) -> bool {
        self.believed || self.only_in.as_deref().is_some_and(|only| only != namespace)
    }

    /// So many of so many.
    #[must_use]
    pub const fn of(missing: usize, of: usize, most_percent: usize) -> Self {
        Self { missing, of, believed: missing < FEW || missing * 100 <= of * most_percent, only_in: None }
    }
}

fn must_show(inventory: &Inventory, owner: &Owner, lag: Duration) -> bool {
    let seen_by_us = owner.user.as_ref().is_none_or(|user| *user == inventory.user);
    let old = owner
        .requested
        .is_some_and(|since| Duration::try_from(inventory.begun.duration_since(since)).is_ok_and(|age| age >= lag));
    seen_by_us && old
}

/// What an inventory says of one token.
#[must_use]
pub fn listed(inventory: &Inventory, token: &Named, believed: bool) -> Listed {
    match inventory.shown(token) {
        Some(shown) => Listed::Shown(shown),
        None if believed => Listed::Missing(inventory.begun),
        None => Listed::Unknown,
    }
}

#[cfg(test)]
#[path = "vanished_tests.rs"]
mod tests;
