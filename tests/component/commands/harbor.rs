//! `discover` and `check` for Harbor.

use super::fixed_api::{Api, error};
use super::{check, discover, run};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const PASSWORD: &str = "correct-horse-battery";
const LOGIN: [(&str, &str); 2] = [("PORTAL_USERNAME", "bot"), ("PORTAL_PASSWORD", PASSWORD)];
/// What an administrator of a project may do with its robot accounts, among other things.
const ALL: [(&str, &str); 6] = [
    ("robot", "create"),
    ("robot", "read"),
    ("robot", "update"),
    ("robot", "delete"),
    ("robot", "list"),
    ("repository", "pull"),
];

fn permissions(list: &[(&str, &str)]) -> Value {
    list.iter().map(|(resource, action)| json!({"resource": resource, "action": action})).collect()
}

/// A Harbor with one project, whose administrator logs in.
async fn harbor() -> Api {
    with_login("bot").await
}

async fn with_login(username: &str) -> Api {
    let login = STANDARD.encode(format!("{username}:{PASSWORD}"));
    let api = Api::start("authorization", format!("Basic {login}")).await;
    api.set("/api/v2.0/systeminfo", 200, json!({"harbor_version": "v2.16.0-abc"}));
    api.set("/api/v2.0/users/current", 200, json!({"user_id": 3, "username": "bot", "sysadmin_flag": false}));
    set_project(&api, "apps", 7, &ALL);
    api.set_page("/api/v2.0/projects", json!([project("apps", 7, 1)]), 1);
    api.set("/api/v2.0/robots", 200, Value::Null);
    api
}

fn project(name: &str, id: i64, role: i64) -> Value {
    json!({"project_id": id, "name": name, "current_user_role_id": role, "current_user_role_ids": [role]})
}

fn set_project(api: &Api, name: &str, id: i64, allowed: &[(&str, &str)]) {
    api.set(&format!("/api/v2.0/projects/{name}"), 200, project(name, id, 1));
    set_permissions(api, &format!("%2Fproject%2F{id}"), allowed);
}

fn set_permissions(api: &Api, scope: &str, allowed: &[(&str, &str)]) {
    let path = format!("/api/v2.0/users/current/permissions?scope={scope}&relative=true");
    api.set(&path, 200, permissions(allowed));
}

/// A robot account logs in.
fn set_robot(api: &Api) {
    api.set("/api/v2.0/users/current", 412, error("get current user not available for security context: robot"));
}

fn spec(api: &Api, more: &Value) -> Value {
    let mut spec = json!({
        "url": api.url, "project": "apps", "allowInsecureHTTP": true,
        "auth": {"type": "Basic", "basic": {"secretRef": {"name": "portal"}}},
    });
    for (name, value) in more.as_object().expect("an object") {
        spec[name] = value.clone();
    }
    spec
}

#[tokio::test]
async fn check_says_what_the_administrator_of_a_project_may_do() {
    let api = harbor().await;
    let checked = check("Harbor", &spec(&api, &json!({"duration": 90})), &LOGIN).await;
    checked.assert(
        0,
        &[
            ", project apps",
            "version          v2.16.0-abc",
            "login            user bot\n",
            "project          apps exists",
            "permissions      for robot accounts of the project apps: create, read, update, delete, list",
            "list             can be read",
            "descriptions can be edited",
            "tokens expire after 90 days",
            "the issuer matches the portal",
        ],
    );
    checked.assert_silent_about(&["PROBLEM", "EditUnsupported"]);
    let reads = api.reads();
    assert!(reads.len() <= 7, "{reads:?}");
}

#[tokio::test]
async fn a_login_that_may_only_read_robot_accounts_is_a_problem() {
    let api = harbor().await;
    set_project(&api, "apps", 7, &[("robot", "read"), ("robot", "list"), ("repository", "pull")]);
    let checked = check("Harbor", &spec(&api, &json!({})), &LOGIN).await;
    let problem = "PROBLEM spec.harbor.auth: the login may not create, delete robot accounts of the project apps";
    checked.assert(1, &["list             can be read", problem, "1 problem"]);
}

