//! Performs what a pass asks of portal and registry.

use super::judge;
use super::mutant::Mutant;
use super::operator::{Operator, Running};
use super::perform::Outcome;
use super::world::{Act, LONGEST, Late, Registry, World, tag};
use registry_token_operator::api::Reason;
use registry_token_operator::domain::effect::{Answer, Named, Row, Rows, Verdict};
use registry_token_operator::domain::fault::Fault;
use registry_token_operator::domain::faults::waiting;
use registry_token_operator::domain::marker::Marker;
use registry_token_operator::domain::observed::LoginMode;

pub fn fault() -> Fault {
    waiting(Reason::TimedOut, "lost".to_owned())
}

/// A 4xx: nothing was done.
pub fn refused() -> Answer {
    Answer::Denied(waiting(Reason::RequestRefused, "422".to_owned()))
}

pub fn row(row: &super::world::Row) -> Row {
    Row { token: row.token.clone(), description: row.description.clone() }
}

/// Who uses the wrong portal, or the wrong credentials, is turned away.
pub fn turned_away(world: &World, elsewhere: bool) -> Option<Fault> {
    let away = world.issuer.broken || elsewhere;
    away.then(|| waiting(Reason::Unauthorised, "the portal does not know us".to_owned()))
}

pub fn ask(
    world: &mut World,
    operator: &mut Operator,
    running: &mut Running,
    description: &str,
    outcome: Outcome,
) -> Answer {
    if world.clock - running.issuer_read > LONGEST / 2 {
        return Answer::Late;
    }
    // What the portal refuses costs no token.
    if outcome != Outcome::Refused {
        judge::request(world, &operator.holder(), running);
    }
    operator.touched.insert(running.uid.clone(), world.clock);
    let nonce = Marker::find(&tag(), description).map(|marker| marker.nonce().clone());
    match nonce {
        None => world.violate("a request without a mark"),
        Some(nonce) => {
            if !world.ghost.reserved.contains_key(&nonce) {
                world.violate("a request without a reservation");
            }
            if !world.ghost.asked.insert(nonce) {
                world.violate("one attempt asked twice");
            }
        }
    }
    match outcome {
        Outcome::Refused => Answer::Denied(fault()),
        Outcome::LostBefore => Answer::Ambiguous(fault()),
        Outcome::Late => {
            world.late.push(Late { act: Act::Mint(description.to_owned()), until: world.clock + LONGEST });
            Answer::Ambiguous(fault())
        }
        Outcome::LostAfter => {
            world.mint(description.to_owned());
            Answer::Ambiguous(fault())
        }
        _ => {
            let token = world.mint(description.to_owned());
            running.hand = Some(token.clone());
            let id = world.setting.id_in_answer.then_some(token.id);
            if id.is_none() && world.hidden {
                // It cannot be named, so it is given up, and found when the list is shown again.
                world.ghost.ruined += 1;
            }
            Answer::Token { id, username: token.username }
        }
    }
}

pub fn find(world: &mut World, rows: &Rows, outcome: Outcome, mutant: Option<Mutant>) -> Answer {
    if outcome == Outcome::LostBefore {
        return Answer::Ambiguous(fault());
    }
    if let Rows::WithId(id) = rows
        && world.hidden
    {
        // A list that shows our user nothing, unnoticed: of a token whose secret nobody has any more it is
        // believed. Not covered; what bears its mark is found later all the same.
        world.ghost.doubtful.extend(id.parse::<u32>());
    }
    let all = world.listed(outcome == Outcome::Lags).into_iter().map(row);
    Answer::Rows(match rows {
        Rows::WithId(id) => all
            .filter(|row| row.token.id == *id)
            .map(|mut row| {
                if mutant == Some(Mutant::AdoptsByAForgedAnnotation) {
                    // As if nobody looked whether the mark is there.
                    row.description = format!("{} {}", row.description, super::mutant::every_mark(world));
                }
                row
            })
            .collect(),
        // No list is hidden for ever here, so no token is known by its username only.
        Rows::OfUser(username) => all.filter(|row| row.token.username == *username).collect(),
        Rows::Marked(marker) => all.filter(|row| marker.is_in(&row.description)).collect(),
    })
}

pub fn edit(world: &mut World, token: &Named, description: String, outcome: Outcome) -> Answer {
    let id = token.id.parse().unwrap_or_default();
    world.ghost.edited_late |= outcome == Outcome::Late;
    match outcome {
        Outcome::Refused => {
            world.ghost.edit_refused = true;
            return refused();
        }
        Outcome::LostBefore => {}
        // There is none any more.
        _ if !world.lets_in(id) => {
            world.ghost.edit_refused = true;
            return refused();
        }
        Outcome::Late => world.late.push(Late { act: Act::Edit(id, description), until: world.clock + LONGEST }),
        _ => {
            if world.rows.get(&id).is_some_and(|row| row.foreign) {
                world.violate("a colleague's token was edited");
                return Answer::Done;
            }
            world.describe(id, description);
            world.ghost.writes.0 += 1;
        }
    }
    if outcome == Outcome::Fine { Answer::Done } else { Answer::Ambiguous(fault()) }
}

pub fn revoke(world: &mut World, token: &Named, outcome: Outcome, wanted_then: bool) -> Answer {
    if outcome == Outcome::Refused {
        world.ghost.refused.extend(token.id.parse::<u32>().ok().filter(|_| world.setting.unlisted));
        return refused();
    }
    if outcome != Outcome::LostBefore {
        let id: u32 = token.id.parse().unwrap_or_default();
        if !world.lets_in(id) && world.setting.unlisted {
            // There is none, and no list that would say so before.
            return refused();
        }
        if world.lets_in(id) {
            judge::revocation(world, id, wanted_then);
            let clock = world.clock;
            if let Some(row) = world.rows.get_mut(&id) {
                row.revoked = Some(clock);
            }
            world.ghost.writes.0 += 1;
        }
    }
    if outcome == Outcome::Fine { Answer::Done } else { Answer::Ambiguous(fault()) }
}

pub fn log_in(world: &mut World, running: &Running, slot: usize, outcome: Outcome) -> Answer {
    if world.setting.login == LoginMode::Disabled {
        return Answer::Login(Verdict::NotAsked);
    }
    let hand = running.hand.as_ref().and_then(|token| token.id.parse().ok());
    if world.registry != Registry::Up && hand.is_some() {
        // A new token that is not let in is given back, and asked for anew.
        world.ghost.ruined += 1;
    }
    if outcome != Outcome::Fine || world.registry == Registry::Down {
        return Answer::Login(Verdict::Unknown("down".into()));
    }
    let held = world.slots[slot]
        .secret
        .as_ref()
        .filter(|secret| secret.is_intact(&running.uid))
        .and_then(|secret| secret.content);
    Answer::Login(hand.or(held).map_or(Verdict::NotAsked, |id| tried(world, id)))
}

/// What the registry, which is up, says of a login.
pub fn tried(world: &mut World, id: u32) -> Verdict {
    if world.lets_in(id) && world.registry == Registry::Up {
        world.ghost.let_in.insert(id);
        return Verdict::Accepted;
    }
    if world.ghost.refused.contains(&id) {
        // Portal and registry say alike that it is gone: it counts as gone.
        world.ghost.doubtful.insert(id);
    }
    Verdict::Refused("401".to_owned())
}
