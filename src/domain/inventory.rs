//! What a complete list of the portal says, kept small: of each token its id and two digests.

use super::effect::{Named, Row};
use super::identity::{id_key, username_key};
use super::marker::{IssuerTag, Marker};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

/// A complete list of one portal, as one user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// When its reading was begun.
    pub begun: Timestamp,
    /// As which portal user.
    pub user: String,
    tokens: BTreeMap<String, Shown>,
    /// The descriptions by the digest of the username.
    users: BTreeMap<u64, u64>,
    /// Rows with this issuer's mark.
    marked: Vec<(Row, Marker)>,
    tag: IssuerTag,
}

/// What is kept of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    username: u64,
    description: u64,
}

impl Inventory {
    /// An empty one, to be filled row by row.
    #[must_use]
    pub const fn new(begun: Timestamp, user: String, tag: IssuerTag) -> Self {
        Self { begun, user, tokens: BTreeMap::new(), users: BTreeMap::new(), marked: vec![], tag }
    }

    /// Takes in one row; of it no more is kept than is needed.
    pub fn add(&mut self, row: Row) {
        let shown =
            Shown { username: digest(username_key(&row.token.username)), description: digest(&row.description) };
        self.tokens.insert(id_key(&row.token.id).into_owned(), shown);
        self.users.insert(shown.username, shown.description);
        if let Some(marker) = Marker::find(&self.tag, &row.description) {
            self.marked.push((row, marker));
        }
    }

    /// How many tokens there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The digest of what the portal shows of a token; nothing where it lists none of this id, or another one
    /// under it, for a portal may give an id away once more. Where nothing but its username is known, that counts.
    #[must_use]
    pub fn shown(&self, token: &Named) -> Option<u64> {
        let username = digest(username_key(&token.username));
        if token.is_by_username() {
            return self.users.get(&username).copied();
        }
        self.tokens
            .get(id_key(&token.id).as_ref())
            .filter(|shown| shown.username == username)
            .map(|shown| shown.description)
    }

    /// Rows with this issuer's mark, which are kept no longer: under `ownershipMarker: Permanent` they are many.
    #[must_use]
    pub fn take_marked(&mut self) -> Vec<(Row, Marker)> {
        std::mem::take(&mut self.marked)
    }
}

/// A number for a text, for comparing only; not kept beyond the process.
#[must_use]
pub fn digest(text: &str) -> u64 {
    digest_of(&text)
}

/// The same for any value.
#[must_use]
pub fn digest_of(value: &impl Hash) -> u64 {
    // Fixed keys: two readers must come to the same number.
    let mut hasher = std::hash::DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
#[path = "inventory_tests.rs"]
mod tests;
