//! What must hold at rest.

use super::fakes::{FakeObject, FakeSecret, Slot};
use super::projection::project_object;
use super::quiesce::ROUND_SECONDS;
use super::schedule::State;
use super::world::{World, at, tag};
use registry_token_operator::api::{LoginCheck, Reason};
use registry_token_operator::domain::model::marker::{Marker, Nonce};
use registry_token_operator::domain::model::status_view::{StatusView, verified_secret_uid};
use std::collections::BTreeMap;

impl State {
    /// What must hold at rest.
    pub fn check_at_rest(&self) -> Result<(), String> {
        let world = &self.world;
        tokens(world)?;
        token_count(world)?;
        for slot in 0..world.slots.len() {
            object(world, slot)?;
        }
        let (minted, allowed) = (world.oracle.minted, world.oracle.expected_requests + world.oracle.excused_requests);
        if minted > allowed {
            return Err(format!("liveness: {minted} tokens were requested, with {allowed} reasons and faults"));
        }
        if world.issuer.deleting
            && !world.issuer.finalized
            && world.slots.iter().all(|slot| slot.object.as_ref().is_none_or(|object| !object.finalizer))
        {
            return Err("the deleted issuer is not finalized".to_owned());
        }
        Ok(())
    }
}

/// I1 and I4: every valid token that the operator requested is named by exactly one object, or is released to its user.
fn tokens(world: &World) -> Result<(), String> {
    let named = |id: &str| {
        let objects = world.slots.iter().filter_map(|slot| slot.object.as_ref());
        objects
            .filter(|object| {
                StatusView::of(&project_object(object, &world.config)).tokens().iter().any(|token| token.id == id)
            })
            .count()
    };
    for row in world.rows.values().filter(|row| !row.foreign && !row.orphaned && world.exists(row)) {
        // Without a valid MAC if the key was lost: that is reported to its user.
        let count = named(&row.token.id) + usize::from(is_named_unproved(world, &row.token.id));
        let undecidable = count == 0 && row.token.id.parse().is_ok_and(|id: u32| is_undecidable(world, id));
        if count != 1 && !undecidable {
            return Err(format!("I1: token {} is valid and named by {count} objects: {row:?}", row.token.id));
        }
    }
    Ok(())
}

/// Whether the object that requested this token names it without a valid MAC.
fn is_named_unproved(world: &World, id: &str) -> bool {
    let owner = id.parse().ok().and_then(|id: u32| world.oracle.markers.get(&id));
    let owner = owner.and_then(|nonce| world.oracle.reserved.get(nonce));
    let objects = world.slots.iter().filter_map(|slot| slot.object.as_ref());
    objects.filter(|object| Some(&object.uid) == owner).any(|object| {
        StatusView::of(&project_object(object, &world.config)).unverified.tokens().iter().any(|token| token.id == id)
    })
}

fn is_stored(world: &World, id: u32) -> bool {
    world.slots.iter().filter_map(|slot| slot.secret.as_ref()).any(|secret| secret.content == Some(id))
}

/// Whether it cannot be detected that this token has to be revoked. If the portal does not list tokens, that applies to
/// every token that no status ever named because the response was lost; if another user changed the description, so that
/// the marker is not at its end, to every token that no status ever named and whose Secret is gone.
fn is_undecidable(world: &World, id: u32) -> bool {
    let oracle = &world.oracle;
    let is_hidden = world.config.list_denied || (oracle.hidden_markers.contains(&id) && !is_stored(world, id));
    oracle.undecidable.contains(&id) || (is_hidden && !oracle.named_in_status.contains(&id))
}

/// Whether a revocation can be detected. Without a list it is visible only at the registry, and only if logins are
/// verified and the registry accepts at least one of them.
fn revocation_is_visible(world: &World) -> bool {
    let verified = |slot: &Slot| {
        let status = StatusView::of(&project_object(slot.object.as_ref()?, &world.config));
        let stored = slot.secret.as_ref().filter(|secret| !secret.tampered)?.content?;
        status.token.filter(|token| status.login_verified && token.id == stored.to_string()).map(|_| stored)
    };
    let mut tokens = world.slots.iter().filter_map(verified);
    !world.config.list_denied
        || (world.config.login != LoginCheck::Disabled && tokens.any(|id| world.accepts_login(id)))
}

