//! An issuer that is being deleted, and whom nobody uses any more: a last audit when no late answer
//! can come, and then issuer and credentials may go.

use super::audit::{self, Prefilter};
use super::cache::{ConnectedIssuer, IssuerKey};
use super::connect::{IssuerProblem, response_deadline};
use super::object::AnyIssuer;
use crate::api::{FINALIZER, Reason};
use crate::controller::api_call::ApiError;
use crate::controller::context::Context;
use crate::controller::finalizer::has_finalizer;
use crate::controller::live_list::{PartialToken, list_tokens};
use crate::domain::issuer_deletion::{DeletionDecision, DeletionInput, ListAccess, decide_deletion};
use std::sync::Arc;
use std::time::Duration;

/// What becomes of an issuer that is being deleted.
pub enum DeletionState {
    /// It may go.
    Allowed,
    /// Objects still need it.
    InUse,
    /// Not before so much time has passed.
    WaitFor(Duration),
    /// Its last audit has not succeeded.
    AuditPending(IssuerProblem),
}

/// Whether an issuer may go. Its users are looked for past every cache, after its own deletion
/// timestamp; an attempt reads the issuer after its object has the finalizer: one side sees the other.
pub async fn evaluate(
    ctx: &Context,
    object: &dyn AnyIssuer,
    found: &Result<Arc<ConnectedIssuer>, IssuerProblem>,
) -> Result<DeletionState, ApiError> {
    let key = object.key();
    let in_use = in_use(ctx, &key).await?;
    if in_use {
        ctx.issuers.forget_audits(&key);
    }
    let now = ctx.clock.now();
    let input = DeletionInput {
        in_use,
        has_finalizer: has_finalizer(object.finalizers()),
        unused_since: ctx.issuers.unused_since(&key, now),
        // One that left something behind is not the last one.
        audited_at: ctx
            .issuers
            .audit_result(&key)
            .filter(|last| last.failed_revocations.is_none() && last.evidence.is_inventory())
            .map(|last| last.evidence.started_at()),
        list: match found {
            Ok(issuer) if issuer.info.list_visible => ListAccess::Visible,
            Ok(_) => ListAccess::Hidden,
            Err(_) => ListAccess::Unknown,
        },
        // As the spec has it, whether the portal can be asked or not.
        response_deadline: response_deadline(&object.spec().limits),
        now,
    };
    Ok(match (decide_deletion(&input), found) {
        (DeletionDecision::Allowed, _) => DeletionState::Allowed,
        (DeletionDecision::InUse, _) => DeletionState::InUse,
        (DeletionDecision::Wait(left), _) => DeletionState::WaitFor(left),
        (DeletionDecision::Audit | DeletionDecision::Blocked, Ok(issuer)) => final_audit(ctx, &key, issuer).await,
        // The credentials or the portal are gone. It stays until they are back.
        (DeletionDecision::Audit | DeletionDecision::Blocked, Err(fault)) => DeletionState::AuditPending(fault.clone()),
    })
}

async fn final_audit(ctx: &Context, key: &IssuerKey, issuer: &ConnectedIssuer) -> DeletionState {
    let fault = match audit::run(ctx, key, issuer, 0, Prefilter::None).await {
        Ok(()) => ctx.issuers.audit_result(key).and_then(|last| last.failed_revocations.clone()).map(|left| left.fault),
        Err(fault) => Some(fault),
    };
    let Some(fault) = fault else { return DeletionState::Allowed };
    tracing::warn!(issuer = key.name, reason = %fault.reason, detail = fault.message, "the last audit failed");
    DeletionState::AuditPending((fault.reason, fault.message))
}

/// What one waits for while it is not known which issuers there are.
pub fn caches_not_synced(ctx: &Context) -> IssuerProblem {
    let kinds = ctx.unsynced_kinds().join(" and ");
    let message = format!(
        "it is being deleted, and waits until the operator has listed all {kinds}, for only then is it known who else needs its credentials: /readyz and the operator's log say what is in the way, such as a permission. Grant what deploy/rbac.yaml has, and install the CRDs"
    );
    (Reason::IssuerDeleting, message)
}

/// What an issuer that is being deleted waits for, and what to do where that does not come.
pub fn deletion_condition(
    object: &dyn AnyIssuer,
    state: &DeletionState,
    ready: Option<&IssuerProblem>,
) -> IssuerProblem {
    let message = match state {
        DeletionState::Allowed => "it is being deleted, and goes".to_owned(),
        // Not how many: that would be a write for each that goes.
        DeletionState::InUse => "it is being deleted, and RegistryTokens still need it to revoke their tokens: it goes when the last one has gone. Delete them".to_owned(),
        DeletionState::WaitFor(_) => "it is being deleted, and nobody uses it any more: it goes after a last audit of the portal, as soon as no late answer can come".to_owned(),
        DeletionState::AuditPending((reason, fault)) => {
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

async fn in_use(ctx: &Context, key: &IssuerKey) -> Result<bool, ApiError> {
    let protected =
        |one: PartialToken| one.metadata.finalizers.iter().flatten().any(|one| one == FINALIZER).then_some(());
    Ok(!list_tokens(ctx, key, protected).await?.is_empty())
}
