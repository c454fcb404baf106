//! Requests a token.

use super::confirm_token::UnmarkedRow;
use super::invoke::TaskSession;
use super::outputs::{OutputCollector, TaskValues};
use crate::api::Reason;
use crate::portal::TokenMade;
use crate::portal::thinkwise::discovery::cache::CachedInterface;
use crate::portal::thinkwise::{
    Delivery, IssuedToken, PortalError, ThinkwisePortal, TokenRef, circuit_breaker, require_identity,
};
use tokio::time::Instant;

impl ThinkwisePortal {
    pub(crate) async fn request_token(&self, namespace: &str, description: &str) -> Result<IssuedToken, PortalError> {
        let deadline = self.http.deadline();
        let cached = self.interface(deadline).await?;
        self.circuit_breaker.try_acquire(namespace)?;
        let result = self.invoke_request(&cached, namespace, description, deadline).await.inspect_err(|failure| {
            if failure.delivery == Delivery::Unknown {
                self.marker_evidence.set(None);
            }
        });
        match result? {
            (token, None) => Ok(token),
            (_, Some(unmarked)) => Err(self.marker_dropped(&unmarked, description, deadline).await),
        }
    }

    async fn invoke_request(
        &self,
        cached: &CachedInterface,
        namespace: &str,
        description: &str,
        deadline: Instant,
    ) -> Result<(IssuedToken, Option<UnmarkedRow>), PortalError> {
        let session = TaskSession::new(cached, &cached.interface.request, deadline);
        let run = self.invoke(&session, &TaskValues { description: Some(description), token: None }).await?;
        let status = run.response.status();
        let mut outputs = OutputCollector::new(&cached.interface.outputs, cached.interface.id_kind());
        let end = self.finish(&session, run, Some(&mut outputs)).await;
        let (id, username) = outputs.identity();
        let (end, is_complete) = match (end, outputs.is_complete()) {
            (Ok(()), _) => (outputs.into_token(status), true),
            // A flow that stays unfinished is no reason to lose the secret.
            (Err(failure), true) => {
                let task = &session.task.name;
                tracing::warn!(task, %failure, "the token is there, its process flow could not be finished");
                (outputs.into_token(status), true)
            }
            // An answer that came whole and cannot be read is one too: a page, or one that is compressed.
            (Err(failure), false) => {
                let is_complete = failure.reason == Reason::InvalidResponse;
                (Err(failure), is_complete)
            }
        };
        let is_listed = cached.list_denied.is_none();
        let end = match end {
            Ok(token) if is_listed => self.confirm_token(cached, token, description, deadline).await,
            Ok(token) => require_identity(&cached.interface, token).map(|token| (token, None)),
            Err(failure) => Err(failure),
        };
        match &end {
            Ok(_) => self.circuit_breaker.record_success(namespace),
            Err(failure) if is_complete => {
                self.mark_stale_after(failure);
                self.circuit_breaker.record_failure(namespace, failure);
            }
            Err(_) => {}
        }
        // Where there is a list, the mark in it tells more surely.
        end.map_err(|failure| {
            let made = if is_listed { None } else { circuit_breaker::revocable_token(&cached.interface, id, username) };
            PortalError { unusable_token: made.map(Box::new), ..failure }
        })
    }

    /// What is wrong with a token whose marker was dropped. It is to be revoked by its id, and is marked by an
    /// edit before that: should the revocation fail, the next audit still finds it.
    async fn marker_dropped(&self, unmarked: &UnmarkedRow, description: &str, deadline: Instant) -> PortalError {
        self.marker_evidence.set(None);
        let UnmarkedRow { row, is_ours } = unmarked;
        let mut made = None;
        let what = if *is_ours {
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
        PortalError { unusable_token: made, ..PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message) }
    }
}
