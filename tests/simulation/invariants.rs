//! What must hold at each operation. Checked against what really happened, not against what an operator recorded.

use super::issuer::GRACE_SECONDS;
use super::operator::RunningPass;
use super::oracle::{LastRequest, Overlap};
use super::projection::project_object;
use super::world::{World, at};
use registry_token_operator::api::{ConditionType::Ready, LoginCheck, RegistryTokenStatus};
use registry_token_operator::domain::model::conditions::is_true;
use registry_token_operator::domain::model::marker::Nonce;
use registry_token_operator::domain::model::request_cause::Cause;
use registry_token_operator::domain::model::status_view::StatusView;
use registry_token_operator::domain::model::token::TokenRef;

/// Overlap of a previous token if the spec has no rotation, in seconds.
const DEFAULT_OVERLAP: i64 = 15 * 60;

/// I2: a status that becomes ready names a version of the Secret that contained the token, and a token whose login was
/// accepted, if the login check is required.
pub fn check_readiness(world: &mut World, slot: usize, status: &RegistryTokenStatus) {
    let previous = world.slots[slot].object.as_ref().and_then(|object| object.status.as_ref());
    let id = |status: &RegistryTokenStatus| status.token.as_ref().map(|token| token.id.clone());
    let newly = !previous.is_some_and(|previous| is_true(&previous.conditions, Ready) && id(previous) == id(status));
    if !newly || !is_true(&status.conditions, Ready) {
        return;
    }
    let Some(id) = status.token.as_ref().and_then(|token| token.id.parse::<u32>().ok()) else {
        return world.report_violation("I2: ready without a token");
    };
    let version = status.secret.as_ref().and_then(|secret| secret.resource_version.as_ref()?.parse::<u64>().ok());
    let stored = version.and_then(|version| world.oracle.contents.get(&version).copied());
    if stored != Some((Some(id), false)) {
        world.report_violation(format!(
            "I2: ready with {id}, and version {version:?} of the Secret contained {stored:?}"
        ));
    }
    if world.config.login == LoginCheck::Required && !world.oracle.logged_in.contains(&id) {
        world.report_violation(format!("I2: ready with {id}, whose login was never accepted"));
    }
    if !world.accepts_login(id) && !world.is_expired(id) && !world.oracle.revoked_by_users.contains(&id) {
        world.report_violation(format!("I2: ready with {id}, which an operator revoked"));
    }
}

/// An object loses its token only to a denied namespace, and only after the grace period: the namespace was denied at some
/// time during the pass.
pub fn check_denial(world: &mut World, running: &RunningPass, slot: usize, status: &RegistryTokenStatus) {
    let object = world.slots[slot].object.as_ref().filter(|object| !object.deleting);
    let loses = object.and_then(|object| object.status.as_ref()).is_some_and(|former| former.token.is_some());
    let retires = status.retiring.iter().any(|one| one.revocation_time.0 == at(world.clock));
    if !loses || status.token.is_some() || !retires {
        return;
    }
    let issuer = &world.issuer;
    if running.denied_at_start == (false, issuer.namespace_changes) {
        world.report_violation("a token was taken from an object whose namespace is allowed");
    } else if issuer.first_denied.is_none_or(|since| world.clock < since + GRACE_SECONDS) {
        world.report_violation("a token was taken from an object before the grace period ended");
    }
    // Its previous tokens are revoked with it.
    world.oracle.overlaps.retain(|_, overlap| overlap.uid != running.uid);
}

/// A commit starts the overlap of the token that it replaces, or ends those that are running.
pub fn record_commit(world: &mut World, slot: usize, (owner, cause): (&str, Cause)) {
    let here = &world.slots[slot];
    let former = here.secret.as_ref().filter(|secret| !secret.tampered).and_then(|secret| secret.content);
    let object = here.object.as_ref().filter(|object| object.uid == owner);
    let current = object.and_then(|object| StatusView::of(&project_object(object, &world.config)).token);
    let former = former.filter(|id| current.is_some_and(|token| token.id == id.to_string()));
    if !cause.overlaps() {
        world.oracle.overlaps.retain(|_, overlap| overlap.uid != owner);
    } else if let Some(id) = former {
        let seconds =
            world.config.rotation().map_or(DEFAULT_OVERLAP, |rotation| rotation.overlap.as_secs().cast_signed());
        world.oracle.overlaps.insert(id, Overlap { uid: owner.to_owned(), until: world.clock + seconds });
    }
}

