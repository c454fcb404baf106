//! What people do meanwhile: users of the cluster, and colleagues in the portal.

use super::world::{Obj, World};
use registry_token_operator::domain::cause::Errand;
use registry_token_operator::domain::effect::Named;
use registry_token_operator::domain::marker::Attempt;
use registry_token_operator::domain::pull_secret::Stored;
use std::collections::BTreeMap;

/// Something that a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Deed {
    Create,
    Delete,
    EditDescription,
    Rotate,
    Replace,
    Suspend,
    Resume,
    OrphanIt,
    DeleteSecret,
    EditSecret,
    StripLabel,
    StripOwner,
    StripStored,
    ForgeStored,
    RevokeUpstream,
    EditUpstream,
    RestoreCopy,
    DeleteIssuer,
}

impl Deed {
    pub const ALL: [Self; 18] = [
        Self::Create,
        Self::Delete,
        Self::EditDescription,
        Self::Rotate,
        Self::Replace,
        Self::Suspend,
        Self::Resume,
        Self::OrphanIt,
        Self::DeleteSecret,
        Self::EditSecret,
        Self::StripLabel,
        Self::StripOwner,
        Self::StripStored,
        Self::ForgeStored,
        Self::RevokeUpstream,
        Self::EditUpstream,
        Self::RestoreCopy,
        Self::DeleteIssuer,
    ];

    /// Whether it can be done now.
    pub fn possible(self, world: &World, slot: usize) -> bool {
        let here = &world.slots[slot];
        let object = here.object.as_ref();
        let alive = object.is_some_and(|object| !object.deleting);
        let secret = here.secret.as_ref();
        match self {
            Self::Create => object.is_none() && !world.issuer.deleting,
            Self::Delete | Self::EditDescription | Self::Rotate | Self::Replace => alive,
            Self::Suspend => object.is_some_and(|object| !object.deleting && !object.suspended),
            Self::Resume => object.is_some_and(|object| object.suspended),
            Self::OrphanIt => object.is_some_and(|object| object.revoke),
            // Without both a Secret is not ours any more: that is said, and nothing else is done.
            Self::StripLabel => alive && secret.is_some_and(|secret| secret.controller.is_some()),
            Self::StripOwner => alive && secret.is_some_and(|secret| secret.label.is_some()),
            Self::EditSecret => alive && secret.is_some_and(|secret| secret.content.is_some()),
            Self::StripStored => alive && secret.is_some_and(|secret| secret.stored.is_some()),
            Self::DeleteSecret | Self::ForgeStored => alive && secret.is_some(),
            Self::RevokeUpstream | Self::EditUpstream => {
                let in_use = secret.and_then(|secret| secret.content);
                alive && in_use.is_some_and(|id| world.lets_in(id)) && !world.setting.permanent
            }
            // A backup of an object with its status, applied where the object is gone.
            Self::RestoreCopy => object.is_none() && here.old_objects.iter().flatten().any(|old| old.status.is_some()),
            Self::DeleteIssuer => !world.issuer.deleting,
        }
    }

    /// Does it.
    pub fn perform(self, world: &mut World, slot: usize) {
        // A new object ruins no attempt; anything else may ruin those under way.
        if self != Self::Create {
            world.ghost.ruined += 2 * world.setting.operators;
        }
        match self {
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
                world.change_secret(slot, |secret| secret.stored = None);
            }
            Self::ForgeStored => forge(world, slot),
            Self::RevokeUpstream => revoke_upstream(world, slot),
            Self::EditUpstream => {
                if let Some(row) = in_use(world, slot).and_then(|id| world.rows.get_mut(&id)) {
                    row.description += " (mine)";
                }
            }
            Self::RestoreCopy => restore(world, slot),
            Self::DeleteIssuer => world.issuer.deleting = true,
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
        generation: 1,
        deleting: false,
        finalizer: false,
        description: format!("for {slot}"),
        asked: BTreeMap::new(),
        asked_after: BTreeMap::new(),
        revoke: true,
        reissue: true,
        suspended: false,
        status: None,
    });
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
    let clock = world.clock;
    let Named { id, .. } = world.mint(String::new());
    world.ghost.minted -= 1;
    if let Some(row) = world.rows.get_mut(&id.parse().unwrap_or_default()) {
        row.foreign = true;
        "a colleague's".clone_into(&mut row.description);
        row.created = clock - 1000;
    }
    world.change_secret(slot, |secret| {
        secret.stored = Some(Stored { attempt: Attempt::from_random(&[9; 16]), id, errand: Errand::default() });
    });
}

fn revoke_upstream(world: &mut World, slot: usize) {
    world.ghost.reasons += 1;
    let clock = world.clock;
    if let Some(row) = in_use(world, slot).and_then(|id| world.rows.get_mut(&id)) {
        row.revoked = Some(clock);
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
    world.slots[slot].object = Some(Obj { uid, version, deleting: false, finalizer: false, ..old });
}
