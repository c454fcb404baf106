//! Drives one pass over an object: performs what the core asks for, until the core says when to look
//! again.

use super::context::Context;
use super::hands::Hands;
use super::mac_key;
use super::world::{Shared, World};
use crate::api::RegistryToken;
use crate::domain::backoff;
use crate::domain::marker::Attempt;
use crate::domain::pass::{End, Next, Pass};
use kube::ResourceExt;
use kube::runtime::controller;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// Until then the cache has the answer to our own write.
const CACHE: Duration = Duration::from_secs(6);
/// How soon a pass looks again at a world that changed under it.
const MOMENT: Duration = Duration::from_millis(200);

/// Brings an object to rest, or as near to it as can be now.
pub async fn reconcile(object: Arc<RegistryToken>, ctx: Shared) -> Result<controller::Action, Infallible> {
    let running = ctx.passes.begin().filter(|_| ctx.is_open());
    let Some(_running) = running else { return Ok(controller::Action::await_change()) };
    let world = World::cached(Arc::clone(&object), &ctx);
    let uid = world.uid();
    let secret = world.secret.as_ref().and_then(|meta| meta.resource_version.as_deref());
    if ctx.memory.caches_lag(&uid, object.resource_version().as_deref(), secret) {
        return Ok(controller::Action::requeue(CACHE));
    }
    let Some(bytes) = ctx.random() else {
        tracing::error!("the system gives no randomness: nothing is begun");
        return Ok(controller::Action::requeue(CACHE));
    };
    mac_key::learn(&ctx, &world).await;
    let mut hands = Hands::new(world, &ctx);
    let end = drive(&mut hands, &ctx, Attempt::from_random(&bytes)).await;
    let world = hands.world;
    if world.object.resource_version() != object.resource_version() {
        let secret = world.secret.as_ref().and_then(|meta| meta.resource_version.as_deref());
        ctx.memory.wrote(&uid, world.object.resource_version().as_deref(), secret);
    }
    let next = again(&ctx, &world, end);
    // It went meanwhile: what was just noted must not outlive it.
    if ctx.tokens.get(&world.name()).is_none_or(|token| token.uid().as_ref() != Some(&uid)) {
        ctx.memory.forget(&uid);
    }
    Ok(next)
}

/// Performs requests until the pass is over. None: the operator is to end.
async fn drive(hands: &mut Hands<'_>, ctx: &Context, attempt: Attempt) -> Option<End> {
    let (mut pass, mut next) = Pass::begin(hands.world.observe(ctx, attempt));
    loop {
        match next {
            Next::End(end) => {
                ctx.memory.tried(pass.seen());
                return Some(end);
            }
            Next::Do(request) => {
                tracing::debug!(object = %hands.world.name(), ?request, "asked for");
                // On the heap: a pass that waits for room, of which there may be thousands, stays small.
                let answer = Box::pin(hands.perform(request)).await?;
                (pass, next) = pass.step(answer, ctx.clock.now());
            }
        }
    }
}

/// When to look again.
fn again(ctx: &Context, world: &World, end: Option<End>) -> controller::Action {
    let uid = world.uid();
    match end {
        None => controller::Action::await_change(),
        Some(End::Rest) => {
            ctx.memory.succeeded(&uid);
            controller::Action::await_change()
        }
        // All is well until then.
        Some(End::RestFor(left)) => {
            ctx.memory.succeeded(&uid);
            controller::Action::requeue(left)
        }
        Some(End::After(left)) => controller::Action::requeue(left),
        Some(End::Retry) => {
            let wait = MOMENT.mul_f64(1.0 + f64::from(ctx.memory.failed(&uid).min(20)));
            controller::Action::requeue(wait)
        }
        Some(End::Failed(fault)) => {
            tracing::warn!(object = %world.name(), reason = %fault.reason, detail = %fault.message, "hindered");
            controller::Action::requeue(backoff::delay(ctx.memory.failed(&uid), ctx.jitter()))
        }
    }
}
