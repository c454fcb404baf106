use super::*;
use serde_json::json;

fn token() -> RegistryToken {
    serde_json::from_value(json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken",
        "metadata": {
            "name": "thinkwise-pull", "namespace": "team-042", "uid": "8d3e6c0b-5a0a-4f0a-9c83-0f6d1b6b8c11",
            "resourceVersion": "184467", "generation": 3, "creationTimestamp": "2026-11-27T05:45:58Z",
            "finalizers": ["registry-token.dev/revoke"],
        },
        "spec": {
            "description": "team-042 pulls the Thinkwise platform",
            "issuerRef": {"kind": "ClusterTokenIssuer", "name": "thinkwise"},
            "rotation": {"interval": "720h", "overlap": "24h"},
        },
        "status": {
            "observedGeneration": 3, "uid": "8d3e6c0b-5a0a-4f0a-9c83-0f6d1b6b8c11",
            "portal": {"type": "Thinkwise", "url": "https://community.example.com/indicium", "scope": "iam/240", "user": "operator"},
            "secret": {
                "name": "thinkwise-pull", "uid": "0cf5ad26-1f5e-4a44-92a5-f4c7f9d1a1de", "resourceVersion": "184460",
                "mac": "3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            },
            "token": {
                "id": "31337", "username": "tw-robot-31337", "nonce": "wj2y6wvo3i3u",
                "requestTime": "2026-11-27T05:46:00Z", "mac": "9f8HbGx5c2RmZ2hqa2xxd2VydHl1aW9wYXNkZmdoams",
            },
            "retiring": [{"id": "31007", "username": "tw-robot-31007", "revocationTime": "2026-11-28T05:46:00Z"}],
            "nextRotationTime": "2026-12-27T05:46:00Z",
            "conditions": [
                {"type": "DescriptionSynced", "status": "True", "reason": "Synced", "observedGeneration": 3,
                 "message": "the portal shows spec.description", "lastTransitionTime": "2026-11-27T05:46:01Z"},
                {"type": "LoginVerified", "status": "True", "reason": "LoginAccepted", "observedGeneration": 3,
                 "message": "the registry accepts the login", "lastTransitionTime": "2026-11-27T05:46:00Z"},
                {"type": "Ready", "status": "True", "reason": "TokenStored", "observedGeneration": 3,
                 "message": "pods can pull with the Secret", "lastTransitionTime": "2026-11-27T05:46:00Z"},
            ],
        },
    }))
    .expect("a RegistryToken")
}

#[test]
fn a_cached_object_is_unpacked_unchanged_and_takes_a_fraction_of_its_json() {
    let cached = CachedToken::new(&token());
    assert_eq!(json!(cached.unpack()), json!(Some(token())));
    let json = serde_json::to_vec(&token()).expect("JSON").len();
    assert!(cached.packed.len() * 2 < json, "{} of {json} bytes", cached.packed.len());
}

#[test]
fn what_is_looked_up_needs_no_unpacking() {
    let cached = CachedToken::new(&token());
    let issuer = |kind, namespace: &str, name: &str| IssuerKey { kind, namespace: namespace.into(), name: name.into() };
    assert!(cached.names_issuer(&issuer(IssuerKind::ClusterTokenIssuer, "", "thinkwise")));
    assert!(!cached.names_issuer(&issuer(IssuerKind::ClusterTokenIssuer, "", "other")));
    assert!(!cached.names_issuer(&issuer(IssuerKind::TokenIssuer, "team-042", "thinkwise")));
    assert!(cached.may_have_token("31337") && cached.may_have_token("31007") && !cached.may_have_token("3133"));
    assert!(cached.is_protected() && !cached.is_deleting() && cached.is_in("team-042") && !cached.is_in("team"));
    assert_eq!(cached.rotation_interval(), Some(Duration::from_hours(720)));
    assert_eq!(cached.reference(), ObjectRef::new("thinkwise-pull").within("team-042"));
}
