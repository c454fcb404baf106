//! What a list that lacks tokens proves of them.

use super::audit::Owner;
use super::effect::Named;
use super::inventory::Inventory;
use super::observed::Listed;
use std::time::Duration;

/// How many tokens are gone at once, and whether that is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vanished {
    /// Tokens that a list lacks which had to show them.
    pub missing: usize,
    /// Tokens that it had to show.
    pub of: usize,
    /// Whether so many may have been revoked by hand.
    pub believed: bool,
}

/// So few are always believed.
const FEW: usize = 5;

impl Vanished {
    /// Counts what an inventory lacks. A list that shrinks at once is more likely a changed role, or a
    /// filter, than so many decisions of colleagues.
    #[must_use]
    pub fn count(inventory: &Inventory, owners: &[Owner], lag: Duration, most_percent: usize) -> Self {
        let expected = owners.iter().filter(|owner| must_show(inventory, owner, lag));
        let (mut missing, mut of) = (0, 0);
        for token in expected.filter_map(|owner| owner.tokens.first()) {
            of += 1;
            missing += usize::from(inventory.shown(token).is_none());
        }
        Self::of(missing, of, most_percent)
    }

    /// So many of so many.
    #[must_use]
    pub const fn of(missing: usize, of: usize, most_percent: usize) -> Self {
        Self { missing, of, believed: missing < FEW || missing * 100 <= of * most_percent }
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
