//! How a run comes to rest, when everything is over: faults, people, crashes, and late answers.

use super::mutant::Mutant;
use super::people::{confirm, say_gone};
use super::perform::Outcome;
use super::schedule::{Event, State};
use super::world::{LONGEST, Registry};

/// Rounds within which every run comes to rest.
const ROUNDS: usize = 14;
/// Seconds between two rounds: longer than any answer takes; four of them are longer than any overlap.
pub const STEP: i64 = 3 * LONGEST + 10;
/// Steps within which a pass comes to its end.
const STEPS: usize = 400;

impl State {
    /// Lets everything come to rest, and says what does not hold then.
    pub fn come_to_rest(&mut self) -> Result<(), String> {
        if let Some(violation) = self.world.ghost.violation.clone() {
            return Err(violation);
        }
        (self.faults, self.people, self.crashes) = (0, 0, 0);
        // What was so for a while is over; what a person has to put right stays.
        (self.world.registry, self.world.hidden) = (Registry::Up, false);
        (self.world.issuer.broken, self.world.issuer.moved) = (false, false);
        if self.world.setting.rotation {
            self.world.ghost.reasons += 2 * self.world.slots.len();
        }
        self.quiet()?;
        if self.world.setting.unlisted {
            // Whoever reads what is said of a token that is not revoked yet, and sees that it is gone.
            (0..self.world.slots.len()).for_each(|slot| say_gone(&mut self.world, slot));
            self.quiet()?;
        }
        // Whoever reads that tokens are not proved revokes what is the object's own, and says so.
        let confirmed: Vec<bool> = (0..self.world.slots.len()).map(|slot| confirm(&mut self.world, slot)).collect();
        if confirmed.contains(&true) {
            self.quiet()?;
        }
        self.judge()?;
        self.silence()
    }

    /// Goes on until nothing is written any more.
    pub fn quiet(&mut self) -> Result<(), String> {
        let mut quiet = 0;
        for _ in 0..ROUNDS {
            while !self.world.late.is_empty() {
                self.happen(Event::ActLate);
            }
            let before = (self.world.ghost.writes, self.world.ghost.minted, self.world.issuer.clone());
            self.round()?;
            self.world.clock += STEP;
            let after = (self.world.ghost.writes, self.world.ghost.minted, self.world.issuer.clone());
            quiet = if before == after { quiet + 1 } else { 0 };
            if quiet == 4 {
                return Ok(());
            }
        }
        Err(format!("does not come to rest: {:?}", self.world.slots))
    }

    /// I7: operators that begin anew find nothing to write.
    fn silence(&mut self) -> Result<(), String> {
        for operator in 0..self.operators.len() {
            self.happen(Event::Crash { operator });
        }
        let before = (self.world.ghost.writes, self.world.ghost.minted);
        self.round()?;
        let after = (self.world.ghost.writes, self.world.ghost.minted);
        // What rotates may be due at this very time.
        if before != after && !self.world.setting.rotation {
            return Err(format!("I7: a restart at rest wrote: {before:?}, then {after:?}"));
        }
        Ok(())
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
        if !self.operators[operator].is_auditing() {
            self.happen(Event::BeginAudit { operator });
        }
        for _ in 0..STEPS {
            if !self.operators[operator].is_auditing() {
                return Ok(());
            }
            self.happen(Event::StepAudit { operator, outcome: Outcome::Fine });
        }
        Err("an audit goes on for ever".to_owned())
    }
}
