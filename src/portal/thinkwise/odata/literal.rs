//! Values as OData writes them, in URLs and in task bodies.

use super::number;
use crate::portal::thinkwise::odata::value_kind::ValueKind;

/// A value of a known kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Literal(Value);

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Integer(i64),
    /// The exact text: a float would change the value.
    Decimal(String),
    Boolean(bool),
    Guid(String),
    Text(String),
}

/// The error for a text that is not of the required kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {0}")]
pub struct KindMismatch(&'static str);

impl Literal {
    /// Parses a value of this kind. Kinds without a format of their own are sent as texts.
    ///
    /// # Errors
    /// If the text is not of the kind; the error states what it must be.
    pub fn parse(kind: ValueKind, text: &str) -> Result<Self, KindMismatch> {
        let value = match kind {
            ValueKind::Integer => {
                text.parse().map(Value::Integer).map_err(|_| KindMismatch("an integer, such as 42"))?
            }
            ValueKind::Decimal => {
                plain_decimal(text).map(Value::Decimal).ok_or(KindMismatch("a number, such as 4.2"))?
            }
            ValueKind::Boolean => text.parse().map(Value::Boolean).map_err(|_| KindMismatch("true or false"))?,
            ValueKind::Guid if is_guid(text) => Value::Guid(text.to_ascii_lowercase()),
            ValueKind::Guid => return Err(KindMismatch("a GUID, such as 0f8fad5b-d9cb-469f-a165-70867728950e")),
            ValueKind::Text | ValueKind::Other => Value::Text(text.to_owned()),
        };
        Ok(Self(value))
    }

    /// The form in a key or a filter, before percent-encoding: numbers and GUIDs bare, texts quoted (OData 4.0, and
    /// documented for Indicium).
    #[must_use]
    pub fn to_url_literal(&self) -> String {
        match &self.0 {
            Value::Integer(number) => number.to_string(),
            Value::Decimal(text) | Value::Guid(text) => text.clone(),
            Value::Boolean(flag) => flag.to_string(),
            Value::Text(text) => quote(text),
        }
    }

    /// The form in a task's body.
    #[must_use]
    pub fn to_json(&self) -> String {
        match &self.0 {
            Value::Integer(_) | Value::Decimal(_) | Value::Boolean(_) => self.to_url_literal(),
            Value::Guid(text) | Value::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        }
    }

    /// The form in a spec, which is also used to compare ids: numbers exactly, GUIDs in lower case.
    #[must_use]
    pub fn to_text(&self) -> String {
        match &self.0 {
            Value::Text(text) => text.clone(),
            _ => self.to_url_literal(),
        }
    }
}

/// A text in a URL: in single quotes, with single quotes doubled.
pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Digits with at most a sign and a decimal point: `1e3` is a number too, but not everywhere.
fn plain_decimal(text: &str) -> Option<String> {
    number::canonical(text).filter(|_| !text.contains(['e', 'E', '+']))
}

fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

    fn both(kind: ValueKind, text: &str) -> (String, String) {
        let literal = Literal::parse(kind, text).expect(text);
        (literal.to_url_literal(), literal.to_json())
    }

    #[test]
    fn each_kind_is_written_in_its_own_format() {
        for (kind, text, address, json) in [
            (ValueKind::Integer, "17", "17", "17"),
            (ValueKind::Integer, "-3", "-3", "-3"),
            (ValueKind::Decimal, "4.20", "4.2", "4.2"),
            (ValueKind::Decimal, "9007199254740993", "9007199254740993", "9007199254740993"),
            (ValueKind::Decimal, "-9007199254740993.10", "-9007199254740993.1", "-9007199254740993.1"),
            (ValueKind::Guid, "0F8FAD5B-D9CB-469F-A165-70867728950E", GUID, &format!("{GUID:?}")),
            (ValueKind::Text, "A\"\\\n", "'A\"\\\n'", r#""A\"\\\n""#),
            (ValueKind::Boolean, "true", "true", "true"),
            (ValueKind::Guid, GUID, GUID, &format!("{GUID:?}")),
            (ValueKind::Text, "17", "'17'", "\"17\""),
            (ValueKind::Text, "o'x/é", "'o''x/é'", "\"o'x/é\""),
            (ValueKind::Text, "", "''", "\"\""),
            (ValueKind::Other, "x", "'x'", "\"x\""),
        ] {
            assert_eq!(both(kind, text), (address.to_owned(), json.to_owned()), "{kind:?}");
        }
    }

    #[test]
    fn a_text_that_is_not_of_its_kind_is_rejected() {
        for (kind, text) in [
            (ValueKind::Integer, ""),
            (ValueKind::Integer, "1 or 1 eq 1"),
            (ValueKind::Integer, "1.5"),
            (ValueKind::Integer, "9223372036854775808"),
            (ValueKind::Decimal, "1e3"),
            (ValueKind::Decimal, "inf"),
            (ValueKind::Decimal, "--1"),
            (ValueKind::Boolean, "yes"),
            (ValueKind::Guid, "x"),
            (ValueKind::Guid, "0f8fad5b-d9cb-469f-a165-70867728950g"),
            (ValueKind::Guid, "0f8fad5bd9cb469fa16570867728950e"),
        ] {
            assert!(Literal::parse(kind, text).is_err(), "{kind:?} {text}");
        }
    }
}
