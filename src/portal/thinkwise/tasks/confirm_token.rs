//! Checks the row of a new token before the token is accepted: its id must be the one in the response, and its
//! description must contain the marker that was sent.
//!
//! The marker at the end of a description is the only way to find a token whose response got lost. The vendor says
//! that a write with several properties may silently drop one. So the row of a new token is read, unless the id is
//! proved and the portal kept a marker a short time ago. The secret is already known: a token whose row does not
//! appear in time is accepted without the check.

use super::id_proof::{contradicted_id, id_output_name};
use super::process_flow::{MAX_POLL_INTERVAL, MIN_POLL_INTERVAL};
use crate::domain::model::token::{RowQuery, TokenRow};
use crate::portal::thinkwise::discovery::interface::TokenTable;
use crate::portal::thinkwise::interface_cache::CachedInterface;
use crate::portal::thinkwise::odata::ids;
use crate::portal::thinkwise::{IssuedToken, PortalError, ThinkwisePortal};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long to wait for a row: the list may lag by some seconds.
const MAX_LIST_LAG: Duration = Duration::from_secs(8);
/// How many consecutive reads of the list may fail.
const MAX_CONSECUTIVE_FAILURES: u8 = 3;
/// How long one kept marker is evidence for the tokens that follow. A portal may drop the description of some
/// requests only, and each of these would be a token that no audit finds: a minute saves the reads of a burst, and no
/// more.
const MARKER_EVIDENCE_TTL: Duration = Duration::from_mins(1);

/// When the portal last kept a marker.
#[derive(Default)]
pub(crate) struct MarkerEvidence(Mutex<Option<Instant>>);

impl MarkerEvidence {
    pub(crate) fn set(&self, observed_at: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = observed_at;
    }

    fn is_fresh(&self) -> bool {
        let observed_at = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        observed_at.is_some_and(|observed_at| observed_at.elapsed() < MARKER_EVIDENCE_TTL)
    }
}

/// A row of a new token that lacks the marker.
pub(crate) struct UnmarkedRow {
    pub row: TokenRow,
    /// It is certainly the row of the new token. Otherwise it may be another token's.
    pub is_ours: bool,
}

/// The result of matching rows of the new token's username.
#[derive(Debug, PartialEq, Eq)]
enum RowMatch<'r> {
    /// This row is the token's.
    Matched(&'r TokenRow),
    /// The token is listed under another id than the response contained.
    OtherId,
    /// As far as can be determined, it is not listed yet.
    NotFound,
}

/// What is known of a new token.
struct ExpectedRow<'a> {
    /// The id in the response.
    id: Option<&'a str>,
    /// As far as is known, that is the token's id.
    is_trusted: bool,
    is_proved: bool,
    description: &'a str,
}

impl ExpectedRow<'_> {
    fn match_rows<'r>(&self, rows: &'r [TokenRow]) -> RowMatch<'r> {
        let marker = marker(self.description);
        let sent = marker.unwrap_or(self.description).trim().to_lowercase();
        let with_marker = rows.iter().find(|row| !sent.is_empty() && row.description.to_lowercase().contains(&sent));
        // If there is only one token of that name and its description was lost, it is not one confirmed earlier.
        let undescribed = || Some(rows).filter(|rows| rows.len() == 1)?.first().filter(|row| has_no_description(row));
        let Some(id) = self.id else {
            return with_marker.or_else(undescribed).map_or(RowMatch::NotFound, RowMatch::Matched);
        };
        // No two tokens have the same marker.
        if marker.is_some() && with_marker.is_some_and(|row| row.token.id != id) {
            return RowMatch::OtherId;
        }
        match rows.iter().find(|row| row.token.id == id) {
            // With another description, it may be a different token whose id the response happens to contain.
            Some(row) if !self.is_trusted && marker.is_some() && with_marker.is_none() && !has_no_description(row) => {
                RowMatch::NotFound
            }
            Some(row) => RowMatch::Matched(row),
            None if with_marker.is_some() || !self.is_proved && undescribed().is_some() => RowMatch::OtherId,
            None => RowMatch::NotFound,
        }
    }

    /// The row that is assumed to be the token's if no row certainly is.
    fn fallback_row<'r>(&self, rows: &'r [TokenRow]) -> Option<&'r TokenRow> {
        match (self.id, rows) {
            (Some(id), _) => rows.iter().find(|row| row.token.id == id),
            (None, [row]) => Some(row),
            // With several tokens of one name, it is unknown which one is ours.
            (None, _) => None,
        }
    }
}

