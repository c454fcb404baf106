//! What several issuers protect, such as one Secret with credentials: the last of them takes the finalizer off.

use super::cache::IssuerKey;
use super::object::AnyIssuer;
use crate::api::{ConditionType, IssuerKind};
use std::collections::HashSet;
use std::sync::Arc;

/// Whether an issuer may take our finalizer off something.
#[derive(Debug, PartialEq, Eq)]
pub enum FinalizerRemoval {
    /// It may: no other issuer protects it.
    Allowed,
    /// Not before these issuers have gone on without it.
    After(Vec<IssuerKey>),
    /// Another issuer needs it, or it is not known whether one does.
    InUse,
}

/// What the other issuers make of something that this one does not need any more. Those that this process has released
/// do not count, though the caches may still show them.
///
/// Of two that need it no more, and that both note it, the one with the smaller key goes first: would each wait for the
/// other, or leave it to the other, the finalizer would stay for good.
pub fn finalizer_removal(
    key: &IssuerKey,
    others: Option<&[Arc<dyn AnyIssuer>]>,
    finalized: &HashSet<String>,
    records_name: impl Fn(&dyn AnyIssuer) -> bool,
    uses_name: impl Fn(&dyn AnyIssuer) -> bool,
) -> FinalizerRemoval {
    let Some(others) = others else { return FinalizerRemoval::InUse };
    let mut before = vec![];
    // It notes the name before it puts its finalizer on what has it.
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

/// Whether it works as its spec has it now: then what it noted before is not needed.
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
        assert_eq!(of(&b, &moved, &[]), FinalizerRemoval::Allowed, "then it is the other's turn");
        assert_eq!(of(&b, &a, &["a"]), FinalizerRemoval::Allowed, "one that was released does not count");
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
            "nobody knows"
        );
    }
}
