//! What people do meanwhile: users of the cluster, and colleagues in the portal.

use super::deed::{Deed, former, gone};
use super::forger::{copy_stored, forge_current, forge_retiring, retire_current, wipe_status};
use super::secrets::blank;
use super::setting::Keys;
use super::sight::see;
use super::world::{Obj, Registry, Sec, World};
use registry_token_operator::domain::cause::Errand;
use registry_token_operator::domain::effect::Named;
use registry_token_operator::domain::marker::Attempt;
use registry_token_operator::domain::pull_secret::{Origin, Stored};
use registry_token_operator::domain::recorded::recorded;
use std::collections::BTreeMap;

impl Deed {
    /// Does it, while so many passes are under way that it may ruin.
    pub fn perform(self, world: &mut World, slot: usize, under_way: usize) {
        // A new object ruins no attempt.
        if self != Self::Create {
            world.ghost.ruined += under_way;
        }
        if matches!(
            self,
            Self::DeleteSecret
                | Self::EditSecret
                | Self::StripStored
                | Self::ForgeStored
                | Self::CopyStored
                | Self::ChangeType
        ) {
            // Its token is as good as revoked.
            world.ghost.by_people.extend(in_use(world, slot));
        }
        match self {
            Self::CreateForeign => create_foreign(world, slot),
            Self::MakeImmutable => world.change_secret(slot, |secret| secret.immutable = true),
            Self::HoldIt => edit(world, slot, |object| object.reissue = false),
            Self::RotateAll => ask_all(world, "issuerRotate"),
            Self::ReplaceAll => ask_all(world, "issuerReplace"),
            Self::BreakIssuer => world.issuer.broken = true,
            Self::MendIssuer => world.issuer.broken = false,
            Self::MoveIssuer => world.issuer.moved = true,
            Self::MoveIssuerBack => world.issuer.moved = false,
            Self::RegistryRefuses => {
                world.registry = Registry::Refuses;
                lie(world, |(_, refused)| *refused = true);
            }
            Self::RegistryGoesDown => world.registry = Registry::Down,
            Self::RegistryComesBack => world.registry = Registry::Up,
            Self::HideList => {
                world.hidden = true;
                lie(world, |(hidden, _)| *hidden = true);
            }
            Self::ShowList => world.hidden = false,
            Self::Create => create(world, slot),
            Self::Delete => world.change_object(slot, |object| {
                object.deleting = true;
                object.generation += 1;
            }),
            Self::EditDescription => edit(world, slot, |object| object.description += "x"),
            Self::Rotate => ask(world, slot, "rotate"),
            Self::Replace => ask(world, slot, "replace"),
            Self::Suspend => edit(world, slot, |object| object.suspended = true),
            Self::Resume => edit(world, slot, |object| object.suspended = false),
            Self::OrphanIt => edit(world, slot, |object| object.revoke = false),
            Self::DeleteSecret => {
                world.ghost.reasons += 1;
                world.remember(slot);
                world.slots[slot].secret = None;
            }
            Self::EditSecret => {
                world.ghost.reasons += 1;
                world.change_secret(slot, |secret| secret.tampered = true);
            }
            Self::StripLabel => world.change_secret(slot, |secret| secret.label = None),
            Self::StripOwner => world.change_secret(slot, |secret| secret.controller = None),
            Self::StripStored => {
                world.ghost.reasons += 1;
                world.change_secret(slot, |secret| (secret.stored, secret.tampered) = (None, true));
            }
            Self::ForgeStored => forge(world, slot),
            Self::RevokeUpstream => revoke_upstream(world, slot),
            Self::EditUpstream => {
                if let Some(row) = in_use(world, slot).and_then(|id| world.rows.get_mut(&id)) {
                    row.description += " (mine)";
                }
            }
            Self::RestoreCopy => restore(world, slot),
            Self::SayGone => say_gone(world, slot),
            Self::LookCloser => world.change_object(slot, |object| object.look_closer += 1),
            Self::HandOver => world.change_secret(slot, |secret| (secret.handed, secret.foreign) = (true, false)),
            Self::ChangeType => change_type(world, slot),
            Self::RestoreSecret => {
                world.ghost.reasons += 1;
                let Some(former) = former(world, slot) else { return };
                world.change_secret(slot, |secret| *secret = former);
            }
            Self::DeleteIssuer => world.issuer.deleting = true,
            Self::ForgeCurrent => forge_current(world, slot),
            Self::ForgeRetiring => forge_retiring(world, slot),
            Self::RetireCurrent => retire_current(world, slot),
            Self::WipeStatus => wipe_status(world, slot),
            Self::CopyStored => copy_stored(world, slot),
            Self::RotateKey => {
                let keys = &mut world.setting.keys;
                *keys = Keys { signing: keys.signing + 1, former: Some(keys.signing), ..*keys };
            }
            Self::LoseKey => {
                // What cannot be proved again is replaced.
                world.ghost.reasons += world.slots.len();
                // An audit knows no former token without proof: what still shows its mark is revoked early.
                world.ghost.overlaps.clear();
                let keys = &mut world.setting.keys;
                *keys = Keys { signing: keys.signing + 1, former: None, since: world.clock };
            }
            Self::RewriteObject => world.change_object(slot, |object| {
                (object.finalizer, object.unprotected) = (false, true);
                object.asked.clear();
                object.asked_after.clear();
                object.gone.clear();
            }),
            Self::RewriteSecret => world.change_secret(slot, |secret| (secret.label, secret.controller) = (None, None)),
        }
    }
}

