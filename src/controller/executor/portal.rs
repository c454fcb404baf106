//! The portal: one call a request, within the issuer's limits.

use super::Executor;
use crate::api::Reason;
use crate::controller::issuer::cache::ConnectedIssuer;
use crate::domain::model::problem::Problem;
use crate::domain::protocol::{Named, Response, Row, Rows};
use crate::portal::rate_limit::Priority;
use crate::portal::{self, Delivery, PortalError, TokenRef, TokenRow};
use std::sync::Arc;
use std::time::Duration;

/// A request is sent within this time of reading the issuer, or the issuer is read again.
pub const ISSUER_READ_TTL: Duration = Duration::from_secs(10);

impl Executor<'_> {
    fn connected_issuer(&self) -> Result<Arc<ConnectedIssuer>, Response> {
        self.snapshot.issuer.clone().ok_or(Response::IssuerChanged)
    }

    /// Sends one request for a token; its secret stays here.
    pub(crate) async fn request_token(&mut self, description: &str) -> Response {
        let issuer = match self.connected_issuer() {
            Ok(issuer) => issuer,
            Err(answer) => return answer,
        };
        let permit = issuer.limiter.acquire(self.priority, &self.snapshot.namespace()).await;
        if self.issuer_read_at.elapsed() > ISSUER_READ_TTL {
            return Response::IssuerReadExpired;
        }
        let answer = issuer.portal.request_for(&self.snapshot.namespace(), description).await;
        drop(permit);
        self.preparation_slot = None;
        self.mark_modified();
        match answer {
            Ok(token) => self.accept_token(&issuer, token),
            Err(failure) => match self.classify(&issuer, failure) {
                // The answer came to its end, and what it holds cannot be recorded.
                Response::PortalOutcomeUnknown(fault)
                    if fault.reason == Reason::InvalidResponse && issuer.portal.open_reason().is_some() =>
                {
                    Response::InvalidToken(fault)
                }
                other => other,
            },
        }
    }

    /// Rows of the portal's list.
    pub(crate) async fn query_rows(&mut self, rows: &Rows) -> Option<Response> {
        let issuer = match self.connected_issuer() {
            Ok(issuer) => issuer,
            Err(answer) => return Some(answer),
        };
        // Whoever looks its new token up has a pod waiting.
        let priority = if self.uncommitted.is_some() { self.priority } else { Priority::Low };
        let permit = self.acquire_permit(&issuer, priority, self.uncommitted.is_none()).await?;
        let found = match rows {
            Rows::WithId(id) => issuer.portal.list(portal::Rows::WithId(id)).await,
            Rows::WithUsername(username) => issuer.portal.list(portal::Rows::OfUser(username)).await,
            Rows::WithMarker(marker) => {
                let text = marker.to_string();
                let found = issuer.portal.list(portal::Rows::Containing(&text)).await;
                // A portal may compare without regard to case, or to what a mark means.
                found.map(|rows| rows.into_iter().filter(|row| marker.is_in(&row.description)).collect())
            }
        };
        drop(permit);
        Some(match found {
            Ok(rows) => self.check_rows(rows.into_iter().map(token_row).collect()),
            Err(failure) => self.classify(&issuer, failure),
        })
    }

    /// Sets a description.
    pub(crate) async fn edit(&mut self, token: &Named, description: &str) -> Option<Response> {
        let issuer = match self.connected_issuer() {
            Ok(issuer) => issuer,
            Err(answer) => return Some(answer),
        };
        let _permit = self.acquire_permit(&issuer, Priority::Low, true).await?;
        let token = TokenRef { id: &token.id, username: &token.username };
        let answer = issuer.portal.edit_description(token, description).await;
        self.mark_modified();
        Some(match answer {
            Ok(()) => Response::Done,
            Err(failure) => self.classify(&issuer, failure),
        })
    }

    /// Revokes a token.
    pub(crate) async fn revoke(&mut self, token: &Named) -> Option<Response> {
        let issuer = match self.connected_issuer() {
            Ok(issuer) => issuer,
            Err(answer) => return Some(answer),
        };
        let _permit = self.acquire_permit(&issuer, Priority::Low, self.uncommitted.is_none()).await?;
        Some(match issuer.portal.revoke(TokenRef { id: &token.id, username: &token.username }).await {
            Ok(()) => {
                tracing::info!(object = %self.snapshot.object_ref(), username = token.username, "token revoked");
                self.ctx.process_state.record_revoked(&self.snapshot.uid(), token.clone());
                Response::Done
            }
            Err(failure) => self.classify(&issuer, failure),
        })
    }

    /// What an audit saw before is no longer true of this object's token.
    fn mark_modified(&self) {
        self.ctx.process_state.mark_modified(&self.snapshot.uid(), self.ctx.clock.now());
    }

    /// What a failure of the portal means; the issuer is looked at again where the failure is not
    /// the object's own.
    fn classify(&self, issuer: &ConnectedIssuer, failure: PortalError) -> Response {
        // Another failure may be that of this object's request alone, whatever it asks for.
        if failure.reason == Reason::RateLimited {
            issuer.limiter.apply_retry_after(&failure);
        }
        if matches!(
            failure.reason,
            Reason::Unauthorized
                | Reason::AccessDenied
                | Reason::MetadataMismatch
                | Reason::Unreachable
                | Reason::TlsUntrusted
                | Reason::InvalidResponse
        ) {
            let _ = self.ctx.requeue_issuer.send(self.snapshot.issuer_key());
        }
        // A task in another form waits for somebody as well as a refusal does.
        let waits = matches!(failure.reason, Reason::RequestRejected | Reason::MetadataMismatch);
        let stalled = failure.delivery == Delivery::Rejected && waits;
        let fault = Problem { reason: failure.reason, message: failure.message, terminal: stalled };
        if let Some(made) = failure.unusable_token {
            let token = Named { id: made.id, username: made.username };
            return Response::UnusableToken { token, problem: fault };
        }
        match failure.delivery {
            Delivery::NotSent => Response::NotSent(fault),
            Delivery::Rejected => Response::Rejected(fault),
            Delivery::Unknown => Response::PortalOutcomeUnknown(fault),
        }
    }
}

/// A row as the core sees it.
pub fn token_row(row: TokenRow) -> Row {
    Row { token: Named { id: row.id, username: row.username }, description: row.description }
}
