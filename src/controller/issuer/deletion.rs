//! Decides whether the deletion of an issuer can finish: it has to be unused, and a final audit has to succeed after no
//! late response can arrive any more. Then the finalizers of issuer and credentials are removed.

use super::audit::{self, Prefilter};
use super::connect::response_deadline;
use super::finalizers::remove_finalizers;
use super::findings::{Findings, ProtectedNames};
use super::status::write_status;
use crate::api::{FINALIZER, Reason};
use crate::controller::api_call::ApiError;
use crate::controller::context::Context;
use crate::controller::finalizer::has_finalizer;
use crate::controller::issuer_object::{AnyIssuer, IssuerKey};
use crate::controller::live_list::{PartialToken, list_tokens};
use crate::controller::state::issuer_cache::{ConnectedIssuer, IssuerEntry};
use crate::controller::state::token_cache::CachedToken;
use crate::domain::issuer_deletion::{DeletionDecision, DeletionInput, ListAccess, decide_deletion};
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::issuer_problem;
use crate::domain::retry::backoff;
use crate::kube_client::objects::ObjectClient;
use kube::Resource;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// How many reconciles an issuer that is being deleted waits for the caches before its status says so: usually they are
/// synced soon.
const SILENT_ATTEMPTS: u32 = 3;
/// Interval at which an issuer that is being deleted checks whether its last object is deleted.
const DELETION_POLL: Duration = Duration::from_secs(2);

/// The state of an issuer that is being deleted.
enum DeletionState {
    /// Its finalizers may be removed.
    Allowed,
    /// Objects still need it.
    InUse,
    /// A final audit may start after this time.
    WaitFor(Duration),
    /// Its final audit has not succeeded.
    AuditPending(Problem),
}

/// Finalizes an issuer that is being deleted, or writes what it waits for. Returns the time until the next
/// reconcile; `None` if it is finalized.
pub async fn finalize<I>(
    object: &I,
    ctx: &Context,
    api: &ObjectClient<I>,
    found: &Result<Arc<ConnectedIssuer>, Problem>,
    dependents: &[Arc<CachedToken>],
) -> Result<Option<Duration>, ApiError>
where
    I: AnyIssuer + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let key = object.key();
    // Only synced caches show whether another issuer uses the same credentials. If this issuer were finalized earlier,
    // its finalizer would stay on them forever.
    if ctx.synced_issuer_caches(&key).is_none() {
        let attempts = ctx.process_state.record_failure(&object.uid());
        if attempts > SILENT_ATTEMPTS {
            report_deletion(object, ctx, api, caches_not_synced(ctx, &key), dependents).await?;
        }
        return Ok(Some(backoff::delay(attempts, ctx.jitter())));
    }
    let state = evaluate(ctx, object, found).await?;
    if matches!(state, DeletionState::Allowed) {
        remove_finalizers(object, ctx, api).await?;
        ctx.issuers.forget_audits(&key);
        ctx.issuers.set(key.clone(), IssuerEntry::Missing);
        // The deletion event may have come before the state was set.
        if !ctx.issuer_may_exist(&key) {
            ctx.issuer_missing(&key);
        }
        return Ok(None);
    }
    report_deletion(object, ctx, api, deletion_condition(object, &state, found.as_ref().err()), dependents).await?;
    let blocked = matches!(state, DeletionState::AuditPending(_)) || found.is_err();
    if !blocked {
        ctx.process_state.reset_failures(&object.uid());
    }
    Ok(Some(match state {
        DeletionState::WaitFor(remaining) => remaining,
        _ if blocked => backoff::delay(ctx.process_state.record_failure(&object.uid()), ctx.jitter()),
        _ => DELETION_POLL,
    }))
}

/// Writes the status of an issuer that is being deleted.
async fn report_deletion<I>(
    object: &I,
    ctx: &Context,
    api: &ObjectClient<I>,
    problem: Problem,
    dependents: &[Arc<CachedToken>],
) -> Result<(), ApiError>
where
    I: AnyIssuer + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let still_protected = ProtectedNames::default();
    let findings = Findings { connection: &Err(problem), audit: None, dependents, still_protected: &still_protected };
    write_status(object, ctx, api, findings).await
}

