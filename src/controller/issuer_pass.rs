//! One pass of an issuer: hold what its objects need, look at the portal, say what was found.

use super::audit;
use super::cluster::{ClusterError, call};
use super::context::Context;
use super::issuer::{credentials_name, prepare};
use super::issuer_kind::IssuerObject;
use super::issuers::{Entry, Handle, IssuerKey};
use super::release::judge;
use super::world::Shared;
use crate::api::{ConditionType, FINALIZER, IssuerStatus, PortalLocation, Reason, RegistryToken};
use crate::domain::backoff;
use crate::domain::conditions::{self, Said, Truth};
use crate::domain::observed::IssuerFacts;
use crate::domain::release::Release;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// A portal that works is looked at this often, and changed credentials are taken up.
const CHECK: Duration = Duration::from_mins(1);
/// The whole portal is looked through this often.
const AUDIT: Duration = Duration::from_mins(10);
/// More tokens gone at once, in percent, are not believed to be revoked by hand.
const MOST_VANISHED: usize = 10;
/// An issuer that is going looks this often whether its last object has gone.
const RELEASE: Duration = Duration::from_secs(2);

/// Looks at an issuer.
pub async fn reconcile<I>(object: Arc<I>, ctx: Shared, api: Api<I>) -> Result<controller::Action, Infallible>
where
    I: IssuerObject + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let wait = match pass(&*object, &ctx, &api).await {
        Ok(wait) => wait,
        Err(ClusterError::Conflict(_) | ClusterError::NotFound(_)) => Duration::from_millis(300),
        Err(error) => {
            tracing::warn!(issuer = object.key().name, %error, "the issuer could not be written");
            backoff::delay(ctx.memory.failed(&object.uid()), ctx.jitter())
        }
    };
    Ok(controller::Action::requeue(wait))
}

async fn pass<I>(object: &I, ctx: &Context, api: &Api<I>) -> Result<Duration, ClusterError>
where
    I: IssuerObject + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let (key, users) = (object.key(), users(ctx, &object.key()));
    let mut held = IssuerObject::finalizers(object).iter().any(|finalizer| finalizer == FINALIZER);
    if !users.is_empty() && !object.deleting() {
        hold(object, ctx, api).await?;
        held = true;
    }
    let found = prepare(ctx, &key, object, held).await;
    note(ctx, &key, &found);
    if object.deleting()
        && let Some(wait) = leave(object, ctx, api).await?
    {
        return Ok(wait);
    }
    write_status(object, ctx, api, &found).await?;
    let Ok(issuer) = found else {
        return Ok(backoff::delay(ctx.memory.failed(&object.uid()), ctx.jitter()));
    };
    let longest = issuer.facts.longest_answer;
    if !object.deleting()
        && audit_due(ctx, &key, longest)
        && let Err(fault) = audit::run(ctx, &key, &issuer, MOST_VANISHED).await
    {
        tracing::warn!(issuer = key.name, reason = %fault.reason, message = fault.message, "the audit failed");
        return Ok(backoff::delay(ctx.memory.failed(&object.uid()), ctx.jitter()));
    }
    ctx.memory.succeeded(&object.uid());
    Ok(if object.deleting() { RELEASE } else { next_look(ctx, &key, longest) })
}

/// An issuer that is being deleted; how long to wait before the next look, if it may not go yet.
async fn leave<I>(object: &I, ctx: &Context, api: &Api<I>) -> Result<Option<Duration>, ClusterError>
where
    I: IssuerObject + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let key = object.key();
    let handle = ctx.issuers.handle(&key);
    Ok(match judge(ctx, object, handle.as_deref()).await? {
        Release::InUse => None,
        Release::Wait(left) => Some(left),
        Release::Audit => Some(RELEASE),
        Release::Now => {
            release(object, ctx, api).await?;
            ctx.issuers.forget_audits(&key);
            ctx.issuers.set(key, Entry::Missing);
            Some(CHECK)
        }
    })
}

/// Whether the portal is to be audited now: never yet by this process, its time has come, or what an
/// unanswered request made would show by now.
fn audit_due(ctx: &Context, key: &IssuerKey, longest: Duration) -> bool {
    until_audit(ctx, key, longest).is_zero()
}

