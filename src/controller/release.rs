//! An issuer that is being deleted, and whom nobody uses any more: a last audit when no late answer
//! can come, and then issuer and credentials may go.

use super::audit::{self, Caches};
use super::cluster::ClusterError;
use super::context::Context;
use super::issuer_kind::IssuerObject;
use super::issuers::{Handle, IssuerKey};
use super::listed::{Listed, list};
use crate::api::FINALIZER;
use crate::domain::release::{Release, Releasing, release};
use kube::ResourceExt;
use std::time::Duration;

/// Whether an issuer may go. Its users are looked for past every cache, after its own deletion
/// timestamp; an attempt reads the issuer after its object has the finalizer: one side sees the other.
pub async fn judge(ctx: &Context, object: &dyn IssuerObject, issuer: Option<&Handle>) -> Result<Release, ClusterError> {
    let key = object.key();
    let in_use = in_use(ctx, &key).await?;
    if in_use {
        ctx.issuers.forget_audits(&key);
    }
    let now = ctx.clock.now();
    let seen = Releasing {
        in_use,
        held: object.finalizers().iter().any(|finalizer| finalizer == FINALIZER),
        free_since: ctx.issuers.free_since(&key, now),
        audited: ctx.issuers.audited(&key).map(|audited| audited.inventory.begun),
        longest_answer: issuer.map(|issuer| issuer.facts.longest_answer).unwrap_or_default(),
        now,
    };
    match (release(&seen), issuer) {
        (Release::Audit, Some(issuer)) => Ok(match audit::run(ctx, &key, issuer, 0, Caches::Ignored).await {
            Ok(()) => Release::Now,
            Err(fault) => {
                tracing::warn!(issuer = key.name, reason = %fault.reason, detail = fault.message, "the last audit failed");
                Release::Wait(AGAIN)
            }
        }),
        // Nobody can be asked: the credentials or the portal are gone. It stays until they are back.
        (Release::Audit | Release::Wait(_), None) => Ok(Release::Wait(AGAIN)),
        (decided, _) => Ok(decided),
    }
}

/// When a last audit that failed is tried again.
const AGAIN: Duration = Duration::from_secs(5);

async fn in_use(ctx: &Context, key: &IssuerKey) -> Result<bool, ClusterError> {
    let held = |one: Listed| one.finalizers().iter().any(|finalizer| finalizer == FINALIZER).then_some(());
    Ok(!list(ctx, key, held).await?.is_empty())
}
