//! The table's columns, and rows as JSON. The password is not a column: it is shown only once.

use super::config::Config;
use super::keys::{Kind, key_value, varying};
use super::ledger::Token;
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// A part of the key with the same value in all rows.
    Fixed(usize),
    /// The part of the key that differs between rows and that no task has as a parameter.
    Varying,
    Key,
    Username,
    Description,
    /// Decoy: who requested it.
    RequestedBy,
    /// Decoy: always null.
    Remark,
}

impl Column {
    /// All columns, those of the key first.
    pub(super) fn all(config: &Config) -> Vec<Self> {
        let mut all = Self::key(config);
        all.extend([Self::Username, Self::Description]);
        if config.decoys {
            all.extend([Self::RequestedBy, Self::Remark]);
        }
        all
    }

    /// The columns of the key.
    pub(super) fn key(config: &Config) -> Vec<Self> {
        let mut key: Vec<Self> = (0..config.key.fixed.len()).map(Self::Fixed).collect();
        key.extend(config.key.varying.as_ref().map(|_| Self::Varying));
        key.push(Self::Key);
        key
    }

    pub(super) fn named(name: &str, config: &Config) -> Option<Self> {
        Self::all(config).into_iter().find(|column| column.name(config) == name)
    }

    pub(super) fn name(self, config: &Config) -> &str {
        match self {
            Self::Fixed(at) => &config.key.fixed[at].column,
            Self::Varying => config.key.varying.as_deref().unwrap_or_default(),
            Self::Key => &config.names.key,
            Self::Username => &config.names.username,
            Self::Description => &config.names.description,
            Self::RequestedBy => "requested_by",
            Self::Remark => "remark",
        }
    }

    pub(super) fn kind(self, config: &Config) -> Kind {
        match self {
            Self::Fixed(at) => Kind::of(&config.key.fixed[at].value),
            Self::Varying => Kind::Int32,
            Self::Key => config.key.kind.kind(),
            _ => Kind::Text,
        }
    }

    /// Whether it may be null.
    pub(super) fn is_nullable(self) -> bool {
        matches!(self, Self::Description | Self::Remark)
    }

    /// Its value in a row.
    pub(super) fn value(self, token: &Token, config: &Config) -> Value {
        match self {
            Self::Fixed(at) => config.key.fixed[at].value.clone(),
            Self::Varying => Value::from(varying(token)),
            Self::Key => key_value(config, token),
            Self::Username => Value::from(token.username.as_str()),
            Self::Description => token.description.as_deref().map_or(Value::Null, Value::from),
            Self::RequestedBy => Value::from(token.requested_by.as_str()),
            Self::Remark => Value::Null,
        }
    }

    /// The order of two rows by this column.
    pub(super) fn compare(self, one: &Token, other: &Token, config: &Config) -> Ordering {
        let (one, other) = (self.value(one, config), self.value(other, config));
        one.as_i64().cmp(&other.as_i64()).then_with(|| one.as_str().cmp(&other.as_str()))
    }
}

/// The columns of the key, with their types.
pub(super) fn key_columns(config: &Config) -> Vec<(String, Kind)> {
    let named = |column: Column| (column.name(config).to_owned(), column.kind(config));
    Column::key(config).into_iter().map(named).collect()
}

/// A row. Null values are left out, unless the configuration shows them.
pub(super) fn row(token: &Token, selected: Option<&[Column]>, config: &Config) -> Map<String, Value> {
    let all = Column::all(config);
    selected
        .unwrap_or(&all)
        .iter()
        .map(|column| (column.name(config).to_owned(), column.value(token, config)))
        .filter(|(_, value)| config.show_nulls || !value.is_null())
        .collect()
}