/// Decides whether an issuer's finalizers may be removed. Its dependents are listed live after its deletion timestamp
/// was set, and an attempt reads the issuer after its object got the finalizer: so at least one side sees the other.
async fn evaluate(
    ctx: &Context,
    object: &dyn AnyIssuer,
    found: &Result<Arc<ConnectedIssuer>, Problem>,
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
        // An audit that left orphaned tokens is not the final one.
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
        // Taken from the spec, because the portal may be unreachable.
        response_deadline: response_deadline(&object.spec().limits),
        now,
    };
    Ok(match (decide_deletion(&input), found) {
        (DeletionDecision::Allowed, _) => DeletionState::Allowed,
        (DeletionDecision::InUse, _) => DeletionState::InUse,
        (DeletionDecision::Wait(left), _) => DeletionState::WaitFor(left),
        (DeletionDecision::Audit | DeletionDecision::Blocked, Ok(issuer)) => final_audit(ctx, &key, issuer).await,
        // Credentials or portal are missing. The issuer stays until they are restored.
        (DeletionDecision::Audit | DeletionDecision::Blocked, Err(problem)) => {
            DeletionState::AuditPending(problem.clone())
        }
    })
}

async fn final_audit(ctx: &Context, key: &IssuerKey, issuer: &ConnectedIssuer) -> DeletionState {
    let problem = match audit::run(ctx, key, issuer, 0, Prefilter::None).await {
        Ok(()) => {
            ctx.issuers.audit_result(key).and_then(|last| last.failed_revocations.clone()).map(|failed| failed.fault)
        }
        Err(problem) => Some(problem),
    };
    let Some(problem) = problem else { return DeletionState::Allowed };
    tracing::warn!(issuer = key.name, reason = %problem.reason, detail = problem.message, "final audit failed");
    DeletionState::AuditPending(problem)
}

/// The condition of an issuer that is being deleted before the caches of issuers are synced.
fn caches_not_synced(ctx: &Context, key: &IssuerKey) -> Problem {
    let kinds = ctx.unsynced_kinds(key).join(" and ");
    let message = format!(
        "Deletion pending: the operator has not listed all {kinds} yet, and only then knows which other issuers need the credentials. See /readyz and the operator's log for the cause, such as a missing permission. Install the operator's roles and the CRDs again."
    );
    issuer_problem(Reason::IssuerDeleting, message)
}

/// The condition of an issuer that is being deleted: what it waits for, and what to do if it stays blocked.
fn deletion_condition(object: &dyn AnyIssuer, state: &DeletionState, ready: Option<&Problem>) -> Problem {
    let message = match state {
        DeletionState::Allowed => "Deletion in progress: the finalizers are being removed.".to_owned(),
        // Without a number: otherwise the status would be written for each deleted object.
        DeletionState::InUse => "Deletion pending: RegistryTokens still need this issuer to revoke their tokens. Delete them; the issuer is deleted after the last one.".to_owned(),
        DeletionState::WaitFor(_) => "Deletion pending: a final audit runs once all in-flight requests have timed out.".to_owned(),
        DeletionState::AuditPending(Problem { reason, message: problem, .. }) => {
            let secrets = &object.status().map(|status| status.credentials_secrets.join(", ")).unwrap_or_default();
            let maps = &object.status().map(|status| status.ca_config_maps.join(", ")).unwrap_or_default();
            let message = format!(
                "Deletion pending: the final audit of the portal has not succeeded, and a token whose response was lost may still exist there: {problem}. If the portal is permanently unavailable, remove the finalizer {FINALIZER} from this issuer, from the Secret with its credentials ({secrets}) and from the ConfigMaps with its CAs ({maps}); see \"A portal is gone for good\" in docs/runbooks.md."
            );
            return issuer_problem(*reason, message);
        }
    };
    match ready {
        Some(problem) => issuer_problem(problem.reason, format!("{message} Current problem: {}", problem.message)),
        None => issuer_problem(Reason::IssuerDeleting, message),
    }
}

async fn in_use(ctx: &Context, key: &IssuerKey) -> Result<bool, ApiError> {
    let protected =
        |one: PartialToken| has_finalizer(one.metadata.finalizers.as_deref().unwrap_or_default()).then_some(());
    Ok(!list_tokens(ctx, key, protected).await?.is_empty())
}