fn until_audit(ctx: &Context, key: &IssuerKey, longest: Duration) -> Duration {
    let now = ctx.clock.now();
    let Some(audited) = ctx.issuers.audited(key) else { return Duration::ZERO };
    let until = |since: Timestamp, wait: Duration| {
        let age = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        wait.saturating_sub(age)
    };
    let regular = until(audited.inventory.begun, AUDIT);
    ctx.issuers.audit_wanted(key).map_or(regular, |wanted| regular.min(until(wanted, longest)))
}

fn next_look(ctx: &Context, key: &IssuerKey, longest: Duration) -> Duration {
    CHECK.min(until_audit(ctx, key, longest) + Duration::from_millis(100))
}

/// The objects that name this issuer and are not yet gone.
fn users(ctx: &Context, key: &IssuerKey) -> Vec<Arc<RegistryToken>> {
    let names = |token: &RegistryToken| {
        let namespace = token.namespace().unwrap_or_default();
        let held = token.finalizers().iter().any(|finalizer| finalizer == FINALIZER);
        (held || token.meta().deletion_timestamp.is_none()) && IssuerKey::of(&token.spec.issuer_ref, &namespace) == *key
    };
    ctx.tokens.state_filter(names)
}

/// Notes what was found, and wakes the objects that it may concern.
fn note(ctx: &Context, key: &IssuerKey, found: &Result<Arc<Handle>, (Reason, String)>) {
    let former = ctx.issuers.get(key);
    let (entry, changed) = match (found, &former) {
        (Ok(handle), Some(Entry::Ready(old))) => (Entry::Ready(Arc::clone(handle)), !same(&old.facts, &handle.facts)),
        (Ok(handle), _) => (Entry::Ready(Arc::clone(handle)), true),
        (Err((reason, message)), Some(Entry::NotReady(old, _))) => {
            (Entry::NotReady(*reason, message.clone()), old != reason)
        }
        (Err((reason, message)), _) => (Entry::NotReady(*reason, message.clone()), true),
    };
    ctx.issuers.set(key.clone(), entry);
    if changed {
        // Looked for only now: whoever decided on the former entry is in the cache by then.
        for user in users(ctx, key) {
            let _ = ctx.wake_token.send(ObjectRef::from_obj(&*user));
        }
    }
}

fn same(old: &IssuerFacts, new: &IssuerFacts) -> bool {
    old.portal == new.portal
        && old.registries == new.registries
        && old.description_max == new.description_max
        && old.deleting == new.deleting
        && old.held == new.held
        && old.asked == new.asked
}

fn credentials<I: IssuerObject>(object: &I, ctx: &Context) -> Option<(Api<Secret>, String)> {
    let key = object.key();
    let namespace = if key.namespace.is_empty() { &ctx.namespace } else { &key.namespace };
    Some((Api::namespaced(ctx.client.clone(), namespace), credentials_name(object.spec())?))
}

/// Puts our finalizer on the issuer and on the Secret with its credentials: both are needed to
/// revoke what was requested with them.
async fn hold<I>(object: &I, ctx: &Context, api: &Api<I>) -> Result<(), ClusterError>
where
    I: IssuerObject + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    if let Some((secrets, name)) = credentials(object, ctx) {
        let found = call("read the issuer's Secret", secrets.get_metadata_opt(&name)).await?;
        if let Some(secret) = found.filter(|secret| secret.meta().deletion_timestamp.is_none())
            && let Some(body) = finalizers(secret.finalizers(), secret.resource_version().as_deref(), true)
        {
            call(
                "hold the issuer's Secret",
                secrets.patch_metadata(&name, &PatchParams::default(), &Patch::Merge(&body)),
            )
            .await?;
        }
    }
    if let Some(body) = finalizers(IssuerObject::finalizers(object), object.version().as_deref(), true) {
        call("hold the issuer", api.patch(&object.name_any(), &PatchParams::default(), &Patch::Merge(&body))).await?;
    }
    Ok(())
}