/// At rest an object has one token, and during a rotation the previous one too, independent of what its status says. A
/// deleted object has none.
fn token_count(world: &World) -> Result<(), String> {
    let mut live: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (id, _) in world.rows.iter().filter(|(_, row)| !row.foreign && !row.orphaned && world.exists(row)) {
        let owner = world.oracle.markers.get(id).and_then(|nonce| world.oracle.reserved.get(nonce));
        if let Some(owner) = owner.filter(|_| !is_undecidable(world, *id) && !is_named_unproved(world, &id.to_string()))
        {
            live.entry(owner).or_default().push(*id);
        }
    }
    for (owner, tokens) in live {
        let exists = world.slots.iter().filter_map(|slot| slot.object.as_ref()).any(|object| object.uid == owner);
        let most = usize::from(exists) + usize::from(exists && world.config.rotates());
        if tokens.len() > most {
            return Err(format!("I1: {owner} has {tokens:?} at rest, and at most {most} may be valid"));
        }
    }
    Ok(())
}

fn object(world: &World, slot: usize) -> Result<(), String> {
    let here = &world.slots[slot];
    let Some(object) = &here.object else { return Ok(()) };
    let status = StatusView::of(&project_object(object, &world.config));
    let name = &object.uid;
    if object.deleting {
        return Err(format!("{name} is deleted and not removed"));
    }
    if status.token.is_some() && !object.finalizer {
        return Err(format!("{name} has a token and no finalizer"));
    }
    let stripped =
        |secret: &FakeSecret| secret.label.as_ref() != Some(name) || secret.controller.as_ref() != Some(name);
    let own = here.secret.as_ref().filter(|secret| !secret.foreign && status.secret_uid.as_ref() == Some(&secret.uid));
    let own = own.filter(|secret| !is_unprovable(world, object, secret));
    // A Secret that the operator may adopt is not its own before it stores a token.
    let own = own.filter(|secret| !(secret.adoptable && secret.content.is_none() && secret.reservation.is_none()));
    if own.filter(|secret| secret.controller.as_ref().is_none_or(|uid| uid == name)).is_some_and(stripped) {
        return Err(format!("{name} has a Secret without the operator's label or owner reference: {own:?}"));
    }
    if status.ready {
        let token = status.token.as_ref().ok_or_else(|| format!("I2: {name} is ready without a token"))?;
        let id = token.id.parse().unwrap_or_default();
        let secret = here.secret.as_ref().ok_or_else(|| format!("I2: {name} is ready without a Secret"))?;
        if secret.content != Some(id) || secret.tampered {
            return Err(format!("I2: {name} is ready, and its Secret holds {:?}, not {id}", secret.content));
        }
        if world.is_expired(id) && !secret.immutable {
            return Err(format!("I2: {name} is ready with a token that is expired: {id}"));
        }
        // An immutable Secret is only reported.
        if !world.accepts_login(id) && !secret.immutable && revocation_is_visible(world) {
            return Err(format!("I2: {name} is ready with a token that is revoked: {id}"));
        }
    }
    let overdue = status.retiring.iter().find(|one| one.revocation_time.0 <= at(world.clock - ROUND_SECONDS));
    if let Some(late) = overdue.filter(|_| !world.issuer.finalized) {
        return Err(format!(
            "{name}: the token {} is retiring since {} and still valid",
            late.id, late.revocation_time.0
        ));
    }
    if world.issuer.denied_since.is_some() && !world.issuer.deleting {
        return denied(world, object, here.secret.as_ref(), &status);
    }
    // A foreign Secret is not adopted, and an immutable one is not changed. Both are reported and need manual action.
    let foreign =
        here.secret.as_ref().filter(|secret| !secret.adoptable).is_some_and(|secret| {
            secret.controller.is_none() && (secret.label.is_none() || !secret.orphaned.is_empty())
        });
    let wrong_type = here.secret.as_ref().is_some_and(|secret| secret.wrong_type);
    let immutable = here.secret.as_ref().is_some_and(|secret| secret.immutable);
    let is_stalled = |reason: Reason| {
        let conditions = object.status.iter().flat_map(|status| &status.conditions);
        conditions.into_iter().any(|one| one.type_ == "Stalled" && one.reason == reason.to_string())
    };
    let is_waiting = object.suspended || world.issuer.deleting;
    if foreign && !is_waiting && (status.ready || !is_stalled(Reason::SecretNotOwned)) {
        return Err(format!("{name} does not report that its Secret is not owned: {:?}", object.status));
    }
    if immutable
        && !wrong_type
        && !foreign
        && !is_waiting
        && !status.revoked_upstream
        && !is_stalled(Reason::SecretImmutable)
    {
        return Err(format!("{name} does not report that its Secret is immutable: {:?}", object.status));
    }
    if wrong_type && !foreign && !is_waiting && !status.revoked_upstream && !is_stalled(Reason::SecretTypeMismatch) {
        return Err(format!("{name} does not report that its Secret has another type: {:?}", object.status));
    }
    if is_waiting || status.revoked_upstream || foreign || immutable || wrong_type {
        return Ok(());
    }
    // A token whose login was never accepted may be too new for the registry. Without a list that cannot be decided.
    let never_accepted = world.config.list_denied
        && !status.login_verified
        && status.token.as_ref().is_some_and(|token| {
            token.id.parse().is_ok_and(|id| !world.accepts_login(id)) && ready_has_reason(object, Reason::LoginRejected)
        });
    if never_accepted {
        return Ok(());
    }
    if !status.ready {
        return Err(format!("{name} does not become ready: {:?}", object.status));
    }
    description(world, object, &status)
}

