//! Ids, lengths of lists, and the rows that match a query.

use crate::domain::model::token::{RowQuery, TokenRow};
use crate::portal::RowSink;
use futures::future::BoxFuture;
use reqwest::header::HeaderMap;

/// Whether this is an id as the operator records it. Servers may also read `0x11` as 17.
pub fn is_id(id: &str) -> bool {
    id.parse::<i64>().is_ok_and(|number| number > 0 && number.to_string() == id)
}

/// The length of the whole list, which is in a header.
pub fn total_count(headers: &HeaderMap, name: &str) -> Option<usize> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// Keeps the rows that match a query.
pub struct Matching<'a> {
    query: &'a RowQuery,
    found: Vec<TokenRow>,
}

impl<'a> Matching<'a> {
    pub const fn new(query: &'a RowQuery) -> Self {
        Self { query, found: vec![] }
    }

    pub fn into_rows(self) -> Vec<TokenRow> {
        self.found
    }
}

impl RowSink for Matching<'_> {
    fn before_page(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn push(&mut self, mut row: TokenRow) {
        let matches = match self.query {
            RowQuery::WithId(id) => row.token.id == *id,
            RowQuery::WithMarker(marker) => marker.is_in(&row.description),
            RowQuery::WithUsername(username) => row.token.username == *username,
            RowQuery::Probe => self.found.is_empty(),
        };
        if matches {
            // As the query says: nothing else is known of such a token.
            if matches!(self.query, RowQuery::WithUsername(_)) {
                row.token.id.clone_from(&row.token.username);
            }
            self.found.push(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_decimal_number_is_an_id() {
        for id in ["1", "9223372036854775807"] {
            assert!(is_id(id), "{id}");
        }
        for other in ["", "0", "-1", "+1", "01", "0x11", "1_0", "bot", "9223372036854775808", "1/..", " 1"] {
            assert!(!is_id(other), "{other}");
        }
    }
}
