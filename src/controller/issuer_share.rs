//! What several issuers protect, such as one Secret with credentials: the last of them takes the finalizer off.

use super::issuer_kind::IssuerObject;
use super::issuers::IssuerKey;
use crate::api::{ConditionType, IssuerKind};
use std::collections::HashSet;
use std::sync::Arc;

/// Whether an issuer may take our finalizer off something.
#[derive(Debug, PartialEq, Eq)]
pub enum Share {
    /// It may: no other issuer protects it.
    Free,
    /// Not before these issuers have gone on without it.
    After(Vec<IssuerKey>),
    /// Another issuer needs it, or it is not known whether one does.
    Needed,
}

/// What the other issuers make of something that this one does not need any more. Those that this process has released
/// do not count, though the caches may still show them.
///
/// Of two that need it no more, and that both note it, the one with the smaller key goes first: would each wait for the
/// other, or leave it to the other, the finalizer would stay for good.
pub fn share(
    key: &IssuerKey,
    others: Option<&[Arc<dyn IssuerObject>]>,
    released: &HashSet<String>,
    notes: impl Fn(&dyn IssuerObject) -> bool,
    names: impl Fn(&dyn IssuerObject) -> bool,
) -> Share {
    let Some(others) = others else { return Share::Needed };
    let mut before = vec![];
    // It notes the name before it puts its finalizer on what has it.
    for other in others.iter().filter(|other| !released.contains(&other.uid()) && notes(&***other)) {
        if names(&**other) || !works(&**other) {
            return Share::Needed;
        }
        if rank(&other.key()) < rank(key) {
            before.push(other.key());
        }
    }
    if before.is_empty() { Share::Free } else { Share::After(before) }
}

/// Whether it works as its spec has it now: then what it noted before is not needed.
fn works(issuer: &dyn IssuerObject) -> bool {
    let ready = ConditionType::Ready.to_string();
    !issuer.deleting()
        && issuer.status().is_some_and(|status| {
            status.observed_generation == Some(issuer.generation())
                && status.conditions.iter().any(|one| one.type_ == ready && one.status == "True")
        })
}

fn rank(key: &IssuerKey) -> (bool, &str, &str) {
    (key.kind == IssuerKind::TokenIssuer, &key.namespace, &key.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::TokenIssuer;
    use crate::controller::issuer_credentials::credentials_name;
    use serde_json::json;

    fn issuer(name: &str, secret: &str, noted: &[&str], ready: &str) -> Arc<dyn IssuerObject> {
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

    fn of(own: &Arc<dyn IssuerObject>, other: &Arc<dyn IssuerObject>, released: &[&str]) -> Share {
        let released = released.iter().map(|uid| (*uid).to_owned()).collect();
        let notes = |one: &dyn IssuerObject| {
            one.status().is_some_and(|status| status.credentials_secrets.iter().any(|name| name == "old"))
        };
        let names = |one: &dyn IssuerObject| credentials_name(one.spec()).as_deref() == Some("old");
        share(&own.key(), Some(std::slice::from_ref(other)), &released, notes, names)
    }

    #[test]
    fn of_two_issuers_that_move_away_together_one_lets_go_and_the_other_waits_for_that() {
        let (a, b) = (issuer("a", "new", &["old", "new"], "True"), issuer("b", "new", &["old", "new"], "True"));
        assert_eq!(of(&a, &b, &[]), Share::Free);
        assert_eq!(of(&b, &a, &[]), Share::After(vec![a.key()]));
        let moved = issuer("a", "new", &["new"], "True");
        assert_eq!(of(&b, &moved, &[]), Share::Free, "then it is the other's turn");
        assert_eq!(of(&b, &a, &["a"]), Share::Free, "one that was released does not count");
    }

    #[test]
    fn what_another_issuer_needs_is_kept_for_it() {
        let a = issuer("a", "new", &["old", "new"], "True");
        assert_eq!(of(&a, &issuer("b", "old", &["old"], "True"), &[]), Share::Needed);
        assert_eq!(
            of(&a, &issuer("b", "new", &["old", "new"], "False"), &[]),
            Share::Needed,
            "the new one does not work"
        );
        assert_eq!(of(&a, &issuer("b", "old", &[], "True"), &[]), Share::Free, "it has never protected it");
        assert_eq!(share(&a.key(), None, &HashSet::new(), |_| true, |_| false), Share::Needed, "nobody knows");
    }
}
