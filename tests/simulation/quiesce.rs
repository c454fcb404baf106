//! Runs the simulation until it is idle, without further faults, user actions, crashes and late responses.

use super::actors::{confirm_revoked, confirm_unproved};
use super::fakes::RegistryState;
use super::mutant::Mutant;
use super::outcome::RequestOutcome;
use super::schedule::{Event, State};
use super::world::MAX_RESPONSE_SECONDS;

/// Maximum number of rounds until a run is idle. A rotation because of expiry may begin meanwhile, whose overlap takes some.
const MAX_ROUNDS: usize = 14;
const MAX_ROUNDS_WITH_EXPIRY: usize = 24;
/// Seconds between two rounds: longer than any response takes. Four of them are longer than any overlap.
pub const ROUND_SECONDS: i64 = 3 * MAX_RESPONSE_SECONDS + 10;
/// Maximum number of steps of a pass or an audit.
const MAX_STEPS: usize = 400;

impl State {
    /// Runs until idle, and checks the invariants at rest.
    pub fn quiesce(&mut self) -> Result<(), String> {
        if let Some(violation) = self.world.oracle.violation.clone() {
            return Err(violation);
        }
        (self.faults, self.user_actions, self.crashes) = (0, 0, 0);
        // Temporary outages end. A state that needs manual action stays.
        (self.world.registry, self.world.hidden) = (RegistryState::Up, false);
        (self.world.issuer.broken, self.world.issuer.moved) = (false, false);
        if self.world.config.rotates() {
            self.world.oracle.expected_requests += 2 * self.world.slots.len();
        }
        self.run_until_idle()?;
        if self.world.config.list_denied {
            // A user reads that a token's revocation is not confirmed, finds it revoked in the portal, and confirms it.
            (0..self.world.slots.len()).for_each(|slot| confirm_revoked(&mut self.world, slot));
            self.run_until_idle()?;
        }
        // A user reads that tokens are unverified, revokes those of the object, and confirms it.
        let confirmed: Vec<bool> =
            (0..self.world.slots.len()).map(|slot| confirm_unproved(&mut self.world, slot)).collect();
        if confirmed.contains(&true) {
            self.run_until_idle()?;
        }
        self.check_at_rest()?;
        self.check_restart_is_idle()
    }

    /// Runs until nothing is written any more.
    pub fn run_until_idle(&mut self) -> Result<(), String> {
        let mut quiet = 0;
        let rounds = if self.world.config.portal.lifetime.is_some() { MAX_ROUNDS_WITH_EXPIRY } else { MAX_ROUNDS };
        for _ in 0..rounds {
            while !self.world.pending_effects.is_empty() {
                self.apply(Event::ApplyPendingEffect);
            }
            let before = (self.world.oracle.writes, self.world.oracle.minted, self.world.issuer.clone());
            self.round()?;
            self.world.clock += ROUND_SECONDS;
            let after = (self.world.oracle.writes, self.world.oracle.minted, self.world.issuer.clone());
            quiet = if before == after { quiet + 1 } else { 0 };
            if quiet == 4 {
                return Ok(());
            }
        }
        Err(format!("does not become idle: {:?}", self.world.slots))
    }

    /// I7: a restarted operator writes nothing.
    fn check_restart_is_idle(&mut self) -> Result<(), String> {
        for operator in 0..self.operators.len() {
            self.apply(Event::Crash { operator });
        }
        let before = (self.world.oracle.writes, self.world.oracle.minted);
        self.round()?;
        let after = (self.world.oracle.writes, self.world.oracle.minted);
        // A rotation may be due at this time.
        if before != after && !self.world.config.rotates() {
            return Err(format!("I7: a restart at rest wrote: {before:?}, then {after:?}"));
        }
        Ok(())
    }

    /// Each operator reconciles everything once, with current caches.
    fn round(&mut self) -> Result<(), String> {
        for slot in &mut self.world.slots {
            slot.old_objects.clear();
            slot.old_secrets.clear();
        }
        for operator in 0..self.operators.len() {
            self.run_audit(operator)?;
            for slot in 0..self.world.slots.len() {
                for _ in 0..2 {
                    self.run_pass(operator, slot)?;
                    self.world.collect_garbage();
                }
            }
            if self.world.issuer.deleting && !self.world.issuer.finalized {
                self.apply(Event::ReconcileIssuer { operator });
                self.run_audit(operator)?;
                if !self.world.issuer.finalized {
                    self.apply(Event::ReconcileIssuer { operator });
                }
            }
            if let Some(violation) = &self.world.oracle.violation {
                return Err(violation.clone());
            }
        }
        Ok(())
    }

    fn run_pass(&mut self, operator: usize, slot: usize) -> Result<(), String> {
        if self.operators[operator].passes[slot].is_none() {
            self.apply(Event::BeginPass { operator, slot, object: 0, secret: 0 });
        }
        for _ in 0..MAX_STEPS {
            if self.operators[operator].passes[slot].is_none() {
                return Ok(());
            }
            self.apply(Event::StepPass { operator, slot, outcome: RequestOutcome::Success });
        }
        Err("a pass does not end".to_owned())
    }

    fn run_audit(&mut self, operator: usize) -> Result<(), String> {
        if self.world.issuer.finalized || self.mutant == Some(Mutant::NeverAudits) {
            return Ok(());
        }
        if !self.operators[operator].is_auditing() {
            self.apply(Event::BeginAudit { operator });
        }
        for _ in 0..MAX_STEPS {
            if !self.operators[operator].is_auditing() {
                return Ok(());
            }
            self.apply(Event::StepAudit { operator, outcome: RequestOutcome::Success });
        }
        Err("an audit does not end".to_owned())
    }
}
