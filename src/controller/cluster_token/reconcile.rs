//! Reconciles a `ClusterRegistryToken`: adds the finalizer, plans, starts writes, and writes the status.

use super::deletion::finalize;
use super::status::{self, client};
use super::view::{Tokens, namespaces, parent_of};
use super::writes;
use crate::api::ClusterRegistryToken;
use crate::controller::api_call::{ApiError, call};
use crate::controller::context::{Context, SharedContext};
use crate::controller::finalizer::{finalizer_patch, has_finalizer};
use crate::controller::span;
use crate::domain::cluster_token::plan;
use crate::domain::cluster_token::status::Report;
use crate::domain::retry::backoff;
use crate::metrics::{Controller, ReconcileResult};
use futures::FutureExt;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use kube::core::Selector;
use kube::runtime::controller;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::Instrument as _;

/// Minimum time between two passes, however many events arrive.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// How soon a pass is repeated that waits for caches or writes.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// A pass is repeated at the latest after this time.
const RESYNC: Duration = Duration::from_hours(1);

/// Reconciles an object.
pub async fn reconcile(object: Arc<ClusterRegistryToken>, ctx: SharedContext) -> controller::Action {
    let Some(_running) = ctx.in_flight.begin().filter(|_| !ctx.caches_synced() || ctx.claim.is_held()) else {
        return controller::Action::await_change();
    };
    if !is_synced(&ctx) {
        return controller::Action::requeue(RETRY_INTERVAL);
    }
    let uid = object.uid().unwrap_or_default();
    let last = ctx.cluster_tokens.with(&uid, |state| state.last_pass);
    if let Some(wait) = last.and_then(|last| MIN_INTERVAL.checked_sub(last.elapsed())) {
        return controller::Action::requeue(wait);
    }
    let measured = ctx.metrics.controller(Controller::ClusterRegistryToken).start();
    let span = span::of_reconcile(Controller::ClusterRegistryToken, "", &object.name_any());
    let result = pass(&object, &ctx).instrument(span.clone()).await;
    ctx.cluster_tokens.with(&uid, |state| state.last_pass = Some(Instant::now()));
    let (wait, result) = match result {
        Ok(wait) => {
            ctx.cluster_tokens.with(&uid, |state| state.failures = 0);
            (wait, ReconcileResult::RequeueAfter)
        }
        Err(ApiError::Conflict(_) | ApiError::NotFound(_)) => (RETRY_INTERVAL, ReconcileResult::Requeue),
        Err(error) => {
            tracing::warn!(object = %object.name_any(), %error, "ClusterRegistryToken not reconciled, retrying");
            let failures = ctx.cluster_tokens.with(&uid, |state| {
                state.failures = state.failures.saturating_add(1);
                state.failures
            });
            (backoff::delay(failures, ctx.jitter()), ReconcileResult::Error)
        }
    };
    span::end(&span, measured, result);
    controller::Action::requeue(wait)
}

/// Whether everything is listed: what is not in the caches does not exist.
fn is_synced(ctx: &Context) -> bool {
    let listed = ctx.cluster_tokens.namespaces.wait_until_ready().now_or_never().is_some_and(|ready| ready.is_ok());
    ctx.caches_synced() && ctx.tokens.is_listed() && listed
}

async fn pass(object: &Arc<ClusterRegistryToken>, ctx: &SharedContext) -> Result<Duration, ApiError> {
    if object.metadata.deletion_timestamp.is_some() {
        if !has_finalizer(object.finalizers()) {
            return Ok(RESYNC);
        }
        return finalize(object, ctx).await;
    }
    if let Some(body) = finalizer_patch(object.finalizers(), object.resource_version().as_deref(), true) {
        let (params, patch) = (PatchParams::default(), Patch::Merge(&body));
        // The event of this write starts the next pass.
        return call("add the finalizer", client(ctx).patch(&object.name_any(), &params, &patch)).await.map(|_| RESYNC);
    }
    let (uid, tokens, now) = (object.uid().unwrap_or_default(), Tokens::of(object, ctx), ctx.clock.now());
    // The API server accepts only valid selectors; any other one matches nothing, and revokes nothing.
    let Ok(selector) = Selector::try_from(object.spec.namespace_selector.clone()) else { return Ok(RESYNC) };
    let namespaces = namespaces(&selector, ctx);
    let namespaces = namespaces.iter().map(|(name, view)| (name.as_str(), *view)).collect();
    let (views, parent) = (tokens.views(object), parent_of(object));
    let (plan, unsettled) = ctx.cluster_tokens.with(&uid, |state| {
        state.settle_writes(|namespace| tokens.version(namespace));
        (plan(&parent, &namespaces, &views, &mut state.memory, now), state.has_unsettled_writes())
    });
    if !plan.writes.is_empty() && is_changed(object, ctx).await? {
        return Ok(RETRY_INTERVAL);
    }
    let waits = writes::start(object, plan.writes, &tokens, ctx);
    let report = Report {
        generation: object.metadata.generation.unwrap_or_default(),
        token_name: object.token_name(),
        counts: plan.counts,
        failures: tokens.failures(plan.failures),
        suspended: object.spec.suspend,
        deleting: None,
    };
    let status = status::write(object, &report, ctx).await?;
    let soon = (waits || plan.has_more || unsettled).then_some(RETRY_INTERVAL);
    let next = plan.next.map(|next| until(next, now));
    Ok([status, soon, next].into_iter().flatten().min().unwrap_or(RESYNC).min(RESYNC))
}

fn until(time: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(time.duration_since(now)).unwrap_or_default()
}

/// Whether the cached object is not the current one. It is read before anything is written: a deleted object creates
/// nothing, and drain relies on that.
async fn is_changed(object: &ClusterRegistryToken, ctx: &Context) -> Result<bool, ApiError> {
    let live = call("read the ClusterRegistryToken", client(ctx).get_opt(&object.name_any())).await?;
    Ok(live.is_none_or(|live| {
        live.uid() != object.uid()
            || live.metadata.generation != object.metadata.generation
            || live.metadata.deletion_timestamp.is_some()
    }))
}
