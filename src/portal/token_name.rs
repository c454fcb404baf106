//! Ids and usernames that the operator may record: bounded, and free of characters that break a login or a log line.

use std::fmt;

/// The longest id or username, in characters.
pub const MAX_NAME_LENGTH: usize = 256;

/// Why a text is not a valid id or username. Never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTokenName {
    #[error("is empty")]
    Empty,
    /// It has more than [`MAX_NAME_LENGTH`] characters.
    #[error("is longer than 256 characters")]
    TooLong,
    /// It contains a control character.
    #[error("contains a control character")]
    ControlCharacter,
    /// It contains a colon, which ends the username in HTTP Basic and in a pull secret.
    #[error("contains a colon")]
    Colon,
    /// It begins or ends with whitespace.
    #[error("begins or ends with whitespace")]
    SurroundingWhitespace,
}

/// An id or a username of a token: 1 to 256 characters, no colon, no control character, no leading or trailing
/// whitespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenName(String);

impl TokenName {
    /// Parses a name.
    ///
    /// # Errors
    /// Why it is invalid.
    pub fn parse(text: &str) -> Result<Self, InvalidTokenName> {
        let is_whitespace = |c: Option<char>| c.is_some_and(char::is_whitespace);
        if text.is_empty() {
            Err(InvalidTokenName::Empty)
        } else if text.chars().nth(MAX_NAME_LENGTH).is_some() {
            Err(InvalidTokenName::TooLong)
        } else if text.chars().any(char::is_control) {
            Err(InvalidTokenName::ControlCharacter)
        } else if text.contains(':') {
            Err(InvalidTokenName::Colon)
        } else if is_whitespace(text.chars().next()) || is_whitespace(text.chars().next_back()) {
            Err(InvalidTokenName::SurroundingWhitespace)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl From<TokenName> for String {
    fn from(name: TokenName) -> Self {
        name.0
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_names_are_bounded_and_free_of_unsafe_characters() {
        let longest = "é".repeat(MAX_NAME_LENGTH);
        for name in ["17", "tw$1", "robot$tw+\"'é 1", "0f8fad5b-d9cb-469f-a165-70867728950e", &longest] {
            assert_eq!(TokenName::parse(name).map(String::from).as_deref(), Ok(name));
        }
        let too_long = "x".repeat(MAX_NAME_LENGTH + 1);
        for (name, error) in [
            ("", InvalidTokenName::Empty),
            (&too_long, InvalidTokenName::TooLong),
            ("a\0b", InvalidTokenName::ControlCharacter),
            ("a\nb", InvalidTokenName::ControlCharacter),
            ("a\n", InvalidTokenName::ControlCharacter),
            ("a\u{7f}", InvalidTokenName::ControlCharacter),
            ("a\u{9b}b", InvalidTokenName::ControlCharacter),
            ("a:b", InvalidTokenName::Colon),
            (" a", InvalidTokenName::SurroundingWhitespace),
            ("a ", InvalidTokenName::SurroundingWhitespace),
            ("a\u{a0}", InvalidTokenName::SurroundingWhitespace),
            ("   ", InvalidTokenName::SurroundingWhitespace),
        ] {
            assert_eq!(TokenName::parse(name), Err(error), "{name:?}");
        }
    }
}
