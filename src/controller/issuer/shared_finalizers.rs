//! Coordinates the finalizers of objects that several issuers need, such as a shared Secret with credentials: the last
//! issuer removes the finalizer.

use crate::api::{ConditionType, IssuerKind};
use crate::controller::issuer_object::{AnyIssuer, IssuerKey};
use std::collections::HashSet;
use std::sync::Arc;

/// Whether an issuer may remove our finalizer from an object.
#[derive(Debug, PartialEq, Eq)]
pub enum FinalizerRemoval {
    /// No other issuer needs the object.
    Allowed,
    /// These issuers have to release the object first.
    After(Vec<IssuerKey>),
    /// Another issuer needs it, or the other issuers are unknown.
    InUse,
}

/// Decides whether an issuer that no longer needs an object may remove its finalizer. Issuers that this process has
/// finalized do not count, although the caches may still contain them.
///
/// If two issuers record the object and neither needs it, the one with the smaller key goes first: if each waited for
/// the other, or left it to the other, the finalizer would stay forever.
pub fn finalizer_removal(
    key: &IssuerKey,
    others: Option<&[Arc<dyn AnyIssuer>]>,
    finalized: &HashSet<String>,
    records_name: impl Fn(&dyn AnyIssuer) -> bool,
    uses_name: impl Fn(&dyn AnyIssuer) -> bool,
) -> FinalizerRemoval {
    let Some(others) = others else { return FinalizerRemoval::InUse };
    let mut before = vec![];
    // An issuer records the name before it adds the finalizer.
    for other in others.iter().filter(|other| !finalized.contains(&other.uid()) && records_name(&***other)) {
        if uses_name(&**other) || !is_ready(&**other) {
            return FinalizerRemoval::InUse;
        }
        if removal_order(&other.key()) < removal_order(key) {
            before.push(other.key());
        }
    }
    if before.is_empty() { FinalizerRemoval::Allowed } else { FinalizerRemoval::After(before) }
}

/// Whether the issuer is ready with its current spec: then it does not need what it recorded before.
fn is_ready(issuer: &dyn AnyIssuer) -> bool {
    let ready = ConditionType::Ready.to_string();
    !issuer.deleting()
        && issuer.status().is_some_and(|status| {
            status.observed_generation == Some(issuer.generation())
                && status.conditions.iter().any(|one| one.type_ == ready && one.status == "True")
        })
}

fn removal_order(key: &IssuerKey) -> (bool, &str, &str) {
    (key.kind == IssuerKind::TokenIssuer, &key.namespace, &key.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::TokenIssuer;
    use crate::controller::issuer::credentials::credentials_name;
    use serde_json::json;

    fn issuer(name: &str, secret: &str, noted: &[&str], ready: &str) -> Arc<dyn AnyIssuer> {
        let issuer: TokenIssuer = serde_json::from_value(json!({
            "apiVersion": "registry-token.dev/v1alpha1", "kind": "TokenIssuer",
            "metadata": {"name": name, "namespace": "team", "uid": name, "generation": 2},
            "spec": {"type": "Thinkwise", "thinkwise": {
                "url": "https://p", "auth": {"type": "Basic", "basic": {"secretRef": {"name": secret}}},
            }},
            "status": {"observedGeneration": 2, "credentialsSecrets": noted, "conditions": [{
                "type": "Ready", "status": ready, "reason": "PortalReady", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }]},
        }))
        .expect("an issuer");
        Arc::new(issuer)
    }

    fn of(own: &Arc<dyn AnyIssuer>, other: &Arc<dyn AnyIssuer>, released: &[&str]) -> FinalizerRemoval {
        let released = released.iter().map(|uid| (*uid).to_owned()).collect();
        let notes = |one: &dyn AnyIssuer| {
            one.status().is_some_and(|status| status.credentials_secrets.iter().any(|name| name == "old"))
        };
        let names = |one: &dyn AnyIssuer| credentials_name(one.spec()).as_deref() == Some("old");
        finalizer_removal(&own.key(), Some(std::slice::from_ref(other)), &released, notes, names)
    }

    #[test]
    fn of_two_issuers_that_drop_a_secret_together_one_removes_the_finalizer_and_the_other_waits() {
        let (a, b) = (issuer("a", "new", &["old", "new"], "True"), issuer("b", "new", &["old", "new"], "True"));
        assert_eq!(of(&a, &b, &[]), FinalizerRemoval::Allowed);
        assert_eq!(of(&b, &a, &[]), FinalizerRemoval::After(vec![a.key()]));
        let moved = issuer("a", "new", &["new"], "True");
        assert_eq!(of(&b, &moved, &[]), FinalizerRemoval::Allowed, "the other one has released it");
        assert_eq!(of(&b, &a, &["a"]), FinalizerRemoval::Allowed, "a finalized issuer does not count");
    }

    #[test]
    fn what_another_issuer_needs_keeps_its_finalizer() {
        let a = issuer("a", "new", &["old", "new"], "True");
        assert_eq!(of(&a, &issuer("b", "old", &["old"], "True"), &[]), FinalizerRemoval::InUse);
        assert_eq!(
            of(&a, &issuer("b", "new", &["old", "new"], "False"), &[]),
            FinalizerRemoval::InUse,
            "the new one does not work"
        );
        assert_eq!(
            of(&a, &issuer("b", "old", &[], "True"), &[]),
            FinalizerRemoval::Allowed,
            "it has never protected it"
        );
        assert_eq!(
            finalizer_removal(&a.key(), None, &HashSet::new(), |_| true, |_| false),
            FinalizerRemoval::InUse,
            "the other issuers are unknown"
        );
    }
}
