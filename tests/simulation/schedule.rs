//! The possible next events, and their effects.

use super::action::UserAction;
use super::audits::audit_outcomes;
use super::config::SimulationConfig;
use super::execute::execute;
use super::invariants;
use super::issuer::namespace_access;
use super::mutant::Mutant;
use super::operator::Operator;
use super::outcome::{RequestOutcome, outcomes};
use super::progress::Depth;
use super::trace;
use super::world::{MAX_RESPONSE_SECONDS, World, at};
use registry_token_operator::domain::protocol::Request;

/// Longer than the interval of a rotation.
const ROTATION_SECONDS: i64 = 3 * 3600 + 100;
/// Longer than a token stays revoked that was revoked twice in the portal.
pub const DAY_SECONDS: i64 = 24 * 3600 + 100;

/// An event of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Event {
    /// An operator starts a pass, with versions of object and Secret that its caches may still return: 0 is the newest.
    BeginPass { operator: usize, slot: usize, object: usize, secret: usize },
    /// A pass's request is executed, with this outcome.
    StepPass { operator: usize, slot: usize, outcome: RequestOutcome },
    /// An operator starts an audit.
    BeginAudit { operator: usize },
    /// An audit's request is executed.
    StepAudit { operator: usize, outcome: RequestOutcome },
    /// An operator decides whether the deletion of the issuer may finish.
    ReconcileIssuer { operator: usize },
    /// An operator crashes and starts again.
    Crash { operator: usize },
    /// A user performs an action.
    UserAction { action: UserAction, slot: usize },
    /// The portal performs a delayed effect.
    ApplyPendingEffect,
    /// The garbage collector runs.
    CollectGarbage,
    /// This many seconds pass.
    Tick(i64),
}

/// Operators and the simulated world.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub world: World,
    pub operators: Vec<Operator>,
    pub faults: u8,
    pub user_actions: u8,
    pub crashes: u8,
    pub ticks: u8,
    pub mutant: Option<Mutant>,
    /// Events since the initial state, if they are counted.
    pub depth: Depth,
    /// The readable trace, if it is recorded.
    pub trace: Option<Vec<String>>,
}

impl State {
    pub fn new(config: SimulationConfig, mutant: Option<Mutant>) -> Self {
        Self {
            operators: (0..config.operators).map(|index| Operator::new(index, &config)).collect(),
            faults: config.faults,
            user_actions: config.user_actions,
            crashes: config.crashes,
            ticks: config.ticks,
            world: World::new(config),
            mutant,
            depth: Depth(0),
            trace: None,
        }
    }

    /// Creates every object and runs until idle, before any fault.
    ///
    /// # Errors
    /// The simulation does not become idle.
    pub fn create_objects(&mut self) -> Result<(), String> {
        let user_actions = self.user_actions;
        for slot in 0..self.world.slots.len() {
            self.apply(Event::UserAction { action: UserAction::Create, slot });
        }
        self.user_actions = user_actions;
        self.run_until_idle()
    }

    /// All possible next events.
    pub fn possible_events(&self, events: &mut Vec<Event>) {
        if self.world.oracle.violation.is_some() {
            return;
        }
        for index in 0..self.operators.len() {
            self.operator_events(index, events);
        }
        for slot in 0..self.world.slots.len() {
            // The first `Create` is not counted: without it nothing happens.
            let first = self.world.is_initial();
            let configured = self.world.config.actions.iter().copied();
            let possible = configured.filter(|action| action.is_possible(&self.world, slot));
            let allowed = |action: &UserAction| self.user_actions > 0 || (first && *action == UserAction::Create);
            events.extend(possible.filter(allowed).map(|action| Event::UserAction { action, slot }));
        }
        if !self.world.pending_effects.is_empty() {
            events.push(Event::ApplyPendingEffect);
        }
        if self.world.slots.iter().any(|slot| {
            let alive = slot.object.as_ref().map(|object| &object.uid);
            let controller = slot.secret.as_ref().and_then(|secret| secret.controller.as_ref());
            controller.is_some() && controller != alive
        }) {
            events.push(Event::CollectGarbage);
        }
        if self.ticks > 0 && !self.world.is_initial() {
            events.extend([
                Event::Tick(MAX_RESPONSE_SECONDS / 4),
                Event::Tick(MAX_RESPONSE_SECONDS + 10),
                Event::Tick(ROTATION_SECONDS),
                Event::Tick(DAY_SECONDS),
            ]);
        }
    }

