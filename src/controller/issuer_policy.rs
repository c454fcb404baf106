//! The issuer policy: what the operator's admin allows issuers to do, set by flags.

use crate::api::{IssuerKind, IssuerSpec, Limits, Reason};
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::issuer_problem;
use crate::kube_client::scope::WatchScope;
use crate::portal::EgressPolicy;

/// What the operator's admin allows issuers to do. A `TokenIssuer` is written by tenants, a `ClusterTokenIssuer` by
/// admins of the cluster.
#[derive(Clone, Debug, Default)]
pub struct IssuerPolicy {
    /// Whether `TokenIssuer` objects are ignored.
    pub namespaced_disabled: bool,
    /// Whether a `TokenIssuer` may set `allowInsecureHTTP`.
    pub namespaced_insecure_http: bool,
    /// The upper limits of a `TokenIssuer`.
    pub namespaced_ceiling: Option<Limits>,
    /// The addresses that the operator may connect to for a `TokenIssuer`.
    pub namespaced_egress: EgressPolicy,
    /// The addresses that the operator may connect to for a `ClusterTokenIssuer`.
    pub cluster_egress: EgressPolicy,
}

impl IssuerPolicy {
    /// The addresses that the operator may connect to for an issuer of this kind.
    #[must_use]
    pub const fn egress(&self, kind: IssuerKind) -> &EgressPolicy {
        match kind {
            IssuerKind::ClusterTokenIssuer => &self.cluster_egress,
            IssuerKind::TokenIssuer => &self.namespaced_egress,
        }
    }

    /// The effective limits of an issuer of this kind with these limits in its spec.
    #[must_use]
    pub fn limits(&self, kind: IssuerKind, spec: &Limits) -> Limits {
        match (kind, &self.namespaced_ceiling) {
            (IssuerKind::TokenIssuer, Some(ceiling)) => spec.clamped_to(ceiling),
            _ => spec.clone(),
        }
    }

    /// Checks an issuer before anything that it names is read or sent.
    pub(crate) fn check(&self, kind: IssuerKind, spec: &IssuerSpec) -> Result<(), Problem> {
        if kind == IssuerKind::ClusterTokenIssuer {
            return Ok(());
        }
        if self.namespaced_disabled {
            let message = "this operator does not serve TokenIssuers (--disable-namespaced-issuers): use a ClusterTokenIssuer, or ask an admin of the operator";
            return Err(issuer_problem(Reason::NamespacedIssuersDisabled, message));
        }
        let insecure = spec.connection().is_some_and(|connection| connection.allow_insecure_http);
        if insecure && !self.namespaced_insecure_http {
            let message = format!(
                "{} is not allowed for a TokenIssuer: use https and remove it, or ask an admin of the operator to set --allow-insecure-http-for-namespaced-issuers",
                spec.r#type.spec_fields().allow_insecure_http
            );
            return Err(issuer_problem(Reason::InsecureHTTPNotAllowed, message));
        }
        Ok(())
    }
}

/// Checks that issuers of this kind are watched.
pub(crate) fn require_watched_kind(scope: &WatchScope, kind: IssuerKind) -> Result<(), Problem> {
    if scope.is_cluster_wide() || kind == IssuerKind::TokenIssuer {
        return Ok(());
    }
    let message = "this operator only watches some namespaces (--namespaces) and serves no ClusterTokenIssuers: name a TokenIssuer of this namespace in spec.issuerRef, or ask an admin of the operator";
    Err(issuer_problem(Reason::ClusterIssuersDisabled, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn policy_flags_only_affect_namespaced_issuers() {
        let spec = |insecure: bool| -> IssuerSpec {
            let thinkwise = json!({
                "url": "https://portal.example.com", "allowInsecureHTTP": insecure,
                "auth": {"type": "Basic", "basic": {"secretRef": {"name": "portal"}}},
            });
            serde_json::from_value(json!({"type": "Thinkwise", "thinkwise": thinkwise})).expect("a spec")
        };
        let reason = |policy: &IssuerPolicy, kind, insecure| {
            policy.check(kind, &spec(insecure)).err().map(|problem| problem.reason)
        };
        let (strict, off) = (IssuerPolicy::default(), IssuerPolicy { namespaced_disabled: true, ..Default::default() });
        let open = IssuerPolicy { namespaced_insecure_http: true, ..Default::default() };
        for policy in [&strict, &off, &open] {
            assert_eq!(reason(policy, IssuerKind::ClusterTokenIssuer, true), None);
        }
        assert_eq!(reason(&strict, IssuerKind::TokenIssuer, false), None);
        assert_eq!(reason(&strict, IssuerKind::TokenIssuer, true), Some(Reason::InsecureHTTPNotAllowed));
        assert_eq!(reason(&open, IssuerKind::TokenIssuer, true), None);
        assert_eq!(reason(&off, IssuerKind::TokenIssuer, false), Some(Reason::NamespacedIssuersDisabled));
    }

    #[test]
    fn only_the_whole_cluster_includes_cluster_issuers() {
        let some = WatchScope::of(["team-a".parse().expect("a namespace")]).expect("a scope");
        let reason = |scope: &WatchScope, kind| require_watched_kind(scope, kind).err().map(|problem| problem.reason);
        assert_eq!(reason(&some, IssuerKind::ClusterTokenIssuer), Some(Reason::ClusterIssuersDisabled));
        assert_eq!(reason(&some, IssuerKind::TokenIssuer), None);
        assert_eq!(reason(&WatchScope::Cluster, IssuerKind::ClusterTokenIssuer), None);
    }

    #[test]
    fn a_token_issuer_gets_no_more_than_the_operators_ceiling() {
        let ceiling = Limits { requests_per_second: 2, concurrency: 1, ..Limits::MAX };
        let policy = IssuerPolicy { namespaced_ceiling: Some(ceiling.clone()), ..Default::default() };
        let limits = |kind, spec| policy.limits(kind, spec);
        assert_eq!(limits(IssuerKind::TokenIssuer, &Limits::MAX), ceiling);
        assert_eq!(limits(IssuerKind::ClusterTokenIssuer, &Limits::MAX), Limits::MAX);
        let lower = Limits { requests_per_second: 1, ..ceiling };
        assert_eq!(limits(IssuerKind::TokenIssuer, &lower), lower);
    }
}
