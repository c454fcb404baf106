//! Picks a few fields out of a flat JSON object whose field names are configuration.
//!
//! Everything else is skipped without being kept: the object may be large, and may hold a secret.

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use zeroize::Zeroizing;

/// A field's value. Wiped when dropped; no `Debug`, for it may be a secret.
#[derive(Clone)]
pub(super) enum Scalar {
    /// Null, or not there: Indicium often leaves nulls out (seen in public client code).
    Absent,
    /// A text.
    Text(Zeroizing<String>),
    /// A whole number.
    Number(String),
    /// A fraction, a boolean, an object or a list.
    Other,
}

impl Scalar {
    /// The text or whole number, unless it is empty.
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            Self::Number(text) => Some(text.as_str()),
            Self::Absent | Self::Other => None,
        }
        .filter(|text| !text.is_empty())
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number.to_string()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number.to_string()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
        Ok(Scalar::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Scalar, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Scalar, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

/// Reads an object and gives the values of these fields, in this order.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub &'a [&'a str]);

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = Vec<Scalar>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Vec<Scalar>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut found = vec![Scalar::Absent; self.0.len()];
        while let Some(key) = entries.next_key::<String>()? {
            if !self.0.contains(&key.as_str()) {
                entries.next_value::<IgnoredAny>()?;
                continue;
            }
            let value: Scalar = entries.next_value()?;
            // One column may serve twice: the username can be the key.
            for (slot, _) in found.iter_mut().zip(self.0).filter(|(_, name)| **name == key) {
                *slot = value.clone();
            }
        }
        Ok(found)
    }
}

/// Reads a whole document with a seed. `None` if it is not what the seed wants, or something follows it.
///
/// Not the error: its text quotes the document.
pub(super) fn read<'de, S: DeserializeSeed<'de>>(seed: S, document: &'de [u8]) -> Option<S::Value> {
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    let value = seed.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_in_the_order_asked_whatever_else_there_is() {
        let document = br#"{"x":{"b":1},"b":17,"l":[1,{}],"a":"t","c":null,"d":1.5}"#;
        let found = read(Fields(&["a", "b", "c", "d", "e", "x"]), document).expect("an object");
        let texts: Vec<Option<&str>> = found.iter().map(Scalar::as_str).collect();
        assert_eq!(texts, [Some("t"), Some("17"), None, None, None, None]);
    }

    #[test]
    fn one_column_may_serve_twice() {
        let found = read(Fields(&["u", "u"]), br#"{"u":"robot"}"#).expect("an object");
        assert!(found.iter().all(|value| value.as_str() == Some("robot")));
    }

    #[test]
    fn what_is_no_object_is_nothing() {
        for document in ["", "[]", "\"a\"", "{\"a\":", "{} {}", "<html>"] {
            assert!(read(Fields(&["a"]), document.as_bytes()).is_none(), "{document}");
        }
    }
}
