//! Mismatches between the spec and `$metadata`, with the field to set.

use crate::sanitize::strip_control;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldMismatch {
    /// The field of the issuer to set or to correct.
    pub field: String,
    /// What is wrong, with suggestions.
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch(pub Vec<FieldMismatch>);

/// A condition shows this many mismatches; `check` shows all.
const MAX_SHOWN: usize = 3;
/// A message contains this many of the names that `$metadata` declares, which may be very many.
const MAX_NAMES: usize = 8;

impl FieldMismatch {
    pub(in crate::portal::thinkwise) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        // Names from $metadata may contain any character that XML allows.
        Self { field: field.into(), message: strip_control(&message.into()) }
    }
}

impl fmt::Display for FieldMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the portal's $metadata does not match the issuer. ")?;
        let shown: Vec<String> = self.0.iter().take(MAX_SHOWN).map(FieldMismatch::to_string).collect();
        f.write_str(&shown.join(". "))?;
        match self.0.len().saturating_sub(MAX_SHOWN) {
            0 => Ok(()),
            more => write!(f, ". And {more} more: run registry-token-operator check"),
        }
    }
}

impl std::error::Error for Mismatch {}

/// The first of these names, and the number of further ones.
pub(crate) fn join_names(names: &[&str], separator: &str) -> String {
    let (shown, rest) = names.split_at(names.len().min(MAX_NAMES));
    let more = if rest.is_empty() { String::new() } else { format!("{separator}{} more", rest.len()) };
    format!("{}{more}", shown.join(separator))
}

/// `; nearest: a, b`, or nothing if there are no names.
pub(crate) fn did_you_mean(names: &[&str]) -> String {
    if names.is_empty() { String::new() } else { format!("; nearest: {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_names_are_listed_and_the_rest_are_counted() {
        let names: Vec<String> = (1..=100).map(|number| format!("n{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(join_names(&names[..2], " or "), "n1 or n2");
        assert_eq!(join_names(&names[..8], ", "), "n1, n2, n3, n4, n5, n6, n7, n8");
        assert_eq!(join_names(&names, " or "), "n1 or n2 or n3 or n4 or n5 or n6 or n7 or n8 or 92 more");
    }
}
