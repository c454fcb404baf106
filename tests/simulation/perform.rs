//! Performs a request on the world, with the outcome that the schedule chose, and judges what it did.

use super::issuer::HOME;
use super::judge;
use super::mutant::Mutant;
use super::operator::{Operator, Running};
use super::portal::{ask, edit, find, log_in, revoke, turned_away};
use super::schedule::DAY;
use super::secrets::write_secret;
use super::sight::{see, see_as};
use super::world::{Obj, Sec, World, at};
use registry_token_operator::api::RegistryTokenStatus;
use registry_token_operator::domain::effect::{Answer, Content, Request};
use registry_token_operator::domain::faults::issuer_deleting;
use registry_token_operator::domain::recorded::recorded;

/// How a request turns out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// As it should.
    Fine,
    /// It took effect, and the answer is lost.
    LostAfter,
    /// It had no effect, and the answer is lost.
    LostBefore,
    /// The answer is lost, and it takes effect later.
    Late,
    /// It is refused.
    Refused,
    /// The portal's list lags behind.
    Lags,
    /// The portal's list shows next to nothing.
    Shrunken,
}

/// The outcomes that a request may have.
pub fn outcomes(request: &Request) -> &'static [Outcome] {
    use Outcome::{Fine, Lags, Late, LostAfter, LostBefore, Refused};
    match request {
        Request::ReadObject | Request::ReadSecret | Request::ReadContent | Request::ReadIssuer | Request::LogIn => {
            &[Fine, LostBefore]
        }
        Request::Secret(_) => &[Fine, LostAfter, LostBefore, Refused],
        Request::TryCommit(_) => &[Fine, Refused],
        Request::Status(_) | Request::Finalizer(_) | Request::Revoke(_) => &[Fine, LostAfter, LostBefore, Refused],
        Request::Edit { .. } => &[Fine, LostAfter, LostBefore, Late, Refused],
        Request::Token { .. } => &[Fine, LostAfter, LostBefore, Late, Refused],
        Request::Find(_) => &[Fine, Lags, LostBefore],
        Request::Room { .. } | Request::FindWriter | Request::Pause(_) | Request::WakeIssuer | Request::WantAudit => {
            &[Fine]
        }
    }
}

pub fn unclear() -> Answer {
    Answer::Unclear("lost".to_owned())
}

/// Performs a pass's request.
pub fn perform(
    world: &mut World,
    operator: &mut Operator,
    slot: usize,
    running: &mut Running,
    outcome: Outcome,
    mutant: Option<Mutant>,
) -> Answer {
    let request = running.request.clone();
    let elsewhere = running.pass.seen().facts().is_some_and(|facts| facts.portal.url != HOME);
    match request {
        Request::Token { .. } | Request::Find(_) | Request::Edit { .. } | Request::Revoke(_)
            if turned_away(world, elsewhere).is_some() =>
        {
            turned_away(world, elsewhere).map_or(Answer::Done, Answer::Denied)
        }
        Request::Room { .. } | Request::Pause(_) | Request::WakeIssuer => Answer::Done,
        Request::FindWriter => Answer::Writer(Some("somebody".to_owned())),
        Request::WantAudit => {
            operator.wants_audit = true;
            Answer::Done
        }
        Request::ReadObject | Request::ReadSecret | Request::ReadContent | Request::ReadIssuer
            if outcome != Outcome::Fine =>
        {
            unclear()
        }
        Request::ReadObject => read_object(world, running, slot, mutant),
        Request::ReadSecret => read_secret(world, operator, running, slot, mutant),
        Request::ReadContent => read_content(world, operator, running, slot, mutant),
        Request::ReadIssuer => {
            running.issuer_read = world.clock;
            match world.issuer.deleting {
                true => Answer::Withdrawn(issuer_deleting()),
                false if world.issuer.moved != elsewhere => Answer::Changed,
                false => Answer::Done,
            }
        }
        Request::Finalizer(wanted) => finalizer(world, running, slot, wanted, outcome, mutant),
        Request::TryCommit(_) if outcome == Outcome::Refused => Answer::Refused("quota".to_owned()),
        Request::TryCommit(_) => Answer::Done,
        Request::Secret(write) => write_secret(world, operator, running, slot, &write, outcome, mutant),
        Request::Status(status) => write_status(world, running, slot, *status, outcome, mutant),
        Request::Token { description } => match ask(world, operator, running, &description, outcome) {
            Answer::Ambiguous(_) if mutant == Some(Mutant::RepeatsAfterATimeOut) => {
                ask(world, operator, running, &description, Outcome::Fine)
            }
            answer => answer,
        },
        Request::Find(rows) => find(world, &rows, outcome, mutant),
        Request::Edit { token, description } => {
            operator.touched.insert(running.uid.clone(), world.clock);
            judge::belongs(world, &running.uid, &token);
            edit(world, &token, description, outcome)
        }
        Request::Revoke(token) => {
            // Whoever decided before the policy was changed does what was wanted then.
            let wanted_then = running.pass.seen().object.revoke;
            judge::belongs(world, &running.uid, &token);
            let answer = revoke(world, &token, outcome, wanted_then);
            if answer == Answer::Done {
                operator.revoked.entry(running.uid.clone()).or_default().push(token);
            }
            answer
        }
        Request::LogIn => log_in(world, running, slot, outcome),
    }
}

