//! Executes a request in the simulated world, with the outcome that the schedule chose, and checks its effect.

use super::fakes::{FakeObject, FakeSecret};
use super::invariants;
use super::issuer::{HOME_URL, is_denied};
use super::mutant::Mutant;
use super::operator::{Operator, RunningPass};
use super::outcome::{RequestOutcome, lost_response};
use super::portal::{edit_description, query_rows, request_token, revoke_token, unauthorized, verify_login};
use super::projection::{named_ids, project_object, project_object_as};
use super::schedule::DAY_SECONDS;
use super::secrets::write_secret;
use super::world::{World, at};
use registry_token_operator::api::RegistryTokenStatus;
use registry_token_operator::domain::model::namespace_access::not_allowed;
use registry_token_operator::domain::model::object::Object;
use registry_token_operator::domain::model::problem::messages::issuer_deleting;
use registry_token_operator::domain::model::status_view::StatusView;
use registry_token_operator::domain::protocol::{Request, Response, SecretContent};

/// Executes a pass's request.
pub fn execute(
    world: &mut World,
    operator: &mut Operator,
    slot: usize,
    running: &mut RunningPass,
    outcome: RequestOutcome,
    mutant: Option<Mutant>,
) -> Response {
    let request = running.request.clone();
    let elsewhere = running.pass.observed().issuer_info().is_some_and(|issuer| issuer.portal.url != HOME_URL);
    match request {
        Request::RequestToken { .. } | Request::QueryRows(_) | Request::EditDescription { .. } | Request::Revoke(_)
            if unauthorized(world, elsewhere).is_some() =>
        {
            unauthorized(world, elsewhere).map_or(Response::Done, Response::Rejected)
        }
        Request::AcquireSlot { .. } | Request::Sleep(_) | Request::RequeueIssuer => Response::Done,
        Request::ReadLastWriter => Response::LastWriter(Some("another-user".to_owned())),
        Request::RequestAudit => {
            operator.audit_requested = true;
            Response::Done
        }
        Request::ReadObject | Request::ReadSecret | Request::ReadContent | Request::ReadIssuer
            if outcome != RequestOutcome::Success =>
        {
            lost_response()
        }
        Request::ReadObject => {
            let object = world.slots[slot].object.as_ref();
            running.gone_when_read = object.is_none_or(|object| object.uid != running.uid);
            read_object(world, running, slot, mutant)
        }
        Request::ReadSecret => read_secret(world, operator, running, slot, mutant),
        Request::ReadContent => read_content(world, operator, running, slot, mutant),
        Request::ReadIssuer => {
            running.issuer_read = world.clock;
            match world.issuer.deleting {
                true => Response::IssuerDenied(issuer_deleting()),
                false if world.issuer.moved != elsewhere => Response::IssuerChanged,
                false if is_denied(world, running, mutant) => Response::IssuerDenied(not_allowed(at(world.clock))),
                false => Response::Done,
            }
        }
        Request::SetFinalizer(wanted) => set_finalizer(world, running, slot, wanted, outcome, mutant),
        Request::DryRunCommit(_) if outcome == RequestOutcome::Rejected => Response::WriteRejected("quota".to_owned()),
        Request::DryRunCommit(_) => Response::Done,
        Request::WriteSecret(write) => write_secret(world, operator, running, slot, &write, outcome, mutant),
        Request::WriteStatus(status) => write_status(world, running, slot, *status, outcome, mutant),
        Request::RequestToken { description, .. } => {
            let mut request =
                |description: &str, outcome| request_token(world, operator, running, description, (outcome, mutant));
            match (request(&description, outcome), mutant) {
                (Response::PortalOutcomeUnknown(_), Some(Mutant::RetriesAfterTimeout)) => {
                    request(&description, RequestOutcome::Success)
                }
                (Response::PortalOutcomeUnknown(_), Some(Mutant::RepeatsUnderAnotherName)) => {
                    request(&super::mutant::another_name(), RequestOutcome::Success)
                }
                (response, _) => response,
            }
        }
        Request::QueryRows(rows) => query_rows(world, &rows, outcome, mutant),
        Request::EditDescription { token, description } => {
            operator.state(&running.uid).modified = Some(world.clock);
            invariants::check_ownership(world, &running.uid, &token);
            edit_description(world, &token, description, outcome)
        }
        Request::Revoke(token) => {
            // A pass that started before the policy was changed follows the previous policy.
            let wanted_then = running.pass.observed().object.revoke_on_deletion;
            invariants::check_ownership(world, &running.uid, &token);
            let response = revoke_token(world, &token, outcome, wanted_then);
            if response == Response::Done {
                operator.state(&running.uid).revoked.push(token);
            }
            response
        }
        Request::VerifyLogin => verify_login(world, running, slot, outcome),
        // No object imports a token here: a token without a marker belongs to no attempt that the oracles know.
        Request::ReadImport
        | Request::VerifyImportedLogin
        | Request::TryRandomPassword { .. }
        | Request::ClaimToken(_) => Response::Conflict,
    }
}

