//! Edits and revokes tokens.

use super::outputs::TaskValues;
use super::process_flow::{COMPLETION_TIMEOUT, MAX_POLL_INTERVAL, MIN_POLL_INTERVAL};
use super::session::TaskSession;
use crate::api::Reason;
use crate::domain::model::token::{RowQuery, TokenRef};
use crate::portal::thinkwise::discovery::interface::TaskCall;
use crate::portal::thinkwise::interface_cache::CachedInterface;
use crate::portal::thinkwise::odata::ids;
use crate::portal::thinkwise::{Delivery, PortalError, ThinkwisePortal};
use tokio::time::{Instant, sleep};

impl ThinkwisePortal {
    async fn invoke_and_finish(
        &self,
        cached: &CachedInterface,
        task: &TaskCall,
        values: TaskValues<'_>,
        deadline: Instant,
    ) -> Result<(), PortalError> {
        let session = TaskSession::new(cached, task, deadline);
        let run = self.invoke(&session, &values).await?;
        self.finish(&session, run, None).await
    }

    pub(crate) async fn edit(&self, token: &TokenRef, description: &str, deadline: Instant) -> Result<(), PortalError> {
        let cached = self.interface(deadline).await?;
        let task = &cached.interface.edit;
        let token = &self.lookup_id(&cached, task, token).await?;
        let values = TaskValues { description: Some(description), token: Some(token) };
        self.invoke_and_finish(&cached, task, values, deadline).await
    }

    pub(crate) async fn revoke_token(&self, token: &TokenRef) -> Result<(), PortalError> {
        let cached = self.interface(self.http.deadline()).await?;
        let task = &cached.interface.revoke;
        let token = &self.lookup_id(&cached, task, token).await?;
        let values = TaskValues { description: None, token: Some(token) };
        self.invoke_and_finish(&cached, task, values, self.http.deadline()).await?;
        self.wait_until_revoked(&cached, token).await
    }

    /// Waits until the list, if it can be read, lacks the revoked token. If the portal does not await a task's
    /// result, it responds before the task has run, and a later failure is not reported; a proxy's page may also have
    /// status 200.
    ///
    /// # Errors
    /// `Delivery::Unknown`: the revocation was accepted, but is not yet proved.
    async fn wait_until_revoked(&self, cached: &CachedInterface, token: &TokenRef) -> Result<(), PortalError> {
        let Some(table) = cached.interface.table.as_ref().filter(|_| cached.list_denied.is_none()) else {
            return Ok(());
        };
        let by_username = token.is_identified_by_username() && !table.is_named_by_username();
        let query = if by_username { token.row_query() } else { RowQuery::WithId(token.id.clone()) };
        let end = Instant::now() + COMPLETION_TIMEOUT;
        let mut pause = MIN_POLL_INTERVAL;
        loop {
            let rows = self
                .query(table, &query)
                .await
                .map_err(|failure| PortalError { delivery: Delivery::Unknown, ..failure })?;
            if !rows.iter().any(|row| ids::same_username(&row.token.username, &token.username)) {
                return Ok(());
            }
            if Instant::now() + pause >= end {
                let message = format!(
                    "the portal accepted the revocation but still lists the token after {} s: the task may not have run yet",
                    COMPLETION_TIMEOUT.as_secs()
                );
                return Err(PortalError::new(Delivery::Unknown, Reason::PortalError, message));
            }
            sleep(pause).await;
            pause = (pause * 2).min(MAX_POLL_INTERVAL);
        }
    }
}
