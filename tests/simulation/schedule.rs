//! What may happen next, and what then follows.

use super::action::UserAction;
use super::audits::audit_outcomes;
use super::config::SimulationConfig;
use super::execute::{RequestOutcome, execute, outcomes};
use super::mutant::Mutant;
use super::operator::Operator;
use super::progress::Depth;
use super::trace;
use super::world::{MAX_RESPONSE_SECONDS, World, at};
use registry_token_operator::domain::protocol::Request;

/// Longer than the interval of a rotation.
const ROTATION_SECONDS: i64 = 3 * 3600 + 100;
/// Longer than a token stays revoked that somebody revoked twice.
pub const DAY_SECONDS: i64 = 24 * 3600 + 100;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Event {
    /// An operator begins a pass, on versions of object and Secret that its caches may still show: 0 is
    /// the newest.
    BeginPass { operator: usize, slot: usize, object: usize, secret: usize },
    /// A pass's request is performed, and turns out so.
    StepPass { operator: usize, slot: usize, outcome: RequestOutcome },
    /// An operator begins an audit.
    BeginAudit { operator: usize },
    /// An audit's request is performed.
    StepAudit { operator: usize, outcome: RequestOutcome },
    /// An operator looks whether a deleted issuer may go.
    ReconcileIssuer { operator: usize },
    /// An operator dies and begins anew.
    Crash { operator: usize },
    /// A person does something.
    UserAction { action: UserAction, slot: usize },
    /// The portal acts on a request whose answer nobody waits for any more.
    ApplyPendingEffect,
    /// The garbage collector runs.
    CollectGarbage,
    /// So many seconds pass.
    Tick(i64),
}