fn read_object(world: &World, running: &RunningPass, slot: usize, mutant: Option<Mutant>) -> Response {
    let object = if mutant == Some(Mutant::ReservesForDeletedObject) {
        running.cached_object.as_ref()
    } else {
        world.slots[slot].object.as_ref()
    };
    let object = object.filter(|object| object.uid == running.uid);
    object_response(object, world, mutant)
}

fn object_response(object: Option<&FakeObject>, world: &World, mutant: Option<Mutant>) -> Response {
    Response::Object(object.map(|object| Box::new(project_object_as(object, &world.config, mutant))))
}

fn read_secret(
    world: &World,
    operator: &mut Operator,
    running: &RunningPass,
    slot: usize,
    mutant: Option<Mutant>,
) -> Response {
    let cached = mutant == Some(Mutant::UsesCachedSecretForLoss);
    let secret = if cached { running.cached_secret.as_ref() } else { world.slots[slot].secret.as_ref() };
    let object = world.slots[slot].object.as_ref();
    let meta = operator.secret_meta(&running.uid, object, secret, world, mutant);
    Response::Secret(meta.map(Box::new))
}

fn read_content(
    world: &World,
    operator: &mut Operator,
    running: &RunningPass,
    slot: usize,
    mutant: Option<Mutant>,
) -> Response {
    let (object, secret) = (world.slots[slot].object.as_ref(), world.slots[slot].secret.as_ref());
    let content = match secret {
        Some(FakeSecret { wrong_type: true, .. }) => SecretContent::WrongType,
        Some(secret @ FakeSecret { immutable: true, content, .. }) => {
            let username =
                content.filter(|_| secret.is_intact(&running.uid)).map(|id| world.config.portal.username(id));
            SecretContent::Immutable { username }
        }
        Some(secret @ FakeSecret { content: Some(id), .. }) => {
            let (username, checksum_valid) = (world.config.portal.username(*id), secret.is_intact(&running.uid));
            SecretContent::Login { username, registries_match: true, checksum_valid, template_applied: true }
        }
        _ => SecretContent::Empty,
    };
    let meta = operator.secret_meta(&running.uid, object, secret, world, mutant);
    Response::Content(meta.map(|meta| Box::new((meta, content))))
}

fn set_finalizer(
    world: &mut World,
    running: &RunningPass,
    slot: usize,
    wanted: bool,
    outcome: RequestOutcome,
    mutant: Option<Mutant>,
) -> Response {
    if outcome == RequestOutcome::Rejected {
        return Response::WriteRejected("permission".to_owned());
    }
    if outcome == RequestOutcome::LostBefore {
        return lost_response();
    }
    let version = running.pass.observed().object.resource_version.clone();
    match world.slots[slot].object.as_ref().filter(|object| object.uid == running.uid) {
        None if !wanted => return Response::Object(None),
        None => return Response::Conflict,
        Some(object) if object.version.to_string() != version => return Response::Conflict,
        Some(_) => {}
    }
    world.oracle.writes.0 += 1;
    mark_orphaned(world, running, slot, wanted);
    world.change_object(slot, |object| {
        object.finalizer = wanted;
        object.unprotected &= !wanted;
    });
    if outcome == RequestOutcome::LostAfter {
        return lost_response();
    }
    object_response(world.slots[slot].object.as_ref(), world, mutant)
}

