//! Performs a request on the world, with the outcome that the schedule chose, and judges what it did.

use super::mutant::Mutant;
use super::operator::{Auditing, Operator, Running};
use super::world::{LONGEST, Sec, World, at, holder, owner, see, tag};
use registry_token_operator::api::Reason;
use registry_token_operator::domain::audit::{self, Holder, Known, Owner};
use registry_token_operator::domain::conditions::holds;
use registry_token_operator::domain::effect::{Answer, Content, Named, Request, Row, Rows, Verdict, Write};
use registry_token_operator::domain::fault::Fault;
use registry_token_operator::domain::faults::{issuer_deleting, waiting};
use registry_token_operator::domain::inventory::Inventory;
use registry_token_operator::domain::marker::{Marker, Nonce};
use registry_token_operator::domain::observed::LoginMode;
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
        Request::TryCommit => &[Fine, Refused],
        Request::Status(_) | Request::Finalizer(_) | Request::Edit { .. } | Request::Revoke(_) => {
            &[Fine, LostAfter, LostBefore]
        }
        Request::Token { .. } => &[Fine, LostAfter, LostBefore, Late, Refused],
        Request::Find(_) => &[Fine, Lags, LostBefore],
        Request::Room { .. } | Request::Pause(_) | Request::WakeIssuer | Request::WantAudit => &[Fine],
    }
}

fn fault() -> Fault {
    waiting(Reason::TimedOut, "lost".to_owned())
}

fn unclear() -> Answer {
    Answer::Unclear("lost".to_owned())
}

fn row(row: &super::world::Row) -> Row {
    Row { token: row.token.clone(), description: row.description.clone() }
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
    match request {
        Request::Room { .. } | Request::Pause(_) | Request::WakeIssuer => Answer::Done,
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
            if world.issuer.deleting { Answer::Withdrawn(issuer_deleting()) } else { Answer::Done }
        }
        Request::Finalizer(wanted) => finalizer(world, running, slot, wanted, outcome),
        Request::TryCommit if outcome == Outcome::Refused => Answer::Refused("quota".to_owned()),
        Request::TryCommit => Answer::Done,
        Request::Secret(write) => write_secret(world, operator, running, slot, &write, outcome, mutant),
        Request::Status(status) => write_status(world, running, slot, *status, outcome, mutant),
        Request::Token { description } => ask(world, operator, running, &description, outcome, mutant),
        Request::Find(rows) => find(world, &rows, outcome, mutant),
        Request::Edit { token, description } => {
            operator.touched.insert(running.uid.clone(), world.clock);
            edit(world, &token, description, outcome)
        }
        Request::Revoke(token) => {
            // Whoever decided before the policy was changed does what was wanted then.
            let wanted_then = running.pass.seen().object.revoke;
            revoke(world, &token, outcome, wanted_then)
        }
        Request::LogIn => log_in(world, running, slot, outcome),
    }
}

fn read_object(world: &World, running: &Running, slot: usize, mutant: Option<Mutant>) -> Answer {
    let cached = mutant == Some(Mutant::ReservesForAnObjectThatIsGone)
        || (mutant == Some(Mutant::JudgesAStoredTokenOnACachedObject)
            && matches!(running.last, Some(Request::Find(_))));
    let object = if cached { running.cached_object.as_ref() } else { world.slots[slot].object.as_ref() };
    let object = object.filter(|object| object.uid == running.uid);
    Answer::Object(object.map(|object| Box::new(see(object, &world.setting))))
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
        Some(Sec { content: Some(id), tampered, .. }) => {
            Content::Login { username: format!("tw-{id}"), registries: true, intact: !tampered, dressed: true }
        }
        _ => Content::Nothing,
    };
    let meta = operator.meta(&running.uid, object, secret, world, mutant);
    Answer::Content(meta.map(|meta| Box::new((meta, content))))
}

