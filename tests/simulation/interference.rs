//! A tenant with write access to the status of its objects and the annotations of its Secrets forges them: it writes
//! tokens of other objects there, with any MAC that it can read.

use super::projection::named_ids;
use super::world::{World, at};
use registry_token_operator::api::{RecordedPortal, RecordedToken, RegistryTokenStatus, RetiringToken};
use registry_token_operator::domain::model::marker::AttemptId;
use registry_token_operator::domain::model::pull_secret::{Provenance, StoredToken};
use registry_token_operator::domain::model::request_cause::RequestCause;
use registry_token_operator::domain::model::token::TokenRef;

/// A token of another object, from that object's status. If there is none, a token that no status names, or one of
/// another portal user.
fn token_of_another(world: &mut World, slot: usize) -> (RecordedToken, Option<RecordedPortal>) {
    let others = world.slots.iter().enumerate().filter(|(index, _)| *index != slot);
    let statuses = others.filter_map(|(_, other)| other.object.as_ref()?.status.as_ref());
    let mut named = statuses.filter_map(|status| Some((status.token.clone()?, status.portal.clone())));
    if let Some(found) = named.next() {
        return found;
    }
    let own = |world: &World| {
        let status = world.slots[slot].object.as_ref().and_then(|object| object.status.clone()).unwrap_or_default();
        named_ids(&status).cloned().collect::<Vec<_>>()
    };
    let own = own(world);
    let unnamed = world.rows.values().find(|row| row.revoked.is_none() && !own.contains(&row.token.id));
    let unnamed = unnamed.map(|row| row.token.clone());
    let TokenRef { id, username } = unnamed.unwrap_or_else(|| foreign_token(world));
    let request_time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(0));
    let token = RecordedToken { id, username, nonce: String::new(), request_time, expiration_time: None, mac: None };
    (token, None)
}

fn change_status(world: &mut World, slot: usize, change: impl FnOnce(&mut RegistryTokenStatus)) {
    // Only the Secret may still name the tokens that are overwritten.
    let status = world.slots[slot].object.as_ref().and_then(|object| object.status.clone()).unwrap_or_default();
    world.oracle.undecidable.extend(named_ids(&status).filter_map(|id| id.parse::<u32>().ok()));
    let uid = world.slots[slot].object.as_ref().map(|object| object.uid.clone());
    world.oracle.overlaps.retain(|_, overlap| Some(&overlap.uid) != uid.as_ref());
    world.change_object(slot, |object| {
        let uid = object.uid.clone();
        let status = object.status.get_or_insert_default();
        status.uid = Some(uid);
        change(status);
    });
}

/// The object's status names another object's token as its current one, and a foreign Secret as its own.
pub fn forge_current(world: &mut World, slot: usize) {
    let (token, portal) = token_of_another(world, slot);
    let foreign = world.slots[slot].secret.as_ref().filter(|secret| secret.foreign).map(|secret| secret.uid.clone());
    change_status(world, slot, |status| {
        if foreign.is_some() {
            status.secret.get_or_insert_default().uid = foreign;
        }
        status.token =
            Some(RecordedToken { mac: token.mac.clone().or(status.token.take().and_then(|own| own.mac)), ..token });
        status.portal = portal.or(status.portal.take());
    });
}

/// The object's status names another object's token as a retiring one whose revocation is due.
pub fn forge_retiring(world: &mut World, slot: usize) {
    let (token, portal) = token_of_another(world, slot);
    let clock = world.clock;
    change_status(world, slot, |status| {
        let (id, username, mac) = (token.id, token.username, token.mac);
        status.retiring.retain(|token| token.id != id);
        let revocation_time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(clock));
        status.retiring.push(RetiringToken { id, username, revocation_time, revoked_upstream: false, mac });
        if status.portal.is_none() {
            status.portal = portal;
        }
    });
}

/// The object's current token is moved to the retiring ones, with its MAC.
pub fn retire_current(world: &mut World, slot: usize) {
    let clock = world.clock;
    change_status(world, slot, |status| {
        let Some(RecordedToken { id, username, mac, .. }) = status.token.take() else { return };
        status.retiring.retain(|token| token.id != id);
        let revocation_time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(clock));
        status.retiring.push(RetiringToken { id, username, revocation_time, revoked_upstream: false, mac });
    });
}

/// The status is deleted.
pub fn wipe_status(world: &mut World, slot: usize) {
    // The handled annotations are deleted with it, so a token may be requested once more.
    world.oracle.expected_requests += 1;
    change_status(world, slot, |_| {});
    world.change_object(slot, |object| object.status = None);
}

/// The Secret gets the annotations of another Secret, with its MAC and a matching checksum.
pub fn copy_stored(world: &mut World, slot: usize) {
    world.oracle.expected_requests += 1;
    let mut others = world.slots.iter().enumerate().filter(|(index, _)| *index != slot);
    let stored = others.find_map(|(_, other)| other.secret.as_ref()?.stored.clone());
    world.change_secret(slot, |secret| secret.stored = stored);
}

/// A user writes annotations that name the token of another portal user.
pub fn forge_stored(world: &mut World, slot: usize) {
    world.oracle.expected_requests += 1;
    let TokenRef { id, .. } = foreign_token(world);
    world.change_secret(slot, |secret| {
        let signature = secret.stored.take().map(|stored| stored.signature).unwrap_or_default();
        secret.stored = Some(StoredToken {
            attempt_id: AttemptId::from_random(&[9; 16]),
            id,
            request_cause: RequestCause::default(),
            provenance: Provenance::default(),
            signature,
        });
        // The checksum covers these annotations too.
        secret.tampered = true;
    });
}

/// A token that another portal user created.
fn foreign_token(world: &mut World) -> TokenRef {
    let clock = world.clock;
    let token = world.mint(String::new());
    world.oracle.minted -= 1;
    if let Some(row) = world.rows.get_mut(&token.id.parse().unwrap_or_default()) {
        row.foreign = true;
        "another user's".clone_into(&mut row.description);
        row.created = clock - 1000;
    }
    token
}
