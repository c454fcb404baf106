//! Writes an issuer's status. Nothing else writes it.

use super::credentials::ca_config_maps;
use super::findings::{Findings, ProtectedNames};
use super::ready_condition::ready_condition;
use crate::api::{ConditionType, IssuerStatus, PortalLocation};
use crate::controller::api_call::{ApiError, call};
use crate::controller::context::Context;
use crate::controller::issuer_object::{AnyIssuer, IssuerKey};
use crate::controller::state::issuer_cache::ConnectedIssuer;
use crate::domain::model::conditions;
use crate::domain::model::conditions::{ConditionStatus, ConditionUpdate};
use crate::kube_client::objects::ObjectClient;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;

/// Writes the status if it changed. A changed `Ready` condition is also emitted as an event.
pub async fn write_status<I>(
    object: &I,
    ctx: &Context,
    api: &ObjectClient<I>,
    findings: Findings<'_>,
) -> Result<(), ApiError>
where
    I: AnyIssuer + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let mut status = next_status(ctx, object, &findings);
    show_ready(ctx, &object.key(), &status);
    // A new audit time alone does not cause a write.
    let previous = object.status().and_then(|status| status.last_audit_time.clone());
    let fresh = std::mem::replace(&mut status.last_audit_time, previous);
    if object.status() == Some(&status) {
        return Ok(());
    }
    status.last_audit_time = fresh;
    let ready = |status: Option<&IssuerStatus>| {
        let wanted = ConditionType::Ready.to_string();
        status.and_then(|status| status.conditions.iter().find(|one| one.type_ == wanted).cloned())
    };
    let (previous, current) = (ready(object.status()), ready(Some(&status)));
    patch("write the issuer's status", object, api, merge_patch(&json!(object.status()), json!(status))).await?;
    if let Some(now) =
        current.filter(|now| previous.as_ref().is_none_or(|was| was.status != now.status || was.reason != now.reason))
    {
        tracing::info!(
            issuer = object.key().name,
            ready = now.status,
            reason = now.reason,
            detail = now.message,
            "issuer"
        );
        ctx.events.emit(&object.reference(), now.status == "True", &now.reason, &now.message).await;
    }
    Ok(())
}

fn show_ready(ctx: &Context, key: &IssuerKey, status: &IssuerStatus) {
    if ctx.claim.is_held() {
        let is_ready = conditions::is_true(&status.conditions, ConditionType::Ready);
        ctx.metrics.issuers.set_ready(key.kind.as_str(), &key.namespace, &key.name, is_ready);
    }
}

/// Records the names of what gets our finalizer for this issuer. Returns the updated issuer.
pub async fn record_protected_names<I>(object: &I, api: &ObjectClient<I>, names: &ProtectedNames) -> Result<I, ApiError>
where
    I: AnyIssuer + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let status = json!({"credentialsSecrets": names.secrets, "caConfigMaps": names.config_maps});
    patch("record what the issuer needs", object, api, status).await
}

/// Changes these fields of the status, guarded by the version that was read.
async fn patch<I>(what: &'static str, object: &I, api: &ObjectClient<I>, status: Value) -> Result<I, ApiError>
where
    I: AnyIssuer + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let body = json!({
        "metadata": {"uid": AnyIssuer::uid(object), "resourceVersion": object.version()},
        "status": status,
    });
    call(what, api.patch_status(&object.name_any(), &PatchParams::default(), &Patch::Merge(&body))).await
}

/// The merge patch that turns one value into the other: removed fields become `null`, because otherwise they would
/// stay.
pub fn merge_patch(previous: &Value, mut wanted: Value) -> Value {
    if let (Some(previous), Some(wanted)) = (previous.as_object(), wanted.as_object_mut()) {
        for (key, previous) in previous {
            let next = wanted.entry(key.clone()).or_insert(Value::Null);
            *next = merge_patch(previous, next.take());
        }
    }
    wanted
}

