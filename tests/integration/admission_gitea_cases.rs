//! Cases for the validation rules of issuers of type `Gitea`.

use crate::admission_cases::{Case, accepted, rejected, spec};
use serde_json::{Value, json};

pub fn gitea() -> Vec<Case> {
    let member = || {
        json!({
            "url": "https://git.example.com",
            "user": "bot",
            "auth": {"type": "Basic", "basic": {"secretRef": {"name": "gitea"}}},
        })
    };
    let issuer = |change: Value| {
        let mut gitea = member();
        crate::fixture::merge(&mut gitea, change);
        spec(json!({"type": "Gitea", "thinkwise": null, "gitea": gitea, "registries": [{"host": "git.example.com"}]}))
    };
    let oauth = json!({"type": "OAuth2ClientCredentials", "basic": null, "oauth2ClientCredentials": {"secretRef": {"name": "gitea"}}});
    vec![
        accepted("Gitea", issuer(json!({}))),
        accepted(
            "Gitea below a path",
            issuer(json!({"url": "https://example.com/git", "scopes": ["read:package", "all"]})),
        ),
        rejected(
            "Gitea without its member",
            spec(json!({"type": "Gitea", "thinkwise": null})),
            "type Gitea requires spec.gitea",
        ),
        rejected("both members", spec(json!({"gitea": member()})), "no other type allows it"),
        rejected(
            "Gitea with the registry of Thinkwise",
            spec(json!({"type": "Gitea", "thinkwise": null, "gitea": member()})),
            "this type requires spec.registries",
        ),
        rejected("Gitea with OAuth", issuer(json!({"auth": oauth})), "set auth.type to Basic"),
        rejected("a user like an id", issuer(json!({"user": "4711"})), "user must not consist of digits only"),
        rejected("a user with a slash", issuer(json!({"user": "a/b"})), "spec.gitea.user"),
        rejected("no scope", issuer(json!({"scopes": []})), "spec.gitea.scopes"),
        rejected("a scope with a comma", issuer(json!({"scopes": ["read:package,all"]})), "spec.gitea.scopes"),
        rejected("no address", issuer(json!({"url": "git.example.com"})), "url must be Gitea's root"),
        rejected(
            "the address of the API",
            issuer(json!({"url": "https://git.example.com/api/v1"})),
            "must not contain /api/v1",
        ),
        rejected("Gitea over http", issuer(json!({"url": "http://git.example.com"})), "url is http"),
    ]
}
