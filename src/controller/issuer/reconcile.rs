//! Reconciles an issuer: adds finalizers, connects to the portal, audits it, and writes the status.

use super::audit::{self, Prefilter};
use super::connect::connect;
use super::deletion::finalize;
use super::finalizers::{StillProtected, add_finalizers, dependents, remove_from_previous};
use super::findings::Findings;
use super::login_audit;
use super::measure::{controller_metrics, controller_of, show_tokens};
use super::publish::publish_connection;
use super::restore_finalizers::was_in_use;
use super::status::write_status;
use crate::api::Reason;
use crate::controller::api_call::ApiError;
use crate::controller::context::{Context, SharedContext};
use crate::controller::finalizer::has_finalizer;
use crate::controller::issuer_object::{AnyIssuer, IssuerKey};
use crate::controller::snapshot::Snapshot;
use crate::controller::span;
use crate::controller::state::issuer_cache::{AuditResult, ConnectedIssuer};
use crate::controller::state::token_cache::CachedToken;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::issuer_problem;
use crate::domain::model::status_view::StatusView;
use crate::domain::retry::backoff;
use crate::kube_client::objects::ObjectClient;
use crate::metrics::ReconcileResult;
use jiff::Timestamp;
use kube::Resource;
use kube::runtime::controller;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument as _;

/// Interval between reconciles of a ready issuer, which also pick up changed credentials.
const RESYNC: Duration = Duration::from_mins(1);
/// On shutdown, an issuer's pass is cancelled after this time.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);
/// Interval between reconciles of an issuer that waits for another one to release a shared object.
const SHARED_SECRET_POLL: Duration = Duration::from_secs(1);

pub async fn reconcile<I>(
    object: Arc<I>,
    ctx: SharedContext,
    api: ObjectClient<I>,
) -> Result<controller::Action, Infallible>
where
    I: AnyIssuer + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    // A standby changes nothing. It reconciles all issuers when it becomes the leader.
    let running = ctx.in_flight.begin().filter(|_| ctx.claim.is_held());
    let Some(_running) = running else { return Ok(controller::Action::await_change()) };
    let measured = controller_metrics::<I>(&ctx).start();
    let key = object.key();
    let span = span::of_reconcile(controller_of::<I>(), &key.namespace, &key.name);
    let result = tokio::select! {
        ended = reconcile_issuer(&*object, &ctx, &api).instrument(span.clone()) => ended,
        // Everything can be repeated, and a portal may take long to respond.
        () = shutdown_grace_over(&ctx) => return Ok(controller::Action::await_change()),
    };
    let (wait, result) = match result {
        Ok(wait) => (wait, ReconcileResult::RequeueAfter),
        Err(ApiError::Conflict(_) | ApiError::NotFound(_)) => (Duration::from_millis(300), ReconcileResult::Requeue),
        Err(error) => {
            tracing::warn!(issuer = key.name, %error, "issuer reconcile failed, retrying");
            (backoff::delay(ctx.process_state.record_failure(&object.uid()), ctx.jitter()), ReconcileResult::Error)
        }
    };
    span::end(&span, measured, result);
    Ok(controller::Action::requeue(wait))
}

/// Completes some time after shutdown starts.
async fn shutdown_grace_over(ctx: &Context) {
    ctx.stop.cancelled().await;
    tokio::time::sleep(SHUTDOWN_GRACE).await;
}

async fn reconcile_issuer<I>(object: &I, ctx: &Context, api: &ObjectClient<I>) -> Result<Duration, ApiError>
where
    I: AnyIssuer + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let (key, dependents) = (object.key(), dependents(ctx, &object.key()));
    let protected = |object: &I| has_finalizer(AnyIssuer::finalizers(object));
    let object = &if !object.deleting() && (protected(object) || was_in_use(object) || !dependents.is_empty()) {
        add_finalizers(object, ctx, api).await?
    } else {
        object.clone()
    };
    let found = match portal_changed(ctx, object, &dependents) {
        Some(problem) => Err(problem),
        None => connect(ctx, &key, object, protected(object)).await,
    };
    publish_connection(ctx, &key, &found);
    // The issuer was deleted during the request: its state must not outlive it.
    if !ctx.issuer_may_exist(&key) {
        ctx.issuer_missing(&key);
        return Ok(RESYNC);
    }
    show_tokens(ctx, &key, &dependents);
    if object.deleting() {
        return Ok(finalize(object, ctx, api, &found, &dependents).await?.unwrap_or(RESYNC));
    }
    let still_protected =
        if found.is_ok() { remove_from_previous(object, ctx).await? } else { StillProtected::default() };
    let failed = audit_if_due(ctx, &key, object, &found).await.err();
    // The leader writes the status: an audit fails without the claim.
    if !ctx.claim.is_held() {
        return Ok(RESYNC);
    }
    let findings = Findings {
        connection: &found,
        audit: failed.as_ref(),
        dependents: &dependents,
        still_protected: &still_protected.names,
    };
    write_status(object, ctx, api, findings).await?;
    match found.ok().filter(|_| failed.is_none()) {
        Some(issuer) => {
            ctx.process_state.reset_failures(&object.uid());
            let next = requeue_after(ctx, &key, object, &issuer);
            Ok(if still_protected.retry_soon { next.min(SHARED_SECRET_POLL) } else { next })
        }
        None => Ok(backoff::delay(ctx.process_state.record_failure(&object.uid()), ctx.jitter())),
    }
}

