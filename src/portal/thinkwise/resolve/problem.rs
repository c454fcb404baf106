//! What does not fit, with the field to set.

use crate::text::visible;
use std::fmt;

/// One thing that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field of the issuer to set or to correct.
    pub field: String,
    /// What is wrong, and what could be meant.
    pub says: String,
}

/// All that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch(pub Vec<Problem>);

/// A condition names this many problems; `check` names all.
const SHOWN: usize = 3;

impl Problem {
    pub(in super::super) fn new(field: impl Into<String>, says: impl Into<String>) -> Self {
        // Names from $metadata may hold whatever XML can say.
        Self { field: field.into(), says: visible(&says.into()) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.says)
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the portal's $metadata does not fit the issuer. ")?;
        let shown: Vec<String> = self.0.iter().take(SHOWN).map(Problem::to_string).collect();
        f.write_str(&shown.join(". "))?;
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, ". And {more} more: run registry-token-operator check"),
        }
    }
}

impl std::error::Error for Mismatch {}

/// `; nearest: a, b`, or nothing where no name is like it.
pub(super) fn nearest(names: &[&str]) -> String {
    if names.is_empty() { String::new() } else { format!("; nearest: {}", names.join(", ")) }
}