#[tokio::test]
async fn a_robot_account_edits_no_descriptions_and_grants_only_what_it_has() {
    let robot: Vec<(&str, &str)> = ALL.into_iter().filter(|(_, action)| *action != "update").collect();
    let api = harbor().await;
    set_robot(&api);
    set_project(&api, "apps", 7, &robot);
    let checked = check("Harbor", &spec(&api, &json!({})), &LOGIN).await;
    checked.assert(0, &["login            a robot account", "EditUnsupported"]);
    let push = json!({"permissions": [{"resource": "repository", "action": "pull"}, {"resource": "repository", "action": "push"}]});
    let checked = check("Harbor", &spec(&api, &push), &LOGIN).await;
    let problem =
        "PROBLEM spec.harbor.permissions: the robot account that logs in lacks repository: push in the project apps";
    checked.assert(1, &[problem, "1 problem"]);
    // Nothing else tells a robot account of the system.
    let note = "some versions of Harbor, such as 2.12";
    check("Harbor", &spec(&api, &json!({})), &LOGIN).await.assert(0, &[note]);
    let of_project = [("PORTAL_USERNAME", "robot$apps+operator"), LOGIN[1]];
    let api = with_login("robot$apps+operator").await;
    set_robot(&api);
    set_project(&api, "apps", 7, &robot);
    let checked = check("Harbor", &spec(&api, &json!({})), &of_project).await;
    checked.assert(0, &["login            a robot account"]);
    checked.assert_silent_about(&[note]);
    // A user may grant it.
    let api = harbor().await;
    check("Harbor", &spec(&api, &push), &LOGIN).await.assert(0, &[]);
}

#[tokio::test]
async fn a_missing_project_is_named_once() {
    let api = harbor().await;
    api.set("/api/v2.0/projects/absent", 403, error("forbidden"));
    let checked = check("Harbor", &spec(&api, &json!({"project": "absent"})), &LOGIN).await;
    checked.assert(1, &["list             cannot be read", "PROBLEM ", "the project absent", "1 problem"]);
    api.set("/api/v2.0/projects/absent", 404, error("project absent not found"));
    let checked = check("Harbor", &spec(&api, &json!({"project": "absent"})), &LOGIN).await;
    checked.assert(1, &["Harbor does not find the project absent (HTTP 404)", "1 problem"]);
}

#[tokio::test]
async fn robot_accounts_of_the_system_need_an_administrator_or_a_robot_account_of_the_system() {
    let system = json!({"level": "System", "project": null, "projects": ["apps", "absent"]});
    let api = harbor().await;
    api.set("/api/v2.0/projects/absent", 404, error("project absent not found"));
    let checked = check("Harbor", &spec(&api, &system), &LOGIN).await;
    checked.assert(1, &["PROBLEM spec.harbor.level: ", "the project absent", "2 problems"]);
    api.set("/api/v2.0/users/current", 200, json!({"user_id": 1, "username": "bot", "sysadmin_flag": true}));
    let all = json!({"level": "System", "project": null, "projects": ["*"]});
    let checked = check("Harbor", &spec(&api, &all), &LOGIN).await;
    checked.assert(0, &["an administrator of Harbor", "robot accounts of the system", "projects         all"]);
    // A robot account of the system.
    set_robot(&api);
    set_permissions(
        &api,
        "%2Fsystem",
        &[("robot", "create"), ("robot", "read"), ("robot", "list"), ("robot", "delete")],
    );
    let one = json!({"level": "System", "project": null, "projects": ["apps"]});
    check("Harbor", &spec(&api, &one), &LOGIN).await.assert(0, &["of the system: create, read, list, delete"]);
    set_permissions(&api, "%2Fsystem", &[("robot", "list")]);
    let checked = check("Harbor", &spec(&api, &one), &LOGIN).await;
    checked.assert(1, &["may not create, read, delete robot accounts of the system"]);
    // Older versions do not list these permissions.
    set_permissions(&api, "%2Fsystem", &[("catalog", "read")]);
    check("Harbor", &spec(&api, &one), &LOGIN).await.assert(0, &["permissions      not known"]);
}

#[tokio::test]
async fn a_field_of_the_other_level_is_a_problem() {
    let api = harbor().await;
    let checked = check("Harbor", &spec(&api, &json!({"projects": ["apps"]})), &LOGIN).await;
    checked.assert(1, &["PROBLEM spec.harbor.projects: only level System allows it", "1 problem"]);
}

#[tokio::test]
async fn what_an_old_version_does_not_show_is_not_known() {
    let api = harbor().await;
    api.set("/api/v2.0/systeminfo", 200, json!({}));
    let path = "/api/v2.0/users/current/permissions?scope=%2Fproject%2F7&relative=true";
    api.set(path, 404, error("not found"));
    let checked = check("Harbor", &spec(&api, &json!({})), &LOGIN).await;
    checked.assert(0, &["version          not known", "permissions      not known"]);
}

#[tokio::test]
async fn rejected_credentials_end_the_check() {
    let api = harbor().await;
    let wrong = [LOGIN[0], ("PORTAL_PASSWORD", "correct-horse-wrong")];
    let checked = check("Harbor", &spec(&api, &json!({})), &wrong).await;
    checked.assert(1, &["(HTTP 401)", "PORTAL_PASSWORD", "1 problem", "incomplete"]);
    assert_eq!(api.reads(), ["/api/v2.0/users/current"]);
    let found = discover("Harbor", &api.url, &[], &wrong).await;
    found.assert(1, &["(HTTP 401)", "--username"]);
    assert_eq!((found.out.as_str(), api.reads().len()), ("", 1));
}