/// Tokens do not move between portals: a changed address is not used while tokens exist at the previous one.
fn portal_changed(ctx: &Context, object: &dyn AnyIssuer, dependents: &[Arc<CachedToken>]) -> Option<Problem> {
    let previous = object.status()?.portal.clone()?;
    let now = object.spec().connection()?;
    let is_same_type = previous.kind == object.spec().r#type;
    if is_same_type && previous.url == now.url && previous.scope == now.scope {
        return None;
    }
    let lives = |token: &&Arc<CachedToken>| {
        let Some(object) = token.unpack().map(Arc::new) else { return true };
        let snapshot = Snapshot { object, secret: None, issuer: None };
        let status = StatusView::of(&snapshot.parse_object(ctx));
        let portal = status.portal.filter(|_| status.token.is_some());
        portal.is_some_and(|portal| {
            (portal.kind, &portal.url, &portal.scope) == (previous.kind, &previous.url, &previous.scope)
        })
    };
    let count = dependents.iter().filter(lives).count();
    (count > 0).then(|| {
        let message = format!(
            "{count} tokens exist at {} ({}), but the issuer now names {} ({}): set it back, or create another issuer for the new address; tokens do not move",
            previous.url, previous.scope, now.url, now.scope
        );
        issuer_problem(Reason::PortalChanged, message)
    })
}

/// Audits the portal if an audit is due.
async fn audit_if_due(
    ctx: &Context,
    key: &IssuerKey,
    object: &dyn AnyIssuer,
    found: &Result<Arc<ConnectedIssuer>, Problem>,
) -> Result<(), Problem> {
    let Ok(issuer) = found else { return Ok(()) };
    let due = || time_until_audit(ctx, key, object, issuer).is_zero();
    // A forced resync, as on a RegistryToken.
    let requested = ctx.process_state.has_resync_request(&object.uid(), object.annotations());
    let (info, most) = (&issuer.info, object.spec().audit.max_vanished_percent);
    if !info.can_be_audited() || !(requested || due()) {
        return Ok(());
    }
    let most = usize::try_from(most).unwrap_or_default();
    ctx.metrics.issuers.set_audit_attempted(&key.metrics_label(), ctx.clock.now().as_second());
    let audited = if info.list_visible {
        audit::run(ctx, key, issuer, most, Prefilter::Caches).await
    } else {
        login_audit::run(ctx, key, issuer, most).await
    };
    match &audited {
        Ok(()) => {
            ctx.process_state.ack_resync(&object.uid(), object.annotations());
            ctx.metrics.issuers.set_audited(&key.metrics_label(), ctx.clock.now().as_second());
        }
        Err(problem) => {
            tracing::warn!(issuer = key.name, reason = %problem.reason, detail = problem.message, "audit failed");
        }
    }
    audited
}

/// The time until the next audit: zero before this process's first audit, otherwise the earlier of the regular audit
/// and the time when a request with unknown outcome is visible in the list.
fn time_until_audit(ctx: &Context, key: &IssuerKey, object: &dyn AnyIssuer, issuer: &ConnectedIssuer) -> Duration {
    let now = ctx.clock.now();
    let counts = |audited: &Arc<AuditResult>| audited.same_source(&issuer.info) && audited.evidence.is_complete();
    let Some(audited) = ctx.issuers.audit_result(key).filter(counts) else { return Duration::ZERO };
    let until = |since: Timestamp, wait: Duration| {
        // A time in the future, from before the clock was corrected, is due.
        let age = Duration::try_from(now.duration_since(since)).unwrap_or(wait);
        wait.saturating_sub(age)
    };
    let regular = until(audited.evidence.started_at(), object.spec().audit.interval.0);
    // What a request with unknown outcome created is only visible in a list.
    let requested = ctx
        .issuers
        .audit_requested_at(key, now)
        .filter(|_| issuer.info.list_visible)
        .map(|wanted| until(wanted, issuer.info.response_deadline));
    requested.map_or(regular, |wanted| regular.min(wanted))
}

fn requeue_after(ctx: &Context, key: &IssuerKey, object: &dyn AnyIssuer, issuer: &ConnectedIssuer) -> Duration {
    if issuer.info.can_be_audited() {
        RESYNC.min(time_until_audit(ctx, key, object, issuer) + Duration::from_millis(100))
    } else {
        RESYNC
    }
}
