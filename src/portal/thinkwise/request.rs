//! Requests a token, and proves that it can be found again.
//!
//! The marker at the end of a description is all by which a token is found whose answer got lost. The vendor says that
//! a write with several properties may silently drop one. So the row of a new token is looked at, unless the
//! portal was seen to keep the marker a short time ago.

use super::flow::{FIRST_PAUSE, LONGEST_PAUSE};
use super::forms::Course;
use super::interface::TokenTable;
use super::known::Known;
use super::wire::{Gathered, Values};
use super::{Failure, IssuedToken, PortalRow, Rows, Sent, ThinkwisePortal, TokenRef, caution, ids, nameable};
use crate::api::Reason;
use crate::portal::TokenMade;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// So long a row is waited for whose id nobody tells: the list may be some seconds behind.
const LIST_LAG: Duration = Duration::from_secs(8);

/// When the portal was last seen to keep a marker.
#[derive(Default)]
pub(super) struct Marking(Mutex<Option<Instant>>);

impl Marking {
    fn set(&self, seen: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }

    /// Notes a row of a new token that shows the marker that was sent with it.
    pub(super) fn note<'a>(&self, mut rows: impl Iterator<Item = &'a PortalRow>, description: &str) {
        if marker(description).is_some_and(|marker| rows.any(|row| row.description.contains(marker))) {
            self.set(Some(Instant::now()));
        }
    }

    fn is_proved(&self, keep: Duration) -> bool {
        let seen = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.is_some_and(|seen| seen.elapsed() < keep)
    }
}

impl ThinkwisePortal {
    pub(super) async fn request_token(&self, namespace: &str, description: &str) -> Result<IssuedToken, Failure> {
        let deadline = self.http.deadline();
        let known = self.known(deadline).await?;
        self.caution.leave(namespace)?;
        let token = self.ask(&known, namespace, description, deadline).await.inspect_err(|failure| {
            if failure.sent == Sent::Perhaps {
                self.marking.set(None);
            }
        })?;
        self.proved(&known, token, description, deadline).await
    }

    async fn ask(
        &self,
        known: &Known,
        namespace: &str,
        description: &str,
        deadline: Instant,
    ) -> Result<IssuedToken, Failure> {
        let course = Course::new(known, &known.interface.request, deadline);
        let ran = self.run(&course, &Values { description: Some(description), token: None }).await?;
        let status = ran.response.status();
        let mut gathered = Gathered::new(&known.interface.outputs, known.interface.id_kind());
        let end = self.finish(&course, ran, Some(&mut gathered)).await;
        let (id, username) = gathered.which();
        let (end, is_complete) = match (end, gathered.is_whole()) {
            (Ok(()), _) => (gathered.token(status), true),
            // A flow that stays unfinished is no reason to lose the secret.
            (Err(failure), true) => {
                let task = &course.task.name;
                tracing::warn!(task, %failure, "the token is there, its process flow could not be finished");
                (gathered.token(status), true)
            }
            // An answer that came whole and cannot be read is one too: a page, or one that is compressed.
            (Err(failure), false) => {
                let is_complete = failure.reason == Reason::AnswerMalformed;
                (Err(failure), is_complete)
            }
        };
        let is_listed = known.hidden.is_none();
        let end = match end {
            Ok(token) if is_listed => self.prove_id(known, &token, description, deadline).await.map(|()| token),
            Ok(token) => nameable(&known.interface, token),
            Err(failure) => Err(failure),
        };
        match &end {
            Ok(_) => self.caution.well(namespace),
            Err(failure) if is_complete => {
                self.doubt(failure);
                self.caution.ailing(namespace, failure);
            }
            Err(_) => {}
        }
        // Where there is a list, the mark in it tells more surely.
        end.map_err(|failure| {
            let made = if is_listed { None } else { caution::made(&known.interface, id, username) };
            Failure { made: made.map(Box::new), ..failure }
        })
    }

