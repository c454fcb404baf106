//! Limits for reading a list: if a portal ignores `$filter`, or sends next links endlessly, the read fails instead of
//! exhausting the operator's memory.

use crate::api::Reason;
use crate::domain::model::token::{TokenRef, TokenRow};
use crate::portal::thinkwise::{Delivery, PortalError};
use std::time::Duration;

/// The remaining budget. If a part is exhausted, the read fails with its own message.
#[derive(Debug)]
pub(crate) struct ListBudget {
    pages: usize,
    rows: usize,
    bytes: usize,
    time: Duration,
    what: &'static str,
}

/// A filtered query returns one row or a few. At 1,000 rows per page (documented), this is also enough for a portal
/// that ignores the filter, as long as its list is short.
const LOOKUP_PAGES: usize = 20;
const LOOKUP_ROWS: usize = 50_000;
const LOOKUP_BYTES: usize = 32 << 20;

/// Twenty times the largest list that the operator is designed for.
const SCAN_ROWS: usize = 200_000;
const SCAN_BYTES: usize = 128 << 20;
/// Enough if a page has at least 20 rows.
const SCAN_PAGES: usize = 10_000;
const SCAN_TIMEOUT: Duration = Duration::from_mins(15);

/// No intended lookup matches more rows than this, or larger ones in total. The rows are kept after the page is
/// released, and with it its share of the shared memory.
const MAX_MATCHES: usize = 1_000;
const MAX_MATCHED_BYTES: usize = 1 << 20;

/// The remaining budget for the rows that a lookup keeps.
#[derive(Debug)]
pub(crate) struct MatchBudget {
    rows: usize,
    bytes: usize,
}

impl MatchBudget {
    pub(crate) const fn new() -> Self {
        Self { rows: MAX_MATCHES, bytes: MAX_MATCHED_BYTES }
    }

    /// Deducts a row that is about to be kept.
    pub(crate) fn spend(&mut self, row: &TokenRow) -> Result<(), PortalError> {
        let TokenRow { token: TokenRef { id, username }, description, .. } = row;
        self.rows = self.rows.checked_sub(1).ok_or_else(|| Self::exceeded("more rows"))?;
        let bytes = id.len() + username.len() + description.len();
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| Self::exceeded("larger rows"))?;
        Ok(())
    }

    fn exceeded(what: &str) -> PortalError {
        let message = format!("the portal's list has {what} for one token than the operator accepts");
        PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message)
    }
}

impl ListBudget {
    /// For a filtered query, with the total time limit of its pages.
    pub(crate) const fn lookup(time: Duration) -> Self {
        let what = "a filtered query: check whether the portal ignores $filter";
        Self { pages: LOOKUP_PAGES, rows: LOOKUP_ROWS, bytes: LOOKUP_BYTES, time, what }
    }

    /// For the whole list. The wait for a permit is not counted.
    pub(crate) const fn scan() -> Self {
        let what = "one list: check whether its next links end";
        Self { pages: SCAN_PAGES, rows: SCAN_ROWS, bytes: SCAN_BYTES, time: SCAN_TIMEOUT, what }
    }

    /// Deducts a page that is about to be read.
    pub(crate) fn spend_page(&mut self) -> Result<(), PortalError> {
        self.pages = self.pages.checked_sub(1).ok_or_else(|| self.exceeded("pages"))?;
        Ok(())
    }

    /// Deducts a row.
    pub(crate) fn spend_row(&mut self) -> Result<(), PortalError> {
        self.rows = self.rows.checked_sub(1).ok_or_else(|| self.exceeded("rows"))?;
        Ok(())
    }

    /// Deducts the size and duration of the last page.
    pub(crate) fn spend(&mut self, bytes: usize, time: Duration) -> Result<(), PortalError> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| self.exceeded("bytes"))?;
        self.time = self.time.checked_sub(time).ok_or_else(|| self.exceeded("time"))?;
        Ok(())
    }

    fn exceeded(&self, part: &str) -> PortalError {
        let message = format!("reading the portal's list takes more {part} than the operator allows for {}", self.what);
        PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_exhausted_part_of_a_budget_fails_with_its_own_message() {
        let assert_exceeded = |failure: PortalError, part: &str| {
            assert_eq!(failure.reason, Reason::InvalidResponse);
            assert!(failure.message.contains(part), "{failure}");
        };
        let mut budget = ListBudget::lookup(Duration::from_secs(5));
        for _ in 0..LOOKUP_PAGES {
            budget.spend_page().expect("a page");
        }
        assert_exceeded(budget.spend_page().expect_err("too many"), "more pages");
        for _ in 0..LOOKUP_ROWS {
            budget.spend_row().expect("a row");
        }
        assert_exceeded(budget.spend_row().expect_err("too many"), "more rows");
        budget.spend(LOOKUP_BYTES, Duration::from_secs(5)).expect("all of it");
        assert_exceeded(budget.spend(1, Duration::ZERO).expect_err("too many"), "more bytes");
        assert_exceeded(budget.spend(0, Duration::from_millis(1)).expect_err("too long"), "more time");
        assert!(ListBudget::scan().spend(LOOKUP_BYTES + 1, Duration::from_mins(1)).is_ok());
    }

    #[test]
    fn matched_rows_are_limited_in_number_and_size() {
        let row = |length: usize| TokenRow {
            token: TokenRef { id: "1".to_owned(), username: "u".to_owned() },
            description: "x".repeat(length),
            expiration_time: None,
        };
        let mut budget = MatchBudget::new();
        for _ in 0..MAX_MATCHES {
            budget.spend(&row(0)).expect("a row");
        }
        assert!(budget.spend(&row(0)).expect_err("too many").message.contains("more rows"));
        let mut budget = MatchBudget::new();
        budget.spend(&row(MAX_MATCHED_BYTES - 2)).expect("a large row");
        let failure = budget.spend(&row(0)).expect_err("too large");
        assert_eq!(failure.reason, Reason::InvalidResponse);
        assert!(failure.message.contains("larger rows"), "{failure}");
    }
}