fn finalizer(world: &mut World, running: &Running, slot: usize, wanted: bool, outcome: Outcome) -> Answer {
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
    world.ghost.writes += 1;
    give_up(world, slot, wanted);
    world.change_object(slot, |object| object.finalizer = wanted);
    if outcome == Outcome::LostAfter {
        return unclear();
    }
    let object = world.slots[slot].object.as_ref();
    Answer::Object(object.map(|object| Box::new(see(object, &world.setting))))
}

/// What an object names that goes under `Orphan` is its user's.
fn give_up(world: &mut World, slot: usize, wanted: bool) {
    let object = world.slots[slot].object.as_ref().filter(|object| !wanted && object.deleting && !object.revoke);
    let token = object.and_then(|object| recorded(&see(object, &world.setting)).token);
    if let Some(row) = token.and_then(|token| token.id.parse().ok()).and_then(|id: u32| world.rows.get_mut(&id)) {
        row.orphaned = true;
    }
}

#[allow(clippy::too_many_arguments, reason = "what a write to the Secret stands on")]
fn write_secret(
    world: &mut World,
    operator: &mut Operator,
    running: &mut Running,
    slot: usize,
    write: &Write,
    outcome: Outcome,
    mutant: Option<Mutant>,
) -> Answer {
    if outcome == Outcome::LostBefore {
        return unclear();
    }
    if outcome == Outcome::Refused {
        return Answer::Refused("quota".to_owned());
    }
    if mutant == Some(Mutant::RevokesBeforeTheReservationIsDropped) && matches!(write, Write::Drop) {
        let meta = running.pass.seen().secret.clone();
        return Answer::Secret(meta.map(Box::new));
    }
    if mutant == Some(Mutant::RequestsBeforeTheReservation) && matches!(write, Write::Reserve(_)) {
        let meta = running.pass.seen().secret.clone();
        let meta = meta.or_else(|| {
            Some(super::world::see_secret(&unborn(running), &running.uid, None, std::time::Duration::ZERO))
        });
        return Answer::Secret(meta.map(Box::new));
    }
    let held = running.pass.seen().secret.as_ref();
    let (version, uid) = (held.map(|meta| meta.resource_version.clone()), held.map(|meta| meta.uid.clone()));
    let guarded = !(mutant == Some(Mutant::CommitsUnguarded) && matches!(write, Write::Commit(_)));
    match (world.slots[slot].secret.as_ref(), version) {
        (None, None) if matches!(write, Write::Reserve(_)) => {
            let object = world.slots[slot].object.as_ref();
            // A Secret may be created for an object that has just gone; the garbage collector takes it.
            let _ = object;
            world.remember(slot);
            let (uid, version) = (world.uid("s"), world.version());
            world.slots[slot].secret = Some(Sec {
                uid,
                version,
                controller: Some(running.uid.clone()),
                label: Some(running.uid.clone()),
                ..blank()
            });
        }
        (Some(_), None) | (None, Some(_)) => return Answer::Conflict,
        (None, None) => return Answer::Conflict,
        (Some(secret), Some(version)) => {
            if guarded && (secret.version.to_string() != version || Some(&secret.uid) != uid.as_ref()) {
                return Answer::Conflict;
            }
            if secret.controller.as_ref().is_some_and(|controller| *controller != running.uid) {
                world.violate(format!("I5: {write:?} into a Secret that is not ours"));
            }
        }
    }
    world.ghost.writes += 1;
    let (owner, hand) = (running.uid.clone(), running.hand.clone());
    apply(world, slot, write, &owner, hand.as_ref());
    if outcome == Outcome::LostAfter {
        return unclear();
    }
    let (object, secret) = (world.slots[slot].object.clone(), world.slots[slot].secret.clone());
    let meta = operator.meta(&running.uid, object.as_ref(), secret.as_ref(), world, mutant);
    Answer::Secret(meta.map(Box::new))
}

fn blank() -> Sec {
    Sec {
        uid: String::new(),
        version: 0,
        controller: None,
        label: None,
        reservation: None,
        stored: None,
        closed: false,
        content: None,
        tampered: false,
    }
}