/// Operators and their world.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub world: World,
    pub operators: Vec<Operator>,
    pub faults: u8,
    pub user_actions: u8,
    pub crashes: u8,
    pub ticks: u8,
    pub mutant: Option<Mutant>,
    /// Events since the beginning, where somebody counts them.
    pub depth: Depth,
    /// What happened, in words, where somebody wants to read it.
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

    /// Every object is created and comes to rest, before anything goes wrong.
    ///
    /// # Errors
    /// It does not.
    pub fn create_objects(&mut self) -> Result<(), String> {
        let people = self.user_actions;
        for slot in 0..self.world.slots.len() {
            self.apply(Event::UserAction { action: UserAction::Create, slot });
        }
        self.user_actions = people;
        self.run_until_idle()
    }

    /// Everything that may happen next.
    pub fn possible_events(&self, events: &mut Vec<Event>) {
        if self.world.oracle.violation.is_some() {
            return;
        }
        for index in 0..self.operators.len() {
            self.operator_events(index, events);
        }
        for slot in 0..self.world.slots.len() {
            // The first object costs nothing: without it nothing happens.
            let first = self.world.is_initial();
            let wanted = self.world.config.actions.iter().copied();
            let deeds = wanted.filter(|deed| deed.is_possible(&self.world, slot));
            let may = |deed: &UserAction| self.user_actions > 0 || (first && *deed == UserAction::Create);
            events.extend(deeds.filter(may).map(|deed| Event::UserAction { action: deed, slot }));
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
        let who = &self.operators[operator];
        let few = |all: &'static [RequestOutcome]| {
            all.iter().filter(|outcome| self.faults > 0 || **outcome == RequestOutcome::Success)
        };
        for (slot, pass) in who.passes.iter().enumerate() {
            match pass {
                Some(running) => events.extend(few(outcomes(&running.request)).map(|outcome| Event::StepPass {
                    operator,
                    slot,
                    outcome: *outcome,
                })),
                None => self.begin_events(operator, slot, events),
            }
        }
        if who.running_login_audit.is_some() {
            let outcomes = few(&[RequestOutcome::Success, RequestOutcome::LostBefore]);
            events.extend(outcomes.map(|outcome| Event::StepAudit { operator, outcome: *outcome }));
        }
        match &who.running_audit {
            Some(auditing) => events.extend(
                few(audit_outcomes(&auditing.request)).map(|outcome| Event::StepAudit { operator, outcome: *outcome }),
            ),
            None if who.running_login_audit.is_none() && !self.world.issuer.finalized && self.world.next_row > 0 => {
                events.push(Event::BeginAudit { operator });
            }
            None => {}
        }
        if self.world.issuer.deleting && !self.world.issuer.finalized {
            events.push(Event::ReconcileIssuer { operator });
        }
        if self.crashes > 0 && (who.passes.iter().any(Option::is_some) || who.running_audit.is_some()) {
            events.push(Event::Crash { operator });
        }
    }

    /// A pass may begin on what a cache still shows.
    fn begin_events(&self, operator: usize, slot: usize, events: &mut Vec<Event>) {
        let here = &self.world.slots[slot];
        for object in 0..=here.old_objects.len() {
            let shown = if object == 0 { &here.object } else { &here.old_objects[here.old_objects.len() - object] };
            if shown.is_none() {
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

    /// What follows when it happens.
    pub fn successor(&self, event: Event) -> Self {
        let mut next = self.clone();
        next.apply(event);
        next
    }

    /// Lets it happen.
    pub fn apply(&mut self, event: Event) {
        if self.trace.is_some() {
            let line = trace::event_line(self, event);
            self.trace.get_or_insert_default().push(line);
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
                let setting = self.world.config;
                self.operators[operator].restart(&setting);
            }
            Event::UserAction { action: deed, slot } => {
                if !self.world.is_initial() {
                    self.user_actions = self.user_actions.saturating_sub(1);
                }
                let passes = self.operators.iter().flat_map(|operator| operator.passes.iter().enumerate());
                let concerned = passes.filter(|(its, pass)| pass.is_some() && (*its == slot || deed.affects_all()));
                let under_way = concerned.count();
                deed.perform(&mut self.world, slot, under_way);
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

    /// Whoever is under way is late now.
    pub fn advance_clock(&mut self, seconds: i64) {
        let under_way = self.operators.iter().flat_map(|operator| &operator.passes).flatten().count();
        self.world.oracle.excused_requests += under_way;
        if self.world.config.rotation && seconds >= ROTATION_SECONDS {
            self.world.oracle.expected_requests += self.world.slots.len();
        }
        // No portal acts later than the longest time that an answer may take.
        let now = self.world.clock + seconds;
        while let Some(due) = self.world.pending_effects.iter().position(|late| late.until <= now) {
            self.world.apply_pending_effect(due);
        }
        self.world.clock = now;
    }

    pub fn count_fault(&mut self, outcome: RequestOutcome) {
        if outcome != RequestOutcome::Success {
            self.faults = self.faults.saturating_sub(1);
            // So few tokens that are gone at once are believed to be, whatever shrank the list.
            self.world.oracle.excused_requests += if outcome == RequestOutcome::ShrunkList { 4 } else { 1 };
        }
    }

    fn begin_pass(&mut self, operator: usize, slot: usize, object: usize, secret: usize) {
        let here = self.world.slots[slot].clone();
        let pick = |newest: &Option<super::world::FakeObject>, old: &[Option<super::world::FakeObject>], age: usize| {
            if age == 0 { newest.clone() } else { old.get(old.len().wrapping_sub(age)).cloned().flatten() }
        };
        let is_newest = object == 0;
        let object = pick(&here.object, &here.old_objects, object);
        let secret = if secret == 0 {
            here.secret.clone()
        } else {
            here.old_secrets.get(here.old_secrets.len().wrapping_sub(secret)).cloned().flatten()
        };
        let (world, mutant) = (&self.world, self.mutant);
        // Watched by our label: without it a cache does not show it.
        let secret = secret.filter(|secret| secret.label.is_some());
        self.operators[operator].begin_pass(slot, object.as_ref(), secret.as_ref(), world, mutant);
        // Whoever looks at an unprotected object and begins anything else leaves it so.
        let begun = self.operators[operator].passes[slot].as_ref().map(|running| &running.request);
        if is_newest
            && !matches!(begun, Some(Request::SetFinalizer(true)))
            && let Some(object) = self.world.slots[slot].object.as_mut()
        {
            object.unprotected = false;
        }
    }

    fn step_pass(&mut self, operator: usize, slot: usize, outcome: RequestOutcome) {
        self.count_fault(outcome);
        let Some(mut running) = self.operators[operator].passes[slot].take() else { return };
        let who = &mut self.operators[operator];
        let answer = execute(&mut self.world, who, slot, &mut running, outcome, self.mutant);
        let flow = running.pass.clone().step(answer, at(self.world.clock));
        let _ = self.operators[operator].finish_step(slot, running, flow, &self.world, self.mutant);
    }
}
