//! What must hold at rest.

use super::rest::STEP;
use super::schedule::State;
use super::sight::see;
use super::world::{Obj, Sec, Slot, World, at, tag};
use registry_token_operator::api::Reason;
use registry_token_operator::domain::marker::{Marker, Nonce};
use registry_token_operator::domain::observed::LoginMode;
use registry_token_operator::domain::recorded::recorded;
use std::collections::BTreeMap;

impl State {
    /// What must hold at rest.
    pub fn judge(&self) -> Result<(), String> {
        let world = &self.world;
        tokens(world)?;
        few(world)?;
        for slot in 0..world.slots.len() {
            object(world, slot)?;
        }
        let (minted, allowed) = (world.ghost.minted, world.ghost.reasons + world.ghost.ruined);
        if minted > allowed {
            return Err(format!("liveness: {minted} tokens were asked for, with {allowed} reasons and mishaps"));
        }
        if world.issuer.deleting
            && !world.issuer.released
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
            .filter(|object| recorded(&see(object, &world.setting)).tokens().iter().any(|token| token.id == id))
            .count()
    };
    for row in world.rows.values().filter(|row| !row.foreign && !row.orphaned && row.revoked.is_none()) {
        // Without proof, since the key was lost: its user is told.
        let count = named(&row.token.id) + usize::from(is_reported(world, &row.token.id));
        let unknowable = count == 0 && row.token.id.parse().is_ok_and(|id: u32| unknowable(world, id));
        if count != 1 && !unknowable {
            return Err(format!("I1: token {} lives and is named by {count} objects: {row:?}", row.token.id));
        }
    }
    Ok(())
}

/// Whether the object that asked for this token names it without proof.
fn is_reported(world: &World, id: &str) -> bool {
    let owner = id.parse().ok().and_then(|id: u32| world.ghost.marks.get(&id));
    let owner = owner.and_then(|nonce| world.ghost.reserved.get(nonce));
    let objects = world.slots.iter().filter_map(|slot| slot.object.as_ref());
    objects
        .filter(|object| Some(&object.uid) == owner)
        .any(|object| recorded(&see(object, &world.setting)).unproved.tokens().iter().any(|token| token.id == id))
}

/// Nothing can tell that this token is to be revoked. Where the portal lists nothing that is so of every one
/// that no status came to name, its answer having been lost.
fn unknowable(world: &World, id: u32) -> bool {
    world.ghost.doubtful.contains(&id) || (world.setting.unlisted && !world.ghost.named.contains(&id))
}

/// Whether a token that is revoked shows: without a list in the registry's word alone, and not where that is
/// not asked, or turns everybody away.
fn shows(world: &World) -> bool {
    let verified = |slot: &Slot| {
        let known = recorded(&see(slot.object.as_ref()?, &world.setting));
        let held = slot.secret.as_ref().filter(|secret| !secret.tampered)?.content?;
        known.token.filter(|token| known.verified && token.id == held.to_string()).map(|_| held)
    };
    let mut tokens = world.slots.iter().filter_map(verified);
    !world.setting.unlisted || (world.setting.login != LoginMode::Disabled && tokens.any(|id| world.lets_in(id)))
}

/// At rest an object has its token, and while it rotates the one before; however they were come by, and
/// whatever a status says of them. One that is gone has none.
fn few(world: &World) -> Result<(), String> {
    let mut live: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (id, _) in world.rows.iter().filter(|(_, row)| !row.foreign && !row.orphaned && row.revoked.is_none()) {
        let owner = world.ghost.marks.get(id).and_then(|nonce| world.ghost.reserved.get(nonce));
        if let Some(owner) = owner.filter(|_| !unknowable(world, *id) && !is_reported(world, &id.to_string())) {
            live.entry(owner).or_default().push(*id);
        }
    }
    for (owner, tokens) in live {
        let lives = world.slots.iter().filter_map(|slot| slot.object.as_ref()).any(|object| object.uid == owner);
        let most = usize::from(lives) + usize::from(lives && world.setting.rotation);
        if tokens.len() > most {
            return Err(format!("I1: {owner} has {tokens:?} at rest, of which {most} may live"));
        }
    }
    Ok(())
}