fn read_object(world: &World, running: &Running, slot: usize, mutant: Option<Mutant>) -> Answer {
    let object = if mutant == Some(Mutant::ReservesForAnObjectThatIsGone) {
        running.cached_object.as_ref()
    } else {
        world.slots[slot].object.as_ref()
    };
    let object = object.filter(|object| object.uid == running.uid);
    answered(object, world, mutant)
}

fn answered(object: Option<&Obj>, world: &World, mutant: Option<Mutant>) -> Answer {
    Answer::Object(object.map(|object| Box::new(see_as(object, &world.setting, mutant))))
}

fn read_secret(
    world: &World,
    operator: &mut Operator,
    running: &Running,
    slot: usize,
    mutant: Option<Mutant>,
) -> Answer {
    let cached = mutant == Some(Mutant::CountsATokenAsLostOnACachedSecret);
    let secret = if cached { running.cached_secret.as_ref() } else { world.slots[slot].secret.as_ref() };
    let object = world.slots[slot].object.as_ref();
    let meta = operator.meta(&running.uid, object, secret, world, mutant);
    Answer::Secret(meta.map(Box::new))
}

fn read_content(
    world: &World,
    operator: &mut Operator,
    running: &Running,
    slot: usize,
    mutant: Option<Mutant>,
) -> Answer {
    let (object, secret) = (world.slots[slot].object.as_ref(), world.slots[slot].secret.as_ref());
    let content = match secret {
        Some(Sec { wrong_type: true, .. }) => Content::WrongType,
        Some(held @ Sec { immutable: true, content, .. }) => {
            let holds = content.filter(|_| held.is_intact(&running.uid)).map(|id| format!("tw-{id}"));
            Content::Immutable { holds }
        }
        Some(held @ Sec { content: Some(id), .. }) => {
            let (username, intact) = (format!("tw-{id}"), held.is_intact(&running.uid));
            Content::Login { username, registries: true, intact, dressed: true }
        }
        _ => Content::Nothing,
    };
    let meta = operator.meta(&running.uid, object, secret, world, mutant);
    Answer::Content(meta.map(|meta| Box::new((meta, content))))
}

