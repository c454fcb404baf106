//! What may happen next, and what then follows.

use super::audits::audit_outcomes;
use super::deed::Deed;
use super::journal;
use super::mutant::Mutant;
use super::operator::Operator;
use super::perform::{Outcome, outcomes, perform};
use super::progress::Depth;
use super::setting::Setting;
use super::world::{LONGEST, World, at};
use registry_token_operator::domain::effect::Request;

/// Longer than the interval of a rotation.
const HOURS: i64 = 3 * 3600 + 100;
/// Longer than a token stays revoked that somebody revoked twice.
pub const DAY: i64 = 24 * 3600 + 100;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Event {
    /// An operator begins a pass, on versions of object and Secret that its caches may still show: 0 is
    /// the newest.
    Begin { operator: usize, slot: usize, object: usize, secret: usize },
    /// A pass's request is performed, and turns out so.
    Step { operator: usize, slot: usize, outcome: Outcome },
    /// An operator begins an audit.
    BeginAudit { operator: usize },
    /// An audit's request is performed.
    StepAudit { operator: usize, outcome: Outcome },
    /// An operator looks whether a deleted issuer may go.
    LookAtIssuer { operator: usize },
    /// An operator dies and begins anew.
    Crash { operator: usize },
    /// A person does something.
    Person { deed: Deed, slot: usize },
    /// The portal acts on a request whose answer nobody waits for any more.
    ActLate,
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
    pub people: u8,
    pub crashes: u8,
    pub ticks: u8,
    pub mutant: Option<Mutant>,
    /// Events since the beginning, where somebody counts them.
    pub depth: Depth,
    /// What happened, in words, where somebody wants to read it.
    pub journal: Option<Vec<String>>,
}

impl State {
    pub fn new(setting: Setting, mutant: Option<Mutant>) -> Self {
        Self {
            operators: (0..setting.operators).map(|index| Operator::new(index, &setting)).collect(),
            faults: setting.faults,
            people: setting.people,
            crashes: setting.crashes,
            ticks: setting.ticks,
            world: World::new(setting),
            mutant,
            depth: Depth(0),
            journal: None,
        }
    }

    /// Every object is created and comes to rest, before anything goes wrong.
    ///
    /// # Errors
    /// It does not.
    pub fn settle(&mut self) -> Result<(), String> {
        let people = self.people;
        for slot in 0..self.world.slots.len() {
            self.happen(Event::Person { deed: Deed::Create, slot });
        }
        self.people = people;
        self.quiet()
    }

    /// Everything that may happen next.
    pub fn events(&self, events: &mut Vec<Event>) {
        if self.world.ghost.violation.is_some() {
            return;
        }
        for index in 0..self.operators.len() {
            self.events_of(index, events);
        }
        for slot in 0..self.world.slots.len() {
            // The first object costs nothing: without it nothing happens.
            let first = self.world.untouched();
            let wanted = self.world.setting.deeds.iter().copied();
            let deeds = wanted.filter(|deed| deed.possible(&self.world, slot));
            let may = |deed: &Deed| self.people > 0 || (first && *deed == Deed::Create);
            events.extend(deeds.filter(may).map(|deed| Event::Person { deed, slot }));
        }
        if !self.world.late.is_empty() {
            events.push(Event::ActLate);
        }
        if self.world.slots.iter().any(|slot| {
            let alive = slot.object.as_ref().map(|object| &object.uid);
            let controller = slot.secret.as_ref().and_then(|secret| secret.controller.as_ref());
            controller.is_some() && controller != alive
        }) {
            events.push(Event::CollectGarbage);
        }
        if self.ticks > 0 && !self.world.untouched() {
            events.extend([Event::Tick(LONGEST / 4), Event::Tick(LONGEST + 10), Event::Tick(HOURS), Event::Tick(DAY)]);
        }
    }

    fn events_of(&self, operator: usize, events: &mut Vec<Event>) {
        let who = &self.operators[operator];
        let few = |all: &'static [Outcome]| all.iter().filter(|outcome| self.faults > 0 || **outcome == Outcome::Fine);
        for (slot, pass) in who.passes.iter().enumerate() {
            match pass {
                Some(running) => events.extend(few(outcomes(&running.request)).map(|outcome| Event::Step {
                    operator,
                    slot,
                    outcome: *outcome,
                })),
                None => self.beginnings(operator, slot, events),
            }
        }
        if who.calling.is_some() {
            let outcomes = few(&[Outcome::Fine, Outcome::LostBefore]);
            events.extend(outcomes.map(|outcome| Event::StepAudit { operator, outcome: *outcome }));
        }
        match &who.auditing {
            Some(auditing) => events.extend(
                few(audit_outcomes(&auditing.request)).map(|outcome| Event::StepAudit { operator, outcome: *outcome }),
            ),
            None if who.calling.is_none() && !self.world.issuer.released && self.world.next_row > 0 => {
                events.push(Event::BeginAudit { operator });
            }
            None => {}
        }
        if self.world.issuer.deleting && !self.world.issuer.released {
            events.push(Event::LookAtIssuer { operator });
        }
        if self.crashes > 0 && (who.passes.iter().any(Option::is_some) || who.auditing.is_some()) {
            events.push(Event::Crash { operator });
        }
    }

