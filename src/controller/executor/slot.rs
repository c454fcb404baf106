//! Preparation slots. A pass that finds no free slot ends, and begins again when it has one: a thousand objects that are
//! created at once wait with their keys alone, and not each with all that its pass has read.

use super::Executor;
use crate::controller::context::Context;
use crate::controller::state::issuer_cache::ConnectedIssuer;
use crate::domain::protocol::Response;
use crate::portal::rate_limit::{Permit, Priority};
use crate::portal::{CallContext, CallError, OnShutdown};
use futures::FutureExt;
use std::sync::Arc;

/// A pass that needs a slot before anything else, and ended without one.
pub struct SlotWait {
    issuer: Arc<ConnectedIssuer>,
    priority: Priority,
    namespace: String,
}

/// What a wait for a slot has ended with, for the next pass of the object.
pub struct AcquiredSlot {
    issuer: Arc<ConnectedIssuer>,
    result: Result<Permit, CallError>,
}

impl SlotWait {
    /// Waits until earlier requests have been answered, each of which has timeouts. Ends on shutdown too.
    pub async fn acquire(self, ctx: &Context) -> AcquiredSlot {
        let result = self.request(ctx).await;
        AcquiredSlot { issuer: self.issuer, result }
    }

    async fn request(&self, ctx: &Context) -> Result<Permit, CallError> {
        let on_shutdown = OnShutdown::GiveUp(&ctx.stop);
        let context = CallContext { priority: self.priority, namespace: &self.namespace, on_shutdown };
        self.issuer.portal.acquire_preparation(context).await
    }
}

impl Executor<'_> {
    /// Acquires a slot. `None` ends the pass: on shutdown, and if it should begin again when a slot is free.
    pub(super) async fn acquire_preparation_slot(&mut self, urgent: bool) -> Option<Response> {
        self.priority = if urgent { Priority::High } else { Priority::Normal };
        let Some(issuer) = self.snapshot.issuer.clone() else { return Some(Response::Done) };
        let acquired = self.acquired_slot.take().filter(|slot| Arc::ptr_eq(&slot.issuer, &issuer));
        let result = if let Some(acquired) = acquired {
            acquired.result
        } else {
            let wait = SlotWait { issuer, priority: self.priority, namespace: self.snapshot.namespace() };
            match wait.request(self.ctx).now_or_never() {
                Some(result) => result,
                // Nothing was read or written yet.
                None if self.is_new => {
                    self.slot_wait = Some(wait);
                    return None;
                }
                None => wait.request(self.ctx).await,
            }
        };
        match result {
            Ok(slot) => self.preparation_slot = Some(slot),
            Err(CallError::Failed(failure)) => return Some(Response::NotSent(failure.into())),
            Err(error) => return self.respond_to_failure(error),
        }
        Some(Response::Done)
    }
}
