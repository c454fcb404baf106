//! Portal requests: one call per request, within the issuer's limits.

use super::Executor;
use crate::api::Reason;
use crate::controller::issuer::cache::ConnectedIssuer;
use crate::domain::model::problem::Problem;
use crate::domain::model::token::{RowQuery, TokenRef};
use crate::domain::protocol::Response;
use crate::portal::rate_limit::Priority;
use crate::portal::{Delivery, PortalError};
use std::sync::Arc;
use std::time::Duration;

/// A request is sent within this time after reading the issuer; otherwise the issuer is read again.
pub const ISSUER_READ_TTL: Duration = Duration::from_secs(10);

impl Executor<'_> {
    fn connected_issuer(&self) -> Result<Arc<ConnectedIssuer>, Response> {
        self.snapshot.issuer.clone().ok_or(Response::IssuerChanged)
    }

    /// Sends one token request. The password stays in the executor.
    pub(crate) async fn request_token(&mut self, description: &str) -> Response {
        let issuer = match self.connected_issuer() {
            Ok(issuer) => issuer,
            Err(response) => return response,
        };
        let permit = issuer.limiter.acquire(self.priority, &self.snapshot.namespace()).await;
        if self.issuer_read_at.elapsed() > ISSUER_READ_TTL {
            return Response::IssuerReadExpired;
        }
        let response = issuer.portal.request_for(&self.snapshot.namespace(), description).await;
        drop(permit);
        self.preparation_slot = None;
        self.mark_modified();
        match response {
            Ok(token) => self.accept_token(&issuer, token),
            Err(failure) => match self.classify(&issuer, failure) {
                // The response was complete, but its content cannot be recorded.
                Response::PortalOutcomeUnknown(problem)
                    if problem.reason == Reason::InvalidResponse && issuer.portal.open_reason().is_some() =>
                {
                    Response::InvalidToken(problem)
                }
                other => other,
            },
        }
    }

    pub(crate) async fn query_rows(&mut self, query: &RowQuery) -> Option<Response> {
        let issuer = match self.connected_issuer() {
            Ok(issuer) => issuer,
            Err(response) => return Some(response),
        };
        // A pod waits for a new token whose id is looked up.
        let priority = if self.uncommitted.is_some() { self.priority } else { Priority::Low };
        let permit = self.acquire_permit(&issuer, priority, self.uncommitted.is_none()).await?;
        let found = issuer.portal.list(query).await;
        drop(permit);
        Some(match found {
            Ok(rows) => self.check_rows(&issuer, rows),
            Err(failure) => self.classify(&issuer, failure),
        })
    }

    pub(crate) async fn edit(&mut self, token: &TokenRef, description: &str) -> Option<Response> {
        let issuer = match self.connected_issuer() {
            Ok(issuer) => issuer,
            Err(response) => return Some(response),
        };
        let _permit = self.acquire_permit(&issuer, Priority::Low, true).await?;
        let response = issuer.portal.edit_description(token, description).await;
        self.mark_modified();
        Some(match response {
            Ok(()) => Response::Done,
            Err(failure) => self.classify(&issuer, failure),
        })
    }

    pub(crate) async fn revoke(&mut self, token: &TokenRef) -> Option<Response> {
        let issuer = match self.connected_issuer() {
            Ok(issuer) => issuer,
            Err(response) => return Some(response),
        };
        let _permit = self.acquire_permit(&issuer, Priority::Low, self.uncommitted.is_none()).await?;
        Some(match issuer.portal.revoke(token).await {
            Ok(()) => {
                tracing::info!(object = %self.snapshot.object_ref(), username = token.username, "token revoked");
                self.ctx.process_state.record_revoked(&self.snapshot.uid(), token.clone());
                Response::Done
            }
            Err(failure) => self.classify(&issuer, failure),
        })
    }

    /// Invalidates what earlier audits saw of this object's token.
    fn mark_modified(&self) {
        self.ctx.process_state.mark_modified(&self.snapshot.uid(), self.ctx.clock.now());
    }

    /// Maps a portal error to a response. The issuer is reconciled if the error may concern it.
    fn classify(&self, issuer: &ConnectedIssuer, mut failure: PortalError) -> Response {
        // Other errors may only concern this object's request, whatever delay they ask for.
        if failure.reason == Reason::RateLimited {
            issuer.limiter.apply_retry_after(&failure);
        }
        if failure.may_concern_issuer() {
            let _ = self.ctx.requeue_issuer.send(self.snapshot.issuer_key());
        }
        let (delivery, unusable_token) = (failure.delivery, failure.unusable_token.take());
        let problem = Problem::from(failure);
        if let Some(token) = unusable_token {
            return Response::UnusableToken { token: *token, problem };
        }
        match delivery {
            Delivery::NotSent => Response::NotSent(problem),
            Delivery::Rejected => Response::Rejected(problem),
            Delivery::Unknown => Response::PortalOutcomeUnknown(problem),
        }
    }
}