    /// The token, unless its row shows that its marker was dropped. A row that is not there, or cannot be read,
    /// says nothing: the secret is in hand. Where the answer told no id, the row does.
    async fn proved(
        &self,
        known: &Known,
        token: IssuedToken,
        description: &str,
        deadline: Instant,
    ) -> Result<IssuedToken, Failure> {
        let table = known.interface.table.as_ref().filter(|_| known.hidden.is_none());
        let (Some(table), Some(marker)) = (table, marker(description)) else { return Ok(token) };
        if token.id.is_some() && self.marking.is_proved(self.keep) {
            return Ok(token);
        }
        let rows = self.rows_of(table, &token, deadline).await;
        if let Some(row) = rows.iter().find(|row| row.description.contains(marker)) {
            self.marking.set(Some(Instant::now()));
            let id = token.id.or_else(|| Some(row.id.clone()));
            return Ok(IssuedToken { id, ..token });
        }
        match &rows[..] {
            [row] => Err(self.dropped(&token, row, description, deadline).await),
            // Of several tokens of one name nothing tells which one is ours.
            _ => Ok(token),
        }
    }

    /// The rows that may be the new token's.
    async fn rows_of(&self, table: &TokenTable, token: &IssuedToken, deadline: Instant) -> Vec<PortalRow> {
        let wanted = token.id.as_deref().map_or(Rows::OfUser(&token.username), Rows::WithId);
        let end = deadline.min(Instant::now() + LIST_LAG);
        let mut pause = FIRST_PAUSE;
        loop {
            // Whatever keeps the list: the token is stored without it.
            let Ok(Ok(mut rows)) = timeout_at(end, self.some(table, wanted)).await else { return vec![] };
            rows.retain(|row| ids::same_username(&row.username, &token.username));
            // A token that can be named is not kept from its pods for the sake of a slow list.
            if !rows.is_empty() || token.id.is_some() || Instant::now() + pause >= end {
                return rows;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// What is wrong with a token whose marker was dropped. It is to be revoked by its id, and is marked by an
    /// edit before that: should the revocation fail, the next audit still finds it.
    async fn dropped(&self, token: &IssuedToken, row: &PortalRow, description: &str, deadline: Instant) -> Failure {
        self.marking.set(None);
        // A row that only the name leads to, and that somebody has described, may be another's.
        let is_ours = token.id.is_some() || row.description.trim().is_empty();
        let mut made = None;
        let what = if is_ours {
            let meant = TokenRef { id: &row.id, username: &row.username };
            if let Err(failure) = self.edit(meant, description, deadline).await {
                tracing::warn!(username = row.username, %failure, "a token without its marker could not be marked");
            }
            made = Some(Box::new(TokenMade { id: row.id.clone(), username: row.username.clone() }));
            "It is revoked"
        } else {
            "The row may be another's, so it is left alone: look whether the token is to be revoked by hand"
        };
        let message = format!(
            "the portal drops the description: the row of the new token {} lacks the marker that was sent with it, without which \
             the token of a lost answer cannot be found. {what}. Have the task keep the description; where \
             spec.thinkwise.tasks.request.parameters is written, put it before another parameter",
            row.username
        );
        Failure { made, ..Failure::new(Sent::Perhaps, Reason::AnswerMalformed, message) }
    }
}

/// The marker at the end of a description.
fn marker(description: &str) -> Option<&str> {
    let at = description.rfind('[').filter(|_| description.ends_with(']'))?;
    description.get(at..)
}

#[cfg(test)]
mod tests {
    use super::marker;

    #[test]
    fn the_marker_is_what_stands_in_brackets_at_the_end() {
        for (description, found) in [
            ("nodes [a/b]", Some("[a/b]")),
            ("[x] nodes [a/b]", Some("[a/b]")),
            ("[a/b]", Some("[a/b]")),
            ("nodes [a/b] ", None),
            ("nodes a/b]", None),
            ("", None),
        ] {
            assert_eq!(marker(description), found, "{description:?}");
        }
    }
}
