//! What must hold when everything is over: faults, people, crashes, and late answers.

use super::mutant::Mutant;
use super::perform::Outcome;
use super::schedule::{Event, State};
use super::world::tag;
use super::world::{LONGEST, World, see};
use registry_token_operator::domain::marker::{Marker, Nonce};
use registry_token_operator::domain::observed::LoginMode;
use registry_token_operator::domain::recorded::recorded;

/// Rounds within which every run comes to rest.
const ROUNDS: usize = 14;
/// Between two rounds: longer than any answer takes; four of them are longer than any overlap.
const STEP: i64 = 3 * LONGEST + 10;
/// Steps within which a pass comes to its end.
const STEPS: usize = 400;

impl State {
    /// Lets everything come to rest, and says what does not hold then.
    pub fn come_to_rest(mut self) -> Result<Self, String> {
        if let Some(violation) = self.world.ghost.violation.clone() {
            return Err(violation);
        }
        (self.faults, self.people, self.crashes) = (0, 0, 0);
        if self.world.setting.rotation {
            self.world.ghost.reasons += 2 * self.world.slots.len();
        }
        let mut quiet = 0;
        for _ in 0..ROUNDS {
            while !self.world.late.is_empty() {
                self.happen(Event::ActLate);
            }
            let before = (self.world.ghost.writes, self.world.ghost.minted, self.world.issuer);
            self.round()?;
            self.world.clock += STEP;
            let after = (self.world.ghost.writes, self.world.ghost.minted, self.world.issuer);
            quiet = if before == after { quiet + 1 } else { 0 };
            if quiet == 4 {
                self.judge()?;
                return Ok(self);
            }
        }
        Err(format!("does not come to rest: {:?}", self.world.slots))
    }

    /// Each operator looks at everything once, on caches that have caught up.
    fn round(&mut self) -> Result<(), String> {
        for slot in &mut self.world.slots {
            slot.old_objects.clear();
            slot.old_secrets.clear();
        }
        for operator in 0..self.operators.len() {
            self.audit(operator)?;
            for slot in 0..self.world.slots.len() {
                for _ in 0..2 {
                    self.pass(operator, slot)?;
                    self.world.collect_garbage();
                }
            }
            if self.world.issuer.deleting && !self.world.issuer.released {
                self.happen(Event::LookAtIssuer { operator });
                self.audit(operator)?;
                if !self.world.issuer.released {
                    self.happen(Event::LookAtIssuer { operator });
                }
            }
            if let Some(violation) = &self.world.ghost.violation {
                return Err(violation.clone());
            }
        }
        Ok(())
    }

    fn pass(&mut self, operator: usize, slot: usize) -> Result<(), String> {
        if self.operators[operator].passes[slot].is_none() {
            self.happen(Event::Begin { operator, slot, object: 0, secret: 0 });
        }
        for _ in 0..STEPS {
            if self.operators[operator].passes[slot].is_none() {
                return Ok(());
            }
            self.happen(Event::Step { operator, slot, outcome: Outcome::Fine });
        }
        Err("a pass goes on for ever".to_owned())
    }

    fn audit(&mut self, operator: usize) -> Result<(), String> {
        if self.world.issuer.released || self.mutant == Some(Mutant::NeverAudits) {
            return Ok(());
        }
        if self.operators[operator].auditing.is_none() {
            self.happen(Event::BeginAudit { operator });
        }
        for _ in 0..STEPS {
            if self.operators[operator].auditing.is_none() {
                return Ok(());
            }
            self.happen(Event::StepAudit { operator, outcome: Outcome::Fine });
        }
        Err("an audit goes on for ever".to_owned())
    }

