//! What is done at the portal besides asking for a token.

use super::secret::{self, Change};
use super::{Step, unable};
use crate::api::Reason;
use crate::controller::cluster::{ClusterError, call};
use crate::controller::context::Context;
use crate::controller::issuers::Handle;
use crate::controller::status;
use crate::controller::world::World;
use crate::domain::attempt::Fault;
use crate::domain::decide::{unanswered, waiting};
use crate::domain::dockerconfig::{self, DATA_KEY, Payload};
use crate::domain::marker::{Marker, Nonce};
use crate::domain::pull_secret::Ownership;
use crate::domain::status::Fact;
use crate::portal::limits::Priority;
use crate::portal::{Failure, PortalRow, Rows, Sent, TokenRef};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// What a failure of the portal means for the object; the issuer is looked at again where the
/// failure is not the object's own.
pub fn fault_of(ctx: &Context, world: &World, issuer: &Handle, failure: &Failure) -> Fault {
    if let Some(wait) = failure.retry_after {
        issuer.gate.hold_off(wait.min(Duration::from_mins(5)));
    }
    if matches!(failure.reason, Reason::Unauthorised | Reason::NoAccess | Reason::Unreachable | Reason::TlsUntrusted) {
        let _ = ctx.wake_issuer.send(world.issuer_key());
    }
    Fault {
        reason: failure.reason,
        message: failure.message.clone(),
        stalled: failure.sent == Sent::Refused && failure.reason == Reason::RequestRefused,
    }
}

async fn rows(world: &World, issuer: &Handle, wanted: Rows<'_>) -> Result<Vec<PortalRow>, Failure> {
    let _permit = issuer.gate.call(Priority::Later, &world.namespace()).await;
    issuer.portal.list(wanted).await
}

/// Revokes a token, if the portal still lists it under this id and username. An id alone may
/// have been given to another token since.
async fn revoke(world: &World, issuer: &Handle, token: TokenRef<'_>) -> Result<(), Failure> {
    let listed = rows(world, issuer, Rows::WithId(token.id)).await?;
    if !listed.iter().any(|row| row.id == token.id && row.username == token.username) {
        return Ok(());
    }
    let _permit = issuer.gate.call(Priority::Later, &world.namespace()).await;
    issuer.portal.revoke(token).await
}

fn issuer(world: &World, ctx: &Context) -> Result<Arc<Handle>, Step> {
    ctx.issuers.handle(&world.issuer_key()).ok_or(Step::Again)
}

/// Looks for the tokens of attempts that were given up, and revokes them. An attempt whose token
/// is not listed is looked for once more when no late answer can come any more.
pub async fn recover(world: &mut World, ctx: &Context) -> Step {
    let issuer = match issuer(world, ctx) {
        Ok(issuer) => issuer,
        Err(step) => return step,
    };
    let Some(meta) = world.secret.clone() else { return Step::Again };
    let (uid, held) = (world.uid(), world.parse(&meta));
    let mut open = vec![];
    for abandoned in held.abandoned {
        let begun = Timestamp::now();
        let marker = Marker::new(issuer.tag.clone(), Nonce::of(&uid, &abandoned.attempt));
        match revoke_marked(world, &issuer, &marker).await {
            Ok(0) if begun < abandoned.until => open.push(abandoned),
            Ok(count) => tracing::info!(object = %world.name(), count, "tokens of a lost request revoked"),
            Err(failure) => return Step::Failed(fault_of(ctx, world, &issuer, &failure)),
        }
    }
    let change = if held.closed { Change::Close(&open) } else { Change::Abandon(&open) };
    match secret::change(world, ctx, &meta, &change, false).await {
        Ok(meta) => world.secret = Some(meta),
        Err(error) => return unable(&error),
    }
    let Some(until) = open.iter().map(|abandoned| abandoned.until).max() else { return Step::Again };
    let left = until.duration_since(Timestamp::now());
    let left = Duration::try_from(left).unwrap_or_default() + Duration::from_millis(10);
    if let Err(error) = status::write(world, ctx, Fact::Hindered { fault: unanswered(), working: false }).await {
        return unable(&error);
    }
    Step::After(left)
}

async fn revoke_marked(world: &World, issuer: &Handle, marker: &Marker) -> Result<usize, Failure> {
    let listed = rows(world, issuer, Rows::Containing(&marker.to_string())).await?;
    let ours: Vec<_> = listed.iter().filter(|row| marker.is_in(&row.description)).collect();
    for row in &ours {
        let _permit = issuer.gate.call(Priority::Later, &world.namespace()).await;
        issuer.portal.revoke(TokenRef { id: &row.id, username: &row.username }).await?;
    }
    Ok(ours.len())
}

