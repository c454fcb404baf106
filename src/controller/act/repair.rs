//! What is done about the Secret besides reserving and committing.

use super::portal::fault_of;
use super::secret::{self, Change};
use super::{Step, longest_answer, unable};
use crate::api::{Reason, RecordedToken};
use crate::controller::cluster::call;
use crate::controller::context::Context;
use crate::controller::issuers::Handle;
use crate::controller::status;
use crate::controller::world::World;
use crate::domain::attempt::Fault;
use crate::domain::dockerconfig::{self, DATA_KEY, Payload, SECRET_TYPE};
use crate::domain::marker::Nonce;
use crate::domain::pull_secret::Abandoned;
use crate::domain::status::Fact;
use crate::portal::Rows;
use crate::portal::limits::Priority;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use std::sync::Arc;
use std::time::Duration;

/// Where the issuer is not known, an answer may take as long as this.
const LONGEST: Duration = Duration::from_mins(10);

/// What was given up, with the reservation that is there now.
fn given_up(world: &World, ctx: &Context) -> Vec<Abandoned> {
    let Some(meta) = &world.secret else { return vec![] };
    let held = world.parse(meta);
    let longest = ctx.issuers.handle(&world.issuer_key()).map_or(LONGEST, |issuer| longest_answer(&issuer));
    let mut all = held.abandoned;
    all.extend(held.reservation.map(|held| Abandoned { attempt: held.attempt, until: Timestamp::now() + longest }));
    all
}

/// Takes out a reservation that nobody answers for, and keeps its attempt to be looked for.
pub async fn abandon(world: &mut World, ctx: &Context) -> Step {
    let reservation = world.secret.as_ref().and_then(|meta| world.parse(meta).reservation);
    if reservation.is_some_and(|held| ctx.memory.has_made_nothing(&world.uid(), &held.attempt)) {
        return write(world, ctx, &Change::Drop).await;
    }
    let all = given_up(world, ctx);
    write(world, ctx, &Change::Abandon(&all)).await
}

/// Closes the Secret for further attempts.
pub async fn close(world: &mut World, ctx: &Context) -> Step {
    let all = given_up(world, ctx);
    write(world, ctx, &Change::Close(&all)).await
}

async fn write(world: &mut World, ctx: &Context, change: &Change<'_>) -> Step {
    let Some(meta) = world.secret.clone() else { return Step::Again };
    match secret::change(world, ctx, &meta, change, false).await {
        Ok(meta) => {
            world.secret = Some(meta);
            Step::Again
        }
        Err(error) => unable(&error),
    }
}

/// Reads the whole Secret and puts right what is not as it should be.
pub async fn inspect(world: &mut World, ctx: &Context) -> Step {
    let Some(issuer) = ctx.issuers.handle(&world.issuer_key()) else { return Step::Again };
    let found = match call("read the Secret", world.secrets(ctx).get_opt(&world.secret_name())).await {
        Ok(Some(found)) => found,
        Ok(None) => {
            world.secret = None;
            return Step::Again;
        }
        Err(error) => return unable(&error),
    };
    world.secret = Some(found.metadata.clone());
    let username =
        world.object.status.as_ref().and_then(|status| status.token.as_ref()).map(|token| token.username.clone());
    if let Some(fault) = unchangeable(&found) {
        return Step::Failed(fault);
    }
    let content = found.data.as_ref().and_then(|data| data.get(DATA_KEY)).map(|content| content.0.as_slice());
    match content.map_or(Payload::None, dockerconfig::read) {
        Payload::Login { username: held, hosts } if Some(&held) == username.as_ref() => {
            let content = content.unwrap_or_default();
            put_right(world, ctx, &issuer, &found, (content, &held, &hosts)).await
        }
        // The token in status is not in the Secret: the next decision asks for another.
        _ => write(world, ctx, &Change::Disown).await,
    }
}

