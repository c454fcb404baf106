//! The effects of user actions: users of the cluster, and other users of the portal.

use super::action::{UserAction, former_secret, unconfirmed_revocations};
use super::config::KeyConfig;
use super::fakes::{FakeObject, FakeSecret, RegistryState};
use super::interference::{copy_stored, forge_current, forge_retiring, forge_stored, retire_current, wipe_status};
use super::projection::project_object;
use super::secrets::empty_secret;
use super::world::World;
use registry_token_operator::domain::model::status_view::StatusView;
use std::collections::BTreeMap;

impl UserAction {
    /// Performs the action while this many passes are running, which it may disturb.
    pub fn perform(self, world: &mut World, slot: usize, running: usize) {
        // A new object disturbs no attempt.
        if self != Self::Create {
            world.oracle.excused_requests += running;
        }
        if matches!(
            self,
            Self::DeleteSecret
                | Self::EditSecret
                | Self::StripStored
                | Self::ForgeStored
                | Self::CopyStored
                | Self::ChangeSecretType
        ) {
            // Its token counts as revoked.
            world.oracle.revoked_by_users.extend(in_use(world, slot));
        }
        match self {
            Self::CreateForeignSecret => create_foreign(world, slot),
            Self::MakeSecretImmutable => world.change_secret(slot, |secret| secret.immutable = true),
            Self::SetHold => edit(world, slot, |object| object.reissue = false),
            Self::RotateAll => annotate_issuer(world, "issuerRotate"),
            Self::ReplaceAll => annotate_issuer(world, "issuerReplace"),
            Self::BreakIssuer => world.issuer.broken = true,
            Self::RepairIssuer => world.issuer.broken = false,
            Self::MoveIssuer => world.issuer.moved = true,
            Self::MoveIssuerBack => world.issuer.moved = false,
            Self::RegistryRejects => {
                world.registry = RegistryState::Rejects;
                record_misleading(world, |(_, rejected)| *rejected = true);
            }
            Self::RegistryGoesDown => world.registry = RegistryState::Down,
            Self::RegistryComesUp => world.registry = RegistryState::Up,
            Self::HideList => {
                world.hidden = true;
                record_misleading(world, |(hidden, _)| *hidden = true);
            }
            Self::ShowList => world.hidden = false,
            Self::Create => create(world, slot),
            Self::Delete => world.change_object(slot, |object| {
                object.deleting = true;
                object.generation += 1;
            }),
            Self::EditDescription => edit(world, slot, |object| object.description += "x"),
            Self::Rotate => annotate(world, slot, "rotate"),
            Self::Replace => annotate(world, slot, "replace"),
            Self::Suspend => edit(world, slot, |object| object.suspended = true),
            Self::Resume => edit(world, slot, |object| object.suspended = false),
            Self::SetOrphan => edit(world, slot, |object| object.revoke = false),
            Self::DeleteSecret => {
                world.oracle.expected_requests += 1;
                world.keep_history(slot);
                let released = world.slots[slot].secret.take().map_or_else(Vec::new, |secret| secret.orphaned);
                let markers = &world.oracle.markers;
                let lost = markers.iter().filter(|(_, nonce)| released.contains(nonce)).map(|(id, _)| *id);
                world.oracle.undecidable.extend(lost);
            }
            Self::EditSecret => {
                world.oracle.expected_requests += 1;
                world.change_secret(slot, |secret| secret.tampered = true);
            }
            Self::StripLabel => world.change_secret(slot, |secret| secret.label = None),
            Self::StripOwner => world.change_secret(slot, |secret| secret.controller = None),
            Self::StripStored => {
                world.oracle.expected_requests += 1;
                world.change_secret(slot, |secret| (secret.stored, secret.tampered) = (None, true));
            }
            Self::ForgeStored => forge_stored(world, slot),
            Self::RevokeUpstream => revoke_upstream(world, slot),
            Self::EditUpstream => {
                let id = in_use(world, slot);
                if let Some((id, row)) = id.and_then(|id| Some((id, world.rows.get_mut(&id)?))) {
                    row.description += " (mine)";
                    // Its marker counts only at the end of the description.
                    world.oracle.hidden_markers.insert(id);
                }
            }
            Self::RestoreCopy => restore_copy(world, slot),
            Self::ConfirmRevoked => confirm_revoked(world, slot),
            Self::RequestResync => world.change_object(slot, |object| object.resync_requests += 1),
            Self::AllowAdoption => {
                world.change_secret(slot, |secret| (secret.adoptable, secret.foreign) = (true, false));
            }
            Self::ChangeSecretType => change_type(world, slot),
            Self::RestoreSecret => {
                world.oracle.expected_requests += 1;
                let Some(former) = former_secret(world, slot) else { return };
                world.change_secret(slot, |secret| *secret = former);
            }
            Self::DeleteIssuer => world.issuer.deleting = true,
            Self::ForgeCurrent => forge_current(world, slot),
            Self::ForgeRetiring => forge_retiring(world, slot),
            Self::RetireCurrent => retire_current(world, slot),
            Self::WipeStatus => wipe_status(world, slot),
            Self::CopyStored => copy_stored(world, slot),
            Self::RotateKey => {
                let keys = &mut world.config.keys;
                *keys = KeyConfig { signing: keys.signing + 1, former: Some(keys.signing), ..*keys };
            }
            Self::LoseKey => {
                // Tokens that cannot be verified any more are replaced.
                world.oracle.expected_requests += world.slots.len();
                // An audit does not know unverified retiring tokens: those with a marker are revoked early.
                world.oracle.overlaps.clear();
                let keys = &mut world.config.keys;
                *keys = KeyConfig { signing: keys.signing + 1, former: None, since: world.clock };
            }
            Self::RewriteObject => world.change_object(slot, |object| {
                (object.finalizer, object.unprotected) = (false, true);
                object.requested.clear();
                object.requested_after.clear();
                object.confirmed_revoked.clear();
            }),
            Self::DenyNamespaces => {
                let clock = world.clock;
                let issuer = &mut world.issuer;
                issuer.denied_since = Some(clock);
                issuer.first_denied.get_or_insert(clock);
                issuer.namespace_changes += 1;
            }
            Self::AllowNamespaces => {
                world.issuer.denied_since = None;
                world.issuer.namespace_changes += 1;
                // A token that was revoked is requested again.
                world.oracle.expected_requests += world.slots.len();
            }
            Self::RewriteSecret => world.change_secret(slot, |secret| (secret.label, secret.controller) = (None, None)),
        }
    }
}

