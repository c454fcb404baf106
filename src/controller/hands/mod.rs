//! Performs what the core asks for, and brings the answers. All reads and writes that a pass makes
//! are below this folder.

mod new_token;
mod object;
mod portal;
mod registry;
mod seal;
mod secret;
mod secret_body;
mod secret_writer;

pub use portal::{SEND_WITHIN, row};

use super::cluster::{ClusterError, insisting};
use super::context::Context;
use super::issuers::Handle;
use super::world::World;
use crate::domain::effect::{Answer, Request};
use crate::domain::faults::waiting;
use crate::portal::IssuedToken;
use crate::portal::limits::{Permit, Priority};
use std::time::Instant;

/// What performs a pass's requests.
pub struct Hands<'a> {
    /// What the pass holds.
    pub world: World,
    ctx: &'a Context,
    /// Leave to prepare a request.
    room: Option<Permit>,
    /// How urgent the request for a token is.
    haste: Priority,
    /// A token between the portal's answer and its commit: the only place that holds its secret.
    token: Option<IssuedToken>,
    issuer_read: Instant,
    /// The API server refuses the labels or annotations of the spec: a token is stored without applying them.
    without_template: bool,
}

impl<'a> Hands<'a> {
    /// Of a pass over this.
    pub fn new(world: World, ctx: &'a Context) -> Self {
        Self {
            world,
            ctx,
            room: None,
            haste: Priority::Urgent,
            token: None,
            issuer_read: Instant::now(),
            without_template: false,
        }
    }

    /// Performs one request. No answer: the operator is to end, and nothing is under way.
    pub async fn perform(&mut self, request: Request) -> Option<Answer> {
        insisting(self.token.is_some(), self.answer(request)).await
    }

    async fn answer(&mut self, request: Request) -> Option<Answer> {
        Some(match request {
            Request::Room { urgent } => return self.room(urgent).await,
            Request::ReadObject => self.read_object().await,
            Request::ReadSecret => self.read_secret().await,
            Request::ReadContent => self.read_content().await,
            Request::FindWriter => self.find_writer().await,
            Request::ReadIssuer => self.read_issuer().await,
            Request::Finalizer(wanted) => self.finalizer(wanted).await,
            Request::TryCommit(stored) => self.try_commit(&stored).await,
            Request::Secret(write) => self.write_secret(&write).await,
            Request::Status(status) => self.write_status(*status).await,
            Request::Token { description } => self.request_token(&description).await,
            Request::Find(rows) => return self.find(&rows).await,
            Request::Edit { token, description } => return self.edit(&token, &description).await,
            Request::Revoke(token) => return self.revoke(&token).await,
            Request::LogIn => self.log_in().await,
            Request::Pause(wait) => {
                tokio::time::sleep(wait).await;
                Answer::Done
            }
            Request::WakeIssuer => {
                let _ = self.ctx.wake_issuer.send(self.world.issuer_key());
                Answer::Done
            }
            Request::WantAudit => {
                self.ctx.want_audit(&self.world.issuer_key());
                Answer::Done
            }
        })
    }

    /// Waits for leave to prepare a request; ends when others have been answered, each of which is
    /// bounded by its time-outs.
    async fn room(&mut self, urgent: bool) -> Option<Answer> {
        self.haste = if urgent { Priority::Urgent } else { Priority::Soon };
        if let Some(issuer) = &self.world.issuer {
            let namespace = self.world.namespace();
            tokio::select! {
                room = issuer.gate.prepare(self.haste, &namespace) => self.room = Some(room),
                () = self.ctx.stop.cancelled() => return None,
            }
            if let Some(failure) = issuer.portal.ailment_for(&namespace).filter(|failure| failure.retry_after.is_some())
            {
                self.room = None;
                return Some(Answer::NotSent(waiting(failure.reason, failure.message)));
            }
        }
        Some(Answer::Done)
    }

    /// Waits for leave to call the portal. None: the operator is to end, and what waits here can as
    /// well be begun anew by whoever comes next; a token that may not be stored yet is not left for it.
    async fn place(&self, issuer: &Handle, priority: Priority, can_wait: bool) -> Option<Permit> {
        let namespace = self.world.namespace();
        if can_wait {
            issuer.place(&self.ctx.stop, priority, &namespace).await
        } else {
            Some(issuer.gate.call(priority, &namespace).await)
        }
    }
}

/// What a failed call to the API server means to the core.
fn unanswered(error: ClusterError) -> Answer {
    match error {
        ClusterError::Conflict(_) | ClusterError::Exists(_) | ClusterError::NotFound(_) => Answer::Conflict,
        ClusterError::Refused(_, message) => Answer::Refused(message),
        ClusterError::Unavailable(what, message) => Answer::Unclear(format!("{what}: {message}")),
    }
}