async fn put_right(
    world: &mut World,
    ctx: &Context,
    issuer: &Handle,
    found: &Secret,
    (content, username, hosts): (&[u8], &str, &[String]),
) -> Step {
    let mut wanted = issuer.hosts.clone();
    wanted.sort_unstable();
    let registries = &issuer.facts.registries;
    let noted = world.parse(&found.metadata).registries;
    if hosts != wanted || noted.as_ref() != Some(registries) || !secret::in_order(world, &found.metadata) {
        let rewritten =
            dockerconfig::password(content).map(|password| dockerconfig::write(&issuer.hosts, username, &password));
        let Some(Ok(rewritten)) = rewritten else { return Step::Retry };
        let repair = Change::Repair { content: &rewritten, registries };
        match secret::change(world, ctx, &found.metadata, &repair, false).await {
            Ok(meta) => world.secret = Some(meta),
            Err(error) => return unable(&error),
        }
    }
    let Some(meta) = world.secret.clone() else { return Step::Again };
    match status::write(world, ctx, Fact::SecretInOrder(world.recorded_secret(&meta))).await {
        Ok(()) => Step::Again,
        Err(error) => unable(&error),
    }
}

/// What no write can mend.
fn unchangeable(found: &Secret) -> Option<Fault> {
    let stalled = |reason, message: &str| Some(Fault { reason, message: message.to_owned(), stalled: true });
    if found.type_.as_deref() != Some(SECRET_TYPE) {
        return stalled(
            Reason::SecretTypeWrong,
            "the Secret is not of type kubernetes.io/dockerconfigjson, and a type cannot be changed: delete the Secret, and it is made anew",
        );
    }
    if found.immutable == Some(true) {
        return stalled(Reason::SecretImmutable, "the Secret was made immutable: delete it, and it is made anew");
    }
    None
}

/// Takes a stored token into status, if the portal shows that it is this object's. Read in the
/// order Secret (by the caller), portal's row, object: against the order of writing, so that a
/// token which another operator has just recorded and settled does not look foreign.
pub async fn adopt(world: &mut World, ctx: &Context) -> Step {
    let Some(issuer) = ctx.issuers.handle(&world.issuer_key()) else { return Step::Again };
    let Some(meta) = world.secret.clone() else { return Step::Again };
    let Some(stored) = world.parse(&meta).stored else { return Step::Again };
    let nonce = Nonce::of(&world.uid(), &stored.attempt);
    let permit = issuer.gate.call(Priority::Later, &world.namespace()).await;
    let listed = issuer.portal.list(Rows::WithId(&stored.id)).await;
    drop(permit);
    let listed = match listed {
        Ok(listed) => listed,
        Err(failure) => return Step::Failed(fault_of(ctx, world, &issuer, &failure)),
    };
    match call("read the RegistryToken", world.objects(ctx).get_opt(&world.object.name_any())).await {
        Ok(Some(object)) if object.uid() == world.object.uid() => world.object = object,
        Ok(_) => return Step::Rest,
        Err(error) => return unable(&error),
    }
    if world.observe(ctx).recorded.token.is_some_and(|token| token.id == stored.id) {
        return Step::Again;
    }
    let marked = format!("/{nonce}]");
    let Some(row) = listed.into_iter().find(|row| row.id == stored.id && row.description.contains(&marked)) else {
        tracing::warn!(object = %world.name(), id = stored.id, "a stored token cannot be proved ours and is replaced");
        return write(world, ctx, &Change::Disown).await;
    };
    record(
        world,
        ctx,
        &issuer,
        RecordedToken {
            id: row.id,
            username: row.username,
            nonce: nonce.to_string(),
            request_time: Time(Timestamp::now()),
        },
    )
    .await
}

async fn record(world: &mut World, ctx: &Context, issuer: &Arc<Handle>, token: RecordedToken) -> Step {
    let Some(meta) = world.secret.clone() else { return Step::Again };
    let mut secret = world.recorded_secret(&meta);
    // Not yet read in full: the next decision inspects it.
    secret.resource_version = None;
    let fact = Fact::TokenStored { token, portal: issuer.facts.portal.clone(), secret };
    match status::write(world, ctx, fact).await {
        Ok(()) => Step::Again,
        Err(error) => unable(&error),
    }
}
