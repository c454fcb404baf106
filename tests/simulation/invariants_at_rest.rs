//! What must hold at rest.

use super::projection::project_object;
use super::quiesce::ROUND_SECONDS;
use super::schedule::State;
use super::world::{FakeObject, FakeSecret, Slot, World, at, tag};
use registry_token_operator::api::Reason;
use registry_token_operator::domain::model::marker::{Marker, Nonce};
use registry_token_operator::domain::model::status_view::{StatusView, verified_secret_uid};
use registry_token_operator::domain::observed::LoginMode;
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
            return Err(format!("liveness: {minted} tokens were asked for, with {allowed} reasons and mishaps"));
        }
        if world.issuer.deleting
            && !world.issuer.finalized
            && world.slots.iter().all(|slot| slot.object.as_ref().is_none_or(|object| !object.finalizer))
        {
            return Err("the issuer is never released".to_owned());
        }
        Ok(())
    }
}

/// I1 and I4: every live token of ours is named by exactly one object, or was left to its user.
fn tokens(world: &World) -> Result<(), String> {
    let named = |id: &str| {
        let objects = world.slots.iter().filter_map(|slot| slot.object.as_ref());
        objects
            .filter(|object| {
                StatusView::of(&project_object(object, &world.config)).tokens().iter().any(|token| token.id == id)
            })
            .count()
    };
    for row in world.rows.values().filter(|row| !row.foreign && !row.orphaned && row.revoked.is_none()) {
        // Without proof, since the key was lost: its user is told.
        let count = named(&row.token.id) + usize::from(is_named_unproved(world, &row.token.id));
        let unknowable = count == 0 && row.token.id.parse().is_ok_and(|id: u32| is_undecidable(world, id));
        if count != 1 && !unknowable {
            return Err(format!("I1: token {} lives and is named by {count} objects: {row:?}", row.token.id));
        }
    }
    Ok(())
}

/// Whether the object that asked for this token names it without proof.
fn is_named_unproved(world: &World, id: &str) -> bool {
    let owner = id.parse().ok().and_then(|id: u32| world.oracle.markers.get(&id));
    let owner = owner.and_then(|nonce| world.oracle.reserved.get(nonce));
    let objects = world.slots.iter().filter_map(|slot| slot.object.as_ref());
    objects.filter(|object| Some(&object.uid) == owner).any(|object| {
        StatusView::of(&project_object(object, &world.config)).unverified.tokens().iter().any(|token| token.id == id)
    })
}

/// Nothing can tell that this token is to be revoked. Where the portal lists nothing that is so of every one
/// that no status came to name, its answer having been lost.
fn is_undecidable(world: &World, id: u32) -> bool {
    world.oracle.undecidable.contains(&id) || (world.config.list_denied && !world.oracle.named_in_status.contains(&id))
}

/// Whether a token that is revoked shows: without a list in the registry's word alone, and not where that is
/// not asked, or turns everybody away.
fn revocation_is_visible(world: &World) -> bool {
    let verified = |slot: &Slot| {
        let known = StatusView::of(&project_object(slot.object.as_ref()?, &world.config));
        let held = slot.secret.as_ref().filter(|secret| !secret.tampered)?.content?;
        known.token.filter(|token| known.login_verified && token.id == held.to_string()).map(|_| held)
    };
    let mut tokens = world.slots.iter().filter_map(verified);
    !world.config.list_denied || (world.config.login != LoginMode::Disabled && tokens.any(|id| world.accepts_login(id)))
}

