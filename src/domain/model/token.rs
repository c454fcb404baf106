//! Tokens as the portal lists them, queries for them, and the equality of their ids and usernames.
//!
//! The portal's client returns ids in one format, according to their type in `$metadata`. An earlier version may have
//! recorded them differently: a GUID in the letter case of the response. So GUIDs are compared case-insensitively, and
//! trailing blanks of a username are ignored, as in SQL Server.

use super::marker::Marker;
use crate::api::{RecordedToken, RetiringToken};
use jiff::Timestamp;
use std::borrow::Cow;
use std::hash::{Hash, Hasher};

/// Identifies a token in the portal. The id alone is not enough: the portal may have reused it for another token.
#[derive(Clone, Debug)]
pub struct TokenRef {
    /// The portal's id, or the username where no id is known.
    pub id: String,
    /// The token's username. Empty only where it is unknown and not needed to revoke the token.
    pub username: String,
}

/// A row of the portal's list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenRow {
    pub token: TokenRef,
    /// The description that other portal users see; empty if the portal shows none.
    pub description: String,
    /// When the token expires, if it does and the list shows it.
    pub expiration_time: Option<Timestamp>,
}

/// Selects rows of the portal's list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RowQuery {
    /// The token with this id. If there is none, the token with this username, returned with the username as its id:
    /// a token that was requested while the list could not be read is recorded with its username as id.
    WithId(String),
    /// The token with this username, which is returned as its id too: nothing else is known of it.
    WithUsername(String),
    /// The tokens whose description ends with this marker.
    WithMarker(Marker),
    /// One row, to test whether the list can be read at all.
    Probe,
}

impl From<&RecordedToken> for TokenRef {
    fn from(token: &RecordedToken) -> Self {
        Self { id: token.id.clone(), username: token.username.clone() }
    }
}

impl From<&RetiringToken> for TokenRef {
    fn from(token: &RetiringToken) -> Self {
        Self { id: token.id.clone(), username: token.username.clone() }
    }
}

impl TokenRef {
    /// Whether the username is used as the id: the list could not be read when the token was requested, and the
    /// portal's response contained no id.
    #[must_use]
    pub fn is_identified_by_username(&self) -> bool {
        self.id == self.username
    }

    /// Returns the query that includes the token's row.
    #[must_use]
    pub fn row_query(&self) -> RowQuery {
        if self.is_identified_by_username() {
            RowQuery::WithUsername(self.username.clone())
        } else {
            RowQuery::WithId(self.id.clone())
        }
    }
}

/// Returns an id in the form in which ids are compared.
#[must_use]
pub fn id_key(id: &str) -> Cow<'_, str> {
    if is_guid(id) { Cow::Owned(id.to_ascii_lowercase()) } else { Cow::Borrowed(id) }
}

/// Whether two ids are equal.
#[must_use]
pub fn same_id(one: &str, other: &str) -> bool {
    one == other || id_key(one) == id_key(other)
}

/// Returns a username in the form in which usernames are compared.
#[must_use]
pub fn username_key(username: &str) -> &str {
    username.trim_end_matches(' ')
}

fn is_guid(text: &str) -> bool {
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

impl PartialEq for TokenRef {
    fn eq(&self, other: &Self) -> bool {
        same_id(&self.id, &other.id) && username_key(&self.username) == username_key(&other.username)
    }
}

impl Eq for TokenRef {}

impl Hash for TokenRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        id_key(&self.id).hash(state);
        username_key(&self.username).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn named(id: &str, username: &str) -> TokenRef {
        TokenRef { id: id.to_owned(), username: username.to_owned() }
    }

    #[test]
    fn guids_are_the_same_in_either_letter_case_and_usernames_with_blanks_at_the_end() {
        let guid = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let (one, other) = (named(guid, "tw-1"), named(&guid.to_uppercase(), "tw-1  "));
        assert_eq!(one, other);
        assert!(HashSet::from([one]).contains(&other));
        for (one, other) in [("A1", "a1"), ("7", "07"), ("1.0", "1"), ("a-b-c-d-e", "A-b-c-d-e")] {
            assert_ne!(named(one, "u"), named(other, "u"), "other texts are compared exactly");
        }
        assert_ne!(named("1", "u"), named("1", "U"));
        assert_ne!(named("1", "u"), named("1", " u"));
    }
}