fn object(world: &World, slot: usize) -> Result<(), String> {
    let here = &world.slots[slot];
    let Some(object) = &here.object else { return Ok(()) };
    let known = recorded(&see(object, &world.setting));
    let name = &object.uid;
    if object.deleting {
        return Err(format!("{name} is deleted and stays"));
    }
    if known.token.is_some() && !object.finalizer {
        return Err(format!("{name} has a token, and no finalizer"));
    }
    let stripped = |secret: &Sec| secret.label.as_ref() != Some(name) || secret.controller.as_ref() != Some(name);
    let own = here.secret.as_ref().filter(|secret| !secret.foreign && known.secret_uid.as_ref() == Some(&secret.uid));
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
        if !world.lets_in(id) && !secret.immutable && shows(world) {
            return Err(format!("I2: {name} is ready with a token that is revoked: {id}"));
        }
    }
    let overdue = known.retiring.iter().find(|one| one.revocation_time.0 <= at(world.clock - STEP));
    if let Some(late) = overdue.filter(|_| !world.issuer.released) {
        return Err(format!(
            "{name}: the token {} is retiring since {}, and lives on",
            late.id, late.revocation_time.0
        ));
    }
    // Nobody's Secret is not taken, and an immutable one not changed: that is said, and waits for a person.
    let foreign =
        here.secret.as_ref().filter(|secret| !secret.handed).is_some_and(|secret| {
            secret.controller.is_none() && (secret.label.is_none() || !secret.orphaned.is_empty())
        });
    let wrong_type = here.secret.as_ref().is_some_and(|secret| secret.wrong_type);
    let immutable = here.secret.as_ref().is_some_and(|secret| secret.immutable);
    let says = |reason: Reason| {
        let conditions = object.status.iter().flat_map(|status| &status.conditions);
        conditions.into_iter().any(|one| one.type_ == "Stalled" && one.reason == reason.to_string())
    };
    let waits = object.suspended || world.issuer.deleting;
    if foreign && !waits && (known.ready || !says(Reason::SecretNotOurs)) {
        return Err(format!("{name} does not say that its Secret is not ours: {:?}", object.status));
    }
    if immutable && !wrong_type && !foreign && !waits && !known.revoked_upstream && !says(Reason::SecretImmutable) {
        return Err(format!("{name} does not say that its Secret is immutable: {:?}", object.status));
    }
    if wrong_type && !foreign && !waits && !known.revoked_upstream && !says(Reason::SecretTypeWrong) {
        return Err(format!("{name} does not say that its Secret is of another type: {:?}", object.status));
    }
    if waits || known.revoked_upstream || foreign || immutable || wrong_type {
        return Ok(());
    }
    // A token that was never let in may be one that the registry does not know yet; without a list nobody can tell.
    let never = world.setting.unlisted
        && !known.verified
        && known.token.as_ref().is_some_and(|token| {
            token.id.parse().is_ok_and(|id| !world.lets_in(id)) && says_ready(object, Reason::LoginRefused)
        });
    if never {
        return Ok(());
    }
    if !known.ready {
        return Err(format!("{name} does not become ready: {:?}", object.status));
    }
    description(world, object, &known)
}

fn says_ready(object: &Obj, reason: Reason) -> bool {
    let conditions = object.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|one| one.type_ == "Ready" && one.reason == reason.to_string())
}

/// I3, and that what is asked for by annotation is done.
fn description(
    world: &World,
    object: &Obj,
    known: &registry_token_operator::domain::recorded::Recorded,
) -> Result<(), String> {
    let Some(token) = &known.token else { return Ok(()) };
    let nonce = Nonce::parse(&token.nonce).filter(|_| world.setting.permanent);
    let wanted =
        nonce.map_or_else(|| object.description.clone(), |nonce| Marker::new(tag(), nonce).mark(&object.description));
    let shown = world.rows.values().find(|row| row.token.id == token.id).map(|row| &row.description);
    // What the portal refuses stands until somebody writes another description, and is said.
    let refused = world.ghost.edit_refused && known.description_refused == Some(object.generation);
    // Nobody sees what an edit has done that came late.
    let refused = refused || (world.setting.unlisted && world.ghost.edited_late);
    if shown != Some(&wanted) && !refused {
        return Err(format!("I3: {} wants {wanted:?}, and the portal shows {shown:?}", object.uid));
    }
    let mut asked = object.asked.iter().chain(&world.issuer.asked);
    if asked.any(|(key, value)| known.handled.get(key) != Some(value)) {
        return Err(format!("{}: {:?} asked for, {:?} done", object.uid, object.asked, known.handled));
    }
    // A value is handled by a token that was made after it was given.
    let made = token.id.parse().unwrap_or(0);
    let mut asked = object.asked_after.iter().chain(&world.issuer.asked_after);
    if let Some((key, last)) = asked.find(|(_, last)| made <= **last) {
        return Err(format!("{}: {key} was asked for when there were {last} tokens, and {made} is kept", object.uid));
    }
    if world.setting.login != LoginMode::Disabled && !known.verified {
        return Err(format!("{} is ready and was never let in", object.uid));
    }
    Ok(())
}