    fn operator_events(&self, operator: usize, events: &mut Vec<Event>) {
        let process = &self.operators[operator];
        let allowed = |all: &'static [RequestOutcome]| {
            all.iter().filter(|outcome| self.faults > 0 || **outcome == RequestOutcome::Success)
        };
        for (slot, pass) in process.passes.iter().enumerate() {
            match pass {
                Some(running) => events.extend(
                    allowed(outcomes(&running.request, &self.world.config.portal)).map(|outcome| Event::StepPass {
                        operator,
                        slot,
                        outcome: *outcome,
                    }),
                ),
                None => self.begin_events(operator, slot, events),
            }
        }
        if process.running_login_audit.is_some() {
            let outcomes = allowed(&[RequestOutcome::Success, RequestOutcome::LostBefore]);
            events.extend(outcomes.map(|outcome| Event::StepAudit { operator, outcome: *outcome }));
        }
        match &process.running_audit {
            Some(auditing) => events.extend(
                allowed(audit_outcomes(&auditing.request))
                    .map(|outcome| Event::StepAudit { operator, outcome: *outcome }),
            ),
            None if process.running_login_audit.is_none()
                && !self.world.issuer.finalized
                && self.world.next_row > 0 =>
            {
                events.push(Event::BeginAudit { operator });
            }
            None => {}
        }
        if self.world.issuer.deleting && !self.world.issuer.finalized {
            events.push(Event::ReconcileIssuer { operator });
        }
        if self.crashes > 0 && (process.passes.iter().any(Option::is_some) || process.running_audit.is_some()) {
            events.push(Event::Crash { operator });
        }
    }

    /// A pass may start with any version that a cache may still return.
    fn begin_events(&self, operator: usize, slot: usize, events: &mut Vec<Event>) {
        let here = &self.world.slots[slot];
        for object in 0..=here.old_objects.len() {
            let cached = if object == 0 { &here.object } else { &here.old_objects[here.old_objects.len() - object] };
            if cached.is_none() {
                continue;
            }
            events.extend((0..=here.old_secrets.len()).map(|secret| Event::BeginPass {
                operator,
                slot,
                object,
                secret,
            }));
        }
    }

    /// The state after the event.
    pub fn successor(&self, event: Event) -> Self {
        let mut next = self.clone();
        next.apply(event);
        next
    }

    /// Applies the event.
    pub fn apply(&mut self, event: Event) {
        if self.trace.is_some() {
            let line = trace::event_line(self, event);
            self.trace.get_or_insert_default().push(line);
        }
        if matches!(event, Event::UserAction { .. } | Event::CollectGarbage | Event::Tick(_)) {
            let passes = self.operators.iter_mut().flat_map(|operator| operator.passes.iter_mut().flatten());
            passes.for_each(|running| running.disturbed = true);
        }
        match event {
            Event::BeginPass { operator, slot, object, secret } => self.begin_pass(operator, slot, object, secret),
            Event::StepPass { operator, slot, outcome } => self.step_pass(operator, slot, outcome),
            Event::BeginAudit { operator } => self.begin_audit(operator),
            Event::StepAudit { operator, outcome } => self.step_audit(operator, outcome),
            Event::ReconcileIssuer { operator } => self.reconcile_issuer(operator),
            Event::Crash { operator } => {
                self.crashes = self.crashes.saturating_sub(1);
                self.world.oracle.excused_requests += self.operators[operator].passes.iter().flatten().count();
                let config = self.world.config;
                self.operators[operator].restart(&config);
            }
            Event::UserAction { action, slot } => {
                if !self.world.is_initial() {
                    self.user_actions = self.user_actions.saturating_sub(1);
                }
                let passes = self.operators.iter().flat_map(|operator| operator.passes.iter().enumerate());
                let affected =
                    passes.filter(|(index, pass)| pass.is_some() && (*index == slot || action.affects_all()));
                let running = affected.count();
                action.perform(&mut self.world, slot, running);
            }
            Event::ApplyPendingEffect => {
                self.world.apply_pending_effect(0);
            }
            Event::CollectGarbage => self.world.collect_garbage(),
            Event::Tick(seconds) => {
                self.ticks = self.ticks.saturating_sub(1);
                self.advance_clock(seconds);
            }
        }
    }

    /// Advances the clock. Running passes may exceed their deadlines.
    pub fn advance_clock(&mut self, seconds: i64) {
        let running = self.operators.iter().flat_map(|operator| &operator.passes).flatten().count();
        self.world.oracle.excused_requests += running;
        if self.world.config.rotates() && seconds >= ROTATION_SECONDS {
            self.world.oracle.expected_requests += self.world.slots.len();
        }
        // No effect is delayed longer than a response may take.
        let now = self.world.clock + seconds;
        while let Some(due) = self.world.pending_effects.iter().position(|effect| effect.until <= now) {
            self.world.apply_pending_effect(due);
        }
        self.world.clock = now;
    }

    pub fn count_fault(&mut self, outcome: RequestOutcome) {
        if outcome != RequestOutcome::Success {
            self.faults = self.faults.saturating_sub(1);
            // If this few tokens are missing at once, their absence is plausible, whatever shrank the list.
            self.world.oracle.excused_requests += if outcome == RequestOutcome::ShrunkList { 4 } else { 1 };
        }
    }

    fn begin_pass(&mut self, operator: usize, slot: usize, object: usize, secret: usize) {
        let here = self.world.slots[slot].clone();
        let pick = |newest: &Option<super::fakes::FakeObject>, old: &[Option<super::fakes::FakeObject>], age: usize| {
            if age == 0 { newest.clone() } else { old.get(old.len().wrapping_sub(age)).cloned().flatten() }
        };
        let is_newest = object == 0;
        // Namespaces have a cache of their own: it lags if that of the Secrets does.
        let access = namespace_access(&self.world, secret > 0, self.mutant);
        let object = pick(&here.object, &here.old_objects, object);
        let secret = if secret == 0 {
            here.secret.clone()
        } else {
            here.old_secrets.get(here.old_secrets.len().wrapping_sub(secret)).cloned().flatten()
        };
        let (world, mutant) = (&self.world, self.mutant);
        // The cache contains only Secrets with the operator's label.
        let secret = secret.filter(|secret| secret.label.is_some());
        self.operators[operator].begin_pass(slot, object.as_ref(), secret.as_ref(), access, world, mutant);
        // An operator that reconciles an unprotected object and does not set the finalizer leaves it unprotected.
        let request = self.operators[operator].passes[slot].as_ref().map(|running| &running.request);
        if is_newest
            && !matches!(request, Some(Request::SetFinalizer(true)))
            && let Some(object) = self.world.slots[slot].object.as_mut()
        {
            object.unprotected = false;
        }
    }

    fn step_pass(&mut self, operator: usize, slot: usize, outcome: RequestOutcome) {
        self.count_fault(outcome);
        let Some(mut running) = self.operators[operator].passes[slot].take() else { return };
        let process = &mut self.operators[operator];
        let response = execute(&mut self.world, process, slot, &mut running, outcome, self.mutant);
        let next = running.pass.clone().step(response, at(self.world.clock));
        running.disturbed |= !matches!(outcome, RequestOutcome::Success | RequestOutcome::DeliveredTwice);
        let duplicate = running.duplicate.clone().filter(|_| !running.disturbed);
        let done = self.operators[operator].finish_step(slot, running, next, &self.world, self.mutant);
        if let (Some(token), Some(_)) = (duplicate, done) {
            invariants::check_duplicate(&mut self.world, &token);
        }
    }
}
