//! Reads a few fields of a flat JSON object whose field names are configurable.
//!
//! Everything else is skipped and not stored: the object may be large, and may contain a secret.

use super::json::Json;
use zeroize::Zeroizing;

/// A field's value. Zeroized when dropped; no `Debug`, because it may be a secret.
#[derive(Clone)]
pub(crate) enum Scalar {
    /// Null or missing: Indicium often omits nulls (seen in public client code).
    Absent,
    Text(Zeroizing<String>),
    /// A number, as it is written.
    Number(String),
    /// A boolean, an object or an array.
    Other,
}

impl Scalar {
    /// The text or number as it is written, unless it is empty.
    pub(crate) fn as_written(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            Self::Number(text) => Some(text.as_str()),
            Self::Absent | Self::Other => None,
        }
        .filter(|text| !text.is_empty())
    }

    /// The text or integer, unless it is empty.
    pub(crate) fn as_str(&self) -> Option<&str> {
        let is_integer = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        self.as_written().filter(|text| matches!(self, Self::Text(_)) || is_integer(text))
    }

    /// `None` for a text that is not valid Unicode.
    fn from_json(json: Json<'_>) -> Option<Self> {
        Some(match json.raw() {
            [b'"', ..] => Self::Text(Zeroizing::new(json.text()?)),
            [b'-' | b'0'..=b'9', ..] => Self::Number(String::from_utf8(json.raw().to_vec()).ok()?),
            b"null" => Self::Absent,
            _ => Self::Other,
        })
    }
}

/// The values of these fields of an object, in this order; the last value of a duplicate field counts.
///
/// `None` if it is not an object, or a name or a selected value is not valid Unicode.
pub(crate) fn pick_fields(object: Json<'_>, names: &[&str]) -> Option<Vec<Scalar>> {
    let mut found = vec![Scalar::Absent; names.len()];
    for member in object.members()? {
        let (name, value) = member?;
        if !names.contains(&name.as_str()) {
            continue;
        }
        let value = Scalar::from_json(value)?;
        // One column may be selected twice: the username can be the key.
        for (slot, _) in found.iter_mut().zip(names).filter(|(_, wanted)| **wanted == name) {
            *slot = value.clone();
        }
    }
    Some(found)
}

/// Reads these fields of a document that is one object.
pub(crate) fn read_fields(names: &[&str], document: &[u8]) -> Option<Vec<Scalar>> {
    pick_fields(Json::validated(document)?, names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_returned_in_the_requested_order() {
        let document = br#"{"x":{"b":1},"b":17,"l":[1,{}],"a":"t","c":null,"d":1.50}"#;
        let found = read_fields(&["a", "b", "c", "d", "e", "x"], document).expect("an object");
        let texts: Vec<Option<&str>> = found.iter().map(Scalar::as_str).collect();
        assert_eq!(texts, [Some("t"), Some("17"), None, None, None, None]);
        assert_eq!(found[3].as_written(), Some("1.50"));
    }

    #[test]
    fn one_column_may_be_selected_twice() {
        let found = read_fields(&["u", "u"], br#"{"u":"robot"}"#).expect("an object");
        assert!(found.iter().all(|value| value.as_str() == Some("robot")));
    }

    #[test]
    fn anything_but_an_object_is_rejected() {
        for document in ["", "[]", "\"a\"", "{\"a\":", "{} {}", "<html>", "{\"a\":\"\\ud800\"}"] {
            assert!(read_fields(&["a"], document.as_bytes()).is_none(), "{document}");
        }
    }
}
