//! What the clock, and what a list shows, ask for: retiring tokens that are due, descriptions that
//! differ, a token that is not there.

use crate::domain::audit::inventory::hash64;
use crate::domain::model::problem::messages::prove_absence;
use crate::domain::model::pull_secret::SecretMeta;
use crate::domain::model::status_view::StatusView;
use crate::domain::observed::{IssuerInfo, Observed, UpstreamState};
use crate::domain::retry::cooldown::{COOLDOWN, Cooldown, Operation};
use std::time::Duration;

/// Whether a retiring token is to be revoked now, whatever else there is to do: unless the Secret still
/// holds it, or it has been tried in vain.
#[must_use]
pub fn revocation_due(observed: &Observed, status: &StatusView) -> bool {
    status.due_revocations(observed).any(|token| observed.cooldown(&Operation::Revoke(token.id.clone())).is_none())
}

/// What cannot be done now, as far as it is still to be done, the most important first. None of it holds up anything
/// else, and each is reported when all else is done.
#[must_use]
pub fn reportable_cooldowns(observed: &Observed, status: &StatusView) -> Vec<Cooldown> {
    let still = |vain: &&Cooldown| match &vain.operation {
        _ if vain.is_silent() => false,
        Operation::Revoke(id) => status.due_revocations(observed).any(|token| token.id == *id),
        // The portal lists the token again, or the registry lets it in.
        Operation::ConfirmRevocation => {
            !matches!(observed.upstream, UpstreamState::Present(_) | UpstreamState::LoginAccepted)
        }
        // The decision says for itself what an attempt or the end of the object waits for.
        Operation::RequestToken | Operation::Finalize => false,
        _ => true,
    };
    // One that is named without proof, too.
    let unproved = status.unverified.retiring_problem(&observed.object);
    let unproved = unproved.map(|fault| Cooldown {
        operation: Operation::ConfirmUnverifiedTokens,
        remaining: COOLDOWN,
        problem: fault,
    });
    let mut all: Vec<Cooldown> = observed.cooldowns.iter().filter(still).cloned().chain(unproved).collect();
    all.sort_by_key(|vain| match vain.operation {
        Operation::RestoreFinalizer => 0,
        Operation::Recover | Operation::RestoreOwnership => 1,
        Operation::InspectSecret => 2,
        Operation::VerifyLogin => 3,
        Operation::ConfirmRevocation => 4,
        Operation::SyncDescription => 5,
        Operation::Revoke(_) | Operation::ConfirmUnverifiedTokens | Operation::RequestToken | Operation::Finalize => 6,
    });
    all
}

/// Whether an audit says that the current token is gone. Without a list only the registry can say so, and is
/// asked again some time after it refused the token: it may have been out of order for a moment.
#[must_use]
pub fn token_absent(observed: &Observed, facts: &IssuerInfo, status: &StatusView) -> bool {
    let UpstreamState::Absent(begun) = observed.upstream else { return false };
    let may_doubt = facts.list_visible || (facts.checks_login() && login_recheck_after(observed).is_none());
    may_doubt && absence_proved(begun, facts, status)
}

/// Whether the whole Secret has to be looked at.
#[must_use]
pub fn needs_inspection(observed: &Observed, facts: &IssuerInfo, secret: &SecretMeta, status: &StatusView) -> bool {
    status.secret_version.as_ref() != Some(&secret.resource_version)
        || secret.registries_hash.as_ref() != Some(&facts.registries_hash)
        || status.observed_generation != Some(observed.object.generation)
        || status.suspended != observed.object.suspended
        || !secret.owned_and_labeled
        || !observed.is_signature_current(secret, status)
        || observed.resync_requested
}

/// A list proves absence only if it was begun when the token had to be in it.
#[must_use]
pub fn absence_proved(begun: jiff::Timestamp, facts: &IssuerInfo, status: &StatusView) -> bool {
    let Some(token) = &status.token else { return false };
    prove_absence(begun, token.request_time.0, facts, status).is_ok()
}

/// Whether the portal is to be asked for its description, and told another.
#[must_use]
pub fn description_out_of_sync(observed: &Observed, facts: &IssuerInfo, status: &StatusView) -> bool {
    let generation = Some(observed.object.generation);
    let synced = status.description_synced == generation;
    if !synced && status.description_rejected != generation {
        return true;
    }
    if status.edit_rejected && observed.edit_retry_after == Some(Duration::ZERO) {
        return true;
    }
    if !synced && let Some(kept) = observed.normalized_description {
        // The portal made something else of our edit: what differs from that is somebody else's.
        return matches!(observed.upstream, UpstreamState::Present(shown) if shown != kept);
    }
    let Some(token) = status.token.as_ref().filter(|_| synced) else { return false };
    let wanted = hash64(&facts.published_description(&observed.object.description, &token.nonce));
    matches!(observed.upstream, UpstreamState::Present(shown) if shown != wanted)
}

/// How long until a registry that refused the token, where there is no list, is asked once more.
#[must_use]
pub fn login_recheck_after(observed: &Observed) -> Option<Duration> {
    let (UpstreamState::Absent(begun), Some(facts)) = (observed.upstream, observed.issuer_info()) else { return None };
    let age = Duration::try_from(observed.now.duration_since(begun)).unwrap_or_default();
    let left = facts.response_deadline.saturating_sub(age);
    (facts.checks_login() && !facts.list_visible && !left.is_zero()).then_some(left)
}

/// How long until something is to be done by the clock. What is overdue waits for something else.
#[must_use]
pub fn next_deadline(observed: &Observed, status: &StatusView) -> Option<Duration> {
    let retiring = status.retiring.iter().map(|token| token.revocation_time.0);
    // A rotation waits for the overlap of the last one.
    let rotation = status.next_rotation.filter(|_| !observed.object.suspended && status.retiring.is_empty());
    let due = retiring.chain(rotation).filter(|due| *due > observed.now).min();
    let left = due.map(|due| Duration::try_from(due.duration_since(observed.now)).unwrap_or_default());
    let silent = observed
        .cooldowns
        .iter()
        .filter(|vain| vain.is_silent() && !vain.remaining.is_zero())
        .map(|vain| vain.remaining);
    let edit =
        (status.edit_rejected && !observed.object.suspended).then(|| observed.edit_retry_after.unwrap_or(COOLDOWN));
    left.into_iter().chain(login_recheck_after(observed)).chain(silent).chain(edit).min()
}