/// At rest an object has its token, and while it rotates the one before; however they were come by, and
/// whatever a status says of them. One that is gone has none.
fn token_count(world: &World) -> Result<(), String> {
    let mut live: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (id, _) in world.rows.iter().filter(|(_, row)| !row.foreign && !row.orphaned && row.revoked.is_none()) {
        let owner = world.oracle.markers.get(id).and_then(|nonce| world.oracle.reserved.get(nonce));
        if let Some(owner) = owner.filter(|_| !is_undecidable(world, *id) && !is_named_unproved(world, &id.to_string()))
        {
            live.entry(owner).or_default().push(*id);
        }
    }
    for (owner, tokens) in live {
        let lives = world.slots.iter().filter_map(|slot| slot.object.as_ref()).any(|object| object.uid == owner);
        let most = usize::from(lives) + usize::from(lives && world.config.rotation);
        if tokens.len() > most {
            return Err(format!("I1: {owner} has {tokens:?} at rest, of which {most} may live"));
        }
    }
    Ok(())
}

fn object(world: &World, slot: usize) -> Result<(), String> {
    let here = &world.slots[slot];
    let Some(object) = &here.object else { return Ok(()) };
    let known = StatusView::of(&project_object(object, &world.config));
    let name = &object.uid;
    if object.deleting {
        return Err(format!("{name} is deleted and stays"));
    }
    if known.token.is_some() && !object.finalizer {
        return Err(format!("{name} has a token, and no finalizer"));
    }
    let stripped =
        |secret: &FakeSecret| secret.label.as_ref() != Some(name) || secret.controller.as_ref() != Some(name);
    let own = here.secret.as_ref().filter(|secret| !secret.foreign && known.secret_uid.as_ref() == Some(&secret.uid));
    let own = own.filter(|secret| !is_unprovable(world, object, secret));
    if own.filter(|secret| secret.controller.as_ref().is_none_or(|uid| uid == name)).is_some_and(stripped) {
        return Err(format!("{name} has a Secret without our label or owner reference: {own:?}"));
    }
    if known.ready {
        let token = known.token.as_ref().ok_or_else(|| format!("I2: {name} is ready without a token"))?;
        let id = token.id.parse().unwrap_or_default();
        let secret = here.secret.as_ref().ok_or_else(|| format!("I2: {name} is ready without a Secret"))?;
        if secret.content != Some(id) || secret.tampered {
            return Err(format!("I2: {name} is ready, and its Secret holds {:?}, not {id}", secret.content));
        }
        // Nothing further is looked at where a Secret cannot be changed; that is said.
        if !world.accepts_login(id) && !secret.immutable && revocation_is_visible(world) {
            return Err(format!("I2: {name} is ready with a token that is revoked: {id}"));
        }
    }
    let overdue = known.retiring.iter().find(|one| one.revocation_time.0 <= at(world.clock - ROUND_SECONDS));
    if let Some(late) = overdue.filter(|_| !world.issuer.finalized) {
        return Err(format!(
            "{name}: the token {} is retiring since {}, and lives on",
            late.id, late.revocation_time.0
        ));
    }
    // Nobody's Secret is not taken, and an immutable one not changed: that is said, and waits for a person.
    let foreign =
        here.secret.as_ref().filter(|secret| !secret.adoptable).is_some_and(|secret| {
            secret.controller.is_none() && (secret.label.is_none() || !secret.orphaned.is_empty())
        });
    let wrong_type = here.secret.as_ref().is_some_and(|secret| secret.wrong_type);
    let immutable = here.secret.as_ref().is_some_and(|secret| secret.immutable);
    let says = |reason: Reason| {
        let conditions = object.status.iter().flat_map(|status| &status.conditions);
        conditions.into_iter().any(|one| one.type_ == "Stalled" && one.reason == reason.to_string())
    };
    let waits = object.suspended || world.issuer.deleting;
    if foreign && !waits && (known.ready || !says(Reason::SecretNotOwned)) {
        return Err(format!("{name} does not say that its Secret is not ours: {:?}", object.status));
    }
    if immutable && !wrong_type && !foreign && !waits && !known.revoked_upstream && !says(Reason::SecretImmutable) {
        return Err(format!("{name} does not say that its Secret is immutable: {:?}", object.status));
    }
    if wrong_type && !foreign && !waits && !known.revoked_upstream && !says(Reason::SecretTypeMismatch) {
        return Err(format!("{name} does not say that its Secret is of another type: {:?}", object.status));
    }
    if waits || known.revoked_upstream || foreign || immutable || wrong_type {
        return Ok(());
    }
    // A token that was never let in may be one that the registry does not know yet; without a list nobody can tell.
    let never = world.config.list_denied
        && !known.login_verified
        && known.token.as_ref().is_some_and(|token| {
            token.id.parse().is_ok_and(|id| !world.accepts_login(id)) && ready_has_reason(object, Reason::LoginRejected)
        });
    if never {
        return Ok(());
    }
    if !known.ready {
        return Err(format!("{name} does not become ready: {:?}", object.status));
    }
    description(world, object, &known)
}

