//! The same world for a model checker, which goes through every schedule up to a bound.

use super::mutant::Mutant;
use super::schedule::{Event, State};
use super::world::Setting;
use stateright::{Model, Property};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};

/// Every schedule of a setting.
#[derive(Clone, Copy, Debug)]
pub struct Schedules {
    pub setting: Setting,
    pub mutant: Option<Mutant>,
}

impl Hash for State {
    /// Versions and attempts count up, so that the same state is reached under many names: they are
    /// named anew in the order in which they are met.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let mut text = String::new();
        let _ = write!(text, "{self:?}");
        let mut names: HashMap<&str, usize> = HashMap::new();
        for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
            let counted = word.len() == 20 || (!word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()));
            if counted {
                let next = names.len();
                names.entry(word).or_insert(next).hash(hasher);
            } else {
                word.hash(hasher);
            }
        }
    }
}

impl Model for Schedules {
    type State = State;
    type Action = Event;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.setting, self.mutant)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Event>) {
        state.events(actions);
    }

    fn next_state(&self, state: &State, event: Event) -> Option<State> {
        let next = state.after(event);
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nothing forbidden is done", |_, state: &State| state.world.ghost.violation.is_none()),
            Property::always("everything comes to rest, and all is well then", |_, state: &State| {
                state.clone().come_to_rest().is_ok()
            }),
        ]
    }
}
