//! Performs what the core asks for, and brings the answers. All reads and writes that a pass makes
//! are below this folder.

pub(crate) mod authorize;
mod checksum;
mod last_writer;
mod new_token;
mod object;
mod portal;
mod registry;
mod secret;
mod secret_patch;

pub use portal::{ISSUER_READ_TTL, token_row};

use super::api_call::{ApiError, with_waits_during_shutdown};
use super::context::Context;
use super::issuer::cache::ConnectedIssuer;
use super::token::snapshot::Snapshot;
use crate::domain::model::problem::messages::transient;
use crate::domain::protocol::{Request, Response};
use crate::portal::IssuedToken;
use crate::portal::rate_limit::{Permit, Priority};
use std::time::Instant;

/// What performs a pass's requests.
pub struct Executor<'a> {
    /// What the pass holds.
    pub snapshot: Snapshot,
    ctx: &'a Context,
    /// Leave to prepare a request.
    preparation_slot: Option<Permit>,
    /// How urgent the request for a token is.
    priority: Priority,
    /// A token between the portal's answer and its commit: the only place that holds its secret.
    uncommitted: Option<IssuedToken>,
    issuer_read_at: Instant,
    /// The API server refuses the labels or annotations of the spec: a token is stored without applying them.
    without_template: bool,
}

impl<'a> Executor<'a> {
    /// Of a pass over this.
    pub fn new(snapshot: Snapshot, ctx: &'a Context) -> Self {
        Self {
            snapshot,
            ctx,
            preparation_slot: None,
            priority: Priority::High,
            uncommitted: None,
            issuer_read_at: Instant::now(),
            without_template: false,
        }
    }

    /// Performs one request. No answer: the operator is to end, and nothing is under way.
    pub async fn execute(&mut self, request: Request) -> Option<Response> {
        with_waits_during_shutdown(self.uncommitted.is_some(), self.dispatch(request)).await
    }

    async fn dispatch(&mut self, request: Request) -> Option<Response> {
        Some(match request {
            Request::AcquireSlot { urgent } => return self.acquire_preparation_slot(urgent).await,
            Request::ReadObject => self.read_object().await,
            Request::ReadSecret => self.read_secret().await,
            Request::ReadContent => self.read_content().await,
            Request::ReadLastWriter => self.find_last_writer().await,
            Request::ReadIssuer => self.read_issuer().await,
            Request::SetFinalizer(wanted) => self.set_finalizer(wanted).await,
            Request::DryRunCommit(stored) => self.dry_run_commit(&stored).await,
            Request::WriteSecret(write) => self.write_secret(&write).await,
            Request::WriteStatus(status) => self.write_status(*status).await,
            Request::RequestToken { description } => self.request_token(&description).await,
            Request::QueryRows(rows) => return self.query_rows(&rows).await,
            Request::EditDescription { token, description } => return self.edit(&token, &description).await,
            Request::Revoke(token) => return self.revoke(&token).await,
            Request::VerifyLogin => self.verify_login().await,
            Request::Sleep(wait) => {
                tokio::time::sleep(wait).await;
                Response::Done
            }
            Request::RequeueIssuer => {
                let _ = self.ctx.requeue_issuer.send(self.snapshot.issuer_key());
                Response::Done
            }
            Request::RequestAudit => {
                self.ctx.request_audit(&self.snapshot.issuer_key());
                Response::Done
            }
        })
    }

    /// Waits for leave to prepare a request; ends when others have been answered, each of which is
    /// bounded by its time-outs.
    async fn acquire_preparation_slot(&mut self, urgent: bool) -> Option<Response> {
        self.priority = if urgent { Priority::High } else { Priority::Normal };
        if let Some(issuer) = &self.snapshot.issuer {
            let namespace = self.snapshot.namespace();
            tokio::select! {
                room = issuer.limiter.acquire_preparation(self.priority, &namespace) => self.preparation_slot = Some(room),
                () = self.ctx.stop.cancelled() => return None,
            }
            if let Some(failure) =
                issuer.portal.open_reason_for(&namespace).filter(|failure| failure.retry_after.is_some())
            {
                self.preparation_slot = None;
                return Some(Response::NotSent(transient(failure.reason, failure.message)));
            }
        }
        Some(Response::Done)
    }

    /// Waits for leave to call the portal. None: the operator is to end, and what waits here can as
    /// well be begun anew by whoever comes next; a token that may not be stored yet is not left for it.
    async fn acquire_permit(&self, issuer: &ConnectedIssuer, priority: Priority, can_wait: bool) -> Option<Permit> {
        let namespace = self.snapshot.namespace();
        if can_wait {
            issuer.acquire(&self.ctx.stop, priority, &namespace).await
        } else {
            Some(issuer.limiter.acquire(priority, &namespace).await)
        }
    }
}

/// What a failed call to the API server means to the core.
fn response_from_api_error(error: ApiError) -> Response {
    match error {
        ApiError::Conflict(_) | ApiError::AlreadyExists(_) | ApiError::NotFound(_) => Response::Conflict,
        ApiError::Rejected(_, message) => Response::WriteRejected(message),
        ApiError::Unavailable(what, message) => Response::OutcomeUnknown(format!("{what}: {message}")),
    }
}
