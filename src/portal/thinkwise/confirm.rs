//! Looks at the row of a new token before the token is accepted: whether it has the id that the answer told, and the
//! marker that was sent.
//!
//! The marker at the end of a description is all by which a token is found whose answer got lost. The vendor says that
//! a write with several properties may silently drop one. So the row of a new token is looked at, unless the id is
//! proved and the portal was seen to keep the marker a short time ago. The secret is in hand: a token whose row does
//! not come in time is accepted without it.

use super::flow::{FIRST_PAUSE, LONGEST_PAUSE};
use super::id_proof::{contradicted, output_of};
use super::interface::TokenTable;
use super::known::Known;
use super::{Failure, IssuedToken, PortalRow, Rows, ThinkwisePortal, ids};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// So long a row is waited for: the list may be some seconds behind.
const LIST_LAG: Duration = Duration::from_secs(8);
/// So many times in a row the list may not be readable.
const MOST_FAILED: u8 = 3;
/// So long one marker that was kept stands for those that follow. A portal may drop the description of some requests
/// only, and each of these would be a token that no audit finds: a minute saves the reads of a burst, and no more.
const BELIEVED: Duration = Duration::from_mins(1);

/// When the portal was last seen to keep a marker.
#[derive(Default)]
pub(super) struct Marking(Mutex<Option<Instant>>);

impl Marking {
    pub(super) fn set(&self, seen: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }

    fn is_believed(&self) -> bool {
        let seen = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.is_some_and(|seen| seen.elapsed() < BELIEVED)
    }
}

/// A row of a new token that lacks the marker.
pub(super) struct Unmarked {
    pub row: PortalRow,
    /// It is surely the token's. Else it may be another's.
    pub is_ours: bool,
}

/// What the rows of a new token's username say.
#[derive(Debug, PartialEq, Eq)]
enum Word<'r> {
    /// This row is the token's.
    Own(&'r PortalRow),
    /// The token is there under another id than the answer told.
    Another,
    /// It is not there yet, as far as can be told.
    Nothing,
}

/// A new token, as far as it is known.
struct Sought<'a> {
    /// The id that the answer told.
    id: Option<&'a str>,
    /// That is the token's, as far as anybody knows.
    is_sure: bool,
    /// It is proved.
    is_proved: bool,
    description: &'a str,
}

impl Sought<'_> {
    fn word<'r>(&self, rows: &'r [PortalRow]) -> Word<'r> {
        let marker = marker(self.description);
        let sent = marker.unwrap_or(self.description).trim().to_lowercase();
        let shown = rows.iter().find(|row| !sent.is_empty() && row.description.to_lowercase().contains(&sent));
        // The only token of that name whose description was lost is none that was settled before.
        let bare = || Some(rows).filter(|rows| rows.len() == 1)?.first().filter(|row| is_bare(row));
        let Some(id) = self.id else {
            return shown.or_else(bare).map_or(Word::Nothing, Word::Own);
        };
        // No two tokens have one marker.
        if marker.is_some() && shown.is_some_and(|row| row.id != id) {
            return Word::Another;
        }
        match rows.iter().find(|row| row.id == id) {
            // Described by somebody, it may be a token that the answer's number happens to name.
            Some(row) if !self.is_sure && marker.is_some() && shown.is_none() && !is_bare(row) => Word::Nothing,
            Some(row) => Word::Own(row),
            None if shown.is_some() || !self.is_proved && bare().is_some() => Word::Another,
            None => Word::Nothing,
        }
    }

    /// The row that is left to be the token's where none came that surely is.
    fn left<'r>(&self, rows: &'r [PortalRow]) -> Option<&'r PortalRow> {
        match (self.id, rows) {
            (Some(id), _) => rows.iter().find(|row| row.id == id),
            (None, [row]) => Some(row),
            // Of several tokens of one name nothing tells which one is ours.
            (None, _) => None,
        }
    }
}

