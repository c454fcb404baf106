//! One decided action, carried out. All writes are below this folder and in `status.rs`.

mod attempt;
mod portal;
mod repair;
mod secret;

use super::cluster::{ClusterError, call};
use super::context::Context;
use super::issuers::Handle;
use super::status;
use super::world::World;
use crate::api::{FINALIZER, Reason};
use crate::domain::attempt::Fault;
use crate::domain::decide::{Action, waiting};
use crate::domain::status::Fact;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::time::Duration;

/// What an action left to do.
#[derive(Debug)]
pub enum Step {
    /// It is done: decide again.
    Again,
    /// The world changed meanwhile: look again, after a moment.
    Retry,
    /// Nothing more now.
    Rest,
    /// Nothing more before so much time has passed.
    After(Duration),
    /// It did not succeed; say so and try again later.
    Failed(Fault),
}

/// Longest time that an answer of this issuer's portal may take, from the moment of sending.
#[must_use]
pub fn longest_answer(issuer: &Handle) -> Duration {
    issuer.facts.longest_answer
}

/// Carries out an action.
pub async fn act(action: Action, world: &mut World, ctx: &Context) -> Step {
    match action {
        Action::Rest => Step::Rest,
        Action::Wait(fault) => Step::Failed(fault),
        Action::WaitFor(left, fault) => hindered(world, ctx, fault, left).await,
        Action::AddFinalizer => finalizer(world, ctx, true).await,
        Action::RemoveFinalizer => finalizer(world, ctx, false).await,
        Action::Attempt => begin(world, ctx).await,
        Action::Abandon => repair::abandon(world, ctx).await,
        Action::Close => repair::close(world, ctx).await,
        Action::Inspect => repair::inspect(world, ctx).await,
        Action::Adopt => repair::adopt(world, ctx).await,
        Action::Recover => portal::recover(world, ctx).await,
        Action::RevokeRetiring => portal::revoke_retiring(world, ctx).await,
        Action::Settle => portal::settle(world, ctx).await,
        Action::RevokeAll => portal::revoke_all(world, ctx).await,
    }
}

/// A lost token is said to be lost before its successor is asked for.
async fn begin(world: &mut World, ctx: &Context) -> Step {
    let uid = world.uid();
    let status = world.object.status.as_ref().filter(|status| status.uid.as_ref() == Some(&uid));
    if status.is_some_and(|status| status.token.is_some()) {
        let message =
            "the Secret was deleted or changed and holds no token: a new one is requested, and the old one revoked";
        if let Err(error) = status::write(world, ctx, Fact::SecretLost(message.to_owned())).await {
            return unable(&error);
        }
    }
    attempt::run(world, ctx).await
}

async fn finalizer(world: &mut World, ctx: &Context, wanted: bool) -> Step {
    let mut finalizers = world.object.finalizers().to_vec();
    finalizers.retain(|finalizer| finalizer != FINALIZER);
    if wanted {
        finalizers.push(FINALIZER.to_owned());
    }
    let body = json!({"metadata": {
        "uid": world.object.uid(),
        "resourceVersion": world.object.resource_version(),
        "finalizers": finalizers,
    }});
    let (name, objects) = (world.object.name_any(), world.objects(ctx));
    match call("write the finalizer", objects.patch(&name, &PatchParams::default(), &Patch::Merge(&body))).await {
        Ok(_) if !wanted => {
            tracing::info!(object = %world.name(), "released");
            ctx.memory.forget(&world.uid());
            let _ = ctx.wake_issuer.send(world.issuer_key());
            Step::Rest
        }
        Ok(object) => {
            world.object = object;
            // The answer to our own write is as good as a read; the Secret is proved by its creation.
            world.fresh = true;
            Step::Again
        }
        Err(ClusterError::NotFound(_)) => Step::Rest,
        Err(error) => unable(&error),
    }
}

async fn hindered(world: &mut World, ctx: &Context, fault: Fault, left: Duration) -> Step {
    let working = false;
    match status::write(world, ctx, Fact::Hindered { fault, working }).await {
        Ok(()) => Step::After(left),
        Err(error) => unable(&error),
    }
}

/// A call to the API server that failed.
fn unable(error: &ClusterError) -> Step {
    match error {
        ClusterError::Conflict(_) | ClusterError::Exists(_) | ClusterError::NotFound(_) => Step::Retry,
        ClusterError::Refused(..) | ClusterError::Unavailable(..) => {
            Step::Failed(waiting(Reason::ClusterUnavailable, format!("{error}; tried again")))
        }
    }
}