#[tokio::test]
async fn discover_takes_the_only_project_that_the_login_administers() {
    let api = harbor().await;
    api.set_page(
        "/api/v2.0/projects",
        json!([project("apps", 7, 1), project("library", 1, 0), project("web", 8, 4)]),
        3,
    );
    let found = discover("Harbor", &api.url, &[], &LOGIN).await;
    found.assert(0, &["  project apps\n", "permissions      for robot accounts", "kubectl apply -f issuer.yaml"]);
    found.assert_silent_about(&["library", "project web"]);
    let spec = &found.manifest()["spec"];
    assert_eq!((&spec["harbor"]["project"], &spec["harbor"]["level"]), (&"apps".into(), &"Project".into()));
    let host = api.url.trim_start_matches("http://");
    assert_eq!(spec["registries"], json!([{"host": format!("{host}/apps")}]));
    run(&["check", "-f", "-"], &LOGIN, &found.out).await.assert(0, &["the issuer matches the portal"]);
    api.reads();
}

#[tokio::test]
async fn discover_leaves_the_choice_among_several_projects_and_asks_for_more_rights_if_there_are_none() {
    let api = harbor().await;
    api.set_page("/api/v2.0/projects", json!([project("apps", 7, 1), project("web", 8, 1)]), 2);
    let found = discover("Harbor", &api.url, &[], &LOGIN).await;
    found.assert(1, &["# To be set: spec.harbor.project: one of apps, web: use --project", "incomplete"]);
    assert_eq!(found.manifest()["spec"]["harbor"]["project"], Value::Null);
    set_project(&api, "web", 8, &ALL);
    let found = discover("Harbor", &api.url, &["--project", "web"], &LOGIN).await;
    found.assert(0, &["project          web exists"]);
    assert_eq!(found.manifest()["spec"]["harbor"]["project"], "web");
    let hidden = [project("a\u{1b}[2J", 7, 1), project("b\u{202e}", 8, 1), project("apps", 9, 1)];
    api.set_page("/api/v2.0/projects", json!(hidden), 3);
    let found = discover("Harbor", &api.url, &[], &LOGIN).await;
    found.assert(1, &["# To be set: spec.harbor.project: one of apps, and others: use --project"]);
    api.set_page("/api/v2.0/projects", json!([project("library", 1, 0)]), 1);
    let found = discover("Harbor", &api.url, &[], &LOGIN).await;
    found.assert(
        1,
        &["none that was found", "# To be set: spec.harbor.project: the login may manage the tokens of none"],
    );
}

#[tokio::test]
async fn discover_prints_an_issuer_of_the_system_and_asks_for_its_projects() {
    let api = harbor().await;
    api.set("/api/v2.0/users/current", 200, json!({"user_id": 1, "username": "bot", "sysadmin_flag": true}));
    let found = discover("Harbor", &api.url, &["--level", "system"], &LOGIN).await;
    found.assert(1, &["  the system\n", "# To be set: spec.harbor.projects: use --project for each project"]);
    let found = discover("Harbor", &api.url, &["--level", "System", "--project", "*"], &LOGIN).await;
    found.assert(0, &["projects         all"]);
    let harbor = &found.manifest()["spec"]["harbor"];
    assert_eq!((&harbor["projects"], &harbor["project"]), (&json!(["*"]), &Value::Null));
    run(&["check", "-f", "-"], &LOGIN, &found.out).await.assert(0, &["the issuer matches the portal"]);
}

#[tokio::test]
async fn discover_asks_for_the_permissions_of_a_robot_account_and_reads_a_bounded_list() {
    let api = harbor().await;
    set_robot(&api);
    let all: Vec<Value> = (0..100).map(|number| project(&format!("p{number}"), 100 + number, 0)).collect();
    for page in 1..=9 {
        let path = format!("/api/v2.0/projects?sort=name&page={page}&page_size=100");
        api.set_page(&path, Value::from(all.clone()), 900);
    }
    set_permissions(&api, "%2Fproject%2F103", &ALL);
    let found = discover("Harbor", &api.url, &[], &LOGIN).await;
    found.assert(1, &["  project p3\n", "and others", "one of p3, and others: use --project"]);
    let reads = api.reads();
    let asked = reads.iter().filter(|read| read.contains("permissions?scope=%2Fproject")).count();
    let pages = reads.iter().filter(|read| read.starts_with("/api/v2.0/projects?")).count();
    assert_eq!((asked, pages), (20, 5));
}