/// An object whose namespace is denied has no token, and its Secret no login.
fn denied(world: &World, object: &FakeObject, secret: Option<&FakeSecret>, status: &StatusView) -> Result<(), String> {
    let name = &object.uid;
    let owner = |id: &u32| world.oracle.markers.get(id).and_then(|nonce| world.oracle.reserved.get(nonce));
    let mut live = world.rows.iter().filter(|(_, row)| !row.foreign && !row.orphaned && world.exists(row));
    if let Some((id, _)) = live.find(|(id, _)| owner(id) == Some(name) && !is_undecidable(world, **id)) {
        return Err(format!("{name} has the token {id}, and its namespace is denied"));
    }
    // Not one that was released to its user.
    let own = secret.filter(|secret| secret.controller.as_ref() == Some(name));
    let login = own.filter(|secret| !secret.foreign && !secret.immutable && !secret.tampered);
    if status.ready || status.token.is_some() || login.is_some_and(|secret| secret.content.is_some()) {
        return Err(format!("{name} keeps its login, and its namespace is denied: {secret:?} {:?}", object.status));
    }
    Ok(())
}

/// Whether nothing proves any more that the object owns this Secret: label and owner reference are removed, the key
/// that signed its UID is lost, and so is the MAC in the Secret that could replace it. Then it is reported as
/// not owned.
fn is_unprovable(world: &World, object: &FakeObject, secret: &FakeSecret) -> bool {
    let keys = world.config.keys;
    let has_mac = secret.stored.as_ref().is_some_and(|stored| !stored.signature.mac.is_empty());
    let is_bare = secret.label.is_none() && secret.controller.is_none() && !has_mac;
    let is_proved = |status| verified_secret_uid(status, &object.uid, &keys.mac_keys()).is_some();
    object.created <= keys.since && is_bare && !object.status.as_ref().is_some_and(is_proved)
}

fn ready_has_reason(object: &FakeObject, reason: Reason) -> bool {
    let conditions = object.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|one| one.type_ == "Ready" && one.reason == reason.to_string())
}

/// I3, and that every annotation is handled.
fn description(
    world: &World,
    object: &FakeObject,
    status: &registry_token_operator::domain::model::status_view::StatusView,
) -> Result<(), String> {
    let Some(token) = &status.token else { return Ok(()) };
    let described = |nonce: Option<Nonce>| {
        let nonce = nonce.filter(|_| world.config.keep_marker);
        nonce.map_or_else(
            || object.description.clone(),
            |nonce| Marker::new(tag(), nonce).append_to(&object.description),
        )
    };
    let wanted = described(Nonce::parse(&token.nonce));
    // No MAC covers the nonce in a status, so another user may have changed it. The marker with which the token was
    // requested is also correct.
    let marked = described(token.id.parse().ok().and_then(|id: u32| world.oracle.markers.get(&id).cloned()));
    let listed = world.rows.values().find(|row| row.token.id == token.id).map(|row| &row.description);
    // After a rejection, which is reported, the portal keeps the old description until the user sets another one.
    let excused = world.oracle.edit_rejected && status.description_rejected == Some(object.generation);
    // Where a token cannot be edited, its description stays as well.
    let excused = excused || (!world.config.portal.edit && status.description_rejected == Some(object.generation));
    // Without a list the effect of a late edit is not visible.
    let excused = excused || (world.config.list_denied && world.oracle.edited_late);
    if listed != Some(&wanted) && listed != Some(&marked) && !excused {
        return Err(format!("I3: {} wants {wanted:?}, and the portal lists {listed:?}", object.uid));
    }
    let mut requested = object.requested.iter().chain(&world.issuer.requested);
    if requested.any(|(key, value)| status.handled_annotations.get(key) != Some(value)) {
        return Err(format!(
            "{}: {:?} requested, {:?} handled",
            object.uid, object.requested, status.handled_annotations
        ));
    }
    // The value of an annotation is handled by a token that was created after it was set.
    let current = token.id.parse().unwrap_or(0);
    let mut requested = object.requested_after.iter().chain(&world.issuer.requested_after);
    if let Some((key, last)) = requested.find(|(_, last)| current <= **last) {
        return Err(format!(
            "{}: {key} was set when there were {last} tokens, and {current} was not replaced",
            object.uid
        ));
    }
    if world.config.login != LoginCheck::Disabled && !status.login_verified {
        return Err(format!("{} is ready, and its login was never accepted", object.uid));
    }
    Ok(())
}