/// Revokes the retiring tokens that are due.
pub async fn revoke_retiring(world: &mut World, ctx: &Context) -> Step {
    let issuer = match issuer(world, ctx) {
        Ok(issuer) => issuer,
        Err(step) => return step,
    };
    let retiring = world.object.status.as_ref().map(|status| status.retiring.clone()).unwrap_or_default();
    let mut revoked = vec![];
    for token in retiring.into_iter().filter(|token| token.revocation_time.0 <= Timestamp::now()) {
        match revoke(world, &issuer, TokenRef { id: &token.id, username: &token.username }).await {
            Ok(()) => revoked.push(token.username),
            Err(failure) => return Step::Failed(fault_of(ctx, world, &issuer, &failure)),
        }
    }
    match status::write(world, ctx, Fact::Revoked(revoked)).await {
        Ok(()) => Step::Again,
        Err(error) => unable(&error),
    }
}

/// Makes the portal show the description, and nothing more.
pub async fn settle(world: &mut World, ctx: &Context) -> Step {
    let issuer = match issuer(world, ctx) {
        Ok(issuer) => issuer,
        Err(step) => return step,
    };
    let Some(token) = world.object.status.as_ref().and_then(|status| status.token.clone()) else { return Step::Again };
    let description = world.object.spec.description.clone();
    let named = TokenRef { id: &token.id, username: &token.username };
    let fact = match set_description(world, &issuer, named, &description).await {
        Ok(true) => Fact::DescriptionSynced,
        Ok(false) => Fact::DescriptionRefused(
            "the portal no longer lists the token, so its description cannot be edited: somebody may have revoked it. Delete the Secret to have a new one requested".to_owned(),
        ),
        Err(failure) if failure.sent == Sent::Refused && failure.reason == Reason::RequestRefused => {
            Fact::DescriptionRefused(format!("the portal refused the description: {}. Change spec.description", failure.message))
        }
        Err(failure) => return Step::Failed(fault_of(ctx, world, &issuer, &failure)),
    };
    match status::write(world, ctx, fact).await {
        Ok(()) => Step::Again,
        Err(error) => unable(&error),
    }
}

/// False where the portal does not list the token.
async fn set_description(
    world: &World,
    issuer: &Handle,
    token: TokenRef<'_>,
    description: &str,
) -> Result<bool, Failure> {
    // A token that this pass asked for is known to be there, with its marker.
    if !world.unsettled {
        let listed = rows(world, issuer, Rows::WithId(token.id)).await?;
        let Some(row) = listed.iter().find(|row| row.id == token.id && row.username == token.username) else {
            return Ok(false);
        };
        if row.description == description {
            return Ok(true);
        }
    }
    let _permit = issuer.gate.call(Priority::Later, &world.namespace()).await;
    issuer.portal.edit_description(token, description).await?;
    Ok(true)
}

/// Revokes everything that the object asked for: current, retiring, and stored but not recorded.
pub async fn revoke_all(world: &mut World, ctx: &Context) -> Step {
    let issuer = match issuer(world, ctx) {
        Ok(issuer) => issuer,
        Err(step) => return step,
    };
    let uid = world.uid();
    let status = world.object.status.clone().filter(|status| status.uid.as_ref() == Some(&uid)).unwrap_or_default();
    let mut tokens: Vec<(String, String)> = status.token.into_iter().map(|token| (token.id, token.username)).collect();
    tokens.extend(status.retiring.into_iter().map(|token| (token.id, token.username)));
    match stored_login(world, ctx).await {
        Ok(Some(token)) if !tokens.contains(&token) => tokens.push(token),
        Ok(_) => {}
        Err(error) => return unable(&error),
    }
    for (id, username) in &tokens {
        if let Err(failure) = revoke(world, &issuer, TokenRef { id, username }).await {
            let fault = fault_of(ctx, world, &issuer, &failure);
            let message = format!("the token {username} could not be revoked: {}", fault.message);
            return Step::Failed(waiting(fault.reason, message));
        }
    }
    tracing::info!(object = %world.name(), tokens = tokens.len(), "tokens revoked");
    super::finalizer(world, ctx, false).await
}

/// Id and username of the token in the Secret, where it is ours.
async fn stored_login(world: &World, ctx: &Context) -> Result<Option<(String, String)>, ClusterError> {
    let Some(meta) = &world.secret else { return Ok(None) };
    let held = world.parse(meta);
    let Some(stored) = held.stored.filter(|_| held.ownership == Ownership::Ours) else { return Ok(None) };
    let found = call("read the Secret", world.secrets(ctx).get_opt(&world.secret_name())).await?;
    let content = found.and_then(|secret| secret.data).and_then(|mut data| data.remove(DATA_KEY));
    Ok(match content.map(|content| dockerconfig::read(&content.0)) {
        Some(Payload::Login { username, .. }) => Some((stored.id, username)),
        _ => None,
    })
}
