//! The table's columns, and rows as JSON. The secret is no column: it is shown once only.

use super::ledger::Token;
use super::names::Names;
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Key,
    Username,
    Description,
}

impl Column {
    const ALL: [Self; 3] = [Self::Key, Self::Username, Self::Description];

    pub(super) fn named(name: &str, names: &Names) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name(names) == name)
    }

    fn name(self, names: &Names) -> &str {
        match self {
            Self::Key => &names.key,
            Self::Username => &names.username,
            Self::Description => &names.description,
        }
    }

    /// Its value in a row, where it is a text.
    pub(super) fn text(self, token: &Token) -> Option<&str> {
        match self {
            Self::Key => None,
            Self::Username => Some(&token.username),
            Self::Description => token.description.as_deref(),
        }
    }

    fn value(self, token: &Token) -> Option<Value> {
        match self {
            Self::Key => Some(Value::from(token.id)),
            _ => self.text(token).map(Value::from),
        }
    }

    /// Which of two rows comes first by this column.
    pub(super) fn compare(self, one: &Token, other: &Token) -> Ordering {
        match self {
            Self::Key => one.id.cmp(&other.id),
            _ => self.text(one).cmp(&self.text(other)),
        }
    }
}

/// A row. What is null is left out.
pub(super) fn row(token: &Token, selected: Option<&[Column]>, names: &Names) -> Map<String, Value> {
    selected
        .unwrap_or(&Column::ALL)
        .iter()
        .filter_map(|column| Some((column.name(names).to_owned(), column.value(token)?)))
        .collect()
}
