//! Performs a pass's writes to the Secret.

use super::judge;
use super::mutant::Mutant;
use super::operator::{Operator, Running};
use super::perform::{Outcome, unclear};
use super::sight::see_secret;
use super::world::{Sec, World};
use registry_token_operator::domain::effect::{Answer, Named, Write};
use registry_token_operator::domain::marker::Nonce;
use std::time::Duration;

#[allow(clippy::too_many_arguments, reason = "what a write to the Secret stands on")]
pub fn write_secret(
    world: &mut World,
    operator: &mut Operator,
    running: &mut Running,
    slot: usize,
    write: &Write,
    outcome: Outcome,
    mutant: Option<Mutant>,
) -> Answer {
    if matches!(write, Write::Reserve(_)) {
        operator.attempts += 1;
    }
    if outcome == Outcome::LostBefore {
        return unclear();
    }
    if outcome == Outcome::Refused {
        return Answer::Refused("quota".to_owned());
    }
    if mutant == Some(Mutant::RevokesBeforeTheReservationIsDropped) && matches!(write, Write::Drop) {
        let meta = running.pass.seen().secret.clone();
        return Answer::Secret(meta.map(Box::new));
    }
    if mutant == Some(Mutant::RequestsBeforeTheReservation) && matches!(write, Write::Reserve(_)) {
        let meta = running.pass.seen().secret.clone();
        let meta = meta.or_else(|| Some(see_secret(&unborn(running), &running.uid, None, Duration::ZERO)));
        return Answer::Secret(meta.map(Box::new));
    }
    let held = running.pass.seen().secret.as_ref();
    let (version, uid) = (held.map(|meta| meta.resource_version.clone()), held.map(|meta| meta.uid.clone()));
    let guarded = !(mutant == Some(Mutant::CommitsUnguarded) && matches!(write, Write::Commit(_)));
    match (world.slots[slot].secret.as_ref(), version) {
        (None, None) if matches!(write, Write::Reserve(_)) => {
            // A Secret may be created for an object that has just gone; the garbage collector takes it.
            world.remember(slot);
            let (uid, version) = (world.uid("s"), world.version());
            world.slots[slot].secret = Some(Sec {
                uid,
                version,
                controller: Some(running.uid.clone()),
                label: Some(running.uid.clone()),
                ..blank()
            });
            world.note_content(slot);
        }
        (Some(_), None) | (None, Some(_)) => return Answer::Conflict,
        (None, None) => return Answer::Conflict,
        (Some(secret), Some(version)) => {
            if guarded && (secret.version.to_string() != version || Some(&secret.uid) != uid.as_ref()) {
                return Answer::Conflict;
            }
            if (secret.immutable || secret.wrong_type) && matches!(write, Write::Commit(_)) {
                return Answer::Refused("it cannot be changed in place".to_owned());
            }
            if secret.foreign || secret.controller.as_ref().is_some_and(|controller| *controller != running.uid) {
                world.violate(format!("I5: {write:?} into a Secret that is not ours"));
            }
        }
    }
    world.ghost.writes.0 += 1;
    let (owner, hand) = (running.uid.clone(), running.hand.clone());
    apply(world, slot, write, &owner, hand.as_ref());
    if outcome == Outcome::LostAfter {
        return unclear();
    }
    let (object, secret) = (world.slots[slot].object.clone(), world.slots[slot].secret.clone());
    let meta = operator.meta(&running.uid, object.as_ref(), secret.as_ref(), world, mutant);
    Answer::Secret(meta.map(Box::new))
}

pub fn blank() -> Sec {
    Sec {
        uid: String::new(),
        version: 0,
        controller: None,
        label: None,
        reservation: None,
        stored: None,
        closed: None,
        content: None,
        sealed: None,
        tampered: false,
        foreign: false,
        immutable: false,
        wrong_type: false,
        handed: false,
        orphaned: vec![],
    }
}

fn unborn(running: &Running) -> Sec {
    Sec { controller: Some(running.uid.clone()), label: Some(running.uid.clone()), ..blank() }
}

fn apply(world: &mut World, slot: usize, write: &Write, owner: &str, hand: Option<&Named>) {
    if let Write::Reserve(held) = write {
        world.ghost.reserved.insert(Nonce::of(owner, &held.attempt), owner.to_owned());
    }
    if matches!(write, Write::Disown) && world.hidden {
        // What the list does not show is not proved to be ours, and made anew.
        world.ghost.ruined += 1;
    }
    if let Write::Commit(stored) = write {
        judge::commit(world, slot, (owner, stored.errand.cause));
    }
    // A Secret whose mark somebody took away leaves nothing to its user that is known to be theirs.
    let marked = world.slots[slot].secret.as_ref().and_then(|secret| secret.stored.as_ref()).map(|one| one.id.clone());
    let in_hand = hand.and_then(|token| token.id.parse().ok());
    world.change_secret(slot, |secret| match write {
        Write::Reserve(held) => {
            secret.reservation = Some(held.clone());
            secret.label = Some(owner.to_owned());
            secret.closed = None;
        }
        Write::Drop => secret.reservation = None,
        Write::Close => {
            secret.reservation = None;
            secret.closed = Some(owner.to_owned());
        }
        Write::Disown => {
            secret.stored = None;
            secret.tampered = true;
        }
        Write::Commit(stored) => {
            secret.reservation = None;
            secret.stored = Some(stored.clone());
            secret.content = in_hand;
            (secret.tampered, secret.handed, secret.closed) = (false, false, None);
            secret.sealed = Some(owner.to_owned());
            secret.controller = Some(owner.to_owned());
            secret.label = Some(owner.to_owned());
        }
        Write::Repair(seal) => {
            if let Some(stored) = &mut secret.stored {
                stored.seal = seal.clone();
            }
            (secret.handed, secret.closed) = (false, None);
            secret.sealed = Some(owner.to_owned());
            secret.controller = Some(owner.to_owned());
            secret.label = Some(owner.to_owned());
        }
        Write::Release(orphaned) => {
            secret.handed = false;
            secret.orphaned.extend(orphaned.iter().cloned());
            secret.controller = None;
            secret.label = (!secret.orphaned.is_empty()).then(|| owner.to_owned());
            secret.reservation = None;
            secret.stored = None;
            secret.closed = None;
        }
        Write::RestoreOwnership => {
            secret.controller = Some(owner.to_owned());
            secret.label = Some(owner.to_owned());
        }
    });
    if matches!(write, Write::Release(_))
        && let Some(id) = marked.and_then(|id| id.parse::<u32>().ok())
        && let Some(row) = world.rows.get_mut(&id)
    {
        row.orphaned = true;
    }
}
