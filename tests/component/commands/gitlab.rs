//! `discover` and `check` for GitLab.

use super::fixed_api::{Api, error};
use super::{check, discover, run};
use serde_json::{Value, json};

const TOKEN: &str = "glpat-correct-horse-battery";
const LOGIN: [(&str, &str); 1] = [("PORTAL_TOKEN", TOKEN)];
const PROJECT: &str = "/api/v4/projects/team%2Fapps";
const GROUP: &str = "/api/v4/groups/team";

fn project(level: i64) -> Value {
    json!({
        "id": 42, "path_with_namespace": "team/apps",
        "container_registry_image_prefix": "registry.example.com/team/apps", "container_registry_access_level": "enabled",
        "permissions": {"project_access": {"access_level": level}, "group_access": null},
    })
}

/// A GitLab with a project and a group, whose Maintainer or Owner logs in.
async fn gitlab() -> Api {
    let api = Api::start("private-token", TOKEN.to_owned()).await;
    api.set("/api/v4/version", 200, json!({"version": "18.5.0", "revision": "abc"}));
    let token = json!({
        "id": 1, "name": "operator", "revoked": false, "active": true, "user_id": 24, "scopes": ["api"], "expires_at": "2030-01-31",
    });
    api.set("/api/v4/personal_access_tokens/self", 200, token);
    api.set("/api/v4/user", 200, json!({"id": 24, "username": "project_42_bot"}));
    api.set(PROJECT, 200, project(40));
    api.set(&format!("{PROJECT}/deploy_tokens"), 200, json!([]));
    api.set(GROUP, 200, json!({"id": 7, "full_path": "team"}));
    api.set("/api/v4/groups/7/members/all/24", 200, json!({"id": 24, "access_level": 50}));
    api.set(&format!("{GROUP}/deploy_tokens"), 200, json!([]));
    api.set("/api/v4/projects", 200, json!([project(40)]));
    api.set("/api/v4/groups", 200, json!([]));
    api
}

fn spec(api: &Api, more: &Value) -> Value {
    let mut spec = json!({
        "url": api.url, "project": "team/apps", "allowInsecureHTTP": true,
        "auth": {"type": "Token", "token": {"secretRef": {"name": "portal"}}},
    });
    for (name, value) in more.as_object().expect("an object") {
        spec[name] = value.clone();
    }
    spec
}

#[tokio::test]
async fn check_says_what_the_access_token_may_do_and_when_it_expires() {
    let api = gitlab().await;
    let checked = check("GitLab", &spec(&api, &json!({})), &LOGIN).await;
    checked.assert(
        0,
        &[
            ", project team/apps",
            "version          18.5.0",
            "login            user project_42_bot, access token operator",
            "scopes           api",
            "expires          on 2030-01-31",
            "project          team/apps exists (id 42, path team/apps)",
            "role             Maintainer of the project",
            "registry         images are named registry.example.com/team/apps/...",
            "list             can be read",
            "EditUnsupported",
            "the issuer matches the portal",
        ],
    );
    checked.assert_silent_about(&["PROBLEM"]);
    let reads = api.reads();
    assert!(reads.len() <= 6, "{reads:?}");
}

#[tokio::test]
async fn a_role_that_is_too_low_is_a_problem_even_if_it_reads_the_list() {
    let api = gitlab().await;
    api.set(PROJECT, 200, project(30));
    api.set(&format!("{PROJECT}/deploy_tokens"), 403, error("403 Forbidden"));
    let checked = check("GitLab", &spec(&api, &json!({})), &LOGIN).await;
    let problem = "PROBLEM spec.gitlab.auth: the login is Developer of the project: to create and revoke deploy tokens it needs the role Maintainer";
    checked.assert(1, &[problem, "list             cannot be read", "2 problems"]);
    // A Maintainer of a group reads its deploy tokens, and creates none.
    let group = json!({"project": null, "group": "team"});
    check("GitLab", &spec(&api, &group), &LOGIN)
        .await
        .assert(0, &["role             Owner of the group", ", group team"]);
    api.set("/api/v4/groups/7/members/all/24", 200, json!({"id": 24, "access_level": 40}));
    let checked = check("GitLab", &spec(&api, &group), &LOGIN).await;
    checked.assert(1, &["list             can be read", "it needs the role Owner", "1 problem"]);
    api.set("/api/v4/groups/7/members/all/24", 404, error("404 Not found"));
    api.set("/api/v4/user", 200, json!({"id": 24, "username": "root", "is_admin": true}));
    check("GitLab", &spec(&api, &group), &LOGIN)
        .await
        .assert(0, &["role             not known: the login is an administrator"]);
}

#[tokio::test]
async fn a_missing_project_or_group_is_a_problem() {
    let api = gitlab().await;
    let checked = check("GitLab", &spec(&api, &json!({"project": "a/b"})), &LOGIN).await;
    checked.assert(1, &["project          a/b is not found", "PROBLEM spec.gitlab.project: "]);
    let checked = check("GitLab", &spec(&api, &json!({"project": null, "group": "other"})), &LOGIN).await;
    checked.assert(1, &["group            other is not found", "PROBLEM spec.gitlab.group: "]);
    let both = check("GitLab", &spec(&api, &json!({"group": "team"})), &LOGIN).await;
    both.assert(1, &["set spec.gitlab.project or spec.gitlab.group, not both"]);
}

