//! The executor performs the requests of the core and returns the responses. All reads and writes of a pass are in this
//! folder.

mod argocd_repository;
pub(crate) mod authorize;
mod checksum;
mod held_tokens;
mod import;
mod last_writer;
mod new_token;
mod object;
mod portal;
mod registry;
mod secret;
mod secret_patch;
mod service_accounts;
mod slot;

use super::api_call::{ApiError, with_waits_during_shutdown};
use super::context::Context;
use super::snapshot::Snapshot;
use crate::domain::protocol::{Request, Response};
use crate::portal::IssuedToken;
use crate::portal::rate_limit::{Permit, Priority};
use tokio::time::Instant;

pub use self::slot::{AcquiredSlot, SlotWait};

/// Performs the requests of a pass.
pub struct Executor<'a> {
    pub snapshot: Snapshot,
    ctx: &'a Context,
    /// Whether no request was performed yet.
    is_new: bool,
    /// The slot for which this pass was begun again.
    acquired_slot: Option<AcquiredSlot>,
    /// The pass ended because no slot was free.
    pub slot_wait: Option<SlotWait>,
    /// Allows the pass to prepare a token request.
    preparation_slot: Option<Permit>,
    /// Priority of the token request.
    priority: Priority,
    /// A token between the portal's response and its commit. Its password is stored nowhere else.
    uncommitted: Option<IssuedToken>,
    issuer_read_at: Instant,
    /// The API server rejected the labels or annotations of the spec: the token is stored without them.
    without_template: bool,
    /// A token request was not sent because another instance may be the leader. The reservation is still cleared, so
    /// that the leader does not have to wait for it.
    is_deposed: bool,
}

impl<'a> Executor<'a> {
    /// An executor for one pass.
    pub fn new(snapshot: Snapshot, ctx: &'a Context) -> Self {
        Self {
            snapshot,
            ctx,
            is_new: true,
            acquired_slot: None,
            slot_wait: None,
            preparation_slot: None,
            priority: Priority::High,
            uncommitted: None,
            issuer_read_at: Instant::now(),
            without_template: false,
            is_deposed: false,
        }
    }

    /// For a pass that is begun again with this slot. It is released if the first request needs none.
    pub fn with_slot(self, acquired_slot: Option<AcquiredSlot>) -> Self {
        Self { acquired_slot, ..self }
    }

    /// Performs one request. `None` ends the pass: on shutdown, if no token is uncommitted, when another instance may be
    /// the leader, and if the pass should begin again with a slot.
    pub async fn execute(&mut self, request: Request) -> Option<Response> {
        let response = with_waits_during_shutdown(self.uncommitted.is_some(), self.dispatch(request)).await;
        self.is_new = false;
        self.acquired_slot = None;
        response
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
            // The leader writes it.
            Request::WriteStatus(_) if self.is_deposed => return None,
            // Boxed, so that the future of every other request stays small.
            Request::WriteStatus(status) => Box::pin(self.write_status(*status)).await,
            Request::RequestToken { description, projects } => {
                return self.request_token(&description, &projects).await;
            }
            Request::QueryRows(rows) => return self.query_rows(&rows).await,
            Request::EditDescription { token, description } => return self.edit(&token, &description).await,
            Request::Revoke(token) => return self.revoke(&token).await,
            Request::VerifyLogin => self.verify_login().await,
            Request::ReadImport => self.read_import().await,
            Request::VerifyImportedLogin => self.verify_imported_login().await,
            Request::TryRandomPassword { username } => self.try_random_password(&username).await,
            Request::ClaimToken(token) => self.claim_token(&token),
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
}

/// Maps an API error to the response that the core expects.
fn response_from_api_error(error: ApiError) -> Response {
    match error {
        ApiError::Conflict(_) | ApiError::AlreadyExists(_) | ApiError::NotFound(_) => Response::Conflict,
        ApiError::Rejected(_, message) => Response::WriteRejected(message),
        ApiError::Unavailable(what, message) => Response::OutcomeUnknown(format!("{what}: {message}")),
    }
}
