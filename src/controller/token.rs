//! Drives one pass of an object: performs the core's requests until the core returns the result.

use super::context::{Context, SharedContext};
use super::executor::{AcquiredSlot, Executor, SlotWait};
use super::mac_key;
use super::snapshot::Snapshot;
use super::span;
use super::state::token_cache::{CachedToken, TokenKey};
use super::work_queue::{self, RequeueAfter};
use crate::domain::model::marker::AttemptId;
use crate::domain::observed::Observed;
use crate::domain::pass::{Pass, PassResult, Step};
use crate::domain::retry::backoff;
use crate::metrics::{Controller, ControllerMetrics, ReconcileResult};
use futures::{Stream, StreamExt};
use kube::ResourceExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinError;
use tracing::{Instrument as _, Span};

/// By then the cache contains our own write.
const CACHE_WAIT: Duration = Duration::from_secs(6);
/// Interval before a pass is repeated because something changed in the meantime.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// Reconciles an object whenever its key is yielded, until the operator stops.
pub async fn run(triggers: impl Stream<Item = TokenKey> + Send + 'static, ctx: &SharedContext) {
    let keys = triggers
        // Until then nothing is queued: the start requeues every object.
        .filter(|key| std::future::ready(ctx.may_start_pass_in(key.namespace.as_deref().unwrap_or_default())))
        .inspect(|key| metrics(ctx).queue.add(key))
        .take_until(ctx.stop.cancelled());
    let start = |key: &TokenKey| {
        let Some(object) = ctx.tokens.cached(key) else {
            metrics(ctx).queue.remove(key);
            return None;
        };
        metrics(ctx).queue.start(key);
        Some(reconcile(object, Arc::clone(ctx)))
    };
    let on_panic = |key: &TokenKey, error: JoinError| {
        tracing::error!(object = %key, %error, "the pass was aborted");
        Some(CACHE_WAIT)
    };
    work_queue::run(keys, start, on_panic).await;
}

fn metrics(ctx: &Context) -> &ControllerMetrics {
    ctx.metrics.controller(Controller::RegistryToken)
}

/// How a pass ended.
enum PassEnd {
    Ended(ReconcileResult, RequeueAfter),
    /// It begins again when it has a slot. Whether a resync was requested, which is observed only once.
    WaitsForSlot(SlotWait, bool),
}

/// Reconciles an object.
async fn reconcile(cached: Arc<CachedToken>, ctx: SharedContext) -> RequeueAfter {
    let running = ctx.in_flight.begin().filter(|_| ctx.may_start_pass_in(cached.namespace()));
    let _running = running?;
    let key = cached.reference();
    let span = span::of_reconcile(Controller::RegistryToken, key.namespace.as_deref().unwrap_or_default(), &key.name);
    run_passes(cached, &key, &ctx).instrument(span).await
}

/// Runs a pass, and another one if the first one needs a slot that is not free.
async fn run_passes(mut cached: Arc<CachedToken>, key: &TokenKey, ctx: &Context) -> RequeueAfter {
    let measured = metrics(ctx).start();
    let (mut slot, mut resync) = (None, false);
    loop {
        // Boxed: thousands of objects may wait for a slot, and should be small.
        let end = Box::pin(run_pass(cached, ctx, slot, resync)).await;
        match end {
            PassEnd::Ended(result, next) => {
                span::end(&Span::current(), measured, result);
                return next;
            }
            PassEnd::WaitsForSlot(wait, requested) => {
                resync = requested;
                slot = Some(wait.acquire(ctx).await);
            }
        }
        // It was deleted meanwhile, or this instance is not the leader any more.
        cached = ctx.tokens.cached(key).filter(|_| ctx.may_start_pass())?;
    }
}

