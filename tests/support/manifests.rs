//! Manifests of objects and issuers for tests.

use crate::fake_portal::FakePortal;
use serde_json::{Value, json};

/// A `RegistryToken` of the team's issuer.
pub fn token(name: &str, description: &str) -> Value {
    json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken", "metadata": {"name": name},
        "spec": {"description": description, "issuerRef": {"kind": "TokenIssuer", "name": "portal"}},
    })
}

/// The spec of an issuer for this portal, with HTTP Basic and short timeouts.
pub fn issuer_spec(portal: &FakePortal) -> Value {
    json!({
        "type": "Thinkwise",
        "thinkwise": {
            "url": portal.portal_url(),
            "auth": {"type": "Basic", "basic": {"secretRef": {"name": "portal"}}},
            "tls": {"caBundle": portal.ca_pem()},
            "table": {
                "name": "container_token",
                "key": [{"column": "container_token_id", "from": "TokenID"}],
                "columns": {"username": "username", "description": "description"},
            },
            "tasks": {
                "request": {
                    "name": "request_token",
                    "parameters": [{"name": "description", "from": "Description"}],
                    "outputs": {"username": "username", "secret": "secret"},
                },
                "editDescription": {
                    "name": "edit_token_description",
                    "parameters": [
                        {"name": "container_token_id", "from": "TokenID"}, {"name": "description", "from": "Description"},
                    ],
                },
                "revoke": {"name": "revoke_token", "parameters": [{"name": "container_token_id", "from": "TokenID"}]},
            },
        },
        "registries": [{"host": portal.registry_host(), "tls": {"caBundle": portal.ca_pem()}}],
        "limits": {"requestsPerSecond": 1000, "concurrency": 8, "connectTimeout": "2s", "firstByteTimeout": "3s", "requestTimeout": "3s"},
    })
}

/// JSON merge patch: objects are merged, `null` removes, anything else replaces.
pub fn merge(target: &mut Value, change: Value) {
    match (target, change) {
        (Value::Object(target), Value::Object(change)) => {
            for (key, value) in change {
                if value.is_null() {
                    target.remove(&key);
                } else {
                    merge(target.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (target, change) => *target = change,
    }
}

/// The changes that make an issuer name another fake portal.
pub fn elsewhere(other: &FakePortal) -> Value {
    json!({"thinkwise": {"url": other.portal_url(), "tls": {"caBundle": other.ca_pem()}}})
}
