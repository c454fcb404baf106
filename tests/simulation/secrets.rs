//! Executes a pass's writes to the Secret.

use super::fakes::FakeSecret;
use super::invariants;
use super::mutant::Mutant;
use super::operator::{Operator, RunningPass};
use super::outcome::{RequestOutcome, lost_response};
use super::projection::project_secret;
use super::world::World;
use registry_token_operator::domain::model::marker::Nonce;
use registry_token_operator::domain::model::token::TokenRef;
use registry_token_operator::domain::protocol::{Response, SecretWrite};
use std::time::Duration;

#[allow(clippy::too_many_arguments, reason = "all that a write to the Secret depends on")]
pub fn write_secret(
    world: &mut World,
    operator: &mut Operator,
    running: &mut RunningPass,
    slot: usize,
    write: &SecretWrite,
    outcome: RequestOutcome,
    mutant: Option<Mutant>,
) -> Response {
    if matches!(write, SecretWrite::Reserve(_)) {
        operator.attempts += 1;
    }
    if outcome == RequestOutcome::LostBefore {
        return lost_response();
    }
    if outcome == RequestOutcome::Rejected {
        return Response::WriteRejected("quota".to_owned());
    }
    if mutant == Some(Mutant::RevokesBeforeClearingReservation) && matches!(write, SecretWrite::ClearReservation) {
        let meta = running.pass.observed().secret.clone();
        return Response::Secret(meta.map(Box::new));
    }
    if mutant == Some(Mutant::RequestsBeforeReservation) && matches!(write, SecretWrite::Reserve(_)) {
        let meta = running.pass.observed().secret.clone();
        let meta = meta.or_else(|| Some(project_secret(&unsaved_secret(running), &running.uid, None, Duration::ZERO)));
        return Response::Secret(meta.map(Box::new));
    }
    let meta = running.pass.observed().secret.as_ref();
    let (version, uid) = (meta.map(|meta| meta.resource_version.clone()), meta.map(|meta| meta.uid.clone()));
    let guarded = !(mutant == Some(Mutant::CommitsUnguarded) && matches!(write, SecretWrite::Commit(_)));
    match (world.slots[slot].secret.as_ref(), version) {
        (None, None) if matches!(write, SecretWrite::Reserve(_)) => {
            // A Secret may be created for an object that has just been deleted. The garbage collector deletes it, with the
            // token if there is one. So the object must have existed when the pass read it.
            if running.gone_when_read {
                world.report_violation("I1: a token is reserved for an object that was deleted before it was read");
            }
            world.keep_history(slot);
            let (uid, version) = (world.uid("s"), world.version());
            world.slots[slot].secret = Some(FakeSecret {
                uid,
                version,
                controller: Some(running.uid.clone()),
                label: Some(running.uid.clone()),
                ..empty_secret()
            });
            world.record_content(slot);
        }
        (Some(_), None) | (None, Some(_)) => return Response::Conflict,
        (None, None) => return Response::Conflict,
        (Some(secret), Some(version)) => {
            if guarded && (secret.version.to_string() != version || Some(&secret.uid) != uid.as_ref()) {
                return Response::Conflict;
            }
            if (secret.immutable || secret.wrong_type) && matches!(write, SecretWrite::Commit(_)) {
                return Response::WriteRejected("it cannot be changed in place".to_owned());
            }
            if secret.foreign || secret.controller.as_ref().is_some_and(|controller| *controller != running.uid) {
                world.report_violation(format!("I5: {write:?} into a foreign Secret"));
            }
        }
    }
    world.oracle.writes.0 += 1;
    let (owner, uncommitted) = (running.uid.clone(), running.uncommitted.clone());
    apply_write(world, slot, write, &owner, uncommitted.as_ref());
    if matches!(write, SecretWrite::Commit(_)) {
        invariants::record_stored(world, &operator.identity(), &owner);
    }
    if outcome == RequestOutcome::LostAfter {
        return lost_response();
    }
    let (object, secret) = (world.slots[slot].object.clone(), world.slots[slot].secret.clone());
    let meta = operator.secret_meta(&running.uid, object.as_ref(), secret.as_ref(), world, mutant);
    Response::Secret(meta.map(Box::new))
}

