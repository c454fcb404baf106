//! Writes an issuer's status. Nothing else writes it.

use super::cache::{AuditResult, ConnectedIssuer};
use super::connect::IssuerProblem;
use super::credentials::ca_config_maps;
use super::finalizers::ProtectedNames;
use super::object::AnyIssuer;
use crate::api::{ConditionType, IssuerStatus, Limits, PortalLocation, Reason, RegistryToken};
use crate::controller::api_call::{ApiError, call};
use crate::controller::context::Context;
use crate::domain::audit::FailedRevocations;
use crate::domain::model::conditions;
use crate::domain::model::conditions::{ConditionStatus, ConditionUpdate};
use crate::domain::model::problem::Problem;
use crate::kube_client::objects::ObjectClient;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::sync::Arc;

/// The results of a pass.
pub struct Findings<'a> {
    /// The connection to the portal, or the problem to report.
    pub connection: &'a Result<Arc<ConnectedIssuer>, IssuerProblem>,
    /// Why the audit failed.
    pub audit: Option<&'a Problem>,
    pub dependents: &'a [Arc<RegistryToken>],
    /// What the issuer no longer needs, but cannot release yet.
    pub still_protected: &'a ProtectedNames,
}

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
    let body = json!({
        "metadata": {"uid": AnyIssuer::uid(object), "resourceVersion": object.version()},
        "status": merge_patch(&json!(object.status()), json!(status)),
    });
    call(
        "write the issuer's status",
        api.patch_status(&object.name_any(), &PatchParams::default(), &Patch::Merge(&body)),
    )
    .await?;
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

/// The merge patch that turns one value into the other: removed fields become `null`, because otherwise they would
/// stay.
fn merge_patch(previous: &Value, mut wanted: Value) -> Value {
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
        Err((reason, message)) => (ConditionStatus::False, *reason, message.clone()),
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
    status.resolved = Some(issuer.resolved.names.clone());
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

/// The condition of an issuer whose portal responds. The most important finding determines the reason.
fn ready_condition(
    ctx: &Context,
    object: &dyn AnyIssuer,
    issuer: &ConnectedIssuer,
    findings: &Findings<'_>,
) -> IssuerProblem {
    let audited = ctx.issuers.audit_result(&object.key());
    if let Some(why) = issuer.resolved.capabilities.list_denied() {
        return (Reason::TokenListForbidden, list_denied_message(why, issuer, audited.as_deref()));
    }
    if let Some(message) =
        audit_problem(findings.audit, audited.as_ref().and_then(|last| last.failed_revocations.as_ref()))
    {
        return (Reason::AuditFailed, message);
    }
    if let Some(missing_tokens) = audited.map(|audited| audited.missing_tokens.clone()).filter(|one| !one.plausible) {
        let whose = missing_tokens
            .only_implausible_namespace
            .as_ref()
            .map(|only| format!(" in namespace {only}"))
            .unwrap_or_default();
        let message = format!(
            "{} of {} tokens are missing from the portal's list at once, more than audit.maxVanishedPercent allows. No action is taken for the missing tokens{whose}. Check the rights of the portal user; if the tokens were revoked on purpose, raise audit.maxVanishedPercent.",
            missing_tokens.missing, missing_tokens.expected
        );
        return (Reason::TokenListShrunk, message);
    }
    if let Some(secret) = issuer.credentials_secret.as_ref().filter(|_| issuer.credentials_deleting) {
        let message = format!(
            "Secret {secret} with the portal's credentials is being deleted. It stays while this issuer names it, because its tokens are revoked with these credentials. To complete the deletion, create another Secret and name it in {}, or delete this issuer.",
            object.spec().r#type.spec_fields().auth
        );
        return (Reason::CredentialsDeleting, message);
    }
    if let Some(message) = rotation_exceeds_rate(&issuer.limits, findings.dependents) {
        return (Reason::RotationTooFrequent, message);
    }
    let mut notes = issuer.resolved.warnings.clone();
    notes.extend(lowered_limits(&object.spec().limits, &issuer.limits));
    let notes = notes.join("; ");
    let message = "the portal lists its tokens as configured";
    (Reason::PortalReady, if notes.is_empty() { message.to_owned() } else { format!("{message}; {notes}") })
}

/// Reports limits of the spec that are above the operator's ceiling.
fn lowered_limits(requested: &Limits, effective: &Limits) -> Option<String> {
    (requested != effective).then(|| {
        format!(
            "spec.limits exceeds the operator's ceiling for a TokenIssuer; effective limits: {} requests per second, concurrency {}, requestTimeout {}",
            effective.requests_per_second, effective.concurrency, effective.request_timeout
        )
    })
}

/// The consequences of a portal that does not list tokens to the portal user.
fn list_denied_message(why: &str, issuer: &ConnectedIssuer, audited: Option<&AuditResult>) -> String {
    let refused = audited
        .filter(|last| last.same_source(&issuer.info) && !last.missing_tokens.plausible)
        .map(|last| &last.missing_tokens);
    let revoked = match refused {
        Some(missing_tokens) => format!(
            "The registry rejects {} of {} tokens at once, more than audit.maxVanishedPercent allows. No action is taken for them. Check the registry; if the tokens were revoked on purpose, raise audit.maxVanishedPercent",
            missing_tokens.missing, missing_tokens.expected
        ),
        None if issuer.info.checks_login() => {
            "Tokens that are revoked in the portal are detected by logins at the registry instead, at audit.interval"
                .to_owned()
        }
        None => {
            "Tokens that are revoked in the portal are not detected either, because loginCheck is Disabled".to_owned()
        }
    };
    format!(
        "The portal responds, but does not list the tokens to the portal user ({why}). There are no audits, and a token whose response was lost is not detected. {revoked}. Grant the portal user the right to read the table."
    )
}

/// What an audit failed to do.
fn audit_problem(failed: Option<&Problem>, left: Option<&FailedRevocations>) -> Option<String> {
    if let Some(fault) = failed {
        return Some(format!(
            "The portal responds, but the audit of its list failed: {}. Until an audit succeeds, a token whose response was lost, or that is revoked in the portal, is not detected. The audit is retried.",
            fault.message
        ));
    }
    left.map(|left| {
        format!(
            "The last audit found {} orphaned tokens that could not be revoked: {}. The next audit tries again; you can also revoke them in the portal.",
            left.count, left.fault.message
        )
    })
}

/// Requests per rotation: the token request, its description, the lookup and the revocation of the old token.
const REQUESTS_PER_ROTATION: f64 = 4.0;

/// Whether the rotations of all objects use more than half of the issuer's rate.
fn rotation_exceeds_rate(limits: &Limits, dependents: &[Arc<RegistryToken>]) -> Option<String> {
    let intervals =
        dependents.iter().filter_map(|token| token.spec.rotation.as_ref()).map(|one| one.interval.0.as_secs_f64());
    let needed: f64 = intervals.map(|seconds| REQUESTS_PER_ROTATION / seconds.max(1.0)).sum();
    let rate = f64::from(limits.requests_per_second);
    (needed > rate / 2.0).then(|| {
        format!(
            "Rotations of {} objects need {needed:.1} requests per second, but limits.requestsPerSecond is {rate}. Raise it, or rotate less often.",
            dependents.len()
        )
    })
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