fn is_bare(row: &PortalRow) -> bool {
    row.description.trim().is_empty()
}

impl ThinkwisePortal {
    /// The token, with the id that its row tells where the answer told none; and the row, where that lacks the marker.
    ///
    /// # Errors
    /// `Sent::Perhaps`: when the list shows the token under another id, or another token under this one.
    pub(super) async fn confirm(
        &self,
        known: &Known,
        token: IssuedToken,
        description: &str,
        deadline: Instant,
    ) -> Result<(IssuedToken, Option<Unmarked>), Failure> {
        let table = known.interface.table.as_ref().filter(|_| known.hidden.is_none());
        let Some(table) = table else { return Ok((token, None)) };
        let (marker, output) = (marker(description), output_of(known).filter(|_| token.id.is_some()));
        let is_proved = output.is_none_or(|output| self.id_proof.is_done(output, table));
        let is_marked = marker.is_none() || token.id.is_some() && self.marking.is_believed();
        if is_proved && is_marked {
            return Ok((token, None));
        }
        let is_sure = is_proved || output.is_some_and(|output| output == table.id.name);
        let sought = Sought { id: token.id.as_deref(), is_sure, is_proved, description };
        let rows = self.rows_of(table, &token, &sought, deadline).await;
        let own = match (sought.word(&rows), output) {
            (Word::Own(row), _) => Some(row),
            (Word::Another, Some(output)) => return Err(contradicted(output)),
            _ => sought.left(&rows).filter(|_| marker.is_some()),
        };
        let Some(row) = own else {
            if let (Some(output), Some(id), false) = (output, &token.id, is_proved) {
                self.is_not_anothers(table, output, id, &token.username, deadline).await?;
            }
            return Ok((token, None));
        };
        if marker.is_some_and(|marker| !row.description.contains(marker)) {
            let unmarked = Unmarked { row: row.clone(), is_ours: is_bare(row) || token.id.is_some() && is_sure };
            return Ok((token, Some(unmarked)));
        }
        if let (Some(output), Some(id)) = (output, &token.id) {
            self.id_proof.add(output, id);
        }
        if marker.is_some() {
            self.marking.set(Some(Instant::now()));
        }
        let id = token.id.or_else(|| Some(row.id.clone()));
        Ok((IssuedToken { id, ..token }, None))
    }

    /// The rows of the token's username, once they tell which one is the token's, or as they are when that took too
    /// long. Whatever keeps the list: the token is accepted without it.
    async fn rows_of(
        &self,
        table: &TokenTable,
        token: &IssuedToken,
        sought: &Sought<'_>,
        deadline: Instant,
    ) -> Vec<PortalRow> {
        let end = deadline.min(Instant::now() + LIST_LAG);
        let (mut pause, mut failed, mut rows) = (FIRST_PAUSE, 0, vec![]);
        loop {
            match timeout_at(end, self.some(table, Rows::OfUser(&token.username))).await {
                Ok(Ok(found)) => (rows, failed) = (found, 0),
                Ok(Err(_)) => failed += 1,
                Err(_) => return rows,
            }
            if sought.word(&rows) != Word::Nothing || failed == MOST_FAILED || Instant::now() + pause >= end {
                return rows;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Fails if the list shows a token of another username under this id.
    async fn is_not_anothers(
        &self,
        table: &TokenTable,
        output: &str,
        id: &str,
        username: &str,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let Ok(Ok(rows)) = timeout_at(deadline, self.some(table, Rows::WithId(id))).await else { return Ok(()) };
        let is_another = |row: &PortalRow| !ids::same_username(&row.username, username);
        if rows.iter().any(is_another) { Err(contradicted(output)) } else { Ok(()) }
    }
}

/// The marker at the end of a description.
fn marker(description: &str) -> Option<&str> {
    let at = description.rfind('[').filter(|_| description.ends_with(']'))?;
    description.get(at..)
}

#[cfg(test)]
#[path = "confirm_tests.rs"]
mod tests;
