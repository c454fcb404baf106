//! Drives the audit of one issuer's portal, and notes what it found.

use super::cluster::{ClusterError, call, classify};
use super::context::Context;
use super::decode;
use super::hands::row;
use super::issuers::{Audited, Handle, IssuerKey};
use super::listed::{self, list, pages};
use super::world::{World, raw, secret_name};
use crate::api::{OWNER_LABEL, Reason, RegistryToken, RegistryTokenStatus};
use crate::domain::audit::{Answer, Audit, Found, Holder, Known, Next, Owner, Request};
use crate::domain::effect::Named;
use crate::domain::fault::Fault;
use crate::domain::faults::{unavailable, waiting};
use crate::domain::inventory::{Inventory, digest};
use crate::domain::observed::Listed;
use crate::domain::recorded::recorded;
use crate::domain::roll_call::Evidence;
use crate::domain::token_mac::MacKeys;
use crate::domain::vanished::Vanished;
use crate::kube_api::{Objects, collection};
use crate::portal::limits::{Gate, Permit, Priority};
use crate::portal::{Failure, Pages, PortalRow, Rows, TokenRef};
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::api::ListParams;
use kube::runtime::reflector::ObjectRef;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Whether what the caches know may clear a token of suspicion. Not in an issuer's last audit: what a
/// belated cache explains wrongly, no later one would find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caches {
    /// It may.
    Trusted,
    /// Every token with a mark is looked for past every cache.
    Ignored,
}

/// Audits the portal, and wakes the objects that what it found concerns.
pub async fn run(
    ctx: &Context,
    key: &IssuerKey,
    issuer: &Handle,
    most_percent: usize,
    caches: Caches,
) -> Result<(), Fault> {
    let found = drive(ctx, key, issuer, caches).await?;
    let owners = owners(ctx, key);
    let lag = issuer.facts.longest_answer;
    let vanished = Vanished::count(&found.inventory, &owners, lag, most_percent);
    if found.revoked > 0 {
        tracing::info!(issuer = key.name, revoked = found.revoked, "tokens that belonged to nobody are revoked");
    }
    let first = ctx.issuers.audited(key).is_none();
    if let Some(left) = &found.left {
        tracing::warn!(
            issuer = key.name,
            left = left.count,
            reason = %left.fault.reason,
            detail = left.fault.message,
            "tokens that belong to nobody could not be revoked"
        );
    }
    let audited = Audited { evidence: Evidence::List(found.inventory), vanished, left: found.left, first };
    ctx.issuers.set_audited(key, audited, lag);
    wake(ctx, key, issuer);
    Ok(())
}

async fn drive(ctx: &Context, key: &IssuerKey, issuer: &Handle, caches: Caches) -> Result<Found, Fault> {
    let (mut audit, mut next) = Audit::begin();
    loop {
        match next {
            Next::End(found) => return found,
            Next::Do(request) => {
                tracing::debug!(issuer = key.name, ?request, "audit");
                let answer = perform(ctx, key, issuer, request, caches).await.unwrap_or_else(Answer::Failed);
                (audit, next) = audit.step(answer);
            }
        }
    }
}

async fn perform(
    ctx: &Context,
    key: &IssuerKey,
    issuer: &Handle,
    request: Request,
    caches: Caches,
) -> Result<Answer, Fault> {
    let failed = |failure: Failure| {
        issuer.gate.heed(&failure);
        waiting(failure.reason, failure.message)
    };
    Ok(match request {
        Request::Scan => {
            let inventory = tokio::select! {
                scanned = scan(ctx, issuer) => scanned.map_err(failed)?,
                () = ctx.stop.cancelled() => return Err(ended()),
            };
            let known = if caches == Caches::Trusted { cached(ctx, key) } else { Known::default() };
            Answer::Scanned(inventory, known)
        }
        // Where the kind was missing from the start, what it will hold when its CRD is back is not known.
        Request::Owners if caches == Caches::Trusted && !ctx.tokens_listed() => {
            return Err(unavailable("the RegistryTokens have not been listed yet: install their CRD"));
        }
        Request::Owners => {
            Answer::Owners(list(ctx, key, |one| Some(listed_owner(one, &ctx.keyring.keys()))).await.map_err(unread)?)
        }
        Request::Holders(names) => Answer::Holders(read_holders(ctx, key, &names).await.map_err(unread)?),
        Request::Row(token) => {
            let _permit = place(ctx, issuer).await?;
            let found = issuer.portal.list(Rows::WithId(&token.id)).await.map_err(failed)?;
            Answer::Row(found.into_iter().map(row).find(|row| row.token == token))
        }
        Request::Revoke(token) => {
            let _permit = place(ctx, issuer).await?;
            let named = TokenRef { id: &token.id, username: &token.username };
            issuer.portal.revoke(named).await.map_err(failed)?;
            Answer::Done
        }
    })
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn unread(error: ClusterError) -> Fault {
    unavailable(&error.to_string())
}

/// Waits for leave to call the portal, unless the operator is to end: an audit may take long.
async fn place(ctx: &Context, issuer: &Handle) -> Result<Permit, Fault> {
    issuer.place(&ctx.stop, Priority::Later, "").await.ok_or_else(ended)
}

fn ended() -> Fault {
    unavailable("the operator is asked to end")
}

async fn scan(ctx: &Context, issuer: &Handle) -> Result<Inventory, Failure> {
    let permit = Some(issuer.gate.call(Priority::Later, "").await);
    let user = issuer.facts.portal.user.clone();
    let inventory = Inventory::new(ctx.clock.now(), user, issuer.facts.tag.clone());
    let mut reading = Reading { gate: &issuer.gate, permit, begun: false, inventory };
    issuer.portal.scan(&mut reading).await?;
    Ok(reading.inventory)
}

/// A list that is read page by page, each with a permit of its own: a long list holds up nobody whom a pod
/// waits for.
struct Reading<'a> {
    gate: &'a Gate,
    permit: Option<Permit>,
    begun: bool,
    inventory: Inventory,
}

