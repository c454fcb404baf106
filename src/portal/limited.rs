//! A portal behind its limiter. Every call of the operator goes through it, so none can be sent without a permit.

use super::call::{CallContext, CallError, CallKind, ISSUER_READ_TTL, OnCall, OnShutdown, StartedCall};
use super::rate_limit::{Limiter, Permit};
use super::{
    Claim, IssuedToken, Portal, PortalError, PortalFuture, PortalInterface, RowSink, TokenRequest, token_limit,
};
use crate::api::RecordedPortal;
use crate::domain::model::token::{RowQuery, TokenRef, TokenRow};
use futures::future::BoxFuture;
use std::sync::Arc;
use tokio::time::Instant;

/// A portal with its limiter. Each call waits for a permit, is then checked, and then sent; the permit is held until the
/// call ends. A delay that the portal requests pauses all calls.
pub struct LimitedPortal {
    portal: Box<dyn Portal>,
    limiter: Arc<Limiter>,
    claim: Claim,
    on_call: OnCall,
}

impl LimitedPortal {
    /// Puts a portal behind this limiter, which outlives the portal: calls in flight still count after a change. Nothing
    /// is changed at the portal unless the claim is held.
    #[must_use]
    pub fn new(portal: Box<dyn Portal>, limiter: Arc<Limiter>, claim: Claim, on_call: OnCall) -> Self {
        Self { portal, limiter, claim, on_call }
    }

    /// See [`Portal::location`].
    #[must_use]
    pub fn location(&self) -> &RecordedPortal {
        self.portal.location()
    }

    /// See [`Portal::open_reason`].
    #[must_use]
    pub fn open_reason(&self) -> Option<PortalError> {
        self.portal.open_reason()
    }

    /// Waits for a slot to prepare a token request: see [`Limiter::acquire_preparation`].
    ///
    /// # Errors
    /// On shutdown, without the claim, and while token requests of this namespace are suspended: see
    /// [`Portal::open_reason_for`].
    pub async fn acquire_preparation(&self, context: CallContext<'_>) -> Result<Permit, CallError> {
        let slot = self.limiter.acquire_preparation(context.priority, context.namespace);
        let slot = context.on_shutdown.wait(slot).await?;
        self.check_claim()?;
        match self.portal.open_reason_for(context.namespace).filter(|failure| failure.retry_after.is_some()) {
            Some(failure) => Err(CallError::Failed(failure)),
            None => Ok(slot),
        }
    }

