//! Looks at the row of a new token before the token is accepted: whether it has the id that the answer told, and the
//! marker that was sent.
//!
//! The marker at the end of a description is all by which a token is found whose answer got lost. The vendor says that
//! a write with several properties may silently drop one. So the row of a new token is looked at, unless the id is
//! proved and the portal was seen to keep the marker a short time ago. The secret is in hand: a token whose row does
//! not come in time is accepted without it.

use super::id_proof::{contradicted_id, id_output_name};
use super::process_flow::{MAX_POLL_INTERVAL, MIN_POLL_INTERVAL};
use crate::portal::thinkwise::discovery::cache::CachedInterface;
use crate::portal::thinkwise::discovery::interface::TokenTable;
use crate::portal::thinkwise::odata::ids;
use crate::portal::thinkwise::{IssuedToken, PortalError, Rows, ThinkwisePortal, TokenRow};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// So long a row is waited for: the list may be some seconds behind.
const MAX_LIST_LAG: Duration = Duration::from_secs(8);
/// So many times in a row the list may not be readable.
const MAX_CONSECUTIVE_FAILURES: u8 = 3;
/// So long one marker that was kept stands for those that follow. A portal may drop the description of some requests
/// only, and each of these would be a token that no audit finds: a minute saves the reads of a burst, and no more.
const MARKER_EVIDENCE_TTL: Duration = Duration::from_mins(1);

/// When the portal was last seen to keep a marker.
#[derive(Default)]
pub(crate) struct MarkerEvidence(Mutex<Option<Instant>>);

impl MarkerEvidence {
    pub(crate) fn set(&self, seen_at: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen_at;
    }

    fn is_fresh(&self) -> bool {
        let seen = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.is_some_and(|seen| seen.elapsed() < MARKER_EVIDENCE_TTL)
    }
}

/// A row of a new token that lacks the marker.
pub(crate) struct UnmarkedRow {
    pub row: TokenRow,
    /// It is surely the token's. Else it may be another's.
    pub is_ours: bool,
}

/// What the rows of a new token's username say.
#[derive(Debug, PartialEq, Eq)]
enum RowMatch<'r> {
    /// This row is the token's.
    Matched(&'r TokenRow),
    /// The token is there under another id than the answer told.
    OtherId,
    /// It is not there yet, as far as can be told.
    NotFound,
}

/// A new token, as far as it is known.
struct ExpectedRow<'a> {
    /// The id that the answer told.
    id: Option<&'a str>,
    /// That is the token's, as far as anybody knows.
    is_trusted: bool,
    /// It is proved.
    is_proved: bool,
    description: &'a str,
}

impl ExpectedRow<'_> {
    fn match_rows<'r>(&self, rows: &'r [TokenRow]) -> RowMatch<'r> {
        let marker = marker(self.description);
        let sent = marker.unwrap_or(self.description).trim().to_lowercase();
        let with_marker = rows.iter().find(|row| !sent.is_empty() && row.description.to_lowercase().contains(&sent));
        // The only token of that name whose description was lost is none that was settled before.
        let undescribed = || Some(rows).filter(|rows| rows.len() == 1)?.first().filter(|row| has_no_description(row));
        let Some(id) = self.id else {
            return with_marker.or_else(undescribed).map_or(RowMatch::NotFound, RowMatch::Matched);
        };
        // No two tokens have one marker.
        if marker.is_some() && with_marker.is_some_and(|row| row.id != id) {
            return RowMatch::OtherId;
        }
        match rows.iter().find(|row| row.id == id) {
            // Described by somebody, it may be a token that the answer's number happens to name.
            Some(row) if !self.is_trusted && marker.is_some() && with_marker.is_none() && !has_no_description(row) => {
                RowMatch::NotFound
            }
            Some(row) => RowMatch::Matched(row),
            None if with_marker.is_some() || !self.is_proved && undescribed().is_some() => RowMatch::OtherId,
            None => RowMatch::NotFound,
        }
    }

    /// The row that is left to be the token's where none came that surely is.
    fn fallback_row<'r>(&self, rows: &'r [TokenRow]) -> Option<&'r TokenRow> {
        match (self.id, rows) {
            (Some(id), _) => rows.iter().find(|row| row.id == id),
            (None, [row]) => Some(row),
            // Of several tokens of one name nothing tells which one is ours.
            (None, _) => None,
        }
    }
}

fn has_no_description(row: &TokenRow) -> bool {
    row.description.trim().is_empty()
}

impl ThinkwisePortal {
    /// The token, with the id that its row tells where the answer told none; and the row, where that lacks the marker.
    ///
    /// # Errors
    /// `Sent::Perhaps`: when the list shows the token under another id, or another token under this one.
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
        let id = token.id.or_else(|| Some(row.id.clone()));
        Ok((IssuedToken { id, ..token }, None))
    }

    /// The rows of the token's username, once they tell which one is the token's, or as they are when that took too
    /// long. Whatever keeps the list: the token is accepted without it.
    async fn wait_for_rows(
        &self,
        table: &TokenTable,
        token: &IssuedToken,
        expected: &ExpectedRow<'_>,
        deadline: Instant,
    ) -> Vec<TokenRow> {
        let end = deadline.min(Instant::now() + MAX_LIST_LAG);
        let (mut pause, mut failed, mut rows) = (MIN_POLL_INTERVAL, 0, vec![]);
        loop {
            match timeout_at(end, self.query(table, Rows::OfUser(&token.username))).await {
                Ok(Ok(found)) => (rows, failed) = (found, 0),
                Ok(Err(_)) => failed += 1,
                Err(_) => return rows,
            }
            if expected.match_rows(&rows) != RowMatch::NotFound
                || failed == MAX_CONSECUTIVE_FAILURES
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
        let Ok(Ok(rows)) = timeout_at(deadline, self.query(table, Rows::WithId(id))).await else { return Ok(()) };
        let is_another = |row: &TokenRow| !ids::same_username(&row.username, username);
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