#[tokio::test]
async fn an_access_token_without_the_scope_api_is_a_problem() {
    let api = gitlab().await;
    let token = json!({"id": 1, "name": "operator", "user_id": 24, "scopes": ["read_api", "read_registry"], "expires_at": null});
    api.set("/api/v4/personal_access_tokens/self", 200, token);
    let checked = check("GitLab", &spec(&api, &json!({})), &LOGIN).await;
    let problem = "PROBLEM spec.gitlab.auth: the access token has the scopes read_api, read_registry: create one with the scope api";
    checked.assert(1, &["expires          never", problem, "1 problem"]);
}

#[tokio::test]
async fn what_an_old_version_does_not_show_is_not_known() {
    let api = gitlab().await;
    for path in ["/api/v4/version", "/api/v4/personal_access_tokens/self"] {
        api.set(path, 404, error("404 Not Found"));
    }
    api.set(PROJECT, 200, json!({"id": 42, "path_with_namespace": "team/apps"}));
    let checked = check("GitLab", &spec(&api, &json!({})), &LOGIN).await;
    let unknown = ["version", "scopes", "expires", "role", "registry"].map(|name| format!("{name:<16} not known"));
    checked.assert(0, &unknown.each_ref().map(String::as_str));
}

#[tokio::test]
async fn a_rejected_or_expired_access_token_ends_the_check() {
    let api = gitlab().await;
    let checked = check("GitLab", &spec(&api, &json!({})), &[("PORTAL_TOKEN", "glpat-correct-horse-old")]).await;
    checked.assert(1, &["(HTTP 401)", "check the environment variable PORTAL_TOKEN", "incomplete", "1 problem"]);
    assert_eq!(api.reads(), ["/api/v4/personal_access_tokens/self"]);
    api.set(
        "/api/v4/personal_access_tokens/self",
        401,
        error("Token is expired. You can either do re-authorization or token refresh."),
    );
    check("GitLab", &spec(&api, &json!({})), &LOGIN).await.assert(1, &["Token is expired"]);
}

#[tokio::test]
async fn discover_takes_the_only_project_of_the_access_token() {
    let api = gitlab().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token.txt");
    std::fs::write(&file, format!("{TOKEN}\n")).expect("written");
    let file = file.to_str().expect("UTF-8");
    let found =
        discover("GitLab", &api.url, &["--token-file", file, "--kind", "token-issuer", "--namespace", "team-a"], &[])
            .await;
    let secret = format!("kubectl -n team-a create secret generic portal --from-file=token={file}");
    found.assert(0, &["  project team/apps\n", &secret, "kubectl -n team-a label secret portal"]);
    let issuer = found.manifest();
    assert_eq!((&issuer["kind"], &issuer["metadata"]["namespace"]), (&"TokenIssuer".into(), &"team-a".into()));
    assert_eq!(issuer["spec"]["gitlab"]["project"], "team/apps");
    assert_eq!(issuer["spec"]["gitlab"]["auth"]["token"]["secretRef"]["name"], "portal");
    assert_eq!(issuer["spec"]["registries"], json!([{"host": "registry.example.com/team/apps"}]));
    run(&["check", "-f", "-", "--token-file", file], &[], &found.out)
        .await
        .assert(0, &["the issuer matches the portal"]);
    api.reads();
}

#[tokio::test]
async fn discover_leaves_the_choice_among_projects_and_groups() {
    let api = gitlab().await;
    api.set("/api/v4/groups", 200, json!([{"id": 7, "full_path": "team"}]));
    let found = discover("GitLab", &api.url, &[], &LOGIN).await;
    let unset =
        "# To be set: spec.gitlab.project or spec.gitlab.group: one of team/apps, team: use --project or --group";
    found.assert(1, &["  project team/apps\n", "  group team\n", unset, "# To be set: spec.registries: "]);
    let found = discover("GitLab", &api.url, &["--group", "team"], &LOGIN).await;
    found.assert(0, &["role             Owner of the group"]);
    let spec = &found.manifest()["spec"];
    assert_eq!((&spec["gitlab"]["group"], &spec["gitlab"]["project"]), (&"team".into(), &Value::Null));
    assert_eq!(spec["registries"], json!([{"host": "registry.example.com/team"}]));
    // No project says where the registry is.
    api.set("/api/v4/projects", 200, json!([]));
    let found = discover("GitLab", &api.url, &["--group", "team"], &LOGIN).await;
    found.assert(1, &["# To be set: spec.registries: the host of the container registry", "incomplete"]);
}

#[tokio::test]
async fn discover_reads_a_bounded_list() {
    let api = gitlab().await;
    let page: Vec<Value> = (0..100).map(|_| project(40)).collect();
    api.set("/api/v4/projects", 200, Value::from(page));
    let found = discover("GitLab", &api.url, &[], &LOGIN).await;
    found.assert(1, &["and others"]);
    let pages = api.reads().iter().filter(|read| read.starts_with("/api/v4/projects?")).count();
    assert_eq!(pages, 3);
}