    /// Discovers how to use the portal, and reads one row where the list can be read: see [`Portal::resolve`].
    ///
    /// # Errors
    /// If the portal cannot be used.
    pub async fn probe(&self, context: CallContext<'_>) -> Result<PortalInterface, CallError> {
        let send = || -> PortalFuture<'_, PortalInterface> {
            Box::pin(async {
                let interface = self.portal.resolve().await?;
                if interface.capabilities.list_visible() {
                    self.portal.list(&RowQuery::Probe).await?;
                }
                Ok(interface)
            })
        };
        self.call(CallKind::Probe, context, send).await
    }

    /// Requests a token: see [`Portal::request_for`].
    ///
    /// # Errors
    /// If the issuer was read more than [`ISSUER_READ_TTL`] before the permit was acquired, if the claim is not held, or
    /// if the call failed.
    pub async fn request(
        &self,
        context: CallContext<'_>,
        issuer_read_at: Instant,
        request: TokenRequest<'_>,
    ) -> Result<IssuedToken, CallError> {
        let permit = self.acquire(context).await?;
        if issuer_read_at.elapsed() > ISSUER_READ_TTL {
            return Err(CallError::IssuerReadExpired);
        }
        self.check_claim()?;
        let call = StartedCall::begin(CallKind::Request, context.namespace);
        let result = call.send(self.portal.request_for(request)).await;
        self.complete(call, context, permit, result.map_err(token_limit::recognize))
    }

    /// Sets the description of a token: see [`Portal::edit_description`].
    ///
    /// # Errors
    /// If the claim is not held, or if the call failed.
    pub async fn edit_description(
        &self,
        context: CallContext<'_>,
        token: &TokenRef,
        description: &str,
    ) -> Result<(), CallError> {
        self.call(CallKind::Edit, context, || self.portal.edit_description(token, description)).await
    }

    /// Revokes a token: see [`Portal::revoke`].
    ///
    /// # Errors
    /// If the claim is not held, or if the call failed.
    pub async fn revoke(&self, context: CallContext<'_>, token: &TokenRef) -> Result<(), CallError> {
        self.call(CallKind::Revoke, context, || self.portal.revoke(token)).await
    }

    /// Reads the selected rows: see [`Portal::list`].
    ///
    /// # Errors
    /// If the call failed.
    pub async fn list(&self, context: CallContext<'_>, query: &RowQuery) -> Result<Vec<TokenRow>, CallError> {
        self.call(CallKind::List, context, || self.portal.list(query)).await
    }

    /// Reads the whole list into what `begin` returns when the read starts. Each page has its own permit, so a long list
    /// does not delay requests that pods wait for. A shutdown ends the read at any time: see [`Portal::scan`].
    ///
    /// # Errors
    /// If the list was not read completely.
    pub async fn scan<T: Send>(
        &self,
        context: CallContext<'_>,
        begin: impl FnOnce() -> T,
        add: fn(&mut T, TokenRow),
    ) -> Result<T, CallError> {
        let read = async {
            let permit = self.acquire(CallContext { on_shutdown: OnShutdown::KeepWaiting, ..context }).await?;
            let mut reader = PageReader {
                limiter: &self.limiter,
                context,
                permit: Some(permit),
                started: false,
                rows: begin(),
                add,
            };
            let call = StartedCall::begin(CallKind::Scan, context.namespace);
            let result = call.send(self.portal.scan(&mut reader)).await;
            let PageReader { permit, rows, .. } = reader;
            self.complete(call, context, permit, result.map(|()| rows))
        };
        context.on_shutdown.wait(read).await?
    }

    async fn acquire(&self, context: CallContext<'_>) -> Result<Permit, CallError> {
        context.on_shutdown.wait(self.limiter.acquire(context.priority, context.namespace)).await
    }

    /// Checked when the call has its permit, directly before it is sent: it may have waited for long.
    fn check_claim(&self) -> Result<(), CallError> {
        if self.claim.is_held() { Ok(()) } else { Err(CallError::NotLeader) }
    }

    async fn call<'c, T>(
        &'c self,
        kind: CallKind,
        context: CallContext<'_>,
        send: impl FnOnce() -> PortalFuture<'c, T>,
    ) -> Result<T, CallError> {
        let permit = self.acquire(context).await?;
        if kind.is_change() {
            self.check_claim()?;
        }
        let call = StartedCall::begin(kind, context.namespace);
        let result = call.send(send()).await;
        self.complete(call, context, permit, result)
    }

    /// Applies the delay that the portal requested before another call can get the permit.
    fn complete<T>(
        &self,
        call: StartedCall,
        context: CallContext<'_>,
        permit: impl Into<Option<Permit>>,
        result: Result<T, PortalError>,
    ) -> Result<T, CallError> {
        if let Err(failure) = &result
            && context.honors_delay_of(failure)
        {
            self.limiter.apply_retry_after(failure);
        }
        (self.on_call)(call.end(result.as_ref().err()));
        drop(permit);
        result.map_err(CallError::Failed)
    }
}

/// Collects rows, with a permit for each page.
struct PageReader<'a, T> {
    limiter: &'a Limiter,
    context: CallContext<'a>,
    permit: Option<Permit>,
    started: bool,
    rows: T,
    add: fn(&mut T, TokenRow),
}

impl<T: Send> RowSink for PageReader<'_, T> {
    fn before_page(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if std::mem::replace(&mut self.started, true) {
                self.permit = None;
                self.permit = Some(self.limiter.acquire(self.context.priority, self.context.namespace).await);
            }
        })
    }

    fn push(&mut self, row: TokenRow) {
        (self.add)(&mut self.rows, row);
    }
}

#[cfg(test)]
#[path = "limited_tests.rs"]
mod tests;
