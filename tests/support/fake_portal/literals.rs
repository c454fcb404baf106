//! Literals as OData writes them in addresses: integers and GUIDs bare, texts in quotes, with quotes doubled. Anything
//! else is rejected, so that a client that writes them wrongly is detected.

use super::keys::{Kind, is_guid};
use serde_json::Value;

/// A value in an address.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Text(String),
    Number(i64),
    /// In lower case.
    Guid(String),
    Null,
}

impl Literal {
    /// The value of an unquoted token.
    pub(super) fn bare(word: &str) -> Option<Self> {
        if word == "null" {
            return Some(Self::Null);
        }
        if is_guid(word) {
            return Some(Self::Guid(word.to_lowercase()));
        }
        word.parse().ok().map(Self::Number)
    }

    /// A text, and the rest after its closing quote. The opening quote is consumed already.
    pub(super) fn quoted(text: &str) -> Option<(Self, &str)> {
        let mut value = String::new();
        let mut rest = text;
        loop {
            let end = rest.find('\'')?;
            value.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            match rest.strip_prefix('\'') {
                Some(behind) => {
                    value.push('\'');
                    rest = behind;
                }
                None => return Some((Self::Text(value), rest)),
            }
        }
    }

    /// Whether it is comparable with values of this type.
    pub(super) fn is_of(&self, kind: Kind) -> bool {
        match self {
            Self::Text(_) => kind == Kind::Text,
            Self::Number(number) => kind == Kind::Int64 || (kind == Kind::Int32 && i32::try_from(*number).is_ok()),
            Self::Guid(_) => kind == Kind::Guid,
            Self::Null => true,
        }
    }

    /// The literal as a JSON value for a body.
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Text(text) | Self::Guid(text) => Value::from(text.as_str()),
            Self::Number(number) => Value::from(*number),
            Self::Null => Value::Null,
        }
    }
}

/// The text between the parentheses after a table's name: the values of the key's columns, in order. A key of one
/// column may omit its name; columns with names may be in any order.
pub(super) fn predicate(text: &str, columns: &[(String, Kind)]) -> Option<Vec<Value>> {
    let parts = parts(text)?;
    if let ([(_, kind)], [(None, literal)]) = (columns, parts.as_slice()) {
        return key(literal, *kind).map(|value| vec![value]);
    }
    if parts.len() != columns.len() {
        return None;
    }
    let of = |(name, kind): &(String, Kind)| {
        let (_, literal) = parts.iter().find(|(column, _)| column.as_ref() == Some(name))?;
        key(literal, *kind)
    };
    columns.iter().map(of).collect()
}

fn key(literal: &Literal, kind: Kind) -> Option<Value> {
    (*literal != Literal::Null && literal.is_of(kind)).then(|| literal.value())
}

/// `a=1,b='x'` or `1`.
fn parts(text: &str) -> Option<Vec<(Option<String>, Literal)>> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (name, behind) = name(rest);
        let (literal, behind) = if let Some(text) = behind.strip_prefix('\'') {
            Literal::quoted(text)?
        } else {
            let end = behind.find(',').unwrap_or(behind.len());
            (Literal::bare(&behind[..end])?, &behind[end..])
        };
        parts.push((name, literal));
        match behind.strip_prefix(',') {
            Some(next) => rest = next,
            None => return behind.is_empty().then_some(parts),
        }
    }
}

fn name(text: &str) -> (Option<String>, &str) {
    match text.split_once('=') {
        Some((name, behind)) if name.chars().all(|sign| sign.is_alphanumeric() || sign == '_') => {
            (Some(name.to_owned()), behind)
        }
        _ => (None, text),
    }
}
