//! What a complete list of the portal says, kept small: of each token its id and two digests.

use crate::domain::model::marker::{IssuerTag, Marker};
use crate::domain::model::token::{id_key, username_key};
use crate::domain::protocol::{Named, Row};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

/// A complete list of one portal, as one user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// When its reading was begun.
    pub started_at: Timestamp,
    /// As which portal user.
    pub user: String,
    by_id: BTreeMap<String, ListedToken>,
    /// The descriptions by the digest of the username.
    by_username: BTreeMap<u64, u64>,
    /// Rows with this issuer's mark.
    marked: Vec<(Row, Marker)>,
    tag: IssuerTag,
}

/// What is kept of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ListedToken {
    username_hash: u64,
    description_hash: u64,
}

impl Inventory {
    /// An empty one, to be filled row by row.
    #[must_use]
    pub const fn new(begun: Timestamp, user: String, tag: IssuerTag) -> Self {
        Self { started_at: begun, user, by_id: BTreeMap::new(), by_username: BTreeMap::new(), marked: vec![], tag }
    }

    /// Takes in one row; of it no more is kept than is needed.
    pub fn add(&mut self, row: Row) {
        let shown = ListedToken {
            username_hash: hash64(username_key(&row.token.username)),
            description_hash: hash64(&row.description),
        };
        self.by_id.insert(id_key(&row.token.id).into_owned(), shown);
        self.by_username.insert(shown.username_hash, shown.description_hash);
        if let Some(marker) = Marker::find(&self.tag, &row.description) {
            self.marked.push((row, marker));
        }
    }

    /// How many tokens there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The digest of what the portal shows of a token; nothing where it lists none of this id, or another one
    /// under it, for a portal may give an id away once more. Where nothing but its username is known, that counts.
    #[must_use]
    pub fn description_hash(&self, token: &Named) -> Option<u64> {
        let username = hash64(username_key(&token.username));
        if token.is_identified_by_username() {
            return self.by_username.get(&username).copied();
        }
        self.by_id
            .get(id_key(&token.id).as_ref())
            .filter(|shown| shown.username_hash == username)
            .map(|shown| shown.description_hash)
    }

    /// Rows with this issuer's mark, which are kept no longer: under `ownershipMarker: Permanent` they are many.
    #[must_use]
    pub fn take_marked(&mut self) -> Vec<(Row, Marker)> {
        std::mem::take(&mut self.marked)
    }
}

/// A number for a text, for comparing only; not kept beyond the process.
#[must_use]
pub fn hash64(text: &str) -> u64 {
    hash64_of(&text)
}

/// The same for any value.
#[must_use]
pub fn hash64_of(value: &impl Hash) -> u64 {
    // Fixed keys: two readers must come to the same number.
    let mut hasher = std::hash::DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
#[path = "inventory_tests.rs"]
mod tests;