    fn judge(&self) -> Result<(), String> {
        let world = &self.world;
        tokens(world)?;
        for slot in 0..world.slots.len() {
            object(world, slot)?;
        }
        let (minted, allowed) = (world.ghost.minted, world.ghost.reasons + world.ghost.ruined);
        if minted > allowed {
            return Err(format!("liveness: {minted} tokens were asked for, with {allowed} reasons and mishaps"));
        }
        if world.issuer.deleting
            && !world.issuer.released
            && world.slots.iter().all(|slot| slot.object.as_ref().is_none_or(|object| !object.finalizer))
        {
            return Err("the issuer is never released".to_owned());
        }
        Ok(())
    }
}

/// I1 and I4: every live token of ours is named by exactly one object, or was left to its user.
fn tokens(world: &World) -> Result<(), String> {
    let named = |id: &str| {
        let objects = world.slots.iter().filter_map(|slot| slot.object.as_ref());
        objects
            .filter(|object| recorded(&see(object, &world.setting)).tokens().iter().any(|token| token.id == id))
            .count()
    };
    for row in world.rows.values().filter(|row| !row.foreign && !row.orphaned && row.revoked.is_none()) {
        let count = named(&row.token.id);
        if count != 1 {
            return Err(format!("I1: token {} lives and is named by {count} objects: {row:?}", row.token.id));
        }
    }
    Ok(())
}

fn object(world: &World, slot: usize) -> Result<(), String> {
    let here = &world.slots[slot];
    let Some(object) = &here.object else { return Ok(()) };
    let known = recorded(&see(object, &world.setting));
    let name = &object.uid;
    if object.deleting {
        return Err(format!("{name} is deleted and stays"));
    }
    if known.ready {
        let token = known.token.as_ref().ok_or_else(|| format!("I2: {name} is ready without a token"))?;
        let id = token.id.parse().unwrap_or_default();
        let secret = here.secret.as_ref().ok_or_else(|| format!("I2: {name} is ready without a Secret"))?;
        if secret.content != Some(id) || secret.tampered {
            return Err(format!("I2: {name} is ready, and its Secret holds {:?}, not {id}", secret.content));
        }
        if !world.lets_in(id) {
            return Err(format!("I2: {name} is ready with a token that is revoked: {id}"));
        }
    }
    // Nobody's Secret is not taken: that is said, and waits for a person.
    let foreign = here.secret.as_ref().is_some_and(|secret| secret.controller.is_none() && secret.label.is_none());
    let asleep = object.suspended || world.issuer.deleting || known.revoked_upstream || foreign;
    if asleep {
        return Ok(());
    }
    if !known.ready {
        return Err(format!("{name} does not become ready: {:?}", object.status));
    }
    description(world, object, &known)
}

/// I3, and that what is asked for by annotation is done.
fn description(
    world: &World,
    object: &super::world::Obj,
    known: &registry_token_operator::domain::recorded::Recorded,
) -> Result<(), String> {
    let Some(token) = &known.token else { return Ok(()) };
    let nonce = Nonce::parse(&token.nonce).filter(|_| world.setting.permanent);
    let wanted =
        nonce.map_or_else(|| object.description.clone(), |nonce| Marker::new(tag(), nonce).mark(&object.description));
    let shown = world.rows.values().find(|row| row.token.id == token.id).map(|row| &row.description);
    if shown != Some(&wanted) {
        return Err(format!("I3: {} wants {wanted:?}, and the portal shows {shown:?}", object.uid));
    }
    if object.asked.iter().any(|(key, value)| known.handled.get(key) != Some(value)) {
        return Err(format!("{}: {:?} asked for, {:?} done", object.uid, object.asked, known.handled));
    }
    // A value is handled by a token that was made after it was given.
    let made = token.id.parse().unwrap_or(0);
    if let Some((key, last)) = object.asked_after.iter().find(|(_, last)| made <= **last) {
        return Err(format!("{}: {key} was asked for when there were {last} tokens, and {made} is kept", object.uid));
    }
    if world.setting.login != LoginMode::Disabled && !known.verified {
        return Err(format!("{} is ready and was never let in", object.uid));
    }
    Ok(())
}
