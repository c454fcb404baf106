//! Executes a pass's requests to portal and registry.

use super::fakes::{PendingEffect, PortalEffect, RegistryState};
use super::invariants;
use super::mutant::Mutant;
use super::operator::{Operator, RunningPass};
use super::outcome::RequestOutcome;
use super::world::{MAX_RESPONSE_SECONDS, World, tag};
use registry_token_operator::api::{LoginCheck, Reason};
use registry_token_operator::domain::model::login_result::LoginResult;
use registry_token_operator::domain::model::marker::Marker;
use registry_token_operator::domain::model::problem::Problem;
use registry_token_operator::domain::model::problem::messages::transient;
use registry_token_operator::domain::model::token::{RowQuery, TokenRef, TokenRow};
use registry_token_operator::domain::protocol::Response;

pub fn transient_problem() -> Problem {
    transient(Reason::TimedOut, "lost".to_owned())
}

/// A 4xx: the request had no effect.
pub fn rejected() -> Response {
    Response::Rejected(transient(Reason::RequestRejected, "422".to_owned()))
}

pub fn token_row(row: &super::fakes::PortalToken) -> TokenRow {
    TokenRow {
        token: row.token.clone(),
        description: row.description.clone(),
        expiration_time: row.expires.map(super::world::at),
    }
}

/// The problem, if the credentials are invalid or the portal is the wrong one.
pub fn unauthorized(world: &World, elsewhere: bool) -> Option<Problem> {
    let is_rejected = world.issuer.broken || elsewhere;
    is_rejected.then(|| transient(Reason::Unauthorized, "the portal does not accept the credentials".to_owned()))
}

pub fn request_token(
    world: &mut World,
    operator: &mut Operator,
    running: &mut RunningPass,
    description: &str,
    (outcome, mutant): (RequestOutcome, Option<Mutant>),
) -> Response {
    if world.clock - running.issuer_read > MAX_RESPONSE_SECONDS / 2 {
        return Response::IssuerReadExpired;
    }
    // A rejected request creates no token.
    if outcome != RequestOutcome::Rejected {
        invariants::check_request_rate(world, &operator.identity(), running);
    }
    operator.state(&running.uid).modified = Some(world.clock);
    let nonce = Marker::find(&tag(), description).map(|marker| marker.nonce().clone());
    match nonce {
        None => world.report_violation("a request without a marker"),
        Some(nonce) => {
            if !world.oracle.reserved.contains_key(&nonce) {
                world.report_violation("a request without a reservation");
            }
            if !world.oracle.requested_nonces.insert(nonce) {
                world.report_violation("one attempt was requested twice");
            }
        }
    }
    match outcome {
        RequestOutcome::Rejected => Response::Rejected(transient_problem()),
        RequestOutcome::LostBefore => Response::PortalOutcomeUnknown(transient_problem()),
        RequestOutcome::DelayedEffect => {
            world.pending_effects.push(PendingEffect {
                effect: PortalEffect::Mint(description.to_owned()),
                until: world.clock + MAX_RESPONSE_SECONDS,
            });
            Response::PortalOutcomeUnknown(transient_problem())
        }
        RequestOutcome::LostAfter => {
            world.mint(description.to_owned());
            Response::PortalOutcomeUnknown(transient_problem())
        }
        RequestOutcome::DeliveredTwice => {
            let token = world.mint(description.to_owned());
            running.duplicate = Some(token);
            match mutant {
                Some(Mutant::TreatsDuplicateAsRejection) => rejected(),
                _ => Response::PortalOutcomeUnknown(transient_problem()),
            }
        }
        _ => {
            let token = world.mint(description.to_owned());
            running.uncommitted = Some(token.clone());
            let id = world.config.id_in_response.then_some(token.id);
            if id.is_none() && world.hidden {
                // The id is unknown, so the token is given up. It is found when the list is visible again.
                world.oracle.excused_requests += 1;
            }
            let lifetime = world.config.portal.lifetime.filter(|_| mutant != Some(Mutant::IgnoresExpiry));
            let expiration_time = lifetime.map(|lifetime| super::world::at(world.clock + lifetime));
            Response::Token { id, username: token.username, expiration_time }
        }
    }
}