fn finalizer(
    world: &mut World,
    running: &Running,
    slot: usize,
    wanted: bool,
    outcome: Outcome,
    mutant: Option<Mutant>,
) -> Answer {
    if outcome == Outcome::Refused {
        return Answer::Refused("permission".to_owned());
    }
    if outcome == Outcome::LostBefore {
        return unclear();
    }
    let version = running.pass.seen().object.version.clone();
    match world.slots[slot].object.as_ref().filter(|object| object.uid == running.uid) {
        None if !wanted => return Answer::Object(None),
        None => return Answer::Conflict,
        Some(object) if object.version.to_string() != version => return Answer::Conflict,
        Some(_) => {}
    }
    world.ghost.writes.0 += 1;
    give_up(world, running, slot, wanted);
    world.change_object(slot, |object| {
        object.finalizer = wanted;
        object.unprotected &= !wanted;
    });
    if outcome == Outcome::LostAfter {
        return unclear();
    }
    answered(world.slots[slot].object.as_ref(), world, mutant)
}

/// What an object names that goes under `Orphan` is its user's.
fn give_up(world: &mut World, running: &Running, slot: usize, wanted: bool) {
    let here = &world.slots[slot];
    let object = here.object.as_ref().filter(|object| !wanted && object.deleting && !object.revoke);
    let Some(known) = object.map(|object| recorded(&see(object, &world.setting))) else { return };
    // Of what it names without proof, the key being lost, nothing can say any more that its mark is its user's.
    let own =
        |id: &u32| world.ghost.marks.get(id).and_then(|nonce| world.ghost.reserved.get(nonce)) == Some(&running.uid);
    let unproved = known.unproved.tokens().into_iter().filter_map(|token| token.id.parse().ok()).filter(own);
    let unproved: Vec<u32> = unproved.collect();
    world.ghost.doubtful.extend(unproved);
    let here = &world.slots[slot];
    let Some(id) = known.token.and_then(|token| token.id.parse::<u32>().ok()) else { return };
    // While the portal cannot be asked its mark stays on, and only the Secret could say that it is somebody's.
    let away = running.pass.seen().facts().is_none_or(|facts| facts.portal.url != HOME);
    if away && here.secret.as_ref().is_none_or(|secret| secret.orphaned.is_empty()) {
        world.ghost.doubtful.insert(id);
    }
    if let Some(row) = world.rows.get_mut(&id) {
        row.orphaned = true;
    }
}

fn write_status(
    world: &mut World,
    running: &Running,
    slot: usize,
    mut status: RegistryTokenStatus,
    outcome: Outcome,
    mutant: Option<Mutant>,
) -> Answer {
    if outcome == Outcome::Refused {
        return Answer::Refused("permission".to_owned());
    }
    if outcome == Outcome::LostBefore {
        return unclear();
    }
    let version = running.pass.seen().object.version.clone();
    let guarded = mutant != Some(Mutant::WritesStatusUnguarded);
    match world.slots[slot].object.as_ref().filter(|object| object.uid == running.uid) {
        None => return Answer::Conflict,
        Some(object) if guarded && object.version.to_string() != version => return Answer::Conflict,
        Some(object) => {
            if mutant == Some(Mutant::HandlesWhatItDidNotHandle)
                && status.token != running.pass.seen().object.own_status().and_then(|own| own.token.clone())
            {
                status.handled_annotations.extend(object.asked.clone());
            }
        }
    }
    if mutant == Some(Mutant::LetsRetiringTokensLive) {
        let for_ever = at(world.clock + 1000 * DAY);
        status.retiring.iter_mut().for_each(|token| token.revocation_time.0 = for_ever);
    }
    judge::readiness(world, slot, &status);
    let named = status.token.iter().map(|token| &token.id).chain(status.retiring.iter().map(|token| &token.id));
    world.ghost.named.extend(named.filter_map(|id| id.parse::<u32>().ok()));
    world.ghost.writes.0 += 1;
    world.change_object(slot, |object| object.status = Some(status));
    if outcome == Outcome::LostAfter {
        return unclear();
    }
    answered(world.slots[slot].object.as_ref(), world, mutant)
}