/// The last object has gone: credentials and issuer may go.
async fn release<I>(object: &I, ctx: &Context, api: &Api<I>) -> Result<(), ClusterError>
where
    I: IssuerObject + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    if let Some((secrets, name)) = credentials(object, ctx)
        && !shared(object, ctx, &name)
        && let Some(secret) = call("read the issuer's Secret", secrets.get_metadata_opt(&name)).await?
        && let Some(body) = finalizers(secret.finalizers(), secret.resource_version().as_deref(), false)
    {
        call(
            "release the issuer's Secret",
            secrets.patch_metadata(&name, &PatchParams::default(), &Patch::Merge(&body)),
        )
        .await?;
    }
    if let Some(body) = finalizers(IssuerObject::finalizers(object), object.version().as_deref(), false) {
        call("release the issuer", api.patch(&object.name_any(), &PatchParams::default(), &Patch::Merge(&body)))
            .await?;
    }
    Ok(())
}

/// Whether another issuer that is in use logs in with the same Secret.
fn shared<I: IssuerObject>(object: &I, ctx: &Context, name: &str) -> bool {
    ctx.issuers.others_use_secret(&object.key(), name)
}

/// A guarded patch that adds or removes our finalizer; nothing where it is as wanted.
fn finalizers(present: &[String], version: Option<&str>, wanted: bool) -> Option<Value> {
    if present.iter().any(|finalizer| finalizer == FINALIZER) == wanted {
        return None;
    }
    let others = present.iter().filter(|finalizer| *finalizer != FINALIZER).cloned();
    let all: Vec<String> = others.chain(wanted.then(|| FINALIZER.to_owned())).collect();
    Some(json!({"metadata": {"resourceVersion": version, "finalizers": all}}))
}

async fn write_status<I>(
    object: &I,
    ctx: &Context,
    api: &Api<I>,
    found: &Result<Arc<Handle>, (Reason, String)>,
) -> Result<(), ClusterError>
where
    I: IssuerObject + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let mut status = next_status(object, found, ctx.clock.now());
    if let Ok(handle) = found
        && let Ok(resolved) = handle.portal.resolve().await
    {
        status.resolved = Some(resolved.names);
    }
    if object.status() == Some(&status) {
        return Ok(());
    }
    let ready = |status: Option<&IssuerStatus>| {
        let wanted = ConditionType::Ready.to_string();
        status.and_then(|status| status.conditions.iter().find(|one| one.type_ == wanted).cloned())
    };
    let (former, current) = (ready(object.status()), ready(Some(&status)));
    let body = json!({"metadata": {"uid": IssuerObject::uid(object)}, "status": status});
    call(
        "write the issuer's status",
        api.patch_status(&object.name_any(), &PatchParams::default(), &Patch::Merge(&body)),
    )
    .await?;
    if let Some(now) =
        current.filter(|now| former.as_ref().is_none_or(|was| was.status != now.status || was.reason != now.reason))
    {
        tracing::info!(
            issuer = object.key().name,
            ready = now.status,
            reason = now.reason,
            message = now.message,
            "issuer"
        );
        ctx.tell(&object.reference(), now.status == "True", &now.reason, &now.message).await;
    }
    Ok(())
}

fn next_status(
    object: &dyn IssuerObject,
    found: &Result<Arc<Handle>, (Reason, String)>,
    now: Timestamp,
) -> IssuerStatus {
    let mut status = object.status().cloned().unwrap_or_default();
    let (value, reason, message) = match found {
        Ok(_) => (Truth::True, Reason::PortalReady, "the portal lists its tokens as configured"),
        Err((reason, message)) => (Truth::False, *reason, message.as_str()),
    };
    status.observed_generation = Some(object.generation());
    if let (Ok(handle), None) = (found, &status.portal) {
        let portal = &handle.facts.portal;
        status.portal = Some(PortalLocation { url: portal.url.clone(), application: portal.application.clone() });
    }
    let said = Said { kind: ConditionType::Ready, value, reason, message };
    conditions::set(&mut status.conditions, object.generation(), now, said);
    status
}
