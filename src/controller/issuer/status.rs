//! The one writer of an issuer's status.

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

/// What a pass found out.
pub struct Findings<'a> {
    /// Whether the portal can be worked with, or what else to say of an issuer that is not ready.
    pub connection: &'a Result<Arc<ConnectedIssuer>, IssuerProblem>,
    /// Why the audit failed that was due.
    pub audit: Option<&'a Problem>,
    /// The objects that name the issuer.
    pub dependents: &'a [Arc<RegistryToken>],
    /// What it does not need any more, and has not let go.
    pub still_protected: &'a ProtectedNames,
}

/// Writes what was found, where it differs from what is written; a changed `Ready` is told as an event.
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
    // That the list was read once more is no news.
    let former = object.status().and_then(|status| status.last_audit_time.clone());
    let fresh = std::mem::replace(&mut status.last_audit_time, former);
    if object.status() == Some(&status) {
        return Ok(());
    }
    status.last_audit_time = fresh;
    let ready = |status: Option<&IssuerStatus>| {
        let wanted = ConditionType::Ready.to_string();
        status.and_then(|status| status.conditions.iter().find(|one| one.type_ == wanted).cloned())
    };
    let (former, current) = (ready(object.status()), ready(Some(&status)));
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
        current.filter(|now| former.as_ref().is_none_or(|was| was.status != now.status || was.reason != now.reason))
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

/// The merge patch that makes the one of the other: what is gone is named too, else it would stay.
fn merge_patch(former: &Value, mut wanted: Value) -> Value {
    if let (Some(former), Some(wanted)) = (former.as_object(), wanted.as_object_mut()) {
        for (key, former) in former {
            let next = wanted.entry(key.clone()).or_insert(Value::Null);
            *next = merge_patch(former, next.take());
        }
    }
    wanted
}

fn next_status(ctx: &Context, object: &dyn AnyIssuer, findings: &Findings<'_>) -> IssuerStatus {
    let mut status = object.status().cloned().unwrap_or_default();
    status.observed_generation = Some(object.generation());
    let (value, reason, message) = match findings.connection {
        Ok(handle) => {
            set_details(&mut status, ctx, object, (handle, findings.still_protected));
            if let Some(failure) = handle.portal.open_reason() {
                // It can be worked with, as for revocations and audits, and not asked for a token.
                (ConditionStatus::False, failure.reason, failure.message)
            } else {
                let (reason, message) = ready_condition(ctx, object, handle, findings);
                (ConditionStatus::True, reason, message)
            }
        }
        Err((reason, message)) => (ConditionStatus::False, *reason, message.clone()),
    };
    let said = ConditionUpdate { kind: ConditionType::Ready, value, reason, message: &message };
    conditions::set(&mut status.conditions, object.generation(), ctx.clock.now(), said);
    status
}

fn set_details(
    status: &mut IssuerStatus,
    ctx: &Context,
    object: &dyn AnyIssuer,
    (handle, kept): (&ConnectedIssuer, &ProtectedNames),
) {
    let portal = &handle.info.portal;
    // Where tokens live at another address, the issuer does not get here.
    status.portal = Some(PortalLocation { kind: portal.kind, url: portal.url.clone(), scope: portal.scope.clone() });
    status.resolved = Some(handle.resolved.names.clone());
    let present = ProtectedNames {
        secrets: handle.credentials_secret.iter().cloned().collect(),
        config_maps: ca_config_maps(object.spec()),
    };
    remove_previous_names(status, &present, kept);
    if let Some(audited) = ctx.issuers.audit_result(&object.key()).filter(|last| last.same_source(&handle.info)) {
        if !audited.is_first || status.tokens.is_none() {
            status.tokens = audited.evidence.token_count().and_then(|count| i64::try_from(count).ok());
        }
        status.last_audit_time = Some(Time(audited.evidence.started_at()));
    }
}

/// Former ones were let go, now that this one works; a name is not forgotten before.
fn remove_previous_names(status: &mut IssuerStatus, present: &ProtectedNames, kept: &ProtectedNames) {
    let stays = |name: &String, present: &[String], kept: &[String]| present.contains(name) || kept.contains(name);
    status.credentials_secrets.retain(|name| stays(name, &present.secrets, &kept.secrets));
    status.ca_config_maps.retain(|name| stays(name, &present.config_maps, &kept.config_maps));
}

