//! The one writer of an object's status.

use super::cluster::{ClusterError, call};
use super::context::Context;
use super::world::World;
use crate::domain::status::{Fact, Saying, next, ready_word};
use jiff::Timestamp;
use kube::api::PostParams;
use kube::{ResourceExt, api::ObjectMeta};

/// Writes what a fact makes of the status, guarded by the version that the pass holds; nothing is
/// written where nothing changed. A changed `Ready` is told as an event too.
pub async fn write(world: &mut World, ctx: &Context, fact: Fact) -> Result<(), ClusterError> {
    let uid = world.uid();
    let secret_name = world.secret_name();
    let saying = Saying { uid: &uid, generation: world.generation(), secret_name: &secret_name, now: Timestamp::now() };
    let status = next(world.object.status.as_ref(), &saying, fact);
    if world.object.status.as_ref() == Some(&status) {
        return Ok(());
    }
    let former =
        ready_word(world.object.status.as_ref()).map(|(value, reason, _)| (value.to_owned(), reason.to_owned()));
    let mut object = world.object.clone();
    // The version guards the write; what else is in the metadata is not ours to repeat.
    object.metadata = ObjectMeta {
        name: object.metadata.name,
        namespace: object.metadata.namespace,
        uid: object.metadata.uid,
        resource_version: object.metadata.resource_version,
        ..ObjectMeta::default()
    };
    object.status = Some(status);
    let name = object.name_any();
    let objects = world.objects(ctx);
    world.object = call("write the status", objects.replace_status(&name, &PostParams::default(), &object)).await?;
    tell_change(world, ctx, former).await;
    Ok(())
}

async fn tell_change(world: &World, ctx: &Context, former: Option<(String, String)>) {
    let Some((value, reason, message)) = ready_word(world.object.status.as_ref()) else { return };
    if former.as_ref().is_some_and(|(was, why)| was == value && why == reason) {
        return;
    }
    tracing::info!(object = %world.name(), ready = value, reason, message, "status changed");
    ctx.tell(&world.reference(), value == "True", reason, message).await;
}
