//! The model for a model checker, which visits every schedule up to a bound.

use super::action::UserAction;
use super::config::SimulationConfig;
use super::mutant::Mutant;
use super::outcome::RequestOutcome;
use super::progress::{Levels, line, with_progress};
use super::schedule::{Event, State};
use super::world::FIRST_VERSION;
use stateright::{Checker, Model, Property};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::thread::JoinHandle;
use std::time::Instant;

/// Every schedule from these initial states.
#[derive(Clone, Debug)]
pub struct Schedules {
    pub initial_states: Vec<State>,
    pub levels: Levels,
}

impl Schedules {
    /// From an empty world.
    pub fn from_empty(config: SimulationConfig, mutant: Option<Mutant>) -> Self {
        Self { initial_states: vec![State::new(config, mutant)], levels: Levels::default() }
    }

    /// From every point of an undisturbed first token: an object is created and gets its token.
    pub fn from_first_token(config: SimulationConfig, mutant: Option<Mutant>) -> Self {
        let mut states = vec![State::new(config, mutant)];
        let mut event = Event::UserAction { action: UserAction::Create, slot: 0 };
        while let Some(state) = states.last().map(|state| state.successor(event)) {
            event = match state.operators[0].passes[0] {
                Some(_) => Event::StepPass { operator: 0, slot: 0, outcome: RequestOutcome::Success },
                None if states.len() == 1 => Event::BeginPass { operator: 0, slot: 0, object: 0, secret: 0 },
                None => {
                    states.push(state);
                    break;
                }
            };
            states.push(state);
        }
        Self { initial_states: states, levels: Levels::default() }
    }

    /// Visits every schedule of up to this many further events. Returns a summary.
    ///
    /// # Errors
    /// The property that does not hold, and the events that lead to its violation.
    pub fn explore(self, events: usize, threads: usize) -> Result<String, String> {
        let (started, initial) = (Instant::now(), self.initial_states.len());
        // The checker counts the initial state as 1, and does not visit states at its bound.
        let mut checker = self.checker().threads(threads).target_max_depth(events + 2).spawn_bfs();
        let (workers, what) = (checker.handles(), format!("states of up to {events} events"));
        let describe = |elapsed| {
            let (deepest, done, all) = checker.model().levels.progress(events);
            line(&format!("{what}, depth {deepest}"), done, all, elapsed)
        };
        with_progress(describe, || workers.into_iter().try_for_each(JoinHandle::join))
            .map_err(|_| "a worker panicked")?;
        let found = checker.discoveries().into_values().map(|path| {
            let (mut states, actions) = (path.clone().into_states(), path.into_actions());
            let from = checker.model().initial_states.iter().position(|state| Some(state) == states.first());
            let what = states.last_mut().and_then(|state| state.quiesce().err());
            format!("{what:?}: from the initial state {from:?} by {actions:?}")
        });
        let found: Vec<String> = found.collect();
        if !found.is_empty() {
            return Err(found.join("\n"));
        }
        let (states, distinct) = (checker.state_count(), checker.unique_state_count());
        let seconds = started.elapsed().as_secs_f32();
        Ok(format!(
            "every schedule of up to {events} events from {initial} initial states: {states} states, {distinct} of them distinct, {seconds:.0} s"
        ))
    }
}

impl Hash for State {
    /// Versions increase, so equal states differ in their versions. Only versions are therefore replaced, by numbers in
    /// the order in which they occur. Times, attempts and counts are hashed as they are: states that differ in one of
    /// them are different.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.world.clock, &self.world.pending_effects).hash(hasher);
        let mut text = String::new();
        let _ = write!(text, "{self:?}");
        let mut names: HashMap<&str, usize> = HashMap::new();
        for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
            if is_version(word) {
                let next = names.len();
                names.entry(word).or_insert(next).hash(hasher);
            } else {
                word.hash(hasher);
            }
        }
    }
}

/// Versions have ten digits. No time, count or id of a bounded run has ten digits.
fn is_version(word: &str) -> bool {
    word.len() == 10 && word.parse::<u64>().is_ok_and(|number| number >= FIRST_VERSION)
}

impl Model for Schedules {
    type State = State;
    type Action = Event;

    fn init_states(&self) -> Vec<State> {
        self.initial_states.clone()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Event>) {
        state.possible_events(actions);
    }

    fn next_state(&self, state: &State, event: Event) -> Option<State> {
        let mut next = state.successor(event);
        next.depth.0 += 1;
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no operation violates an invariant", |schedules: &Self, state: &State| {
                schedules.levels.count(state.depth.0);
                state.world.oracle.violation.is_none()
            }),
            Property::always("the simulation becomes idle, and the invariants at rest hold", |_, state: &State| {
                state.clone().quiesce().is_ok()
            }),
        ]
    }
}
