//! A compact copy of the portal's complete list: the id and two hashes of each token.

use crate::domain::model::hash::hash64;
use crate::domain::model::marker::{IssuerTag, Marker};
use crate::domain::model::token::{TokenRef, TokenRow, id_key, username_key};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The complete list of one portal, as one user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// When the read started.
    pub started_at: Timestamp,
    /// The portal user that read the list.
    pub user: String,
    by_id: BTreeMap<String, ListedToken>,
    /// Hash of the description, by hash of the username.
    by_username: BTreeMap<u64, u64>,
    /// Rows with this issuer's marker.
    marked: Vec<(TokenRow, Marker)>,
    tag: IssuerTag,
}

/// What is kept of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ListedToken {
    username_hash: u64,
    description_hash: u64,
}

impl Inventory {
    /// Creates an empty inventory, to which rows are added.
    #[must_use]
    pub const fn new(started_at: Timestamp, user: String, tag: IssuerTag) -> Self {
        Self { started_at, user, by_id: BTreeMap::new(), by_username: BTreeMap::new(), marked: vec![], tag }
    }

    /// Adds one row, and keeps only what is needed.
    pub fn add(&mut self, row: TokenRow) {
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

    /// Number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Returns the hash of a token's description, or `None` if the list contains no token with this id and username: a
    /// portal may reuse an id. A token of which only the username is known is found by that.
    #[must_use]
    pub fn description_hash(&self, token: &TokenRef) -> Option<u64> {
        let username = hash64(username_key(&token.username));
        if token.is_identified_by_username() {
            return self.by_username.get(&username).copied();
        }
        self.by_id
            .get(id_key(&token.id).as_ref())
            .filter(|shown| shown.username_hash == username)
            .map(|shown| shown.description_hash)
    }

    /// Whether a row has this issuer's marker. Only such a row can be an orphaned token.
    #[must_use]
    pub const fn has_marked(&self) -> bool {
        !self.marked.is_empty()
    }

    /// Removes and returns the rows with this issuer's marker: with `ownershipMarker: Permanent` there are many.
    #[must_use]
    pub fn take_marked(&mut self) -> Vec<(TokenRow, Marker)> {
        std::mem::take(&mut self.marked)
    }
}

#[cfg(test)]
#[path = "inventory_tests.rs"]
mod tests;