fn in_use(world: &World, slot: usize) -> Option<u32> {
    world.slots[slot].secret.as_ref().and_then(|secret| secret.content)
}

fn create(world: &mut World, slot: usize) {
    world.ghost.reasons += 1;
    world.remember(slot);
    let (uid, version) = (world.uid("o"), world.version());
    world.slots[slot].object = Some(Obj {
        uid,
        version,
        created: world.clock,
        generation: 1,
        deleting: false,
        finalizer: false,
        unprotected: false,
        description: format!("for {slot}"),
        asked: BTreeMap::new(),
        asked_after: BTreeMap::new(),
        revoke: true,
        reissue: true,
        suspended: false,
        gone: vec![],
        look_closer: 0,
        status: None,
    });
}

/// The Secret made anew with another type: its login is lost, its metadata stay.
fn change_type(world: &mut World, slot: usize) {
    world.ghost.reasons += 1;
    let uid = world.uid("s");
    world.change_secret(slot, |secret| {
        (secret.uid, secret.content, secret.wrong_type) = (uid, None, true);
    });
}

/// Somebody else's Secret of that name.
fn create_foreign(world: &mut World, slot: usize) {
    world.remember(slot);
    let (uid, version) = (world.uid("s"), world.version());
    world.slots[slot].secret = Some(Sec { uid, version, foreign: true, ..blank() });
    world.note_content(slot);
}

/// The issuer's annotations are asked of each of its objects.
fn ask_all(world: &mut World, key: &str) {
    world.ghost.reasons += world.slots.iter().filter(|slot| slot.object.is_some()).count();
    let (value, last) = (world.version().to_string(), world.next_row);
    world.issuer.asked.insert(key.to_owned(), value);
    world.issuer.asked_after.insert(key.to_owned(), last);
}

/// An annotation changes no generation.
pub fn say_gone(world: &mut World, slot: usize) {
    let gone = gone(world, slot);
    world.change_object(slot, |object| object.gone.extend(gone));
}