    /// A pass may begin on what a cache still shows.
    fn beginnings(&self, operator: usize, slot: usize, events: &mut Vec<Event>) {
        let here = &self.world.slots[slot];
        for object in 0..=here.old_objects.len() {
            let shown = if object == 0 { &here.object } else { &here.old_objects[here.old_objects.len() - object] };
            if shown.is_none() {
                continue;
            }
            events.extend((0..=here.old_secrets.len()).map(|secret| Event::Begin { operator, slot, object, secret }));
        }
    }

    /// What follows when it happens.
    pub fn after(&self, event: Event) -> Self {
        let mut next = self.clone();
        next.happen(event);
        next
    }

    /// Lets it happen.
    pub fn happen(&mut self, event: Event) {
        if self.journal.is_some() {
            let line = journal::line(self, event);
            self.journal.get_or_insert_default().push(line);
        }
        match event {
            Event::Begin { operator, slot, object, secret } => self.begin(operator, slot, object, secret),
            Event::Step { operator, slot, outcome } => self.step(operator, slot, outcome),
            Event::BeginAudit { operator } => self.begin_audit(operator),
            Event::StepAudit { operator, outcome } => self.step_audit(operator, outcome),
            Event::LookAtIssuer { operator } => self.look_at_issuer(operator),
            Event::Crash { operator } => {
                self.crashes = self.crashes.saturating_sub(1);
                self.world.ghost.ruined += self.operators[operator].passes.iter().flatten().count();
                let setting = self.world.setting;
                self.operators[operator].restart(&setting);
            }
            Event::Person { deed, slot } => {
                if !self.world.untouched() {
                    self.people = self.people.saturating_sub(1);
                }
                let passes = self.operators.iter().flat_map(|operator| operator.passes.iter().enumerate());
                let concerned = passes.filter(|(its, pass)| pass.is_some() && (*its == slot || deed.is_for_all()));
                let under_way = concerned.count();
                deed.perform(&mut self.world, slot, under_way);
            }
            Event::ActLate => {
                self.world.act_late(0);
            }
            Event::CollectGarbage => self.world.collect_garbage(),
            Event::Tick(seconds) => {
                self.ticks = self.ticks.saturating_sub(1);
                self.pass_time(seconds);
            }
        }
    }

    /// Whoever is under way is late now.
    pub fn pass_time(&mut self, seconds: i64) {
        let under_way = self.operators.iter().flat_map(|operator| &operator.passes).flatten().count();
        self.world.ghost.ruined += under_way;
        if self.world.setting.rotation && seconds >= HOURS {
            self.world.ghost.reasons += self.world.slots.len();
        }
        // No portal acts later than the longest time that an answer may take.
        let now = self.world.clock + seconds;
        while let Some(due) = self.world.late.iter().position(|late| late.until <= now) {
            self.world.act_late(due);
        }
        self.world.clock = now;
    }

    pub fn spend(&mut self, outcome: Outcome) {
        if outcome != Outcome::Fine {
            self.faults = self.faults.saturating_sub(1);
            // So few tokens that are gone at once are believed to be, whatever shrank the list.
            self.world.ghost.ruined += if outcome == Outcome::Shrunken { 4 } else { 1 };
        }
    }

    fn begin(&mut self, operator: usize, slot: usize, object: usize, secret: usize) {
        let here = self.world.slots[slot].clone();
        let pick = |newest: &Option<super::world::Obj>, old: &[Option<super::world::Obj>], age: usize| {
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
        self.operators[operator].begin(slot, object.as_ref(), secret.as_ref(), world, mutant);
        // Whoever looks at an unprotected object and begins anything else leaves it so.
        let begun = self.operators[operator].passes[slot].as_ref().map(|running| &running.request);
        if is_newest
            && !matches!(begun, Some(Request::Finalizer(true)))
            && let Some(object) = self.world.slots[slot].object.as_mut()
        {
            object.unprotected = false;
        }
    }

    fn step(&mut self, operator: usize, slot: usize, outcome: Outcome) {
        self.spend(outcome);
        let Some(mut running) = self.operators[operator].passes[slot].take() else { return };
        let who = &mut self.operators[operator];
        let answer = perform(&mut self.world, who, slot, &mut running, outcome, self.mutant);
        let flow = running.pass.clone().step(answer, at(self.world.clock));
        let _ = self.operators[operator].went(slot, running, flow, &self.world, self.mutant);
    }
}
