//! Requests a token.

use super::confirm_token::UnmarkedRow;
use super::outputs::{OutputCollector, TaskValues};
use super::session::TaskSession;
use super::token_identity::{require_identity, revocable_token};
use crate::api::Reason;
use crate::portal::thinkwise::interface_cache::CachedInterface;
use crate::portal::thinkwise::{Delivery, IssuedToken, PortalError, ThinkwisePortal};
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
            // An uncompleted flow is no reason to lose the secret.
            (Err(failure), true) => {
                let task = &session.task.name;
                tracing::warn!(task, %failure, "the token was issued, but its process flow could not be completed");
                (outputs.into_token(status), true)
            }
            // A complete response that cannot be parsed also counts: an HTML page, or a compressed body.
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
        // If there is a list, the marker in it identifies the token more reliably.
        end.map_err(|failure| {
            let unusable = if is_listed { None } else { revocable_token(&cached.interface, id, username) };
            PortalError { unusable_token: unusable.map(Box::new), ..failure }
        })
    }

    /// The error for a token whose marker was dropped. The token is to be revoked by its id; before that, its
    /// description is edited to contain the marker, so that the next audit finds it if the revocation fails.
    async fn marker_dropped(&self, unmarked: &UnmarkedRow, description: &str, deadline: Instant) -> PortalError {
        self.marker_evidence.set(None);
        let UnmarkedRow { row, is_ours } = unmarked;
        let mut unusable = None;
        let consequence = if *is_ours {
            if let Err(failure) = self.edit(&row.token, description, deadline).await {
                tracing::warn!(username = row.token.username, %failure, "could not add the marker to a token");
            }
            unusable = Some(Box::new(row.token.clone()));
            "The token will be revoked"
        } else {
            "The row may belong to another token, so it is left unchanged: check whether the token has to be revoked manually"
        };
        let message = format!(
            "the portal drops the description: the row of the new token {} lacks the marker that was sent with it, without which \
             the token of a lost response cannot be found. {consequence}. Make the task store the description; where \
             spec.thinkwise.tasks.request.parameters is set, put it before another parameter",
            row.token.username
        );
        PortalError {
            unusable_token: unusable,
            ..PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message)
        }
    }
}
