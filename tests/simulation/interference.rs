//! A tenant who may write the status of his objects and the annotations of his Secrets, and writes there what is not
//! true: tokens of others, with whatever MAC he has seen.

use super::actors::colleague_token;
use super::world::{World, at};
use registry_token_operator::api::{RecordedPortal, RecordedToken, RegistryTokenStatus, RetiringToken};
use registry_token_operator::domain::protocol::Named;

/// A token that is not this object's, as another status names it; else one that no status names, or a colleague's.
fn token_of_another(world: &mut World, slot: usize) -> (RecordedToken, Option<RecordedPortal>) {
    let others = world.slots.iter().enumerate().filter(|(index, _)| *index != slot);
    let statuses = others.filter_map(|(_, held)| held.object.as_ref()?.status.as_ref());
    let mut named = statuses.filter_map(|status| Some((status.token.clone()?, status.portal.clone())));
    if let Some(found) = named.next() {
        return found;
    }
    let own = |world: &World| {
        let status = world.slots[slot].object.as_ref().and_then(|object| object.status.clone()).unwrap_or_default();
        let current = status.token.into_iter().map(|token| token.id);
        current.chain(status.retiring.into_iter().map(|token| token.id)).collect::<Vec<_>>()
    };
    let own = own(world);
    let stray = world.rows.values().find(|row| row.revoked.is_none() && !own.contains(&row.token.id));
    let stray = stray.map(|row| row.token.clone());
    let Named { id, username } = stray.unwrap_or_else(|| colleague_token(world));
    let request_time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(0));
    let token = RecordedToken { id, username, nonce: String::new(), request_time, expiration_time: None, mac: None };
    (token, None)
}

fn change_status(world: &mut World, slot: usize, change: impl FnOnce(&mut RegistryTokenStatus)) {
    // What he writes over, nothing but the Secret may still name.
    let status = world.slots[slot].object.as_ref().and_then(|object| object.status.clone()).unwrap_or_default();
    let lost = status.token.iter().map(|token| &token.id).chain(status.retiring.iter().map(|token| &token.id));
    world.oracle.undecidable.extend(lost.filter_map(|id| id.parse::<u32>().ok()));
    let uid = world.slots[slot].object.as_ref().map(|object| object.uid.clone());
    world.oracle.overlaps.retain(|_, overlap| Some(&overlap.uid) != uid.as_ref());
    world.change_object(slot, |object| {
        let uid = object.uid.clone();
        let status = object.status.get_or_insert_default();
        status.uid = Some(uid);
        change(status);
    });
}

/// His object has another one's token as its current one, and the Secret that stands in its place as its own.
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

/// His object has another one's token as a former one that is due.
pub fn forge_retiring(world: &mut World, slot: usize) {
    let (token, portal) = token_of_another(world, slot);
    let clock = world.clock;
    change_status(world, slot, |status| {
        let (id, username, mac) = (token.id, token.username, token.mac);
        status.retiring.retain(|known| known.id != id);
        let revocation_time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(clock));
        status.retiring.push(RetiringToken { id, username, revocation_time, revoked_upstream: false, mac });
        if status.portal.is_none() {
            status.portal = portal;
        }
    });
}

/// His object's own current token is moved among the former ones, with its MAC.
pub fn retire_current(world: &mut World, slot: usize) {
    let clock = world.clock;
    change_status(world, slot, |status| {
        let Some(RecordedToken { id, username, mac, .. }) = status.token.take() else { return };
        status.retiring.retain(|known| known.id != id);
        let revocation_time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(clock));
        status.retiring.push(RetiringToken { id, username, revocation_time, revoked_upstream: false, mac });
    });
}

/// Nothing is left of the status.
pub fn wipe_status(world: &mut World, slot: usize) {
    // With it goes what had been handled: it may be asked for once more.
    world.oracle.expected_requests += 1;
    change_status(world, slot, |_| {});
    world.change_object(slot, |object| object.status = None);
}

/// His Secret has the annotations of another one's, its MAC included, and a checksum that fits them.
pub fn copy_stored(world: &mut World, slot: usize) {
    world.oracle.expected_requests += 1;
    let mut others = world.slots.iter().enumerate().filter(|(index, _)| *index != slot);
    let stored = others.find_map(|(_, held)| held.secret.as_ref()?.stored.clone());
    world.change_secret(slot, |secret| secret.stored = stored);
}