/// Runs a pass of an object. The slot, if it waited for one, is released with it.
async fn run_pass(cached: Arc<CachedToken>, ctx: &Context, slot: Option<AcquiredSlot>, resync: bool) -> PassEnd {
    let Some(object) = cached.unpack().map(Arc::new) else {
        tracing::error!(object = %cached.reference(), "the cached object cannot be unpacked");
        return PassEnd::Ended(ReconcileResult::Error, Some(CACHE_WAIT));
    };
    drop(cached);
    let snapshot = Snapshot::from_caches(Arc::clone(&object), ctx);
    let uid = snapshot.uid();
    let secret = snapshot.secret.as_ref().and_then(|meta| meta.resource_version.as_deref());
    if ctx.process_state.cache_is_stale(&uid, object.resource_version().as_deref(), secret) {
        return PassEnd::Ended(ReconcileResult::RequeueAfter, Some(CACHE_WAIT));
    }
    let Some(bytes) = ctx.random() else {
        tracing::error!("system RNG unavailable");
        return PassEnd::Ended(ReconcileResult::Error, Some(CACHE_WAIT));
    };
    mac_key::reload_if_unknown(ctx, &snapshot).await;
    let mut executor = Executor::new(snapshot, ctx).with_slot(slot);
    let observed = executor.snapshot.observe(ctx, AttemptId::from_random(&bytes), resync);
    let resync = observed.resync_requested;
    let end = drive(&mut executor, ctx, observed, object.metadata.generation).await;
    if let Some(wait) = executor.slot_wait.take() {
        return PassEnd::WaitsForSlot(wait, resync);
    }
    let snapshot = executor.snapshot;
    if snapshot.object.resource_version() != object.resource_version() {
        let secret = snapshot.secret.as_ref().and_then(|meta| meta.resource_version.as_deref());
        ctx.process_state.expect_version(&uid, snapshot.object.resource_version().as_deref(), secret);
    }
    let result = reconcile_result(end.as_ref());
    let next = requeue_action(ctx, &snapshot, end);
    ctx.process_state.prune(&uid);
    // The object was deleted in the meantime: its state must not outlive it.
    if ctx.tokens.get(&snapshot.key()).is_none_or(|token| token.uid().as_ref() != Some(&uid)) {
        ctx.process_state.forget(&uid);
    }
    PassEnd::Ended(result, next)
}

/// Performs requests until the pass is done. `None` on shutdown, and if it should begin again with a slot. `generation` is
/// that of the cached object.
async fn drive(
    executor: &mut Executor<'_>,
    ctx: &Context,
    observed: Observed,
    generation: Option<i64>,
) -> Option<PassResult> {
    let (mut pass, mut next) = Pass::begin(observed);
    loop {
        match next {
            Step::Done(end) => {
                ctx.metrics.record_decision(pass.check());
                Span::current().record("check", pass.check());
                tracing::debug!(object = %executor.snapshot.key(), check = pass.check(), ?end, "pass ended");
                ctx.process_state.record_pass(pass.observed());
                // The second Secret first: a token that is replaced waits for it.
                let secret = Box::pin(executor.sync_argocd_repository(pass.observed(), generation)).await;
                let accounts = Box::pin(executor.sync_service_accounts(pass.observed(), generation)).await;
                return Some(no_later_than(secret.into_iter().chain(accounts).min(), end));
            }
            Step::Perform(request) => {
                tracing::debug!(object = %executor.snapshot.key(), ?request, "executing request");
                // Boxed: thousands of passes may wait for a slot, and should be small.
                let response = Box::pin(executor.execute(request)).await?;
                (pass, next) = pass.step(response, ctx.clock.now());
            }
        }
    }
}

/// The result of a pass that has to be repeated after this time.
fn no_later_than(retry: Option<Duration>, end: PassResult) -> PassResult {
    match (retry, end) {
        (Some(retry), PassResult::Idle) => PassResult::IdleFor(retry),
        (Some(retry), PassResult::IdleFor(left)) => PassResult::IdleFor(left.min(retry)),
        (Some(retry), PassResult::RequeueAfter(left)) => PassResult::RequeueAfter(left.min(retry)),
        // It is repeated soon anyway.
        (_, end) => end,
    }
}

const fn reconcile_result(end: Option<&PassResult>) -> ReconcileResult {
    match end {
        None | Some(PassResult::Idle) => ReconcileResult::Success,
        Some(PassResult::IdleFor(_) | PassResult::RequeueAfter(_)) => ReconcileResult::RequeueAfter,
        Some(PassResult::RequeueSoon) => ReconcileResult::Requeue,
        Some(PassResult::Failed(_)) => ReconcileResult::Error,
    }
}

fn requeue_action(ctx: &Context, snapshot: &Snapshot, end: Option<PassResult>) -> RequeueAfter {
    let uid = snapshot.uid();
    match end {
        None => None,
        Some(PassResult::Idle) => {
            ctx.process_state.reset_failures(&uid);
            None
        }
        // Nothing has to be done until then.
        Some(PassResult::IdleFor(remaining)) => {
            ctx.process_state.reset_failures(&uid);
            Some(remaining)
        }
        Some(PassResult::RequeueAfter(remaining)) => Some(remaining),
        Some(PassResult::RequeueSoon) => {
            let wait = RETRY_INTERVAL.mul_f64(1.0 + f64::from(ctx.process_state.record_failure(&uid).min(20)));
            Some(wait)
        }
        Some(PassResult::Failed(problem)) => {
            tracing::warn!(object = %snapshot.key(), reason = %problem.reason, detail = %problem.message, "reconcile blocked");
            Some(backoff::delay(ctx.process_state.record_failure(&uid), ctx.jitter()))
        }
    }
}
