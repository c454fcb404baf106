//! Cases for the validation rules of issuers of type `Harbor`.

use crate::admission_cases::{Case, accepted, rejected, spec};
use serde_json::{Value, json};

pub fn harbor() -> Vec<Case> {
    let member = || {
        json!({
            "url": "https://harbor.example.com",
            "project": "apps",
            "auth": {"type": "Basic", "basic": {"secretRef": {"name": "harbor"}}},
        })
    };
    let issuer = |change: Value| {
        let mut harbor = member();
        crate::fixture::merge(&mut harbor, change);
        let registries = json!([{"host": "harbor.example.com"}]);
        spec(json!({"type": "Harbor", "thinkwise": null, "harbor": harbor, "registries": registries}))
    };
    let oauth = json!({"type": "OAuth2ClientCredentials", "basic": null, "oauth2ClientCredentials": {"secretRef": {"name": "harbor"}}});
    let pull = json!({"resource": "repository", "action": "pull"});
    vec![
        accepted("Harbor", issuer(json!({}))),
        accepted("Harbor below a path", issuer(json!({"url": "https://example.com/harbor", "permissions": [pull]}))),
        accepted("robot accounts for a year", issuer(json!({"duration": 365}))),
        rejected("robot accounts for no time", issuer(json!({"duration": 0})), "spec.harbor.duration"),
        accepted("the system", issuer(json!({"level": "System", "project": null, "projects": ["*"]}))),
        rejected(
            "Harbor without its member",
            spec(json!({"type": "Harbor", "thinkwise": null})),
            "type Harbor requires spec.harbor",
        ),
        rejected("the member of another type", spec(json!({"harbor": member()})), "no other type allows it"),
        rejected(
            "Harbor with the registry of Thinkwise",
            spec(json!({"type": "Harbor", "thinkwise": null, "harbor": member()})),
            "this type requires spec.registries",
        ),
        rejected("Harbor with OAuth", issuer(json!({"auth": oauth})), "set auth.type to Basic"),
        rejected("no project", issuer(json!({"project": null})), "set project if and only if level is Project"),
        rejected(
            "a project of the system",
            issuer(json!({"level": "System", "projects": ["apps"]})),
            "set project if and only if level is Project",
        ),
        rejected(
            "the system without projects",
            issuer(json!({"level": "System", "project": null})),
            "set projects if and only if level is System",
        ),
        rejected("a project like the system", issuer(json!({"project": "/"})), "spec.harbor.project"),
        rejected("a project in upper case", issuer(json!({"project": "Apps"})), "spec.harbor.project"),
        rejected("no permission", issuer(json!({"permissions": []})), "spec.harbor.permissions"),
        rejected("a level that is none", issuer(json!({"level": "project"})), "spec.harbor.level"),
        rejected("no address", issuer(json!({"url": "harbor.example.com"})), "url must be Harbor's root"),
        rejected(
            "the address of the API",
            issuer(json!({"url": "https://harbor.example.com/api/v2.0"})),
            "must not contain /api or /v2",
        ),
        rejected("Harbor over http", issuer(json!({"url": "http://harbor.example.com"})), "url is http"),
    ]
}
