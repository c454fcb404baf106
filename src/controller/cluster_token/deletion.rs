//! Deletes a `ClusterRegistryToken`: first its `RegistryToken`s, each of which revokes its tokens.

use super::status::client;
use super::view::Tokens;
use super::{status, writes};
use crate::api::{CLUSTER_TOKEN_LABEL, ClusterRegistryToken, RegistryToken};
use crate::controller::api_call::{ApiError, call};
use crate::controller::context::{Context, SharedContext};
use crate::controller::decode;
use crate::controller::finalizer::finalizer_patch;
use crate::controller::live_list::list_pages;
use crate::domain::cluster_token::render::label_value;
use crate::domain::cluster_token::status::Report;
use crate::domain::cluster_token::{Action, Counts, Write, plan_deletion};
use crate::kube_client::objects::all_namespaces;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use std::sync::Arc;
use std::time::Duration;

/// The finalizer with which the garbage collector detaches dependents (`kubectl delete --cascade=orphan`).
const ORPHAN_FINALIZER: &str = "orphan";
/// Interval between two checks of what is left.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// A change of each `RegistryToken` starts a pass, so this is only for what no event reports.
const RESYNC: Duration = Duration::from_mins(1);

/// Deletes what is left; returns when to run again.
pub async fn finalize(object: &Arc<ClusterRegistryToken>, ctx: &SharedContext) -> Result<Duration, ApiError> {
    let (uid, tokens) = (object.uid().unwrap_or_default(), Tokens::of(object, ctx));
    let views = tokens.views(object);
    let is_orphaning = object.finalizers().iter().any(|finalizer| finalizer == ORPHAN_FINALIZER);
    let plan = plan_deletion(&views, is_orphaning);
    let unsettled = ctx.cluster_tokens.with(&uid, |state| {
        state.settle_writes(|namespace| tokens.version(namespace));
        state.has_unsettled_writes()
    });
    if plan.left == 0 && !unsettled && !is_orphaning {
        if owns_any(object, ctx).await? {
            return Ok(POLL_INTERVAL);
        }
        return remove_finalizer(object, ctx).await.map(|()| RESYNC);
    }
    let now = ctx.clock.now();
    let is_due = |namespace: &String| {
        let problem = ctx.cluster_tokens.with(&uid, |state| state.memory.retry_at(namespace));
        problem.is_none_or(|time| time <= now)
    };
    let delete = plan.delete.into_iter().filter(is_due);
    let delete = delete.map(|namespace| Write { namespace, action: Action::Delete, fingerprint: 0 }).collect();
    writes::start(object, delete, &tokens, ctx);
    let report = Report {
        generation: object.metadata.generation.unwrap_or_default(),
        token_name: object.token_name(),
        counts: Counts { leaving: plan.left, ..Counts::default() },
        failures: vec![],
        suspended: false,
        deleting: Some(plan.left),
    };
    let wait = status::write(object, &report, ctx).await?;
    Ok(wait.unwrap_or(POLL_INTERVAL * 5))
}

/// Whether a `RegistryToken` still belongs to this object, according to the API server: a cache may lag behind.
async fn owns_any(object: &ClusterRegistryToken, ctx: &Context) -> Result<bool, ApiError> {
    let (uid, mut found) = (object.uid().unwrap_or_default(), false);
    let params = ListParams::default().labels(&format!("{CLUSTER_TOKEN_LABEL}={}", label_value(&object.name_any())));
    let request = all_namespaces::<RegistryToken>();
    let each = |token: &[u8]| {
        let owners = decode::metadata::<RegistryToken>(token).ok().and_then(|meta| meta.owner_references);
        found |= owners.iter().flatten().any(|owner| owner.uid == uid && owner.controller == Some(true));
    };
    let page = |params: &ListParams| request.list_metadata(params);
    match list_pages(&ctx.client, "list the RegistryTokens", params, page, each).await {
        // The kind was deleted, and with it every object.
        Err(ApiError::NotFound(_)) => Ok(false),
        listed => listed.map(|()| found),
    }
}

async fn remove_finalizer(object: &ClusterRegistryToken, ctx: &Context) -> Result<(), ApiError> {
    let version = object.resource_version();
    let Some(body) = finalizer_patch(object.finalizers(), version.as_deref(), false) else { return Ok(()) };
    let (params, patch) = (PatchParams::default(), Patch::Merge(&body));
    match call("remove the finalizer", client(ctx).patch(&object.name_any(), &params, &patch)).await {
        Ok(_) | Err(ApiError::NotFound(_)) => {
            tracing::info!(object = %object.name_any(), "finalizer removed");
            Ok(())
        }
        Err(error) => Err(error),
    }
}