impl Pages for Reading<'_> {
    fn before_page(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if std::mem::replace(&mut self.begun, true) {
                self.permit = None;
                self.permit = Some(self.gate.call(Priority::Later, "").await);
            }
        })
    }

    fn row(&mut self, found: PortalRow) {
        self.inventory.add(row(found));
    }
}

/// What the caches know: enough to see that nothing is suspect.
fn cached(ctx: &Context, key: &IssuerKey) -> Known {
    let (owners, keys) = (owners(ctx, key), ctx.keyring.keys());
    let holders: Vec<Holder> =
        ctx.secrets.state().iter().filter_map(|secret| secret.meta()).map(|meta| holder(&meta, &keys)).collect();
    Known::of(&holders, &owners)
}

fn owners(ctx: &Context, key: &IssuerKey) -> Vec<Owner> {
    let keys = ctx.keyring.keys();
    ctx.naming(key).iter().map(|token| owner(token, &keys)).collect()
}

fn owner(token: &RegistryToken, keys: &MacKeys) -> Owner {
    owner_of(&token.metadata, &secret_name(token), token.status.as_ref(), keys)
}

fn listed_owner(one: listed::Listed, keys: &MacKeys) -> Owner {
    let secret = one.secret_name.or_else(|| one.metadata.name.clone()).unwrap_or_default();
    owner_of(&one.metadata, &secret, one.status.as_ref(), keys)
}

fn owner_of(meta: &ObjectMeta, secret: &str, status: Option<&RegistryTokenStatus>, keys: &MacKeys) -> Owner {
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    Owner::parse((namespace, secret), meta.uid.as_deref().unwrap_or_default(), status, keys)
}

fn holder(meta: &ObjectMeta, keys: &MacKeys) -> Holder {
    let name = (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default());
    let owners = meta.owner_references.iter().flatten().map(|owner| owner.uid.as_str());
    let empty = BTreeMap::new();
    // One that says nothing of its age is not older than the keys.
    let created = meta.creation_timestamp.as_ref().map_or(jiff::Timestamp::MAX, |time| time.0);
    Holder::parse(name, owners, raw(meta, &empty), (keys, created))
}

/// Secrets by our label, and by name those that may have lost it.
async fn read_holders(ctx: &Context, key: &IssuerKey, names: &[(String, String)]) -> Result<Vec<Holder>, ClusterError> {
    let what = "list the pull secrets";
    let request = collection::<Secret>(&key.namespace).map_err(|error| classify(what, &error))?;
    let mut found = vec![];
    // One whose metadata cannot be read is reported by the watch.
    let keys = ctx.keyring.keys();
    let each = |secret: &[u8]| found.extend(decode::metadata::<Secret>(secret).ok().map(|meta| holder(&meta, &keys)));
    let page = |params: &ListParams| request.list_metadata(params);
    pages(&ctx.client, what, ListParams::default().labels(OWNER_LABEL), page, each).await?;
    let labelled: HashSet<(String, String)> =
        found.iter().map(|holder| (holder.namespace.clone(), holder.name.clone())).collect();
    for (namespace, name) in names.iter().filter(|name| !labelled.contains(*name)) {
        let secrets: Objects<Secret> = Objects::namespaced(ctx.client.clone(), namespace);
        let secret = call("read a pull secret", secrets.get_metadata_opt(name)).await?;
        found.extend(secret.map(|secret| holder(&secret.metadata, &keys)));
    }
    Ok(found)
}

/// Starts a pass of each object whose token is gone, is there again, or is described otherwise than it wants.
pub fn wake(ctx: &Context, key: &IssuerKey, issuer: &Handle) {
    let Some(audited) = ctx.issuers.audited(key) else { return };
    let doubts = [Reason::TokenNotListed, Reason::RevokedUpstream].map(|reason| reason.to_string());
    for token in ctx.naming(key) {
        let status = token.status.as_ref().filter(|status| status.uid == token.uid());
        let world = World { object: Arc::clone(&token), secret: None, issuer: None };
        let Some(current) = recorded(&world.parse_object(ctx)).token else { continue };
        let named = Named::from(&current);
        let wanted = digest(&issuer.facts.describe(&token.spec.description, &current.nonce));
        let doubted = status.is_some_and(|status| status.conditions.iter().any(|one| doubts.contains(&one.reason)));
        let as_it_should_be = match audited
            .evidence
            .listed(&named, audited.vanished.is_believed_in(&token.namespace().unwrap_or_default()))
        {
            Listed::Shown(shown) => shown == wanted,
            Listed::LetIn => true,
            Listed::Missing(_) | Listed::Unknown => false,
        };
        if doubted || !as_it_should_be {
            let _ = ctx.wake_token.send(ObjectRef::from_obj(&*token));
        }
    }
}
