//! The configuration of a run.

use super::action::UserAction;
use super::portal_traits::PortalTraits;
use registry_token_operator::api::LoginCheck;
use registry_token_operator::domain::model::object::Rotation;
use registry_token_operator::domain::model::token_mac::MacKeys;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

/// The configuration of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SimulationConfig {
    /// Number of operators.
    pub operators: usize,
    /// Maximum number of objects.
    pub objects: usize,
    /// What the portal can do.
    pub portal: PortalTraits,
    /// The portal does not list tokens to the operator's user, and the operator knows it.
    pub list_denied: bool,
    /// The portal's response contains the id. Otherwise the id is looked up.
    pub id_in_response: bool,
    /// The marker stays in the description.
    pub keep_marker: bool,
    /// Whether logins are verified, and whether that is required.
    pub login: LoginCheck,
    /// New objects have the finalizer already: an admission policy, or the operator that created them, set it.
    pub finalizer_at_creation: bool,
    /// Objects rotate.
    pub rotation: bool,
    /// The operators' keys.
    pub keys: KeyConfig,
    /// Every object exists already, and is at rest.
    pub start_at_rest: bool,
    /// How many faults, user actions, crashes and ticks of the clock may occur.
    pub faults: u8,
    /// See `faults`.
    pub user_actions: u8,
    /// See `faults`.
    pub crashes: u8,
    /// See `faults`.
    pub ticks: u8,
    /// The possible user actions.
    pub actions: &'static [UserAction],
}

impl SimulationConfig {
    /// Rotates every three hours, with an overlap of two minutes.
    pub fn rotation(&self) -> Option<Rotation> {
        let overlap = Duration::from_mins(2);
        self.rotation.then_some(Rotation { interval: Duration::from_hours(3), overlap })
    }

    /// Whether tokens are replaced from time to time.
    pub const fn rotates(&self) -> bool {
        self.rotation || self.portal.lifetime.is_some()
    }
}

/// The operators' MAC keys, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyConfig {
    pub signing: u8,
    /// Also accepted.
    pub former: Option<u8>,
    /// When they were created.
    pub since: i64,
}

impl KeyConfig {
    /// Older than every object.
    pub const FIRST: Self = Self { signing: 1, former: None, since: -1 };

    /// The keys as the core's type.
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
