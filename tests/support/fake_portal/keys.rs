//! The key of the table, and the types of a portal's columns and parameters.

use super::config::Config;
use super::ledger::Token;
use super::random;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The shape of the table's key. Its columns are the fixed ones, the one that differs between rows, and the one that
/// identifies the token, in this order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyShape {
    /// The type of the column that identifies the token.
    pub kind: KeyKind,
    /// Columns with the same value in all rows that the operator's user sees, such as the customer's id.
    pub fixed: Vec<FixedPart>,
    /// A column of integers that differ between rows, and that no task has as a parameter: a client has to read it from
    /// the row.
    pub varying: Option<String>,
}

/// The type of the column that identifies the token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// `Edm.Int32`: 17.
    #[default]
    Integer,
    /// `Edm.Int64`: more than 32 bits.
    Long,
    /// `Edm.Guid`.
    Guid,
    /// `Edm.String`, with all characters that need escaping somewhere.
    Text,
}

/// A part of the key with the same value in all rows that the operator's user sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedPart {
    pub column: String,
    /// Its value: an integer or a text.
    pub value: Value,
}

impl FixedPart {
    #[must_use]
    pub fn new(column: &str, value: impl Into<Value>) -> Self {
        Self { column: column.to_owned(), value: value.into() }
    }

    /// Its value as written in an issuer's spec.
    #[must_use]
    pub fn text(&self) -> String {
        self.value.as_str().map_or_else(|| self.value.to_string(), str::to_owned)
    }
}

/// The first id of a [`KeyKind::Long`] key: more than 32 bits.
const FIRST_LONG: i64 = 5_000_000_000;

impl KeyKind {
    /// The key of a new token.
    pub(super) fn mint(self, id: i64) -> String {
        match self {
            Self::Integer => id.to_string(),
            Self::Long => (FIRST_LONG + id).to_string(),
            Self::Guid => random::guid(),
            Self::Text => format!("'t Gooi/{id} & 50%20 (b=é, c='ß')"),
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Integer => Kind::Int32,
            Self::Long => Kind::Int64,
            Self::Guid => Kind::Guid,
            Self::Text => Kind::Text,
        }
    }
}

/// The type of a column or parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int32,
    Int64,
    Guid,
    Flag,
}

impl Kind {
    /// Its name in `$metadata`.
    pub(super) fn edm(self) -> &'static str {
        match self {
            Self::Text => "Edm.String",
            Self::Int32 => "Edm.Int32",
            Self::Int64 => "Edm.Int64",
            Self::Guid => "Edm.Guid",
            Self::Flag => "Edm.Boolean",
        }
    }

    /// The type of a fixed value.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Bool(_) => Self::Flag,
            Value::Number(_) => Self::Int32,
            _ => Self::Text,
        }
    }

    /// Whether a value in a body is of this type.
    pub(super) fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string() || value.is_null(),
            Self::Int32 => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            Self::Int64 => value.is_i64() || value.is_u64(),
            Self::Guid => value.as_str().is_some_and(is_guid),
            Self::Flag => value.is_boolean(),
        }
    }
}

/// Whether a text is a GUID in the OData format: without quotes and braces.
pub(super) fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && groups.concat().chars().all(|sign| sign.is_ascii_hexdigit())
}

/// The value of the key column that differs between rows.
pub(super) fn varying(token: &Token) -> i64 {
    100 + token.id % 7
}

/// The token's key column in a body.
pub(super) fn key_value(config: &Config, token: &Token) -> Value {
    match config.key.kind {
        KeyKind::Integer | KeyKind::Long => token.key.parse().map_or(Value::Null, |number: i64| Value::from(number)),
        KeyKind::Guid | KeyKind::Text => Value::from(token.key.clone()),
    }
}