/// Nothing proves any more that this Secret is the object's: label and owner reference are removed, the key that signed its
/// UID is lost, and so is the note in it that could stand in for that. Then it is reported as not owned.
fn is_unprovable(world: &World, object: &FakeObject, secret: &FakeSecret) -> bool {
    let keys = world.config.keys;
    let is_noted = secret.stored.as_ref().is_some_and(|stored| !stored.signature.mac.is_empty());
    let is_bare = secret.label.is_none() && secret.controller.is_none() && !is_noted;
    let is_proved = |status| verified_secret_uid(status, &object.uid, &keys.mac_keys()).is_some();
    object.created <= keys.since && is_bare && !object.status.as_ref().is_some_and(is_proved)
}

fn ready_has_reason(object: &FakeObject, reason: Reason) -> bool {
    let conditions = object.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|one| one.type_ == "Ready" && one.reason == reason.to_string())
}

/// I3, and that what is asked for by annotation is done.
fn description(
    world: &World,
    object: &FakeObject,
    known: &registry_token_operator::domain::model::status_view::StatusView,
) -> Result<(), String> {
    let Some(token) = &known.token else { return Ok(()) };
    let described = |nonce: Option<Nonce>| {
        let nonce = nonce.filter(|_| world.config.keep_marker);
        nonce.map_or_else(
            || object.description.clone(),
            |nonce| Marker::new(tag(), nonce).append_to(&object.description),
        )
    };
    let wanted = described(Nonce::parse(&token.nonce));
    // No MAC covers the nonce in a status. Whatever another user wrote there: the marker that the token was requested with
    // is right.
    let marked = described(token.id.parse().ok().and_then(|id: u32| world.oracle.markers.get(&id).cloned()));
    let shown = world.rows.values().find(|row| row.token.id == token.id).map(|row| &row.description);
    // What the portal refuses stands until somebody writes another description, and is said.
    let refused = world.oracle.edit_rejected && known.description_rejected == Some(object.generation);
    // Nobody sees what an edit has done that came late.
    let refused = refused || (world.config.list_denied && world.oracle.edited_late);
    if shown != Some(&wanted) && shown != Some(&marked) && !refused {
        return Err(format!("I3: {} wants {wanted:?}, and the portal shows {shown:?}", object.uid));
    }
    let mut asked = object.requested.iter().chain(&world.issuer.requested);
    if asked.any(|(key, value)| known.handled_annotations.get(key) != Some(value)) {
        return Err(format!("{}: {:?} asked for, {:?} done", object.uid, object.requested, known.handled_annotations));
    }
    // A value is handled by a token that was made after it was given.
    let made = token.id.parse().unwrap_or(0);
    let mut asked = object.requested_after.iter().chain(&world.issuer.requested_after);
    if let Some((key, last)) = asked.find(|(_, last)| made <= **last) {
        return Err(format!("{}: {key} was asked for when there were {last} tokens, and {made} is kept", object.uid));
    }
    if world.config.login != LoginMode::Disabled && !known.login_verified {
        return Err(format!("{} is ready and was never let in", object.uid));
    }
    Ok(())
}