fn unborn(running: &Running) -> Sec {
    Sec { controller: Some(running.uid.clone()), label: Some(running.uid.clone()), ..blank() }
}

fn apply(world: &mut World, slot: usize, write: &Write, owner: &str, hand: Option<&Named>) {
    if let Write::Reserve(held) = write {
        world.ghost.reserved.insert(Nonce::of(owner, &held.attempt));
    }
    // A Secret whose mark somebody took away leaves nothing to its user that is known to be theirs.
    let marked = world.slots[slot].secret.as_ref().and_then(|secret| secret.stored.as_ref()).map(|one| one.id.clone());
    let in_hand = hand.and_then(|token| token.id.parse().ok());
    world.change_secret(slot, |secret| match write {
        Write::Reserve(held) => {
            secret.reservation = Some(held.clone());
            secret.label = Some(owner.to_owned());
        }
        Write::Drop => secret.reservation = None,
        Write::Close => {
            secret.reservation = None;
            secret.closed = true;
        }
        Write::Disown => secret.stored = None,
        Write::Commit(stored) => {
            secret.reservation = None;
            secret.stored = Some(stored.clone());
            secret.content = in_hand;
            secret.tampered = false;
            secret.controller = Some(owner.to_owned());
            secret.label = Some(owner.to_owned());
        }
        Write::Repair => {
            secret.controller = Some(owner.to_owned());
            secret.label = Some(owner.to_owned());
        }
        Write::Release(_) => {
            secret.controller = None;
            secret.label = None;
            secret.reservation = None;
            secret.stored = None;
            secret.closed = false;
        }
    });
    if matches!(write, Write::Release(_))
        && let Some(id) = marked.and_then(|id| id.parse::<u32>().ok())
        && let Some(row) = world.rows.get_mut(&id)
    {
        row.orphaned = true;
    }
}

fn write_status(
    world: &mut World,
    running: &Running,
    slot: usize,
    mut status: registry_token_operator::api::RegistryTokenStatus,
    outcome: Outcome,
    mutant: Option<Mutant>,
) -> Answer {
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
    judge_ready(world, slot, &status);
    world.ghost.writes += 1;
    world.change_object(slot, |object| object.status = Some(status));
    if outcome == Outcome::LostAfter {
        return unclear();
    }
    let object = world.slots[slot].object.as_ref();
    Answer::Object(object.map(|object| Box::new(see(object, &world.setting))))
}

/// I2: a status that says ready speaks of a version of the Secret that holds the current token.
fn judge_ready(world: &mut World, slot: usize, status: &registry_token_operator::api::RegistryTokenStatus) {
    use registry_token_operator::api::ConditionType::Ready;
    let was = world.slots[slot].object.as_ref().and_then(|object| object.status.as_ref());
    let newly = !was.is_some_and(|was| holds(&was.conditions, Ready) && was.token == status.token);
    if !newly || !holds(&status.conditions, Ready) {
        return;
    }
    let Some(token) = &status.token else {
        world.violate("I2: ready without a token");
        return;
    };
    let spoken = status.secret.as_ref().and_then(|secret| secret.resource_version.clone());
    let Some(secret) = world.slots[slot].secret.as_ref() else { return };
    if spoken == Some(secret.version.to_string()) && secret.content.map(|id| id.to_string()).as_ref() != Some(&token.id)
    {
        world.violate(format!("I2: ready, but the Secret holds {:?} and not {}", secret.content, token.id));
    }
}

