//! What does not fit, with the field to set.

use crate::sanitize::strip_control;
use std::fmt;

/// One thing that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldMismatch {
    /// The field of the issuer to set or to correct.
    pub field: String,
    /// What is wrong, and what could be meant.
    pub message: String,
}

/// All that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch(pub Vec<FieldMismatch>);

/// A condition names this many problems; `check` names all.
const MAX_SHOWN: usize = 3;
/// A message names this many of the names that `$metadata` declares, which may be very many.
const MAX_NAMES: usize = 8;

impl FieldMismatch {
    pub(in crate::portal::thinkwise) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        // Names from $metadata may hold whatever XML can say.
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
        f.write_str("the portal's $metadata does not fit the issuer. ")?;
        let shown: Vec<String> = self.0.iter().take(MAX_SHOWN).map(FieldMismatch::to_string).collect();
        f.write_str(&shown.join(". "))?;
        match self.0.len().saturating_sub(MAX_SHOWN) {
            0 => Ok(()),
            more => write!(f, ". And {more} more: run registry-token-operator check"),
        }
    }
}

impl std::error::Error for Mismatch {}

/// The first of these names, with how many more there are.
pub(crate) fn join_names(names: &[&str], joint: &str) -> String {
    let (shown, rest) = names.split_at(names.len().min(MAX_NAMES));
    let more = if rest.is_empty() { String::new() } else { format!("{joint}{} more", rest.len()) };
    format!("{}{more}", shown.join(joint))
}

/// `; nearest: a, b`, or nothing where no name is like it.
pub(crate) fn did_you_mean(names: &[&str]) -> String {
    if names.is_empty() { String::new() } else { format!("; nearest: {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_names_a_few_are_listed_and_the_rest_is_counted() {
        let names: Vec<String> = (1..=100).map(|number| format!("n{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(join_names(&names[..2], " or "), "n1 or n2");
        assert_eq!(join_names(&names[..8], ", "), "n1, n2, n3, n4, n5, n6, n7, n8");
        assert_eq!(join_names(&names, " or "), "n1 or n2 or n3 or n4 or n5 or n6 or n7 or n8 or 92 more");
    }
}
