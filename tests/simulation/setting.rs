//! What is varied from run to run.

use super::deed::Deed;
use registry_token_operator::domain::object::Rotation;
use registry_token_operator::domain::observed::LoginMode;
use registry_token_operator::domain::token_mac::MacKeys;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

/// What is varied from run to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Setting {
    /// Operators at work.
    pub operators: usize,
    /// Objects there may be.
    pub objects: usize,
    /// The portal lists nothing to our user, and everybody knows.
    pub unlisted: bool,
    /// The portal's answer holds the id; else it is looked up.
    pub id_in_answer: bool,
    /// The mark stays in the description.
    pub permanent: bool,
    /// The registry's word counts.
    pub login: LoginMode,
    /// Objects rotate.
    pub rotation: bool,
    /// The operators' keys.
    pub keys: Keys,
    /// Every object is there already, and at rest.
    pub settled: bool,
    /// How often something may go wrong, a person may act, a process may die, and time may pass.
    pub faults: u8,
    /// See above.
    pub people: u8,
    /// See above.
    pub crashes: u8,
    /// See above.
    pub ticks: u8,
    /// What people do; anything, where nothing is said.
    pub deeds: &'static [Deed],
}

impl Setting {
    /// Rotates every three hours, with an overlap of two minutes.
    pub fn rotation(&self) -> Option<Rotation> {
        let overlap = Duration::from_mins(2);
        self.rotation.then_some(Rotation { interval: Duration::from_hours(3), overlap })
    }
}

/// The operators' MAC keys, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Keys {
    pub signing: u8,
    /// Accepted beside it.
    pub former: Option<u8>,
    /// When they came to be.
    pub since: i64,
}

impl Keys {
    /// Older than every object.
    pub const FIRST: Self = Self { signing: 1, former: None, since: -1 };

    /// As the core takes them.
    pub fn mac_keys(self) -> MacKeys {
        thread_local! {
            static MADE: RefCell<HashMap<Keys, MacKeys>> = RefCell::default();
        }
        MADE.with_borrow_mut(|made| made.entry(self).or_insert_with(|| self.make()).clone())
    }

    fn make(self) -> MacKeys {
        let former = self.former.map(|number| [number; 32]);
        let accepted = former.iter().map(<[u8; 32]>::as_slice);
        MacKeys::new(&[self.signing; 32], accepted, super::world::at(self.since)).expect("keys of 32 bytes")
    }
}