fn ask(
    world: &mut World,
    operator: &mut Operator,
    running: &mut Running,
    description: &str,
    outcome: Outcome,
    mutant: Option<Mutant>,
) -> Answer {
    if world.clock - running.issuer_read > LONGEST / 2 {
        return Answer::Late;
    }
    operator.touched.insert(running.uid.clone(), world.clock);
    let nonce = Marker::find(&tag(), description).map(|marker| marker.nonce().clone());
    match nonce {
        None => world.violate("a request without a mark"),
        Some(nonce) => {
            if !world.ghost.reserved.contains(&nonce) {
                world.violate("a request without a reservation");
            }
            if !world.ghost.asked.insert(nonce) {
                world.violate("one attempt asked twice");
            }
        }
    }
    match outcome {
        Outcome::Refused => Answer::Denied(fault()),
        Outcome::LostBefore if mutant == Some(Mutant::RepeatsAfterATimeOut) => repeat(world, running, description),
        Outcome::LostAfter if mutant == Some(Mutant::RepeatsAfterATimeOut) => {
            world.mint(description.to_owned());
            repeat(world, running, description)
        }
        Outcome::LostBefore => Answer::Ambiguous(fault()),
        Outcome::Late => {
            world.late.push((description.to_owned(), world.clock + LONGEST));
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
            Answer::Token { id, username: token.username }
        }
    }
}

fn repeat(world: &mut World, running: &mut Running, description: &str) -> Answer {
    world.violate("a request was repeated after an unclear answer");
    let token = world.mint(description.to_owned());
    running.hand = Some(token.clone());
    Answer::Token { id: Some(token.id), username: token.username }
}

fn find(world: &World, rows: &Rows, outcome: Outcome, mutant: Option<Mutant>) -> Answer {
    if outcome == Outcome::LostBefore {
        return Answer::Ambiguous(fault());
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
        // Here every answer tells the id.
        Rows::OfUser(name) => all.filter(|row| row.token.username == *name).collect(),
        Rows::Marked(marker) => all.filter(|row| marker.is_in(&row.description)).collect(),
    })
}

fn edit(world: &mut World, token: &Named, description: String, outcome: Outcome) -> Answer {
    if outcome != Outcome::LostBefore
        && let Some(row) = token.id.parse().ok().and_then(|id: u32| world.rows.get_mut(&id))
        && row.revoked.is_none()
    {
        if row.foreign {
            world.violate("a colleague's token was edited");
            return Answer::Done;
        }
        row.description = description;
        world.ghost.writes += 1;
    }
    if outcome == Outcome::Fine { Answer::Done } else { Answer::Ambiguous(fault()) }
}

/// I8, and no harm: an operator revokes nothing that a living object's Secret still holds.
pub fn revoke(world: &mut World, token: &Named, outcome: Outcome, wanted_then: bool) -> Answer {
    if outcome != Outcome::LostBefore {
        let id: u32 = token.id.parse().unwrap_or_default();
        let live = world.rows.get(&id).is_some_and(|row| row.revoked.is_none());
        if live {
            judge_revocation(world, id, wanted_then);
            let clock = world.clock;
            if let Some(row) = world.rows.get_mut(&id) {
                row.revoked = Some(clock);
            }
            world.ghost.writes += 1;
        }
    }
    if outcome == Outcome::Fine { Answer::Done } else { Answer::Ambiguous(fault()) }
}

fn judge_revocation(world: &mut World, id: u32, wanted_then: bool) {
    if world.rows[&id].foreign || (world.rows[&id].orphaned && !wanted_then) {
        world.violate(format!("a token that is not ours to revoke was revoked: {id}"));
    }
    for slot in &world.slots {
        let Some(object) = &slot.object else { continue };
        let retiring = recorded(&see(object, &world.setting)).retiring;
        let early = retiring.iter().find(|one| one.id == id.to_string() && one.revocation_time.0 > at(world.clock));
        if !object.deleting && early.is_some() {
            world.violate(format!("I8: a retiring token was revoked before its overlap was over: {id}"));
            return;
        }
        let Some(secret) = &slot.secret else { continue };
        let current = recorded(&see(object, &world.setting)).token.is_some_and(|token| token.id == id.to_string());
        // Where somebody took the mark away, the token counts as lost.
        let marked = secret.stored.as_ref().is_some_and(|stored| stored.id == id.to_string());
        let held = secret.content == Some(id) && !secret.tampered && marked;
        if !object.deleting && held && current {
            world.violate(format!("I8: the token that the Secret of {} holds was revoked: {id}", object.uid));
            return;
        }
    }
}

