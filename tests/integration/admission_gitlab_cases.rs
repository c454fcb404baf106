//! Cases for the validation rules of issuers of type `GitLab`.

use crate::admission_cases::{Case, accepted, rejected, spec};
use serde_json::{Value, json};

pub fn gitlab() -> Vec<Case> {
    let token = json!({"type": "Token", "token": {"secretRef": {"name": "gitlab"}}});
    let member = || json!({"url": "https://gitlab.example.com", "project": "team/apps", "auth": token});
    let issuer = |change: Value| {
        let mut gitlab = member();
        crate::fixture::merge(&mut gitlab, change);
        let registries = json!([{"host": "registry.example.com"}]);
        spec(json!({"type": "GitLab", "thinkwise": null, "gitlab": gitlab, "registries": registries}))
    };
    let basic = json!({"type": "Basic", "token": null, "basic": {"secretRef": {"name": "gitlab"}}});
    let thinkwise_token =
        json!({"type": "Token", "basic": null, "oauth2ClientCredentials": null, "token": {"secretRef": {"name": "t"}}});
    vec![
        accepted("GitLab", issuer(json!({}))),
        accepted(
            "a project by its id",
            issuer(json!({"project": "42", "scopes": ["read_registry", "write_registry"]})),
        ),
        accepted("a group", issuer(json!({"project": null, "group": "team/sub_group", "duration": 90}))),
        rejected(
            "GitLab without its member",
            spec(json!({"type": "GitLab", "thinkwise": null})),
            "type GitLab requires spec.gitlab",
        ),
        rejected("the member of another type", spec(json!({"gitlab": member()})), "no other type allows it"),
        rejected(
            "GitLab with the registry of Thinkwise",
            spec(json!({"type": "GitLab", "thinkwise": null, "gitlab": member()})),
            "this type requires spec.registries",
        ),
        rejected("GitLab with a password", issuer(json!({"auth": basic})), "set auth.type to Token"),
        rejected("a token without its Secret", issuer(json!({"auth": {"token": null}})), "set token if and only if"),
        rejected(
            "Thinkwise with a token",
            spec(json!({"thinkwise": {"auth": thinkwise_token}})),
            "the Thinkwise portal has no access tokens",
        ),
        rejected("no project", issuer(json!({"project": null})), "set project or group, not both"),
        rejected("project and group", issuer(json!({"group": "team"})), "set project or group, not both"),
        rejected("a path with an empty part", issuer(json!({"project": "team//apps"})), "spec.gitlab.project"),
        rejected("a group that leaves the API", issuer(json!({"project": null, "group": ".."})), "spec.gitlab.group"),
        rejected("no scope", issuer(json!({"scopes": []})), "spec.gitlab.scopes"),
        rejected("tokens for no time", issuer(json!({"duration": 0})), "spec.gitlab.duration"),
        rejected("no address", issuer(json!({"url": "gitlab.example.com"})), "url must be GitLab's root"),
        rejected(
            "the address of the API",
            issuer(json!({"url": "https://gitlab.example.com/api/v4"})),
            "must not contain /api/v4",
        ),
        rejected("GitLab over http", issuer(json!({"url": "http://gitlab.example.com"})), "url is http"),
    ]
}