fn in_use(world: &World, slot: usize) -> Option<u32> {
    world.slots[slot].secret.as_ref().and_then(|secret| secret.content)
}

fn create(world: &mut World, slot: usize) {
    world.oracle.expected_requests += 1;
    world.keep_history(slot);
    let (uid, version) = (world.uid("o"), world.version());
    world.slots[slot].object = Some(FakeObject {
        uid,
        version,
        created: world.clock,
        generation: 1,
        deleting: false,
        finalizer: world.config.finalizer_at_creation,
        unprotected: false,
        description: format!("for {slot}"),
        requested: BTreeMap::new(),
        requested_after: BTreeMap::new(),
        revoke: true,
        reissue: true,
        suspended: false,
        confirmed_revoked: vec![],
        resync_requests: 0,
        status: None,
    });
}

/// The Secret is created again with another type: its content is lost, its metadata is kept.
fn change_type(world: &mut World, slot: usize) {
    world.oracle.expected_requests += 1;
    let uid = world.uid("s");
    world.change_secret(slot, |secret| {
        (secret.uid, secret.content, secret.wrong_type) = (uid, None, true);
    });
}

/// A foreign Secret of that name.
fn create_foreign(world: &mut World, slot: usize) {
    world.keep_history(slot);
    let (uid, version) = (world.uid("s"), world.version());
    world.slots[slot].secret = Some(FakeSecret { uid, version, foreign: true, ..empty_secret() });
    world.record_content(slot);
}

/// An annotation of the issuer applies to each of its objects.
fn annotate_issuer(world: &mut World, key: &str) {
    world.oracle.expected_requests += world.slots.iter().filter(|slot| slot.object.is_some()).count();
    let (value, last) = (world.version().to_string(), world.next_row);
    world.issuer.requested.insert(key.to_owned(), value);
    world.issuer.requested_after.insert(key.to_owned(), last);
}

