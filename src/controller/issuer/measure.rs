//! What the metrics show of an issuer and its controller.

use crate::controller::context::Context;
use crate::controller::issuer_object::IssuerKey;
use crate::controller::state::token_cache::CachedToken;
use crate::metrics::{Controller, ControllerMetrics, ReadyStatus, TokenSummary};
use jiff::Timestamp;
use kube::Resource;
use kube::runtime::reflector::ObjectRef;
use std::sync::Arc;

/// The metrics of the controller of this kind of issuer.
pub fn controller_metrics<I: Resource<DynamicType = ()>>(ctx: &Context) -> &ControllerMetrics {
    ctx.metrics.controller(controller_of::<I>())
}

/// The controller of this kind of issuer.
pub fn controller_of<I: Resource<DynamicType = ()>>() -> Controller {
    let is_cluster = I::kind(&()) == "ClusterTokenIssuer";
    if is_cluster { Controller::ClusterTokenIssuer } else { Controller::TokenIssuer }
}

/// A reference to an issuer; a cluster issuer has no namespace.
pub fn to_reference<I: Resource<DynamicType = ()>>(name: &str, namespace: &str) -> ObjectRef<I> {
    let reference = ObjectRef::new(name);
    if namespace.is_empty() { reference } else { reference.within(namespace) }
}

/// Shows the tokens of an issuer, unless this instance is not the leader any more.
pub fn show_tokens(ctx: &Context, key: &IssuerKey, tokens: &[Arc<CachedToken>]) {
    if ctx.claim.is_held() {
        ctx.metrics.issuers.set_tokens(&key.metrics_label(), &summarize(tokens, ctx.clock.now()));
    }
}

/// Only reads what needs no unpacking.
fn summarize(tokens: &[Arc<CachedToken>], now: Timestamp) -> TokenSummary {
    let mut summary = TokenSummary::default();
    for token in tokens {
        let facts = token.facts();
        let count = match (facts.is_stalled, facts.ready == ReadyStatus::True) {
            (true, _) => &mut summary.failing,
            (false, true) => &mut summary.active,
            (false, false) => &mut summary.waiting,
        };
        *count += 1;
        summary.retiring += i64::from(facts.retiring);
        let earliest = |one: Option<i64>, other: Option<i64>| one.into_iter().chain(other).min();
        summary.oldest_token = earliest(summary.oldest_token, facts.requested_at);
        if let Some(next) = facts.next_rotation.filter(|_| !token.is_deleting()) {
            summary.next_rotation = earliest(summary.next_rotation, Some(next));
            summary.overdue += i64::from(next < now.as_second());
        }
    }
    summary
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::RegistryToken;
    use serde_json::{Value, json};

    fn cached(suspend: bool, status: &Value) -> Arc<CachedToken> {
        let token = json!({
            "metadata": {"name": "a", "namespace": "team", "uid": "u1"},
            "spec": {"description": "d", "suspend": suspend},
            "status": status,
        });
        Arc::new(CachedToken::new(&serde_json::from_value::<RegistryToken>(token).expect("a RegistryToken")))
    }

    fn status(conditions: &[(&str, &str)], requested: &str, next: &Value, retiring: usize) -> Value {
        let condition = |(kind, status): &(&str, &str)| json!({"type": kind, "status": status, "reason": "R", "message": "", "lastTransitionTime": "2026-11-27T05:46:00Z"});
        let retired = json!({"id": "1", "username": "u", "revocationTime": "2026-11-28T05:46:00Z"});
        json!({
            "uid": "u1",
            "token": {"id": "2", "username": "u", "nonce": "n", "requestTime": requested},
            "nextRotationTime": next,
            "retiring": vec![retired; retiring],
            "conditions": conditions.iter().map(condition).collect::<Vec<_>>(),
        })
    }

    #[test]
    fn each_object_counts_once_and_a_suspended_one_is_not_rotated() {
        let ready = [("Ready", "True")];
        let stalled = [("Ready", "True"), ("Stalled", "True")];
        let tokens = [
            cached(false, &status(&ready, "1970-01-01T00:05:00Z", &json!("1970-01-01T00:15:00Z"), 2)),
            cached(false, &status(&ready, "1970-01-01T00:04:00Z", &json!("1970-01-01T00:20:00Z"), 0)),
            cached(false, &status(&stalled, "1970-01-01T00:06:00Z", &Value::Null, 1)),
            cached(true, &status(&ready, "1970-01-01T00:06:00Z", &json!("1970-01-01T00:01:00Z"), 0)),
            cached(false, &Value::Null),
        ];
        let now = Timestamp::from_second(1000).expect("a time");
        let expected = TokenSummary {
            active: 3,
            waiting: 1,
            failing: 1,
            retiring: 3,
            oldest_token: Some(240),
            next_rotation: Some(900),
            overdue: 1,
        };
        assert_eq!(summarize(&tokens, now), expected);
        assert_eq!(summarize(&[], now), TokenSummary::default());
    }
}