fn next_status(ctx: &Context, object: &dyn AnyIssuer, findings: &Findings<'_>) -> IssuerStatus {
    let mut status = object.status().cloned().unwrap_or_default();
    status.observed_generation = Some(object.generation());
    let (value, reason, message) = match findings.connection {
        Ok(issuer) => {
            set_details(&mut status, ctx, object, (issuer, findings.still_protected));
            if let Some(failure) = issuer.portal.open_reason() {
                // The issuer still serves revocations and audits, but no token requests.
                (ConditionStatus::False, failure.reason, failure.message)
            } else {
                let (reason, message) = ready_condition(ctx, object, issuer, findings);
                (ConditionStatus::True, reason, message)
            }
        }
        Err(problem) => (ConditionStatus::False, problem.reason, problem.message.clone()),
    };
    let update = ConditionUpdate { kind: ConditionType::Ready, value, reason, message: &message };
    conditions::set(&mut status.conditions, object.generation(), ctx.clock.now(), update);
    status
}

fn set_details(
    status: &mut IssuerStatus,
    ctx: &Context,
    object: &dyn AnyIssuer,
    (issuer, kept): (&ConnectedIssuer, &ProtectedNames),
) {
    let portal = &issuer.info.portal;
    // Not reached while tokens exist at another address: see `portal_changed`.
    status.portal = Some(PortalLocation { kind: portal.kind, url: portal.url.clone(), scope: portal.scope.clone() });
    status.resolved.clone_from(&issuer.resolved.names);
    let present = ProtectedNames {
        secrets: issuer.credentials_secret.iter().cloned().collect(),
        config_maps: ca_config_maps(object.spec()),
    };
    remove_previous_names(status, &present, kept);
    if let Some(audited) = ctx.issuers.audit_result(&object.key()).filter(|last| last.same_source(&issuer.info)) {
        if !audited.is_first || status.tokens.is_none() {
            status.tokens = audited.evidence.token_count().and_then(|count| i64::try_from(count).ok());
        }
        status.last_audit_time = Some(Time(audited.evidence.started_at()));
    }
}

/// Previous names were released, because the current ones work; no name is removed from the status before that.
fn remove_previous_names(status: &mut IssuerStatus, present: &ProtectedNames, kept: &ProtectedNames) {
    let stays = |name: &String, present: &[String], kept: &[String]| present.contains(name) || kept.contains(name);
    status.credentials_secrets.retain(|name| stays(name, &present.secrets, &kept.secrets));
    status.ca_config_maps.retain(|name| stays(name, &present.config_maps, &kept.config_maps));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_still_has_the_finalizer_stays_recorded() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut status = IssuerStatus {
            credentials_secrets: names(&["gone", "kept", "new", "?"]),
            ca_config_maps: names(&["gone", "kept", "new"]),
            ..IssuerStatus::default()
        };
        let of = |name: &str| ProtectedNames { secrets: names(&[name]), config_maps: names(&[name]) };
        remove_previous_names(&mut status, &of("new"), &of("kept"));
        assert_eq!(
            (status.credentials_secrets, status.ca_config_maps),
            (names(&["kept", "new"]), names(&["kept", "new"]))
        );
    }

    #[test]
    fn removed_fields_are_null_in_the_patch_and_others_stay() {
        let previous =
            json!({"resolved": {"table": "t", "request": "r"}, "tokens": 3, "conditions": [{"a": 1, "b": 2}]});
        let wanted = json!({"resolved": {"request": "r"}, "conditions": [{"a": 1}], "observedGeneration": 1});
        let body = json!({
            "resolved": {"table": null, "request": "r"}, "tokens": null, "conditions": [{"a": 1}], "observedGeneration": 1,
        });
        assert_eq!(merge_patch(&previous, wanted.clone()), body);
        assert_eq!(merge_patch(&json!(null), wanted.clone()), wanted, "there was none");
        assert_eq!(merge_patch(&json!({"resolved": {"table": "t"}}), json!({})), json!({"resolved": null}));
    }
}
