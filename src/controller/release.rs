//! An issuer that is being deleted, and whom nobody uses any more: a last audit when no late answer
//! can come, and then issuer and credentials may go.

use super::audit::{self, Caches};
use super::cluster::ClusterError;
use super::context::Context;
use super::finalizers::is_held;
use super::issuer::{NotReady, longest_answer};
use super::issuer_kind::IssuerObject;
use super::issuers::{Handle, IssuerKey};
use super::listed::{Listed, list};
use crate::api::{FINALIZER, Reason};
use crate::domain::release::{List, Release, Releasing, release};
use std::sync::Arc;
use std::time::Duration;

/// What becomes of an issuer that is being deleted.
pub enum Leaving {
    /// It may go.
    Now,
    /// Objects still need it.
    InUse,
    /// Not before so much time has passed.
    Later(Duration),
    /// Its last audit has not succeeded.
    Unaudited(NotReady),
}

/// Whether an issuer may go. Its users are looked for past every cache, after its own deletion
/// timestamp; an attempt reads the issuer after its object has the finalizer: one side sees the other.
pub async fn judge(
    ctx: &Context,
    object: &dyn IssuerObject,
    found: &Result<Arc<Handle>, NotReady>,
) -> Result<Leaving, ClusterError> {
    let key = object.key();
    let in_use = in_use(ctx, &key).await?;
    if in_use {
        ctx.issuers.forget_audits(&key);
    }
    let now = ctx.clock.now();
    let seen = Releasing {
        in_use,
        held: is_held(object.finalizers()),
        free_since: ctx.issuers.free_since(&key, now),
        // One that left something behind is not the last one.
        audited: ctx
            .issuers
            .audited(&key)
            .filter(|last| last.left.is_none() && last.evidence.is_list())
            .map(|last| last.evidence.begun()),
        list: match found {
            Ok(issuer) if issuer.facts.list_visible => List::Visible,
            Ok(_) => List::Hidden,
            Err(_) => List::Unknown,
        },
        // As the spec has it, whether the portal can be asked or not.
        longest_answer: longest_answer(&object.spec().limits),
        now,
    };
    Ok(match (release(&seen), found) {
        (Release::Now, _) => Leaving::Now,
        (Release::InUse, _) => Leaving::InUse,
        (Release::Wait(left), _) => Leaving::Later(left),
        (Release::Audit | Release::Blocked, Ok(issuer)) => last_audit(ctx, &key, issuer).await,
        // The credentials or the portal are gone. It stays until they are back.
        (Release::Audit | Release::Blocked, Err(fault)) => Leaving::Unaudited(fault.clone()),
    })
}

async fn last_audit(ctx: &Context, key: &IssuerKey, issuer: &Handle) -> Leaving {
    let fault = match audit::run(ctx, key, issuer, 0, Caches::Ignored).await {
        Ok(()) => ctx.issuers.audited(key).and_then(|last| last.left.clone()).map(|left| left.fault),
        Err(fault) => Some(fault),
    };
    let Some(fault) = fault else { return Leaving::Now };
    tracing::warn!(issuer = key.name, reason = %fault.reason, detail = fault.message, "the last audit failed");
    Leaving::Unaudited((fault.reason, fault.message))
}

/// What one waits for while it is not known which issuers there are.
pub fn unfilled(ctx: &Context) -> NotReady {
    let kinds = ctx.unknown_issuers().join(" and ");
    let message = format!(
        "it is being deleted, and waits until the operator has listed all {kinds}, for only then is it known who else needs its credentials: /readyz and the operator's log say what is in the way, such as a permission. Grant what deploy/rbac.yaml has, and install the CRDs"
    );
    (Reason::IssuerDeleting, message)
}

/// What an issuer that is being deleted waits for, and what to do where that does not come.
pub fn word(object: &dyn IssuerObject, leaving: &Leaving, ready: Option<&NotReady>) -> NotReady {
    let message = match leaving {
        Leaving::Now => "it is being deleted, and goes".to_owned(),
        // Not how many: that would be a write for each that goes.
        Leaving::InUse => "it is being deleted, and RegistryTokens still need it to revoke their tokens: it goes when the last one has gone. Delete them".to_owned(),
        Leaving::Later(_) => "it is being deleted, and nobody uses it any more: it goes after a last audit of the portal, as soon as no late answer can come".to_owned(),
        Leaving::Unaudited((reason, fault)) => {
            let secrets = &object.status().map(|status| status.credentials_secrets.join(", ")).unwrap_or_default();
            let maps = &object.status().map(|status| status.ca_config_maps.join(", ")).unwrap_or_default();
            let message = format!(
                "it is being deleted, and waits for a last audit of its portal, for a token whose answer got lost may live there: {fault}. If the portal is gone for good, take the finalizer {FINALIZER} off this issuer, off the Secret with its credentials ({secrets}) and off the ConfigMaps with its CAs ({maps}); see \"A portal is gone for good\" in docs/runbooks.md"
            );
            return (*reason, message);
        }
    };
    match ready {
        Some((reason, fault)) => (*reason, format!("{message}; now: {fault}")),
        None => (Reason::IssuerDeleting, message),
    }
}

async fn in_use(ctx: &Context, key: &IssuerKey) -> Result<bool, ClusterError> {
    let held = |one: Listed| one.metadata.finalizers.iter().flatten().any(|one| one == FINALIZER).then_some(());
    Ok(!list(ctx, key, held).await?.is_empty())
}
