//! The same world for a model checker, which goes through every schedule up to a bound.

use super::action::UserAction;
use super::config::SimulationConfig;
use super::execute::RequestOutcome;
use super::mutant::Mutant;
use super::progress::{Levels, line, telling};
use super::schedule::{Event, State};
use super::world::FIRST_VERSION;
use stateright::{Checker, Model, Property};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::thread::JoinHandle;
use std::time::Instant;

/// Every schedule from these beginnings on.
#[derive(Clone, Debug)]
pub struct Schedules {
    pub initial_states: Vec<State>,
    pub levels: Levels,
}

impl Schedules {
    /// From a world in which nothing has happened yet.
    pub fn from_empty(setting: SimulationConfig, mutant: Option<Mutant>) -> Self {
        Self { initial_states: vec![State::new(setting, mutant)], levels: Levels::default() }
    }

    /// From every point of a life that nothing disturbs: an object gets its first token.
    pub fn from_first_token(setting: SimulationConfig, mutant: Option<Mutant>) -> Self {
        let mut beginnings = vec![State::new(setting, mutant)];
        let mut event = Event::UserAction { action: UserAction::Create, slot: 0 };
        while let Some(state) = beginnings.last().map(|state| state.successor(event)) {
            event = match state.operators[0].passes[0] {
                Some(_) => Event::StepPass { operator: 0, slot: 0, outcome: RequestOutcome::Success },
                None if beginnings.len() == 1 => Event::BeginPass { operator: 0, slot: 0, object: 0, secret: 0 },
                None => {
                    beginnings.push(state);
                    break;
                }
            };
            beginnings.push(state);
        }
        Self { initial_states: beginnings, levels: Levels::default() }
    }

    /// Goes through every schedule of so many further events, and says what it found.
    ///
    /// # Errors
    /// The property that does not hold, and the events that lead there.
    pub fn explore(self, events: usize, threads: usize) -> Result<String, String> {
        let (begun, beginnings) = (Instant::now(), self.initial_states.len());
        // The checker counts the beginning as 1, and leaves alone what is as deep as its bound.
        let mut checker = self.checker().threads(threads).target_max_depth(events + 2).spawn_bfs();
        let (workers, what) = (checker.handles(), format!("states of up to {events} events"));
        let look = |elapsed| {
            let (deepest, done, all) = checker.model().levels.progress(events);
            line(&format!("{what}, {deepest} deep"), done, all, elapsed)
        };
        telling(look, || workers.into_iter().try_for_each(JoinHandle::join)).map_err(|_| "a worker panicked")?;
        let found = checker.discoveries().into_values().map(|path| {
            let (mut states, actions) = (path.clone().into_states(), path.into_actions());
            let from = checker.model().initial_states.iter().position(|state| Some(state) == states.first());
            let what = states.last_mut().and_then(|state| state.quiesce().err());
            format!("{what:?}: from the beginning {from:?} on by {actions:?}")
        });
        let found: Vec<String> = found.collect();
        if !found.is_empty() {
            return Err(found.join("\n"));
        }
        let (states, distinct) = (checker.state_count(), checker.unique_state_count());
        let seconds = begun.elapsed().as_secs_f32();
        Ok(format!(
            "every schedule of up to {events} events from {beginnings} beginnings: {states} states, {distinct} of them distinct, {seconds:.0} s"
        ))
    }
}

impl Hash for State {
    /// Versions count up, so that the same state is reached under many names: they, and nothing else,
    /// are named anew in the order in which they are met. Times, attempts and counts are what they are:
    /// two states that differ in one of them are two states.
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

/// Versions have ten digits; no time, count or id of a bounded run has.
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
            Property::always("nothing forbidden is done", |schedules: &Self, state: &State| {
                schedules.levels.count(state.depth.0);
                state.world.oracle.violation.is_none()
            }),
            Property::always("everything comes to rest, and all is well then", |_, state: &State| {
                state.clone().quiesce().is_ok()
            }),
        ]
    }
}
