//! The `Ready` condition of an issuer whose portal responds.

use super::findings::Findings;
use crate::api::{Limits, Reason};
use crate::controller::context::Context;
use crate::controller::issuer_object::AnyIssuer;
use crate::controller::state::issuer_cache::{AuditResult, ConnectedIssuer};
use crate::controller::state::token_cache::CachedToken;
use crate::domain::audit::FailedRevocations;
use crate::domain::model::problem::Problem;
use std::sync::Arc;

/// Reason and message of the condition. The most important finding determines the reason.
pub fn ready_condition(
    ctx: &Context,
    object: &dyn AnyIssuer,
    issuer: &ConnectedIssuer,
    findings: &Findings<'_>,
) -> (Reason, String) {
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
fn rotation_exceeds_rate(limits: &Limits, dependents: &[Arc<CachedToken>]) -> Option<String> {
    let intervals =
        dependents.iter().filter_map(|token| token.rotation_interval()).map(|interval| interval.as_secs_f64());
    let needed: f64 = intervals.map(|seconds| REQUESTS_PER_ROTATION / seconds.max(1.0)).sum();
    let rate = f64::from(limits.requests_per_second);
    (needed > rate / 2.0).then(|| {
        format!(
            "Rotations of {} objects need {needed:.1} requests per second, but limits.requestsPerSecond is {rate}. Raise it, or rotate less often.",
            dependents.len()
        )
    })
}
