//! Names of other objects and keys in their data. They are parsed before they become part of a request.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Maximum length of an object name, and of a key in a Secret or ConfigMap, in characters.
const MAX_CHARS: usize = 253;
/// Maximum length of a namespace name, in characters.
const MAX_LABEL_CHARS: usize = 63;
/// Maximum length of an invalid name quoted in a message, in characters.
const MAX_QUOTED_CHARS: usize = 40;

/// Name of a Kubernetes object: a DNS-1123 subdomain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName(String);

/// Name of a namespace: a DNS-1123 label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NamespaceName(String);

/// Key in the data of a Secret or ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DataKey(String);

/// The text is not a valid name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{shown:?} is not {what}")]
pub struct ParseNameError {
    shown: String,
    what: &'static str,
}

fn parse_error(text: &str, what: &'static str) -> ParseNameError {
    let mut shown: String = text.chars().take(MAX_QUOTED_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    ParseNameError { shown, what }
}

/// Whether the text consists of lowercase letters and digits, with dashes between them.
fn is_label(text: &str) -> bool {
    let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = text.as_bytes().first().is_some_and(inner) && text.as_bytes().last().is_some_and(inner);
    ends && text.as_bytes().iter().all(|byte| inner(byte) || *byte == b'-')
}

impl FromStr for ObjectName {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() <= MAX_CHARS && text.split('.').all(is_label) {
            return Ok(Self(text.to_owned()));
        }
        Err(parse_error(
            text,
            "the name of a Kubernetes object: write lowercase letters, digits, '-' and '.', at most 253, such as portal",
        ))
    }
}

impl FromStr for NamespaceName {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() <= MAX_LABEL_CHARS && is_label(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(parse_error(
            text,
            "the name of a namespace: write lowercase letters, digits and '-', at most 63, such as team-a",
        ))
    }
}

impl FromStr for DataKey {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if !text.is_empty() && text.len() <= MAX_CHARS && text.bytes().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(parse_error(
            text,
            "a key of a Secret or ConfigMap: write letters, digits, '-', '_' and '.', at most 253, such as ca.crt",
        ))
    }
}

macro_rules! string_newtype {
    ($name:ident) => {
        impl $name {
            /// Returns the name as a string slice.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

string_newtype!(ObjectName);
string_newtype!(NamespaceName);
string_newtype!(DataKey);

impl DataKey {
    /// Creates a key from a constant that is known to be valid.
    pub(super) fn from_static(text: &'static str) -> Self {
        Self(text.to_owned())
    }
}

/// A bounded string with a CEL rule, which, unlike a pattern, has a message.
fn cel_schema(expression: &str, message: &str) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_CHARS,
        "x-kubernetes-validations": [{"rule": format!("self.matches('{expression}')"), "message": message}],
    })
}

impl JsonSchema for ObjectName {
    fn schema_name() -> Cow<'static, str> {
        "ObjectName".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        cel_schema(
            "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
            "the name of a Kubernetes object has lowercase letters, digits, '-' and '.', such as portal",
        )
    }
}

impl JsonSchema for DataKey {
    fn schema_name() -> Cow<'static, str> {
        "DataKey".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        cel_schema("^[-._A-Za-z0-9]+$", "a key has letters, digits, '-', '_' and '.', such as ca.crt")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: [&str; 22] = [
        "",
        "?",
        "#",
        ".",
        "..",
        "../../victim/secrets/x",
        "a/b",
        "a/../b",
        "a?watch=1",
        "a#b",
        "a%2fb",
        "%2e%2e",
        "a b",
        "a\n",
        "\0",
        "A",
        "a_b",
        "-a",
        "a-",
        ".a",
        "a..b",
        "é",
    ];

    #[test]
    fn names_that_would_change_a_request_are_rejected() {
        for text in HOSTILE {
            assert!(text.parse::<ObjectName>().is_err(), "{text:?}");
            assert!(text.parse::<NamespaceName>().is_err(), "{text:?}");
        }
        assert!("a".repeat(254).parse::<ObjectName>().is_err());
        assert!("a".repeat(64).parse::<NamespaceName>().is_err());
        assert!("a.b".parse::<NamespaceName>().is_err());
    }

    #[test]
    fn names_of_objects_are_accepted() {
        for text in ["a", "0", "portal", "a-b", "a.b", "my-app.example.com", "1-2.3", &"a".repeat(253)] {
            assert_eq!(text.parse::<ObjectName>().expect(text).as_str(), text);
        }
        assert_eq!("team-a".parse::<NamespaceName>().expect("a namespace").to_string(), "team-a");
    }

    #[test]
    fn keys_have_letters_digits_dashes_dots_and_underscores() {
        for text in ["ca.crt", "client_id", "A-1", ".hidden", &"a".repeat(253)] {
            assert_eq!(text.parse::<DataKey>().expect(text).as_str(), text);
        }
        for text in ["", "a/b", "a b", "a?", "é", "a\n", &"a".repeat(254)] {
            assert!(text.parse::<DataKey>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_error_quotes_part_of_the_text_and_states_the_format() {
        let error = "?".repeat(10_000).parse::<ObjectName>().expect_err("refused").to_string();
        assert!(error.len() < 300 && error.contains("lowercase letters"), "{error}");
        let error = serde_json::from_str::<ObjectName>(r#""../x""#).expect_err("refused").to_string();
        assert!(error.contains(r#""../x" is not the name of a Kubernetes object"#), "{error}");
    }
}
