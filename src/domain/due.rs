//! What the clock, and what a list shows, ask for: retiring tokens that are due, descriptions that
//! differ, a token that is not there.

use super::faults::not_listed_for;
use super::inventory::digest;
use super::observed::{IssuerFacts, Listed, Observed};
use super::pull_secret::SecretMeta;
use super::recorded::Recorded;
use super::vain::{Deed, PATIENCE, Vain};
use std::time::Duration;

/// Whether a retiring token is to be revoked now, whatever else there is to do: unless the Secret still
/// holds it, or it has been tried in vain.
#[must_use]
pub fn due(seen: &Observed, known: &Recorded) -> bool {
    known.due(seen).any(|token| seen.in_vain(&Deed::Revoke(token.id.clone())).is_none())
}

/// What cannot be done now, as far as it is still to be done, the most important first. None of it holds up anything
/// else, and each is reported when all else is done.
#[must_use]
pub fn reported(seen: &Observed, known: &Recorded) -> Vec<Vain> {
    let still = |vain: &&Vain| match &vain.deed {
        _ if vain.is_silent() => false,
        Deed::Revoke(id) => known.due(seen).any(|token| token.id == *id),
        // The portal lists the token again, or the registry lets it in.
        Deed::ConfirmRevocation => !matches!(seen.listed, Listed::Shown(_) | Listed::LetIn),
        // The decision says for itself what an attempt or the end of the object waits for.
        Deed::Attempt | Deed::Leave => false,
        _ => true,
    };
    // One that is named without proof, too.
    let unproved = known.unproved.former(&seen.object);
    let unproved = unproved.map(|fault| Vain { deed: Deed::Confirm, left: PATIENCE, fault });
    let mut all: Vec<Vain> = seen.vain.iter().filter(still).cloned().chain(unproved).collect();
    all.sort_by_key(|vain| match vain.deed {
        Deed::RestoreFinalizer => 0,
        Deed::Recover | Deed::RestoreOwnership => 1,
        Deed::Inspect => 2,
        Deed::Verify => 3,
        Deed::ConfirmRevocation => 4,
        Deed::Settle => 5,
        Deed::Revoke(_) | Deed::Confirm | Deed::Attempt | Deed::Leave => 6,
    });
    all
}

/// Whether an audit says that the current token is gone. Without a list only the registry can say so, and is
/// asked again some time after it refused the token: it may have been out of order for a moment.
#[must_use]
pub fn vanished(seen: &Observed, facts: &IssuerFacts, known: &Recorded) -> bool {
    let Listed::Missing(begun) = seen.listed else { return false };
    let may_doubt = facts.list_visible || (facts.asks_registry() && until_doubt(seen).is_none());
    may_doubt && proves_absence(begun, facts, known)
}

/// Whether the whole Secret has to be looked at.
#[must_use]
pub fn changed(seen: &Observed, facts: &IssuerFacts, held: &SecretMeta, known: &Recorded) -> bool {
    known.secret_version.as_ref() != Some(&held.resource_version)
        || held.registries.as_ref() != Some(&facts.registries)
        || known.observed_generation != Some(seen.object.generation)
        || known.suspended != seen.object.suspended
        || !held.tied
        || !seen.is_sealed(held, known)
        || seen.look_closer
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
    if known.edit_rejected && seen.edit_retry == Some(Duration::ZERO) {
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
    let silent = seen.vain.iter().filter(|vain| vain.is_silent() && !vain.left.is_zero()).map(|vain| vain.left);
    let edit = (known.edit_rejected && !seen.object.suspended).then(|| seen.edit_retry.unwrap_or(PATIENCE));
    left.into_iter().chain(until_doubt(seen)).chain(silent).chain(edit).min()
}