/// I8: an operator revokes no token that the Secret of an existing object contains, whether its status names the token
/// already or not, and no token whose overlap has not ended. It revokes no foreign and no released token.
pub fn check_revocation(world: &mut World, id: u32, wanted_then: bool) {
    let orphaned = world.rows[&id].orphaned && !wanted_then && !world.oracle.undecidable.contains(&id);
    if world.rows[&id].foreign || orphaned {
        world.report_violation(format!("a foreign or released token was revoked: {id}"));
    }
    if let Some(what) = world.slots.iter().find_map(|slot| {
        let object = slot.object.as_ref().filter(|object| !object.deleting)?;
        let status = StatusView::of(&project_object(object, &world.config));
        let overlap = world.oracle.overlaps.get(&id).filter(|overlap| overlap.uid == object.uid);
        let due = status.retiring.iter().find(|one| one.id == id.to_string());
        // A token that is expired pulls nothing, so it needs no overlap.
        if overlap.is_some_and(|overlap| world.clock < overlap.until && !world.is_expired(id))
            || due.is_some_and(|one| one.revocation_time.0 > at(world.clock))
        {
            return Some(format!("I8: a retiring token was revoked before its overlap ended: {id}"));
        }
        let secret = slot.secret.as_ref().filter(|secret| secret.content == Some(id) && !secret.tampered)?;
        let is_owned = secret.controller.as_ref().or(secret.label.as_ref()) == Some(&object.uid);
        // If a user removed or changed the attempt id in the Secret, the token counts as lost.
        let stored = secret.stored.as_ref().filter(|stored| stored.id == id.to_string())?;
        let marked = world.oracle.markers.get(&id) == Some(&Nonce::of(&object.uid, &stored.attempt_id));
        // A token that a user removed from the Secret is lost, also when it is restored, until a status names it again.
        let lost = world.oracle.revoked_by_users.contains(&id) && status.current_token_id() != Some(&stored.id);
        let in_secret = is_owned && marked && due.is_none() && !lost;
        in_secret.then(|| format!("I8: the token in the Secret of {} was revoked: {id}", object.uid))
    }) {
        world.report_violation(what);
    }
}

/// I10: a pass of one object edits and revokes no token that was requested for another, nor one of another portal user.
pub fn check_ownership(world: &mut World, uid: &str, token: &TokenRef) {
    let id = token.id.parse().unwrap_or_default();
    if world.rows.get(&id).is_none_or(|row| row.revoked.is_some()) {
        return;
    }
    let owner = world.oracle.markers.get(&id).and_then(|nonce| world.oracle.reserved.get(nonce)).cloned();
    if owner.as_deref() != Some(uid) {
        world.report_violation(format!("I10: {uid} had the token {id} edited or revoked, which belongs to {owner:?}"));
    }
}

/// A refusal of the name that a request chose proves that an earlier delivery created the token. The pass finds it by its
/// name and revokes it, unless something else prevents that: another operator, or a list that is hidden.
pub fn check_duplicate(world: &mut World, token: &TokenRef) {
    let id = token.id.parse().unwrap_or_default();
    let is_prevented = world.config.operators > 1 || world.hidden || world.config.list_denied;
    if !is_prevented && world.rows.get(&id).is_some_and(|row| row.revoked.is_none()) {
        world.report_violation(format!("I1: a pass left the token {id} behind, whose name it knew to be taken"));
    }
}

/// Seconds between two requests of one process for one object, while none of its tokens was stored.
const MIN_REQUEST_INTERVAL: i64 = 10;

/// Seconds after which an earlier request no longer counts.
const FORGET_AFTER: i64 = 30 * 60;

/// The request backoff: an object whose token was never stored gets no second one within ten seconds, whatever started
/// the pass. A restart resets the backoff, and a change by the user may end it. The loss of a first stored token is
/// repaired at once, even if no status names that token any more.
pub fn check_request_rate(world: &mut World, identity: &str, running: &RunningPass) {
    let observed = running.pass.observed();
    let object = &observed.object;
    // As the pass observed it: a later change is handled by the next pass.
    let issuer = observed.issuer_info().map(|issuer| &issuer.requested_annotations);
    let wanted = format!("{} {:?} {issuer:?}", object.generation, object.requested_annotations);
    let key = (identity.to_owned(), running.uid.clone());
    let former = world.oracle.last_requests.remove(&key);
    let first = former.as_ref().is_none_or(|former| world.clock - former.time >= FORGET_AFTER);
    let request = LastRequest { time: world.clock, wanted: wanted.clone(), first, stored: false };
    world.oracle.last_requests.insert(key, request);
    let Some(former) = former.filter(|_| StatusView::of(object).token.is_none()) else { return };
    let age = world.clock - former.time;
    let soon = age < MIN_REQUEST_INTERVAL && former.wanted == wanted && !running.pass.observed().resync_requested;
    let stored = running.pass.observed().secret.as_ref().is_some_and(|secret| secret.stored.is_some());
    if soon && !stored && !(former.first && former.stored) {
        world.report_violation(format!("E16: a second token was requested {age} s after the first"));
    }
}

/// Records that the token that this process requested last for this object is stored.
pub fn record_stored(world: &mut World, identity: &str, uid: &str) {
    if let Some(request) = world.oracle.last_requests.get_mut(&(identity.to_owned(), uid.to_owned())) {
        request.stored = true;
    }
}
