//! Edits and revokes tokens.

use super::flow::{AT_WORK, FIRST_PAUSE, LONGEST_PAUSE};
use super::forms::Course;
use super::interface::TaskCall;
use super::known::Known;
use super::wire::Values;
use super::{Failure, Rows, Sent, ThinkwisePortal, TokenRef, ids};
use crate::api::Reason;
use tokio::time::{Instant, sleep};

impl ThinkwisePortal {
    async fn run_and_finish(
        &self,
        known: &Known,
        task: &TaskCall,
        values: Values<'_>,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let course = Course::new(known, task, deadline);
        let ran = self.run(&course, &values).await?;
        self.finish(&course, ran, None).await
    }

    pub(super) async fn edit(&self, token: TokenRef<'_>, description: &str, deadline: Instant) -> Result<(), Failure> {
        let known = self.known(deadline).await?;
        let task = &known.interface.edit;
        let id = self.real_id(&known, task, token).await?;
        let token = TokenRef { id: id.as_deref().unwrap_or(token.id), ..token };
        let values = Values { description: Some(description), token: Some(token) };
        self.run_and_finish(&known, task, values, deadline).await
    }

    pub(super) async fn take_back(&self, token: TokenRef<'_>) -> Result<(), Failure> {
        let known = self.known(self.http.deadline()).await?;
        let task = &known.interface.revoke;
        let id = self.real_id(&known, task, token).await?;
        let token = TokenRef { id: id.as_deref().unwrap_or(token.id), ..token };
        let values = Values { description: None, token: Some(token) };
        self.run_and_finish(&known, task, values, self.http.deadline()).await?;
        self.until_gone(&known, token).await
    }

    /// Waits until a list that can be read lacks a revoked token. A task whose result the portal does not await answers
    /// before it has run, and what then fails is not told; a page of a proxy may say 200 too.
    ///
    /// # Errors
    /// `Sent::Perhaps`: the revocation was accepted, and nothing proves it yet.
    async fn until_gone(&self, known: &Known, token: TokenRef<'_>) -> Result<(), Failure> {
        let Some(table) = known.interface.table.as_ref().filter(|_| known.hidden.is_none()) else { return Ok(()) };
        let by_username = token.id == token.username && !table.is_named_by_username();
        let wanted = if by_username { Rows::OfUser(token.username) } else { Rows::WithId(token.id) };
        let end = Instant::now() + AT_WORK;
        let mut pause = FIRST_PAUSE;
        loop {
            let rows = self.some(table, wanted).await.map_err(|failure| Failure { sent: Sent::Perhaps, ..failure })?;
            if !rows.iter().any(|row| ids::same_username(&row.username, token.username)) {
                return Ok(());
            }
            if Instant::now() + pause >= end {
                let message = format!(
                    "the portal accepted the revocation and still lists the token after {} s: it may not have run yet",
                    AT_WORK.as_secs()
                );
                return Err(Failure::new(Sent::Perhaps, Reason::PortalFailed, message));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
