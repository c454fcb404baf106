//! What the clock, and what a list shows, ask for: retiring tokens that are due, descriptions that
//! differ, a token that is not there.

use super::faults::not_listed_for;
use super::inventory::digest;
use super::observed::{IssuerFacts, Listed, Observed};
use super::recorded::Recorded;
use super::vain::{Deed, PATIENCE, Vain};
use std::time::Duration;

/// Whether a retiring token is to be revoked now, whatever else there is to do: unless the Secret still
/// holds it, or it has been tried in vain.
#[must_use]
pub fn due(seen: &Observed, known: &Recorded) -> bool {
    known.due(seen).any(|token| seen.in_vain(&Deed::Revoke(token.id.clone())).is_none())
}

/// A retiring token that is due and cannot be revoked now, or is named without proof: it holds nothing else up, and is
/// said at last.
#[must_use]
pub fn stuck(seen: &Observed, known: &Recorded) -> Option<Vain> {
    let refused = known.due(seen).find_map(|token| seen.in_vain(&Deed::Revoke(token.id.clone())).cloned());
    let unproved = || {
        let fault = known.unproved.former(&seen.object)?;
        Some(Vain { deed: Deed::Confirm, left: PATIENCE, fault })
    };
    refused.or_else(unproved)
}

/// A list proves absence only if it was begun when the token had to be in it.
#[must_use]
pub fn proves_absence(begun: jiff::Timestamp, facts: &IssuerFacts, known: &Recorded) -> bool {
    let Some(token) = &known.token else { return false };
    not_listed_for(begun, token.request_time.0, facts, known).is_ok()
}

/// Whether the portal is to be asked for its description, and told another.
#[must_use]
pub fn unsettled(seen: &Observed, facts: &IssuerFacts, known: &Recorded) -> bool {
    let generation = Some(seen.object.generation);
    let synced = known.description_synced == generation;
    if !synced && known.description_refused != generation {
        return true;
    }
    if !synced && let Some(kept) = seen.kept {
        // The portal made something else of our edit: what differs from that is somebody else's.
        return matches!(seen.listed, Listed::Shown(shown) if shown != kept);
    }
    let Some(token) = known.token.as_ref().filter(|_| synced) else { return false };
    let wanted = digest(&facts.describe(&seen.object.description, &token.nonce));
    matches!(seen.listed, Listed::Shown(shown) if shown != wanted)
}

/// How long until a registry that refused the token, where there is no list, is asked once more.
#[must_use]
pub fn until_doubt(seen: &Observed) -> Option<Duration> {
    let (Listed::Missing(begun), Some(facts)) = (seen.listed, seen.facts()) else { return None };
    let age = Duration::try_from(seen.now.duration_since(begun)).unwrap_or_default();
    let left = facts.longest_answer.saturating_sub(age);
    (facts.asks_registry() && !facts.list_visible && !left.is_zero()).then_some(left)
}

/// How long until something is to be done by the clock. What is overdue waits for something else.
#[must_use]
pub fn until_due(seen: &Observed, known: &Recorded) -> Option<Duration> {
    let retiring = known.retiring.iter().map(|token| token.revocation_time.0);
    // A rotation waits for the overlap of the last one.
    let rotation = known.next_rotation.filter(|_| !seen.object.suspended && known.retiring.is_empty());
    let due = retiring.chain(rotation).filter(|due| *due > seen.now).min();
    let left = due.map(|due| Duration::try_from(due.duration_since(seen.now)).unwrap_or_default());
    left.into_iter().chain(until_doubt(seen)).min()
}
