//! One pass: observe, decide, act, until nothing is left to do or something has to be waited for.

use super::act::{Step, act};
use super::context::Context;
use super::status;
use super::world::{Freshness, Shared, World};
use crate::api::{Reason, RegistryToken};
use crate::domain::attempt::Fault;
use crate::domain::backoff;
use crate::domain::decide::{Action, decide, works};
use crate::domain::status::Fact;
use crate::portal::limits::Priority;
use kube::ResourceExt;
use kube::runtime::controller;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// A pass that has not come to rest after so many actions goes on later.
const ROUNDS: usize = 16;
/// Until then the cache has the answer to our own write.
const CACHE: Duration = Duration::from_secs(6);
/// How soon a pass looks again at a world that changed under it.
const MOMENT: Duration = Duration::from_millis(200);

/// Brings an object to rest, or as near to it as can be now.
pub async fn reconcile(object: Arc<RegistryToken>, ctx: Shared) -> Result<controller::Action, Infallible> {
    if !ctx.is_open() {
        return Ok(controller::Action::await_change());
    }
    let mut world = World::cached(&object, &ctx);
    let uid = world.uid();
    let secret = world.secret.as_ref().and_then(|meta| meta.resource_version.as_deref());
    if ctx.memory.caches_lag(&uid, object.resource_version().as_deref(), secret) {
        return Ok(controller::Action::requeue(CACHE));
    }
    let begun = world.object.resource_version();
    let step = pass(&mut world, &ctx).await;
    if world.object.resource_version() != begun {
        let secret = world.secret.as_ref().and_then(|meta| meta.resource_version.as_deref());
        ctx.memory.wrote(&uid, world.object.resource_version().as_deref(), secret);
    }
    Ok(after(&mut world, &ctx, step).await)
}

async fn pass(world: &mut World, ctx: &Context) -> Step {
    for _ in 0..ROUNDS {
        let seen = world.observe(ctx);
        let action = decide(&seen);
        if matches!(action, Action::AddFinalizer | Action::Attempt) && world.room.is_none() {
            // Waiting here holds nothing: no reservation, no version that could grow old.
            if let Some(rest) = make_room(world, ctx).await {
                return rest;
            }
            world.fresh = false;
        }
        if !world.fresh && !action.may_use_cache() {
            match Box::pin(world.refresh(ctx)).await {
                Ok(Freshness::Fresh) => continue,
                Ok(Freshness::Gone) => return Step::Rest,
                Err(error) => return Step::Failed(unavailable(&error.to_string())),
            }
        }
        tracing::debug!(object = %world.name(), ?action, "decided");
        // On the heap: a pass that waits for room, of which there may be thousands, stays small.
        match Box::pin(act(action, world, ctx)).await {
            Step::Again => {}
            done => return done,
        }
    }
    Step::Retry
}

/// Waits for leave to prepare a request. An issuer that is not yet held by our finalizer is
/// held first; its pass wakes this object.
async fn make_room(world: &mut World, ctx: &Context) -> Option<Step> {
    let issuer = ctx.issuers.handle(&world.issuer_key())?;
    if !issuer.held {
        let _ = ctx.wake_issuer.send(world.issuer_key());
        return Some(Step::Rest);
    }
    let namespace = world.namespace();
    tokio::select! {
        room = issuer.gate.prepare(Priority::Urgent, &namespace) => world.room = Some(room),
        () = ctx.stop.cancelled() => return Some(Step::Rest),
    }
    None
}

/// Says what hinders, and when to look again.
async fn after(world: &mut World, ctx: &Context, step: Step) -> controller::Action {
    let uid = world.uid();
    world.room = None;
    match step {
        Step::Rest => {
            ctx.memory.succeeded(&uid);
            controller::Action::await_change()
        }
        Step::After(left) => controller::Action::requeue(left),
        Step::Again | Step::Retry => {
            let wait = MOMENT.mul_f64(1.0 + f64::from(ctx.memory.failed(&uid).min(20)));
            controller::Action::requeue(wait)
        }
        Step::Failed(fault) => {
            Context::log_fault(&world.name(), &fault);
            Box::pin(say(world, ctx, fault)).await;
            controller::Action::requeue(backoff::delay(ctx.memory.failed(&uid), ctx.jitter()))
        }
    }
}

async fn say(world: &mut World, ctx: &Context, fault: Fault) {
    let working = works(&world.observe(ctx));
    let version = world.object.resource_version();
    // What cannot be written now is said by the next pass.
    if let Err(error) = status::write(world, ctx, Fact::Hindered { fault, working }).await {
        tracing::debug!(object = %world.name(), %error, "the status could not be written");
    }
    if world.object.resource_version() != version {
        let secret = world.secret.as_ref().and_then(|meta| meta.resource_version.as_deref());
        ctx.memory.wrote(&world.uid(), world.object.resource_version().as_deref(), secret);
    }
}

fn unavailable(message: &str) -> Fault {
    Fault { reason: Reason::ClusterUnavailable, message: message.to_owned(), stalled: false }
}