pub fn empty_secret() -> FakeSecret {
    FakeSecret {
        uid: String::new(),
        version: 0,
        controller: None,
        label: None,
        reservation: None,
        stored: None,
        closed: None,
        content: None,
        checksum_uid: None,
        tampered: false,
        foreign: false,
        immutable: false,
        wrong_type: false,
        adoptable: false,
        orphaned: vec![],
    }
}

fn unsaved_secret(running: &RunningPass) -> FakeSecret {
    FakeSecret { controller: Some(running.uid.clone()), label: Some(running.uid.clone()), ..empty_secret() }
}

fn apply_write(world: &mut World, slot: usize, write: &SecretWrite, owner: &str, uncommitted: Option<&TokenRef>) {
    if let SecretWrite::Reserve(reservation) = write {
        world.oracle.reserved.insert(Nonce::of(owner, &reservation.attempt_id), owner.to_owned());
    }
    if matches!(write, SecretWrite::ClearToken) && world.hidden {
        // A token that the list does not contain cannot be verified, and is replaced.
        world.oracle.excused_requests += 1;
    }
    if let SecretWrite::Commit(stored) = write {
        invariants::record_commit(world, slot, (owner, stored.request_cause.cause));
    }
    // If a user removed the annotations of the stored token, no token is known that could be released.
    let stored_id =
        world.slots[slot].secret.as_ref().and_then(|secret| secret.stored.as_ref()).map(|one| one.id.clone());
    let uncommitted_id = uncommitted.and_then(|token| token.id.parse().ok());
    world.change_secret(slot, |secret| match write {
        SecretWrite::Reserve(reservation) => {
            secret.reservation = Some(reservation.clone());
            secret.label = Some(owner.to_owned());
            secret.closed = None;
        }
        SecretWrite::ClearReservation => secret.reservation = None,
        SecretWrite::Close => {
            secret.reservation = None;
            secret.closed = Some(owner.to_owned());
        }
        SecretWrite::ClearToken => {
            secret.stored = None;
            secret.tampered = true;
        }
        SecretWrite::RemoveLogin => {
            (secret.reservation, secret.stored, secret.checksum_uid) = (None, None, None);
            // The data of an immutable Secret stay.
            secret.tampered |= secret.immutable;
            if !secret.immutable {
                secret.content = None;
            }
        }
        SecretWrite::Commit(stored) => {
            secret.reservation = None;
            secret.stored = Some(stored.clone());
            secret.content = uncommitted_id;
            (secret.tampered, secret.adoptable, secret.closed) = (false, false, None);
            secret.checksum_uid = Some(owner.to_owned());
            secret.controller = Some(owner.to_owned());
            secret.label = Some(owner.to_owned());
        }
        SecretWrite::Import(stored) => {
            secret.stored = Some(stored.clone());
            (secret.tampered, secret.adoptable, secret.closed) = (false, false, None);
            secret.checksum_uid = Some(owner.to_owned());
            secret.controller = Some(owner.to_owned());
            secret.label = Some(owner.to_owned());
        }
        SecretWrite::Repair(signature) => {
            if let Some(stored) = &mut secret.stored {
                stored.signature = signature.clone();
            }
            (secret.adoptable, secret.closed) = (false, None);
            secret.checksum_uid = Some(owner.to_owned());
            secret.controller = Some(owner.to_owned());
            secret.label = Some(owner.to_owned());
        }
        SecretWrite::Orphan(orphaned) => {
            secret.adoptable = false;
            secret.orphaned.extend(orphaned.iter().cloned());
            secret.controller = None;
            secret.label = (!secret.orphaned.is_empty()).then(|| owner.to_owned());
            secret.reservation = None;
            secret.stored = None;
            secret.closed = None;
        }
        SecretWrite::RestoreOwnership => {
            secret.controller = Some(owner.to_owned());
            secret.label = Some(owner.to_owned());
        }
    });
    if matches!(write, SecretWrite::Orphan(_))
        && let Some(id) = stored_id.and_then(|id| id.parse::<u32>().ok())
        && let Some(row) = world.rows.get_mut(&id)
    {
        row.orphaned = true;
    }
}
