//! What people do meanwhile: users of the cluster, and colleagues in the portal.

use super::secrets::blank;
use super::world::{Obj, Registry, Sec, World};
use registry_token_operator::domain::cause::Errand;
use registry_token_operator::domain::effect::Named;
use registry_token_operator::domain::marker::Attempt;
use registry_token_operator::domain::observed::LoginMode;
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
    CreateForeign,
    MakeImmutable,
    HoldIt,
    RotateAll,
    ReplaceAll,
    BreakIssuer,
    MendIssuer,
    MoveIssuer,
    MoveIssuerBack,
    RegistryRefuses,
    RegistryGoesDown,
    RegistryComesBack,
    HideList,
    ShowList,
}

impl Deed {
    pub const ALL: [Self; 32] = [
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
        Self::CreateForeign,
        Self::MakeImmutable,
        Self::HoldIt,
        Self::RotateAll,
        Self::ReplaceAll,
        Self::BreakIssuer,
        Self::MendIssuer,
        Self::MoveIssuer,
        Self::MoveIssuerBack,
        Self::RegistryRefuses,
        Self::RegistryGoesDown,
        Self::RegistryComesBack,
        Self::HideList,
        Self::ShowList,
    ];

    /// Whether it concerns every object; then it is done once, and not to each.
    pub const fn is_for_all(self) -> bool {
        matches!(
            self,
            Self::DeleteIssuer
                | Self::RotateAll
                | Self::ReplaceAll
                | Self::BreakIssuer
                | Self::MendIssuer
                | Self::MoveIssuer
                | Self::MoveIssuerBack
                | Self::RegistryRefuses
                | Self::RegistryGoesDown
                | Self::RegistryComesBack
                | Self::HideList
                | Self::ShowList
        )
    }

    /// Whether it can be done now.
    pub fn possible(self, world: &World, slot: usize) -> bool {
        if self.is_for_all() {
            return slot == 0 && self.possible_for_all(world);
        }
        let here = &world.slots[slot];
        let object = here.object.as_ref();
        let alive = object.is_some_and(|object| !object.deleting);
        let secret = here.secret.as_ref();
        match self {
            Self::Create => object.is_none() && !world.issuer.deleting,
            // No Secret of ours can come to stand there later.
            Self::CreateForeign => secret.is_none(),
            Self::MakeImmutable => alive && secret.is_some_and(|secret| !secret.immutable && !secret.foreign),
            Self::HoldIt => object.is_some_and(|object| !object.deleting && object.reissue),
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
            _ => false,
        }
    }

    fn possible_for_all(self, world: &World) -> bool {
        let issuer = &world.issuer;
        match self {
            Self::DeleteIssuer | Self::RotateAll | Self::ReplaceAll => !issuer.deleting,
            Self::BreakIssuer => !issuer.broken,
            Self::MendIssuer => issuer.broken,
            Self::MoveIssuer => !issuer.moved,
            Self::MoveIssuerBack => issuer.moved,
            Self::RegistryRefuses | Self::RegistryGoesDown => world.registry == Registry::Up,
            Self::RegistryComesBack => world.registry != Registry::Up,
            // Where the registry is not asked, the list alone counts, and is believed.
            Self::HideList => !world.hidden && world.setting.login != LoginMode::Disabled,
            Self::ShowList => world.hidden,
            _ => false,
        }
    }

    /// Does it, while so many passes are under way that it may ruin.
    pub fn perform(self, world: &mut World, slot: usize, under_way: usize) {
        // A new object ruins no attempt.
        if self != Self::Create {
            world.ghost.ruined += under_way;
        }
        if matches!(self, Self::DeleteSecret | Self::EditSecret | Self::StripStored | Self::ForgeStored) {
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

/// Where portal and registry say alike that a token is gone, it counts as gone: each object asks for one anew.
fn lie(world: &mut World, how: impl FnOnce(&mut (bool, bool))) {
    let before = world.ghost.lied_to;
    how(&mut world.ghost.lied_to);
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
    world.slots[slot].object = Some(Obj { uid, version, deleting: false, finalizer: false, ..old });
}
