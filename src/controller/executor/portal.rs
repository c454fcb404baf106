//! Portal requests: one call per request, within the issuer's limits.

use super::Executor;
use crate::api::Reason;
use crate::domain::model::problem::Problem;
use crate::domain::model::token::{RowQuery, TokenRef};
use crate::domain::protocol::Response;
use crate::portal::rate_limit::Priority;
use crate::portal::{CallContext, CallError, Delivery, OnShutdown, TokenRequest};

impl Executor<'_> {
    /// What a shutdown does to a call that waits. An uncommitted token cannot wait for the restart; any other call is
    /// repeated then.
    pub(crate) const fn on_shutdown(&self) -> OnShutdown<'_> {
        if self.uncommitted.is_some() { OnShutdown::KeepWaiting } else { OnShutdown::GiveUp(&self.ctx.stop) }
    }

    /// Sends one token request. The password stays in the executor.
    pub(crate) async fn request_token(&mut self, description: &str, projects: &[String]) -> Option<Response> {
        let Some(issuer) = self.snapshot.issuer.clone() else { return Some(Response::IssuerChanged) };
        let namespace = self.snapshot.namespace();
        let context =
            CallContext { priority: self.priority, namespace: &namespace, on_shutdown: OnShutdown::KeepWaiting };
        let request = TokenRequest { namespace: &namespace, description, projects };
        let result = issuer.portal.request(context, self.issuer_read_at, request).await;
        if matches!(result, Ok(_) | Err(CallError::Failed(_))) {
            self.preparation_slot = None;
            self.mark_modified();
        }
        match result {
            Ok(token) => Some(self.accept_token(&issuer, token)),
            Err(error @ CallError::NotLeader) => {
                self.is_deposed = true;
                Some(Response::NotSent(error.into()))
            }
            Err(error) => match self.respond_to_failure(error)? {
                // The response was complete, but its content cannot be recorded.
                Response::PortalOutcomeUnknown(problem)
                    if problem.reason == Reason::InvalidResponse && issuer.portal.open_reason().is_some() =>
                {
                    Some(Response::InvalidToken(problem))
                }
                other => Some(other),
            },
        }
    }

    pub(crate) async fn query_rows(&mut self, query: &RowQuery) -> Option<Response> {
        let Some(issuer) = self.snapshot.issuer.clone() else { return Some(Response::IssuerChanged) };
        // A pod waits for a new token whose id is looked up.
        let priority = if self.uncommitted.is_some() { self.priority } else { Priority::Low };
        let namespace = self.snapshot.namespace();
        let context = CallContext { priority, namespace: &namespace, on_shutdown: self.on_shutdown() };
        match issuer.portal.list(context, query).await {
            Ok(rows) => Some(self.check_rows(&issuer, rows)),
            Err(error) => self.respond_to_failure(error),
        }
    }

    pub(crate) async fn edit(&mut self, token: &TokenRef, description: &str) -> Option<Response> {
        let Some(issuer) = self.snapshot.issuer.clone() else { return Some(Response::IssuerChanged) };
        let namespace = self.snapshot.namespace();
        let on_shutdown = OnShutdown::GiveUp(&self.ctx.stop);
        let context = CallContext { priority: Priority::Low, namespace: &namespace, on_shutdown };
        let result = issuer.portal.edit_description(context, token, description).await;
        if matches!(result, Ok(()) | Err(CallError::Failed(_))) {
            self.mark_modified();
        }
        match result {
            Ok(()) => Some(Response::Done),
            Err(error) => self.respond_to_failure(error),
        }
    }

    pub(crate) async fn revoke(&mut self, token: &TokenRef) -> Option<Response> {
        let Some(issuer) = self.snapshot.issuer.clone() else { return Some(Response::IssuerChanged) };
        let namespace = self.snapshot.namespace();
        let context = CallContext { priority: Priority::Low, namespace: &namespace, on_shutdown: self.on_shutdown() };
        match issuer.portal.revoke(context, token).await {
            Ok(()) => {
                tracing::info!(object = %self.snapshot.key(), username = token.username, "token revoked");
                self.ctx.process_state.record_revoked(&self.snapshot.uid(), token.clone());
                Some(Response::Done)
            }
            Err(error) => self.respond_to_failure(error),
        }
    }

    /// Invalidates what earlier audits saw of this object's token.
    fn mark_modified(&self) {
        self.ctx.process_state.mark_modified(&self.snapshot.uid(), self.ctx.clock.now());
    }

    /// Maps a call without a result to a response; `None` on shutdown, and if another instance may be the leader, which
    /// then continues. The issuer is reconciled if the failure may
    /// concern it.
    pub(crate) fn respond_to_failure(&self, error: CallError) -> Option<Response> {
        let mut failure = match error {
            CallError::ShuttingDown | CallError::NotLeader => return None,
            CallError::IssuerReadExpired => return Some(Response::IssuerReadExpired),
            CallError::Failed(failure) => failure,
        };
        if failure.may_concern_issuer() {
            let _ = self.ctx.requeue_issuer.send(self.snapshot.issuer_key());
        }
        let (delivery, unusable_token) = (failure.delivery, failure.unusable_token.take());
        let problem = Problem::from(failure);
        Some(match (unusable_token, delivery) {
            (Some(token), _) => Response::UnusableToken { token: *token, problem },
            (None, Delivery::NotSent) => Response::NotSent(problem),
            (None, Delivery::Rejected) => Response::Rejected(problem),
            (None, Delivery::Unknown) => Response::PortalOutcomeUnknown(problem),
        })
    }
}