/// The tokens of an object that is deleted under `Orphan` are released to its user.
fn mark_orphaned(world: &mut World, running: &RunningPass, slot: usize, wanted: bool) {
    let here = &world.slots[slot];
    let object = here.object.as_ref().filter(|object| !wanted && object.deleting && !object.revoke);
    let Some(status) = object.map(|object| StatusView::of(&project_object(object, &world.config))) else { return };
    // If the key was lost, nothing proves any more that the markers of its unverified tokens are released to its user.
    let own = |id: &u32| {
        world.oracle.markers.get(id).and_then(|nonce| world.oracle.reserved.get(nonce)) == Some(&running.uid)
    };
    let unverified = status.unverified.tokens().into_iter().filter_map(|token| token.id.parse().ok()).filter(own);
    let unverified: Vec<u32> = unverified.collect();
    world.oracle.undecidable.extend(unverified);
    let here = &world.slots[slot];
    let Some(id) = status.token.and_then(|token| token.id.parse::<u32>().ok()) else { return };
    // While the portal is unavailable, and where it has no edits, the marker is not removed, and only the Secret could
    // record that the token is released.
    let elsewhere = running.pass.observed().issuer_info().is_none_or(|issuer| issuer.portal.url != HOME_URL);
    let marker = world.oracle.markers.get(&id);
    let is_recorded = |secret: &FakeSecret| marker.is_some_and(|marker| secret.orphaned.contains(marker));
    let stays = elsewhere || !world.config.portal.edit;
    if stays && !here.secret.as_ref().is_some_and(is_recorded) {
        world.oracle.undecidable.insert(id);
    }
    if let Some(row) = world.rows.get_mut(&id) {
        row.orphaned = true;
    }
}

fn write_status(
    world: &mut World,
    running: &RunningPass,
    slot: usize,
    mut status: RegistryTokenStatus,
    outcome: RequestOutcome,
    mutant: Option<Mutant>,
) -> Response {
    if outcome == RequestOutcome::Rejected {
        return Response::WriteRejected("permission".to_owned());
    }
    if outcome == RequestOutcome::LostBefore {
        return lost_response();
    }
    let version = running.pass.observed().object.resource_version.clone();
    let guarded = mutant != Some(Mutant::WritesStatusUnguarded);
    match world.slots[slot].object.as_ref().filter(|object| object.uid == running.uid) {
        None => return Response::Conflict,
        Some(object) if guarded && object.version.to_string() != version => return Response::Conflict,
        Some(object) => {
            if mutant == Some(Mutant::AcksUnhandledAnnotations)
                && status.token != running.pass.observed().object.own_status().and_then(|own| own.token.clone())
            {
                status.handled_annotations.extend(object.requested.clone());
            }
        }
    }
    if mutant == Some(Mutant::NeverRevokesRetiring) {
        let never = at(world.clock + 1000 * DAY_SECONDS);
        status.retiring.iter_mut().for_each(|token| token.revocation_time.0 = never);
    }
    invariants::check_readiness(world, slot, &status);
    invariants::check_denial(world, running, slot, &status);
    record_named(world, running, &status);
    world.oracle.writes.0 += 1;
    world.change_object(slot, |object| object.status = Some(status));
    if outcome == RequestOutcome::LostAfter {
        return lost_response();
    }
    object_response(world.slots[slot].object.as_ref(), world, mutant)
}

/// Records the tokens that a status of the operator names. A status that another user forged for a different object's token
/// does not name that token. Nor does an entry that another user wrote, and that the operator only keeps.
fn record_named(world: &mut World, running: &RunningPass, status: &RegistryTokenStatus) {
    let oracle = &world.oracle;
    let own = |id: &u32| oracle.markers.get(id).and_then(|nonce| oracle.reserved.get(nonce)) == Some(&running.uid);
    let object = &running.pass.observed().object;
    let former: Vec<&String> = object.own_status().into_iter().flat_map(named_ids).collect();
    let written = Object { status: Some(status.clone()), ..object.clone() };
    let proved = StatusView::of(&written).tokens();
    let by_operator = |id: &&String| !former.contains(id) || proved.iter().any(|token| token.id == **id);
    let named: Vec<u32> = named_ids(status).filter(by_operator).filter_map(|id| id.parse().ok()).filter(own).collect();
    world.oracle.named_in_status.extend(named);
}
