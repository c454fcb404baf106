//! Bodies of tasks: flat JSON objects whose fields keep their order, because Indicium applies them in order.

use super::declared::Parameter;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Parameters in the order in which they were sent. A name may occur twice.
#[derive(Clone, Debug, Default)]
pub(super) struct Inputs(pub(super) Vec<(String, Value)>);

impl Inputs {
    /// `None` if it is not a JSON object.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().rev().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// Whether these are exactly the wanted parameters, each once and of its type.
    pub(super) fn are(&self, wanted: &[&Parameter], strict_order: bool) -> bool {
        let order = |(at, parameter): (usize, &&Parameter)| !strict_order || self.0[at].0 == parameter.name;
        self.0.len() == wanted.len() && self.are_among(wanted) && wanted.iter().enumerate().all(order)
    }

    /// Whether each of these is an allowed parameter, occurs once, and is of its type.
    pub(super) fn are_among(&self, allowed: &[&Parameter]) -> bool {
        let known = |(name, value): &(String, Value)| {
            allowed.iter().any(|parameter| parameter.name == *name && parameter.kind.fits(value))
        };
        let once = |(name, _): &(String, Value)| self.0.iter().filter(|(other, _)| other == name).count() == 1;
        self.0.iter().all(|input| known(input) && once(input))
    }

    /// Merges the changes: existing parameters get a new value and keep their position.
    pub(super) fn update(&mut self, changes: Self) {
        for (name, value) in changes.0 {
            match self.0.iter_mut().find(|(other, _)| *other == name) {
                Some(input) => input.1 = value,
                None => self.0.push((name, value)),
            }
        }
    }

    /// The parameters as an object, for a response.
    pub(super) fn object(&self) -> Map<String, Value> {
        self.0.iter().cloned().collect()
    }
}

impl<'de> Deserialize<'de> for Inputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Inputs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Inputs, A::Error> {
        let mut inputs = Inputs::default();
        while let Some(entry) = entries.next_entry()? {
            inputs.0.push(entry);
        }
        Ok(inputs)
    }
}