/// The user confirms revocations by annotation, which does not change the generation.
pub fn confirm_revoked(world: &mut World, slot: usize) {
    let revoked = unconfirmed_revocations(world, slot);
    world.change_object(slot, |object| object.confirmed_revoked.extend(revoked));
}

/// A user reads the unverified tokens of an object, revokes those that belong to it, and confirms their revocation.
pub fn confirm_unproved(world: &mut World, slot: usize) -> bool {
    let Some(object) = &world.slots[slot].object else { return false };
    let observed = project_object(object, &world.config);
    let status = StatusView::of(&observed);
    let mut unconfirmed = status.unverified.unconfirmed(&observed);
    let in_secret = world.slots[slot].secret.as_ref().and_then(|secret| secret.content).filter(|_| !object.deleting);
    if !object.deleting {
        // A token that pods still pull with is not revoked and not confirmed yet, unless it is the current one, named
        // twice.
        let is_current = |id: &str| status.token.as_ref().is_some_and(|token| token.id == id);
        let is_in_secret = |id: &str| in_secret.is_some_and(|stored| stored.to_string() == id);
        unconfirmed.retain(|token| {
            let is_retiring = status.unverified.retiring.iter().any(|retiring| retiring.id == token.id);
            is_retiring && (!is_in_secret(&token.id) || is_current(&token.id))
        });
    }
    let (uid, clock) = (object.uid.clone(), world.clock);
    for id in unconfirmed.iter().filter_map(|token| token.id.parse::<u32>().ok()).filter(|id| in_secret != Some(*id)) {
        let owner = world.oracle.markers.get(&id).and_then(|nonce| world.oracle.reserved.get(nonce));
        if let Some(row) = world.rows.get_mut(&id).filter(|row| row.revoked.is_none() && owner == Some(&uid)) {
            row.revoked = Some(clock);
            world.oracle.revoked_by_users.insert(id);
        }
    }
    let ids: Vec<String> = unconfirmed.into_iter().map(|token| token.id).collect();
    let any = !ids.is_empty();
    if any {
        world.change_object(slot, |object| object.confirmed_revoked.extend(ids));
    }
    any
}

/// If portal and registry both report that a token does not exist, it counts as revoked: each object requests another
/// one.
fn record_misleading(world: &mut World, change: impl FnOnce(&mut (bool, bool))) {
    let before = world.oracle.misled;
    change(&mut world.oracle.misled);
    // If the portal does not list tokens, the registry alone decides.
    world.oracle.misled.0 |= world.config.list_denied;
    if before != (true, true) && world.oracle.misled == (true, true) {
        world.oracle.expected_requests += world.slots.len();
    }
}

fn edit(world: &mut World, slot: usize, change: impl FnOnce(&mut FakeObject)) {
    world.change_object(slot, |object| {
        change(object);
        object.generation += 1;
    });
}

/// Sets an annotation, which does not change the generation.
fn annotate(world: &mut World, slot: usize, key: &str) {
    world.oracle.expected_requests += 1;
    let (value, last) = (world.versions.to_string(), world.next_row);
    world.change_object(slot, |object| {
        object.requested.insert(key.to_owned(), value);
        object.requested_after.insert(key.to_owned(), last);
    });
}

fn revoke_upstream(world: &mut World, slot: usize) {
    world.oracle.expected_requests += 1;
    let clock = world.clock;
    if let Some(row) = in_use(world, slot).and_then(|id| world.rows.get_mut(&id)) {
        row.revoked = Some(clock);
        let id = row.token.id.parse().unwrap_or_default();
        world.oracle.revoked_by_users.insert(id);
    }
}

/// The old object with its status is created again, with another UID.
fn restore_copy(world: &mut World, slot: usize) {
    world.oracle.expected_requests += 1;
    let Some(old) = world.slots[slot].old_objects.iter().flatten().rfind(|old| old.status.is_some()).cloned() else {
        return;
    };
    world.keep_history(slot);
    let (uid, version) = (world.uid("o"), world.version());
    world.slots[slot].object = Some(FakeObject {
        uid,
        version,
        created: world.clock,
        deleting: false,
        finalizer: world.config.finalizer_at_creation,
        unprotected: false,
        ..old
    });
}
