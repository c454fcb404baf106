//! Actions that are due by the clock or by the portal's list: retiring tokens, descriptions that differ, missing
//! tokens.

use crate::domain::decide::absence::prove_absence;
use crate::domain::decide::rotation::rotation_start;
use crate::domain::model::cooldown::{COOLDOWN, Cooldown, Operation};
use crate::domain::model::hash::hash64;
use crate::domain::model::issuer::IssuerInfo;
use crate::domain::model::pull_secret::SecretMeta;
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token::same_id;
use crate::domain::model::token_expiry::{expired_at, urgent_at};
use crate::domain::observed::{Observed, UpstreamState};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::time::Duration;

/// Whether a retiring token must be revoked now, regardless of other actions, unless the Secret still stores it or its
/// revocation is in cooldown.
#[must_use]
pub fn revocation_due(observed: &Observed, status: &StatusView) -> bool {
    status
        .due_revocations(observed.now, observed.own_stored())
        .any(|token| observed.may(&Operation::Revoke(token.id.clone())))
}

/// Returns the failed operations that are still necessary, the most important first. None of them blocks anything else;
/// each is reported when all else is done.
#[must_use]
pub fn reportable_cooldowns(observed: &Observed, status: &StatusView) -> Vec<Cooldown> {
    let still = |cooldown: &&Cooldown| match &cooldown.operation {
        _ if cooldown.is_silent() => false,
        Operation::Revoke(id) => {
            status.due_revocations(observed.now, observed.own_stored()).any(|token| token.id == *id)
        }
        // The portal lists the token again, or the registry accepts its login.
        Operation::ConfirmRevocation => {
            !matches!(observed.upstream, UpstreamState::Present(_) | UpstreamState::LoginAccepted)
        }
        // The decision itself reports why a token request or the finalization waits.
        Operation::RequestToken | Operation::Finalize => false,
        _ => true,
    };
    // Also a retiring token without proof.
    let unproved = status.unverified.retiring_problem(&observed.object);
    let unproved = unproved.map(|problem| Cooldown {
        operation: Operation::ConfirmUnverifiedTokens,
        remaining: COOLDOWN,
        problem,
    });
    let mut all: Vec<Cooldown> = observed.cooldowns.iter().filter(still).cloned().chain(unproved).collect();
    all.sort_by_key(|cooldown| match cooldown.operation {
        Operation::RestoreFinalizer => 0,
        Operation::Recover | Operation::RestoreOwnership => 1,
        Operation::InspectSecret => 2,
        Operation::RevokeNotAllowed => 3,
        Operation::VerifyLogin => 4,
        Operation::ConfirmRevocation => 5,
        Operation::SyncDescription => 6,
        Operation::Revoke(_) | Operation::ConfirmUnverifiedTokens | Operation::RequestToken | Operation::Finalize => 7,
    });
    all
}

/// Whether an audit found the current token missing. Without a list, only the registry can show this, and it is asked
/// again some time after a rejection, since it may have failed temporarily.
#[must_use]
pub fn token_absent(observed: &Observed, issuer: &IssuerInfo, status: &StatusView) -> bool {
    let UpstreamState::Absent(started_at) = observed.upstream else { return false };
    let may_doubt =
        !issuer.evidence().login_decides() || (issuer.checks_login() && login_recheck_after(observed).is_none());
    may_doubt && absence_proved(started_at, issuer, status)
}

/// Whether the complete Secret must be read.
#[must_use]
pub fn needs_inspection(observed: &Observed, issuer: &IssuerInfo, secret: &SecretMeta, status: &StatusView) -> bool {
    status.secret_version.as_ref() != Some(&secret.resource_version)
        || secret.registries_hash.as_ref() != Some(&issuer.registries_hash)
        || status.observed_generation != Some(observed.object.generation)
        || status.suspended != observed.object.suspended
        || !secret.owned_and_labeled
        || !observed.is_signature_current(secret, status)
        || observed.resync_requested
        || expiration_differs(secret, status)
}

/// When the current token expires, as the Secret records it. Its checksum covers that time.
#[must_use]
pub fn recorded_expiration(secret: &SecretMeta, status: &StatusView) -> Option<Time> {
    let current = status.token.as_ref()?;
    secret.stored.as_ref().filter(|stored| same_id(&stored.id, &current.id))?.provenance.expiration_time()
}