fn log_in(world: &World, running: &Running, slot: usize, outcome: Outcome) -> Answer {
    if world.setting.login == LoginMode::Disabled {
        return Answer::Login(Verdict::NotAsked);
    }
    if outcome != Outcome::Fine {
        return Answer::Login(Verdict::Unknown("down".to_owned()));
    }
    let hand = running.hand.as_ref().and_then(|token| token.id.parse().ok());
    let held = world.slots[slot].secret.as_ref().filter(|secret| !secret.tampered).and_then(|secret| secret.content);
    match hand.or(held) {
        Some(id) if world.lets_in(id) => Answer::Login(Verdict::Accepted),
        Some(_) => Answer::Login(Verdict::Refused("401".to_owned())),
        None => Answer::Login(Verdict::NotAsked),
    }
}

/// The issuer's objects, as they are.
pub fn owners(world: &World) -> Vec<Owner> {
    let all = world.slots.iter().enumerate();
    all.filter_map(|(slot, held)| Some(owner(slot, held.object.as_ref()?, &world.setting))).collect()
}

fn holders(world: &World, named: bool) -> Vec<Holder> {
    let all = world.slots.iter().enumerate();
    let labelled = |secret: &&Sec| named || secret.label.is_some();
    all.filter_map(|(slot, held)| Some(holder(slot, held.secret.as_ref().filter(labelled)?))).collect()
}

/// The outcomes that an audit's request may have.
pub fn audit_outcomes(request: &audit::Request) -> &'static [Outcome] {
    use Outcome::{Fine, Lags, LostAfter, LostBefore, Shrunken};
    match request {
        audit::Request::Scan => &[Fine, Lags, Shrunken, LostBefore],
        audit::Request::Row(_) => &[Fine, Lags, LostBefore],
        audit::Request::Revoke(_) => &[Fine, LostAfter, LostBefore],
        _ => &[Fine, LostBefore],
    }
}

/// Performs an audit's request.
pub fn perform_audit(
    world: &mut World,
    auditing: &mut Auditing,
    outcome: Outcome,
    mutant: Option<Mutant>,
) -> audit::Answer {
    if outcome == Outcome::LostBefore {
        return audit::Answer::Failed(fault());
    }
    match auditing.request.clone() {
        audit::Request::Scan => {
            let mut inventory = Inventory::new(at(world.clock), "k8s".to_owned(), tag());
            let shown = world.listed(outcome == Outcome::Lags).into_iter().map(row);
            let shrunken = outcome == Outcome::Shrunken;
            shown.filter(|_| !shrunken).for_each(|row| inventory.add(row));
            // Caches lag as far as they may: what they do not explain is read again.
            let cached = world.as_cached();
            // An issuer's last audit believes none.
            let known = Known::of(&holders(&cached, false), &owners(&cached));
            audit::Answer::Scanned(inventory, if world.issuer.deleting { Known::default() } else { known })
        }
        audit::Request::Owners => {
            let stale = mutant == Some(Mutant::ReadsObjectsBeforeSecrets);
            let found = auditing.owners.clone().filter(|_| stale).unwrap_or_else(|| owners(world));
            auditing.owners = Some(found.clone());
            audit::Answer::Owners(found)
        }
        audit::Request::Holders(_) => {
            audit::Answer::Holders(holders(world, mutant != Some(Mutant::TrustsTheLabelAlone)))
        }
        audit::Request::Row(token) => {
            let shown = world.listed(outcome == Outcome::Lags);
            audit::Answer::Row(shown.into_iter().map(row).find(|row| row.token == token))
        }
        audit::Request::Revoke(token) => match revoke(world, &token, outcome, false) {
            Answer::Done => audit::Answer::Done,
            _ => audit::Answer::Failed(fault()),
        },
    }
}