pub fn query_rows(world: &mut World, rows: &RowQuery, outcome: RequestOutcome, mutant: Option<Mutant>) -> Response {
    if outcome == RequestOutcome::LostBefore {
        return Response::PortalOutcomeUnknown(transient_problem());
    }
    if let RowQuery::WithId(id) = rows
        && world.hidden
    {
        // The list is hidden, and the operator has not noticed it: a token whose password is lost is considered
        // revoked. Not covered (docs/invariants.md). A token with a marker is found later.
        world.oracle.undecidable.extend(id.parse::<u32>());
    }
    let all: Vec<TokenRow> = world.list_rows(outcome == RequestOutcome::StaleList).into_iter().map(token_row).collect();
    let all = all.into_iter();
    Response::Rows(match rows {
        // As if the username identified the token: here all tokens have the same.
        RowQuery::WithId(_) | RowQuery::WithMarker(_) if mutant == Some(Mutant::IdentifiesByUsername) => all.collect(),
        RowQuery::WithId(id) => all
            .filter(|row| row.token.id == *id)
            .map(|mut row| {
                if mutant == Some(Mutant::AdoptsForgedAnnotation) {
                    // As if the marker were not checked.
                    row.description = format!("{} {}", row.description, super::mutant::all_markers(world));
                }
                row
            })
            .collect(),
        RowQuery::WithUsername(_) if world.config.portal.login_shared => {
            world.report_violation("a token was looked up by the username of all tokens");
            vec![]
        }
        // No list stays hidden here, so no token is known by its username only.
        RowQuery::WithUsername(username) => all.filter(|row| row.token.username == *username).collect(),
        RowQuery::Probe => all.take(1).collect(),
        RowQuery::WithMarker(marker) => all.filter(|row| marker.is_in(&row.description)).collect(),
    })
}

pub fn edit_description(world: &mut World, token: &TokenRef, description: String, outcome: RequestOutcome) -> Response {
    let id = token.id.parse().unwrap_or_default();
    if !world.config.portal.edit {
        world.report_violation("an edit was sent to a portal that has none");
    }
    world.oracle.edited_late |= outcome == RequestOutcome::DelayedEffect;
    match outcome {
        RequestOutcome::Rejected => {
            world.oracle.edit_rejected = true;
            return rejected();
        }
        RequestOutcome::LostBefore => {}
        // The token no longer exists.
        _ if !world.rows.get(&id).is_some_and(|row| world.exists(row)) => {
            world.oracle.edit_rejected = true;
            return rejected();
        }
        RequestOutcome::DelayedEffect => world.pending_effects.push(PendingEffect {
            effect: PortalEffect::Edit(id, description),
            until: world.clock + MAX_RESPONSE_SECONDS,
        }),
        _ => {
            if world.rows.get(&id).is_some_and(|row| row.foreign) {
                world.report_violation("another user's token was edited");
                return Response::Done;
            }
            world.set_description(id, description);
            world.oracle.writes.0 += 1;
        }
    }
    if outcome == RequestOutcome::Success {
        Response::Done
    } else {
        Response::PortalOutcomeUnknown(transient_problem())
    }
}

pub fn revoke_token(world: &mut World, token: &TokenRef, outcome: RequestOutcome, wanted_then: bool) -> Response {
    if outcome == RequestOutcome::Rejected {
        world.oracle.revocation_rejected.extend(token.id.parse::<u32>().ok().filter(|_| world.config.list_denied));
        return rejected();
    }
    if outcome != RequestOutcome::LostBefore {
        let id: u32 = token.id.parse().unwrap_or_default();
        if !world.accepts_login(id) && world.config.list_denied {
            // The token no longer exists, and there is no list that could have shown that before.
            return rejected();
        }
        if world.accepts_login(id) || world.is_expired(id) {
            invariants::check_revocation(world, id, wanted_then);
            let clock = world.clock;
            if let Some(row) = world.rows.get_mut(&id) {
                row.revoked = Some(clock);
            }
            world.oracle.writes.0 += 1;
        }
    }
    if outcome == RequestOutcome::Success {
        Response::Done
    } else {
        Response::PortalOutcomeUnknown(transient_problem())
    }
}

pub fn verify_login(world: &mut World, running: &RunningPass, slot: usize, outcome: RequestOutcome) -> Response {
    if world.config.login == LoginCheck::Disabled {
        return Response::Login(LoginResult::NotChecked);
    }
    let uncommitted = running.uncommitted.as_ref().and_then(|token| token.id.parse().ok());
    if world.registry != RegistryState::Up && uncommitted.is_some() {
        // A new token whose login is not accepted is revoked, and another one is requested.
        world.oracle.excused_requests += 1;
    }
    if outcome != RequestOutcome::Success || world.registry == RegistryState::Down {
        return Response::Login(LoginResult::Unknown("down".into()));
    }
    let stored = world.slots[slot]
        .secret
        .as_ref()
        .filter(|secret| secret.is_intact(&running.uid))
        .and_then(|secret| secret.content);
    Response::Login(uncommitted.or(stored).map_or(LoginResult::NotChecked, |id| login_result(world, id)))
}

/// The result of a login at the registry, which is up.
pub fn login_result(world: &mut World, id: u32) -> LoginResult {
    if world.accepts_login(id) && world.registry == RegistryState::Up {
        world.oracle.logged_in.insert(id);
        return LoginResult::Accepted;
    }
    if world.oracle.revocation_rejected.contains(&id) {
        // Portal and registry both report that the token does not exist: it counts as revoked.
        world.oracle.undecidable.insert(id);
    }
    LoginResult::Rejected("401".to_owned())
}