/// What there is to say of a portal that answers: the most important of it as the reason.
fn ready_condition(
    ctx: &Context,
    object: &dyn AnyIssuer,
    handle: &ConnectedIssuer,
    findings: &Findings<'_>,
) -> IssuerProblem {
    let audited = ctx.issuers.audit_result(&object.key());
    if let Some(why) = &handle.resolved.list_denied {
        return (Reason::TokenListForbidden, list_denied_message(why, handle, audited.as_deref()));
    }
    if let Some(message) =
        audit_problem(findings.audit, audited.as_ref().and_then(|last| last.failed_revocations.as_ref()))
    {
        return (Reason::AuditFailed, message);
    }
    if let Some(gone) = audited.map(|audited| audited.missing_tokens.clone()).filter(|one| !one.plausible) {
        let whose = gone
            .only_implausible_namespace
            .as_ref()
            .map(|only| format!(" of the namespace {only}"))
            .unwrap_or_default();
        let message = format!(
            "the portal lacks {} of {} tokens at once, more than audit.maxVanishedPercent: nothing is done about those{whose}. Check the rights of the portal user; if they were revoked on purpose, raise audit.maxVanishedPercent",
            gone.missing, gone.expected
        );
        return (Reason::TokenListShrunk, message);
    }
    if let Some(secret) = handle.credentials_secret.as_ref().filter(|_| handle.credentials_deleting) {
        let message = format!(
            "the Secret {secret} with the portal's credentials is being deleted, and stays as long as this issuer names it, for tokens are revoked with it: create another Secret and name it in spec.thinkwise.auth, or delete this issuer"
        );
        return (Reason::CredentialsDeleting, message);
    }
    if let Some(message) = rotation_exceeds_rate(&handle.limits, findings.dependents) {
        return (Reason::RotationTooFrequent, message);
    }
    let mut notes = handle.resolved.warnings.clone();
    notes.extend(lowered_limits(&object.spec().limits, &handle.limits));
    let notes = notes.join("; ");
    let message = "the portal lists its tokens as configured";
    (Reason::PortalReady, if notes.is_empty() { message.to_owned() } else { format!("{message}; {notes}") })
}

/// What the operator's own bounds leave of the limits of a spec, where that is less.
fn lowered_limits(requested: &Limits, effective: &Limits) -> Option<String> {
    (requested != effective).then(|| {
        format!(
            "spec.limits is above the operator's ceiling for a TokenIssuer, so this is used: {} requests a second, concurrency {}, requestTimeout {}",
            effective.requests_per_second, effective.concurrency, effective.request_timeout
        )
    })
}

/// What follows where the portal lists nothing to our user.
fn list_denied_message(why: &str, handle: &ConnectedIssuer, audited: Option<&AuditResult>) -> String {
    let refused = audited
        .filter(|last| last.same_source(&handle.info) && !last.missing_tokens.plausible)
        .map(|last| &last.missing_tokens);
    let revoked = match refused {
        Some(gone) => format!(
            "The registry refuses {} of {} tokens at once, more than audit.maxVanishedPercent: nothing is done about it. Look at the registry; if they were revoked on purpose, raise audit.maxVanishedPercent",
            gone.missing, gone.expected
        ),
        None if handle.info.checks_login() => {
            "Whether a colleague revoked one is asked of the registry instead, at audit.interval".to_owned()
        }
        None => "One that a colleague revokes is not found out either, for loginCheck is Disabled".to_owned(),
    };
    format!(
        "the portal answers, and does not list the tokens to our user ({why}): there are no audits, and a token whose answer got lost is not found out. {revoked}. Give the portal user the right to see the table"
    )
}

/// What an audit could not do.
fn audit_problem(failed: Option<&Problem>, left: Option<&FailedRevocations>) -> Option<String> {
    if let Some(fault) = failed {
        return Some(format!(
            "the portal answers, and its list could not be audited: {}. Until that succeeds, a token whose answer got lost, or that a colleague revokes, is not found out; tried again",
            fault.message
        ));
    }
    left.map(|left| {
        format!(
            "the last audit found {} tokens that belong to nobody and could not be revoked: {}. The next audit tries again; they can be revoked in the portal by hand, too",
            left.count, left.fault.message
        )
    })
}

/// Requests that one rotation takes: for the new token, its description, the look-up and the end of the old one.
const REQUESTS_PER_ROTATION: f64 = 4.0;

/// Whether the rotations of all its objects leave less than half of the issuer's rate to others.
fn rotation_exceeds_rate(limits: &Limits, dependents: &[Arc<RegistryToken>]) -> Option<String> {
    let intervals =
        dependents.iter().filter_map(|token| token.spec.rotation.as_ref()).map(|one| one.interval.0.as_secs_f64());
    let needed: f64 = intervals.map(|seconds| REQUESTS_PER_ROTATION / seconds.max(1.0)).sum();
    let rate = f64::from(limits.requests_per_second);
    (needed > rate / 2.0).then(|| {
        format!(
            "the rotations of {} objects need {needed:.1} requests a second, and limits.requestsPerSecond is {rate}: raise it, or rotate less often",
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
        let former = json!({"resolved": {"table": "t", "request": "r"}, "tokens": 3, "conditions": [{"a": 1, "b": 2}]});
        let wanted = json!({"resolved": {"request": "r"}, "conditions": [{"a": 1}], "observedGeneration": 1});
        let body = json!({
            "resolved": {"table": null, "request": "r"}, "tokens": null, "conditions": [{"a": 1}], "observedGeneration": 1,
        });
        assert_eq!(merge_patch(&former, wanted.clone()), body);
        assert_eq!(merge_patch(&json!(null), wanted.clone()), wanted, "there was none");
        assert_eq!(merge_patch(&json!({"resolved": {"table": "t"}}), json!({})), json!({"resolved": null}));
    }
}