fn has_no_description(row: &TokenRow) -> bool {
    row.description.trim().is_empty()
}

impl ThinkwisePortal {
    /// Returns the token, with the id of its row if the response contained none; and the row, if it lacks the marker.
    ///
    /// # Errors
    /// `Delivery::Unknown`: if the list shows the token under another id, or another token under this one.
    pub(crate) async fn confirm_token(
        &self,
        cached: &CachedInterface,
        token: IssuedToken,
        description: &str,
        deadline: Instant,
    ) -> Result<(IssuedToken, Option<UnmarkedRow>), PortalError> {
        let table = cached.interface.table.as_ref().filter(|_| cached.list_denied.is_none());
        let Some(table) = table else { return Ok((token, None)) };
        let (marker, output) = (marker(description), id_output_name(cached).filter(|_| token.id.is_some()));
        let is_proved = output.is_none_or(|output| self.id_proof.is_proved(output, table));
        let is_marked = marker.is_none() || token.id.is_some() && self.marker_evidence.is_fresh();
        if is_proved && is_marked {
            return Ok((token, None));
        }
        let is_sure = is_proved || output.is_some_and(|output| output == table.id.name);
        let expected = ExpectedRow { id: token.id.as_deref(), is_trusted: is_sure, is_proved, description };
        let rows = self.wait_for_rows(table, &token, &expected, deadline).await;
        let matched = match (expected.match_rows(&rows), output) {
            (RowMatch::Matched(row), _) => Some(row),
            (RowMatch::OtherId, Some(output)) => return Err(contradicted_id(output)),
            _ => expected.fallback_row(&rows).filter(|_| marker.is_some()),
        };
        let Some(row) = matched else {
            if let (Some(output), Some(id), false) = (output, &token.id, is_proved) {
                self.require_unused_id(table, output, id, &token.username, deadline).await?;
            }
            return Ok((token, None));
        };
        if marker.is_some_and(|marker| !row.description.contains(marker)) {
            let unmarked =
                UnmarkedRow { row: row.clone(), is_ours: has_no_description(row) || token.id.is_some() && is_sure };
            return Ok((token, Some(unmarked)));
        }
        if let (Some(output), Some(id)) = (output, &token.id) {
            self.id_proof.record(output, id);
        }
        if marker.is_some() {
            self.marker_evidence.set(Some(Instant::now()));
        }
        let id = token.id.or_else(|| Some(row.token.id.clone()));
        Ok((IssuedToken { id, ..token }, None))
    }

    /// Waits until the rows of the token's username identify the token, and returns them; after the time limit, as
    /// they are. If the list cannot be read, the token is accepted without it.
    async fn wait_for_rows(
        &self,
        table: &TokenTable,
        token: &IssuedToken,
        expected: &ExpectedRow<'_>,
        deadline: Instant,
    ) -> Vec<TokenRow> {
        let end = deadline.min(Instant::now() + MAX_LIST_LAG);
        let (mut pause, mut failures, mut rows) = (MIN_POLL_INTERVAL, 0, vec![]);
        let query = RowQuery::WithUsername(token.username.clone());
        loop {
            match timeout_at(end, self.query(table, &query)).await {
                Ok(Ok(found)) => (rows, failures) = (found, 0),
                Ok(Err(_)) => failures += 1,
                Err(_) => return rows,
            }
            if expected.match_rows(&rows) != RowMatch::NotFound
                || failures == MAX_CONSECUTIVE_FAILURES
                || Instant::now() + pause >= end
            {
                return rows;
            }
            sleep(pause).await;
            pause = (pause * 2).min(MAX_POLL_INTERVAL);
        }
    }

    /// Fails if the list shows a token of another username under this id.
    async fn require_unused_id(
        &self,
        table: &TokenTable,
        output: &str,
        id: &str,
        username: &str,
        deadline: Instant,
    ) -> Result<(), PortalError> {
        let query = RowQuery::WithId(id.to_owned());
        let Ok(Ok(rows)) = timeout_at(deadline, self.query(table, &query)).await else { return Ok(()) };
        let is_another = |row: &TokenRow| !ids::same_username(&row.token.username, username);
        if rows.iter().any(is_another) { Err(contradicted_id(output)) } else { Ok(()) }
    }
}

/// The marker at the end of a description.
fn marker(description: &str) -> Option<&str> {
    let at = description.rfind('[').filter(|_| description.ends_with(']'))?;
    description.get(at..)
}

#[cfg(test)]
#[path = "confirm_token_tests.rs"]
mod tests;
