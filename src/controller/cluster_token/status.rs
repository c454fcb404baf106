//! Writes the status of a `ClusterRegistryToken`. Nothing else writes it.

use super::decode::live_cluster_token;
use crate::api::{ClusterRegistryToken, ClusterRegistryTokenStatus, ConditionType};
use crate::controller::api_call::{ApiError, call};
use crate::controller::context::Context;
use crate::domain::cluster_token::status::{Report, next_status};
use crate::domain::model::conditions::find;
use crate::kube_client::objects::ObjectClient;
use kube::api::{ObjectMeta, PostParams};
use kube::{Resource, ResourceExt};
use std::time::{Duration, Instant};

/// Minimum time between two writes, however many namespaces change.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Requests for `ClusterRegistryToken`s.
pub fn client(ctx: &Context) -> ObjectClient<ClusterRegistryToken> {
    ObjectClient::all(ctx.client.clone()).with_parser(live_cluster_token)
}

/// Writes the status if it changed. Returns the time after which it may be written, if that is not yet.
pub async fn write(
    object: &ClusterRegistryToken,
    report: &Report,
    ctx: &Context,
) -> Result<Option<Duration>, ApiError> {
    let status = next_status(object.status.as_ref(), report, ctx.clock.now());
    if object.status.as_ref() == Some(&status) {
        return Ok(None);
    }
    let uid = object.uid().unwrap_or_default();
    let since = ctx.cluster_tokens.with(&uid, |state| state.last_status_write).map(|last| last.elapsed());
    if let Some(wait) = since.and_then(|since| MIN_INTERVAL.checked_sub(since)).filter(|wait| !wait.is_zero()) {
        return Ok(Some(wait));
    }
    let changed = ClusterRegistryToken {
        // The version guards the write; the other metadata are not needed.
        metadata: ObjectMeta {
            name: object.metadata.name.clone(),
            uid: object.metadata.uid.clone(),
            resource_version: object.metadata.resource_version.clone(),
            ..ObjectMeta::default()
        },
        spec: object.spec.clone(),
        status: Some(status),
    };
    let params = PostParams::default();
    let written = call("write the status", client(ctx).replace_status(&object.name_any(), &params, &changed)).await;
    // The interval starts at the response: after a slow write the next one is not sent sooner.
    ctx.cluster_tokens.with(&uid, |state| state.last_status_write = Some(Instant::now()));
    written?;
    emit_ready_event(object, changed.status.as_ref(), ctx).await;
    Ok(None)
}

/// A changed `Ready` condition is also emitted as an event.
async fn emit_ready_event(object: &ClusterRegistryToken, status: Option<&ClusterRegistryTokenStatus>, ctx: &Context) {
    let ready = |status: Option<&ClusterRegistryTokenStatus>| {
        status.and_then(|status| find(&status.conditions, ConditionType::Ready).cloned())
    };
    let (previous, now) = (ready(object.status.as_ref()), ready(status));
    let changed = |now: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
        previous.as_ref().is_none_or(|was| was.status != now.status || was.reason != now.reason)
    };
    if let Some(now) = now.filter(changed) {
        tracing::info!(object = %object.name_any(), ready = now.status, reason = now.reason, detail = now.message, "status changed");
        let normal = now.reason != crate::api::Reason::TokensFailing.to_string();
        ctx.events.emit(&object.object_ref(&()), normal, &now.reason, &now.message).await;
    }
}
