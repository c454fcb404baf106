//! The portal: one call a request, within the issuer's limits.

use super::Hands;
use crate::api::Reason;
use crate::controller::issuers::Handle;
use crate::domain::effect::{Answer, Named, Row, Rows};
use crate::domain::fault::Fault;
use crate::portal::limits::Priority;
use crate::portal::{self, Failure, PortalRow, Sent, TokenRef};
use std::sync::Arc;
use std::time::Duration;

/// A request is sent within this time of reading the issuer, or the issuer is read again.
pub const SEND_WITHIN: Duration = Duration::from_secs(10);

impl Hands<'_> {
    fn handle(&self) -> Result<Arc<Handle>, Answer> {
        self.world.issuer.clone().ok_or(Answer::Changed)
    }

    /// Sends one request for a token; its secret stays here.
    pub(super) async fn request_token(&mut self, description: &str) -> Answer {
        let issuer = match self.handle() {
            Ok(issuer) => issuer,
            Err(answer) => return answer,
        };
        let permit = issuer.gate.call(self.haste, &self.world.namespace()).await;
        if self.issuer_read.elapsed() > SEND_WITHIN {
            return Answer::Late;
        }
        let answer = issuer.portal.request_for(&self.world.namespace(), description).await;
        drop(permit);
        self.room = None;
        self.touched();
        match answer {
            Ok(token) => self.take_token(&issuer, token),
            Err(failure) => match self.failed(&issuer, failure) {
                // The answer came to its end, and what it holds cannot be recorded.
                Answer::Ambiguous(fault)
                    if fault.reason == Reason::AnswerMalformed && issuer.portal.ailment().is_some() =>
                {
                    Answer::Invalid(fault)
                }
                other => other,
            },
        }
    }

    /// Rows of the portal's list.
    pub(super) async fn find(&mut self, rows: &Rows) -> Option<Answer> {
        let issuer = match self.handle() {
            Ok(issuer) => issuer,
            Err(answer) => return Some(answer),
        };
        // Whoever looks its new token up has a pod waiting.
        let priority = if self.token.is_some() { self.haste } else { Priority::Later };
        let permit = self.place(&issuer, priority, self.token.is_none()).await?;
        let found = match rows {
            Rows::WithId(id) => issuer.portal.list(portal::Rows::WithId(id)).await,
            Rows::OfUser(username) => issuer.portal.list(portal::Rows::OfUser(username)).await,
            Rows::Marked(marker) => {
                let text = marker.to_string();
                let found = issuer.portal.list(portal::Rows::Containing(&text)).await;
                // A portal may compare without regard to case, or to what a mark means.
                found.map(|rows| rows.into_iter().filter(|row| marker.is_in(&row.description)).collect())
            }
        };
        drop(permit);
        Some(match found {
            Ok(rows) => self.recordable(rows.into_iter().map(row).collect()),
            Err(failure) => self.failed(&issuer, failure),
        })
    }

    /// Sets a description.
    pub(super) async fn edit(&mut self, token: &Named, description: &str) -> Option<Answer> {
        let issuer = match self.handle() {
            Ok(issuer) => issuer,
            Err(answer) => return Some(answer),
        };
        let _permit = self.place(&issuer, Priority::Later, true).await?;
        let token = TokenRef { id: &token.id, username: &token.username };
        let answer = issuer.portal.edit_description(token, description).await;
        self.touched();
        Some(match answer {
            Ok(()) => Answer::Done,
            Err(failure) => self.failed(&issuer, failure),
        })
    }

    /// Revokes a token.
    pub(super) async fn revoke(&mut self, token: &Named) -> Option<Answer> {
        let issuer = match self.handle() {
            Ok(issuer) => issuer,
            Err(answer) => return Some(answer),
        };
        let _permit = self.place(&issuer, Priority::Later, self.token.is_none()).await?;
        Some(match issuer.portal.revoke(TokenRef { id: &token.id, username: &token.username }).await {
            Ok(()) => {
                tracing::info!(object = %self.world.name(), username = token.username, "token revoked");
                self.ctx.memory.note_revoked(&self.world.uid(), token.clone());
                Answer::Done
            }
            Err(failure) => self.failed(&issuer, failure),
        })
    }

    /// What an audit saw before is no longer true of this object's token.
    fn touched(&self) {
        self.ctx.memory.touched(&self.world.uid(), self.ctx.clock.now());
    }

    /// What a failure of the portal means; the issuer is looked at again where the failure is not
    /// the object's own.
    fn failed(&self, issuer: &Handle, failure: Failure) -> Answer {
        // Another failure may be that of this object's request alone, whatever it asks for.
        if failure.reason == Reason::RateLimited {
            issuer.gate.heed(&failure);
        }
        if matches!(
            failure.reason,
            Reason::Unauthorised
                | Reason::NoAccess
                | Reason::MetadataMismatch
                | Reason::Unreachable
                | Reason::TlsUntrusted
                | Reason::AnswerMalformed
        ) {
            let _ = self.ctx.wake_issuer.send(self.world.issuer_key());
        }
        // A task in another form waits for somebody as well as a refusal does.
        let waits = matches!(failure.reason, Reason::RequestRefused | Reason::MetadataMismatch);
        let stalled = failure.sent == Sent::Refused && waits;
        let fault = Fault { reason: failure.reason, message: failure.message, stalled };
        if let Some(made) = failure.made {
            let token = Named { id: made.id, username: made.username };
            return Answer::Useless { token, fault };
        }
        match failure.sent {
            Sent::No => Answer::NotSent(fault),
            Sent::Refused => Answer::Denied(fault),
            Sent::Perhaps => Answer::Ambiguous(fault),
        }
    }
}

/// A row as the core sees it.
pub fn row(row: PortalRow) -> Row {
    Row { token: Named { id: row.id, username: row.username }, description: row.description }
}