/// Whether status records another time for the expiration of the current token than its Secret. No MAC covers the one in
/// status: without this, a user who changed it would keep the token from being rotated.
#[must_use]
pub fn expiration_differs(secret: &SecretMeta, status: &StatusView) -> bool {
    let in_status = status.token.as_ref().and_then(|token| token.expiration_time.as_ref());
    // The Secret records whole seconds.
    recorded_expiration(secret, status)
        .is_some_and(|time| in_status.is_none_or(|recorded| recorded.0.as_second() != time.0.as_second()))
}

/// Whether this list proves that the current token is absent: it must have been read after the token had to be in it.
#[must_use]
pub fn absence_proved(started_at: jiff::Timestamp, issuer: &IssuerInfo, status: &StatusView) -> bool {
    let Some(token) = &status.token else { return false };
    prove_absence(started_at, token.request_time.0, issuer, status).is_ok()
}

/// Whether the description in the portal must be checked and edited.
#[must_use]
pub fn description_out_of_sync(observed: &Observed, issuer: &IssuerInfo, status: &StatusView) -> bool {
    let generation = Some(observed.object.generation);
    let synced = status.description_synced == generation;
    if !synced && status.description_rejected != generation {
        return true;
    }
    if status.edit_rejected && observed.edit_retry_after == Some(Duration::ZERO) {
        return true;
    }
    if !synced && let Some(kept) = observed.normalized_description {
        // The portal altered the edit: a text that differs from the altered one was written by another user.
        return matches!(observed.upstream, UpstreamState::Present(shown) if shown != kept);
    }
    let Some(token) = status.token.as_ref().filter(|_| synced) else { return false };
    let wanted = hash64(&issuer.published_description(&observed.object.description, &token.nonce));
    matches!(observed.upstream, UpstreamState::Present(shown) if shown != wanted)
}

/// Time until a registry that rejected the token is asked once more, if there is no list.
#[must_use]
pub fn login_recheck_after(observed: &Observed) -> Option<Duration> {
    let (UpstreamState::Absent(started_at), Some(issuer)) = (observed.upstream, observed.issuer_info()) else {
        return None;
    };
    let age = Duration::try_from(observed.now.duration_since(started_at)).unwrap_or_default();
    let left = issuer.response_deadline.saturating_sub(age);
    (issuer.checks_login() && issuer.evidence().login_decides() && !left.is_zero()).then_some(left)
}

/// This duration, or the time until the next deadline if that is shorter.
#[must_use]
pub fn at_most_until_deadline(observed: &Observed, status: &StatusView, left: Duration) -> Duration {
    next_deadline(observed, status).map_or(left, |next| next.min(left))
}

/// Time until the next action is due. An overdue action waits for something else.
#[must_use]
pub fn next_deadline(observed: &Observed, status: &StatusView) -> Option<Duration> {
    let retiring = status.retiring.iter().map(|token| status.revocation_start(token));
    // A rotation waits for the overlap of the previous one.
    let rotation =
        rotation_start(observed, status).filter(|_| !observed.object.suspended && status.retiring.is_empty());
    // A token that is about to expire is not kept waiting.
    let urgent = status.token.as_ref().and_then(urgent_at).filter(|_| !observed.object.suspended);
    let expiry = status.token.as_ref().and_then(expired_at);
    let due = retiring.chain(rotation).chain(urgent).chain(expiry).filter(|due| *due > observed.now).min();
    let left = due.map(|due| Duration::try_from(due.duration_since(observed.now)).unwrap_or_default());
    let silent = observed
        .cooldowns
        .iter()
        .filter(|cooldown| cooldown.is_silent() && !cooldown.remaining.is_zero())
        .map(|cooldown| cooldown.remaining);
    let edit =
        (status.edit_rejected && !observed.object.suspended).then(|| observed.edit_retry_after.unwrap_or(COOLDOWN));
    let grace = observed.grace_left().filter(|left| !left.is_zero() && status.has_tokens());
    left.into_iter().chain(login_recheck_after(observed)).chain(silent).chain(edit).chain(grace).min()
}
