//! What is varied from run to run.

use super::deed::Deed;
use registry_token_operator::domain::object::Rotation;
use registry_token_operator::domain::observed::LoginMode;
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