/// A person reads which tokens an object names without proof, revokes what is its own, and says that they are gone.
pub fn confirm(world: &mut World, slot: usize) -> bool {
    let Some(object) = &world.slots[slot].object else { return false };
    let seen = see(object, &world.setting);
    let known = recorded(&seen);
    let mut open = known.unproved.open(&seen);
    let held = world.slots[slot].secret.as_ref().and_then(|secret| secret.content).filter(|_| !object.deleting);
    if !object.deleting {
        // What pods still pull with is not revoked yet, and not called so: unless it is the current one, named twice.
        let is_current = |id: &str| known.token.as_ref().is_some_and(|token| token.id == id);
        let is_held = |id: &str| held.is_some_and(|held| held.to_string() == id);
        open.retain(|token| {
            let former = known.unproved.retiring.iter().any(|former| former.id == token.id);
            former && (!is_held(&token.id) || is_current(&token.id))
        });
    }
    let (uid, clock) = (object.uid.clone(), world.clock);
    for id in open.iter().filter_map(|token| token.id.parse::<u32>().ok()).filter(|id| held != Some(*id)) {
        let owner = world.ghost.marks.get(&id).and_then(|nonce| world.ghost.reserved.get(nonce));
        if let Some(row) = world.rows.get_mut(&id).filter(|row| row.revoked.is_none() && owner == Some(&uid)) {
            row.revoked = Some(clock);
            world.ghost.by_people.insert(id);
        }
    }
    let ids: Vec<String> = open.into_iter().map(|token| token.id).collect();
    let any = !ids.is_empty();
    if any {
        world.change_object(slot, |object| object.gone.extend(ids));
    }
    any
}

/// Where portal and registry say alike that a token is gone, it counts as gone: each object asks for one anew.
fn lie(world: &mut World, how: impl FnOnce(&mut (bool, bool))) {
    let before = world.ghost.lied_to;
    how(&mut world.ghost.lied_to);
    // Where the portal lists nothing, the registry's word is all there is.
    world.ghost.lied_to.0 |= world.setting.unlisted;
    if before != (true, true) && world.ghost.lied_to == (true, true) {
        world.ghost.reasons += world.slots.len();
    }
}

fn edit(world: &mut World, slot: usize, change: impl FnOnce(&mut Obj)) {
    world.change_object(slot, |object| {
        change(object);
        object.generation += 1;
    });
}

/// An annotation changes no generation.
fn ask(world: &mut World, slot: usize, key: &str) {
    world.ghost.reasons += 1;
    let (value, last) = (world.versions.to_string(), world.next_row);
    world.change_object(slot, |object| {
        object.asked.insert(key.to_owned(), value);
        object.asked_after.insert(key.to_owned(), last);
    });
}

/// Somebody writes annotations that name a colleague's token.
fn forge(world: &mut World, slot: usize) {
    world.ghost.reasons += 1;
    let Named { id, .. } = colleagues(world);
    world.change_secret(slot, |secret| {
        let seal = secret.stored.take().map(|stored| stored.seal).unwrap_or_default();
        secret.stored = Some(Stored {
            attempt: Attempt::from_random(&[9; 16]),
            id,
            errand: Errand::default(),
            origin: Origin::default(),
            seal,
        });
        // The checksum covers what is noted, too.
        secret.tampered = true;
    });
}

/// A token that a colleague made by hand.
pub fn colleagues(world: &mut World) -> Named {
    let clock = world.clock;
    let token = world.mint(String::new());
    world.ghost.minted -= 1;
    if let Some(row) = world.rows.get_mut(&token.id.parse().unwrap_or_default()) {
        row.foreign = true;
        "a colleague's".clone_into(&mut row.description);
        row.created = clock - 1000;
    }
    token
}

fn revoke_upstream(world: &mut World, slot: usize) {
    world.ghost.reasons += 1;
    let clock = world.clock;
    if let Some(row) = in_use(world, slot).and_then(|id| world.rows.get_mut(&id)) {
        row.revoked = Some(clock);
        let id = row.token.id.parse().unwrap_or_default();
        world.ghost.by_people.insert(id);
    }
}

/// The object as it was, with its status, under another UID.
fn restore(world: &mut World, slot: usize) {
    world.ghost.reasons += 1;
    let Some(old) = world.slots[slot].old_objects.iter().flatten().rfind(|old| old.status.is_some()).cloned() else {
        return;
    };
    world.remember(slot);
    let (uid, version) = (world.uid("o"), world.version());
    world.slots[slot].object =
        Some(Obj { uid, version, created: world.clock, deleting: false, finalizer: false, unprotected: false, ..old });
}
