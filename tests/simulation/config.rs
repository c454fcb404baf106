//! What is varied from run to run.

use super::action::UserAction;
use registry_token_operator::domain::model::object::Rotation;
use registry_token_operator::domain::model::token_mac::MacKeys;
use registry_token_operator::domain::observed::LoginMode;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

/// What is varied from run to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SimulationConfig {
    /// Operators at work.
    pub operators: usize,
    /// Objects there may be.
    pub objects: usize,
    /// The portal lists nothing to our user, and everybody knows.
    pub list_denied: bool,
    /// The portal's answer holds the id; else it is looked up.
    pub id_in_response: bool,
    /// The mark stays in the description.
    pub keep_marker: bool,
    /// The registry's word counts.
    pub login: LoginMode,
    /// Objects rotate.
    pub rotation: bool,
    /// The operators' keys.
    pub keys: KeyConfig,
    /// Every object is there already, and at rest.
    pub start_at_rest: bool,
    /// How often something may go wrong, a person may act, a process may die, and time may pass.
    pub faults: u8,
    /// See above.
    pub user_actions: u8,
    /// See above.
    pub crashes: u8,
    /// See above.
    pub ticks: u8,
    /// What people do; anything, where nothing is said.
    pub actions: &'static [UserAction],
}

impl SimulationConfig {
    /// Rotates every three hours, with an overlap of two minutes.
    pub fn rotation(&self) -> Option<Rotation> {
        let overlap = Duration::from_mins(2);
        self.rotation.then_some(Rotation { interval: Duration::from_hours(3), overlap })
    }
}

/// The operators' MAC keys, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyConfig {
    pub signing: u8,
    /// Accepted beside it.
    pub former: Option<u8>,
    /// When they came to be.
    pub since: i64,
}

impl KeyConfig {
    /// Older than every object.
    pub const FIRST: Self = Self { signing: 1, former: None, since: -1 };

    /// As the core takes them.
    pub fn mac_keys(self) -> MacKeys {
        thread_local! {
            static CACHE: RefCell<HashMap<KeyConfig, MacKeys>> = RefCell::default();
        }
        CACHE.with_borrow_mut(|made| made.entry(self).or_insert_with(|| self.build()).clone())
    }

    fn build(self) -> MacKeys {
        let former = self.former.map(|number| [number; 32]);
        let accepted = former.iter().map(<[u8; 32]>::as_slice);
        MacKeys::new(&[self.signing; 32], accepted, super::world::at(self.since)).expect("keys of 32 bytes")
    }
}
