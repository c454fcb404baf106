//! `discover` and `check` for Gitea.

use super::fixed_api::{Api, error};
use super::{check, discover};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const PASSWORD: &str = "correct-horse-11112222";
const LOGIN: [(&str, &str); 2] = [("PORTAL_USERNAME", "bot"), ("PORTAL_PASSWORD", PASSWORD)];

fn tokens(scopes: &[&str]) -> Value {
    json!([
        {"id": 1, "name": "laptop", "token_last_eight": "99998888", "scopes": ["all"]},
        {"id": 2, "name": "operator", "token_last_eight": "11112222", "scopes": scopes},
    ])
}

/// A Gitea whose user logs in with an access token of these scopes.
async fn with_scopes(scopes: &[&str]) -> Api {
    let api = Api::start("authorization", format!("Basic {}", STANDARD.encode(format!("bot:{PASSWORD}")))).await;
    api.set("/api/v1/version", 200, json!({"version": "1.26.0"}));
    api.set("/api/v1/user", 200, json!({"id": 3, "login": "bot", "is_admin": false}));
    api.set("/api/v1/users/bot/tokens", 200, tokens(scopes));
    api
}

async fn gitea() -> Api {
    with_scopes(&["write:user", "read:package"]).await
}

fn spec(api: &Api, user: &str) -> Value {
    json!({
        "url": api.url, "user": user, "allowInsecureHTTP": true,
        "auth": {"type": "Basic", "basic": {"secretRef": {"name": "portal"}}},
    })
}

#[tokio::test]
async fn check_says_what_a_login_with_an_access_token_may_do_and_what_is_not_possible() {
    let api = gitea().await;
    let checked = check("Gitea", &spec(&api, "bot"), &LOGIN).await;
    checked.assert(
        0,
        &[
            "ClusterTokenIssuer portal: http://127.0.0.1:",
            ", user bot",
            "version          1.26.0",
            "login            bot, with an access token (scopes write:user, read:package)",
            "tokens           of bot, who is the login itself",
            "list             can be read",
            "EditUnsupported",
            "registry.example.com: not known before the first token",
            "the issuer matches the portal",
        ],
    );
    checked.assert_silent_about(&["PROBLEM", "11112222", "note "]);
    let reads = api.reads();
    assert!(reads.len() <= 5, "{reads:?}");
}

#[tokio::test]
async fn a_password_is_not_taken_for_an_access_token() {
    let api = gitea().await;
    api.set("/api/v1/users/bot/tokens", 200, json!([{"id": 1, "name": "x", "token_last_eight": "00000000"}]));
    let checked = check("Gitea", &spec(&api, "bot"), &LOGIN).await;
    checked.assert(0, &["login            bot, with its password", "without a second factor"]);
}

#[tokio::test]
async fn an_access_token_without_the_scope_is_a_problem_although_it_reads_the_list() {
    let api = with_scopes(&["read:user"]).await;
    let checked = check("Gitea", &spec(&api, "bot"), &LOGIN).await;
    let problem = "PROBLEM spec.gitea.auth: the access token has the scopes read:user: to create and delete tokens it needs write:user";
    checked.assert(1, &["list             can be read", problem, "1 problem"]);
    let api = with_scopes(&["write:user"]).await;
    let checked = check("Gitea", &spec(&api, "bot"), &LOGIN).await;
    checked.assert(0, &["note             newer versions of Gitea grant", "which lacks read:package"]);
    let api = with_scopes(&["all"]).await;
    check("Gitea", &spec(&api, "bot"), &LOGIN).await.assert_silent_about(&["note "]);
    api.set("/api/v1/user", 403, error("token does not have at least one of required scope(s), required=[read:user]"));
    let checked = check("Gitea", &spec(&api, "bot"), &LOGIN).await;
    checked.assert(
        1,
        &["login            not known", "PROBLEM spec.gitea.auth: the access token needs the scope write:user"],
    );
}

#[tokio::test]
async fn only_an_administrator_manages_the_tokens_of_another_user() {
    for (is_admin, code, says) in [
        (true, 0, "of puller, managed by an administrator"),
        (false, 1, "PROBLEM spec.gitea.user: the login bot may not manage the tokens of puller: log in as puller"),
    ] {
        let api = gitea().await;
        api.set("/api/v1/user", 200, json!({"id": 3, "login": "bot", "is_admin": is_admin}));
        let status = if is_admin { 200 } else { 403 };
        api.set("/api/v1/users/puller/tokens", status, if is_admin { json!([]) } else { error("forbidden") });
        check("Gitea", &spec(&api, "puller"), &LOGIN).await.assert(code, &[says]);
        api.reads();
    }
    let api = gitea().await;
    api.set("/api/v1/user", 200, json!({"id": 3, "login": "bot", "is_admin": true}));
    let checked = check("Gitea", &spec(&api, "nobody"), &LOGIN).await;
    checked.assert(1, &["list             cannot be read", "PROBLEM Gitea has no user nobody (HTTP 404)"]);
}

#[tokio::test]
async fn rejected_credentials_name_the_flags_and_the_reason_of_gitea() {
    let api = gitea().await;
    let wrong = [LOGIN[0], ("PORTAL_PASSWORD", "correct-horse-wrong")];
    let checked = check("Gitea", &spec(&api, "bot"), &wrong).await;
    let flags = "check --username and the environment variable PORTAL_PASSWORD";
    checked.assert(1, &["incomplete: see the problems below", "PROBLEM ", "(HTTP 401)", flags, "1 problem"]);
    assert_eq!(api.reads(), ["/api/v1/user"], "nothing else is tried");
    api.set("/api/v1/user", 401, error("basic authorization is not allowed while WebAuthn enrolled"));
    check("Gitea", &spec(&api, "bot"), &LOGIN).await.assert(1, &["while WebAuthn enrolled"]);
    let found = discover("Gitea", &api.url, &[], &LOGIN).await;
    found.assert(1, &["while WebAuthn enrolled", flags]);
    assert_eq!(found.out, "");
}

#[tokio::test]
async fn what_an_old_version_does_not_show_is_not_known() {
    let api = gitea().await;
    api.set("/api/v1/version", 404, error("404 page not found"));
    api.set("/api/v1/users/bot/tokens", 200, json!([{"id": 2, "name": "operator", "token_last_eight": "11112222"}]));
    let checked = check("Gitea", &spec(&api, "bot"), &LOGIN).await;
    checked.assert(0, &["version          not known", "this version does not show its scopes"]);
}

#[tokio::test]
async fn text_of_the_portal_is_shown_without_control_characters() {
    let api = gitea().await;
    api.set("/api/v1/version", 200, json!({"version": "1\u{1b}[31m\n\u{202e}2"}));
    check("Gitea", &spec(&api, "bot"), &LOGIN).await.assert(0, &["version          1 [31m 2\n"]);
    let api = with_scopes(&["read:user\u{1b}[31m"]).await;
    check("Gitea", &spec(&api, "bot"), &LOGIN).await.assert(1, &["PROBLEM spec.gitea.auth: ", "read:user [31m"]);
    api.set("/api/v1/user", 200, json!({"id": 3, "login": "x\u{1b}[2J\u{202e}", "is_admin": false}));
    check("Gitea", &spec(&api, "bot"), &LOGIN).await.assert(1, &["PROBLEM spec.gitea.user: the login x [2J"]);
    let found = discover("Gitea", &api.url, &[], &LOGIN).await;
    found.assert(1, &["none that was found", "# To be set: spec.gitea.user"]);
}

#[tokio::test]
async fn an_issuer_without_registries_is_a_problem() {
    let api = gitea().await;
    let issuer = json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "ClusterTokenIssuer", "metadata": {"name": "portal"},
        "spec": {"type": "Gitea", "gitea": spec(&api, "bot")},
    });
    let checked = super::run(&["check", "-f", "-"], &LOGIN, &issuer.to_string()).await;
    checked.assert(1, &["PROBLEM spec.registries: ", "1 problem"]);
}

#[tokio::test]
async fn discover_prints_an_issuer_of_the_user_who_logs_in() {
    let api = gitea().await;
    let found = discover("gitea", &format!("{}/", api.url), &["--secret-name", "login"], &LOGIN).await;
    let secret = "kubectl -n registry-token-operator create secret generic login --from-literal=username=bot --from-file=password=FILE";
    found.assert(0, &["login            bot, with an access token", secret, "kubectl apply -f issuer.yaml"]);
    let issuer = found.manifest();
    assert_eq!((&issuer["kind"], &issuer["spec"]["type"]), (&"ClusterTokenIssuer".into(), &"Gitea".into()));
    let gitea = &issuer["spec"]["gitea"];
    assert_eq!((&gitea["user"], &gitea["url"]), (&"bot".into(), &api.url.as_str().into()));
    assert_eq!(gitea["auth"]["basic"]["secretRef"]["name"], "login");
    assert_eq!(issuer["spec"]["registries"], json!([{"host": api.url.trim_start_matches("http://")}]));
    let checked = super::run(&["check", "-f", "-"], &LOGIN, &found.out).await;
    checked.assert(0, &["the issuer matches the portal"]);
    api.reads();
}

#[tokio::test]
async fn discover_reports_that_the_issuer_would_not_work() {
    let api = gitea().await;
    api.set("/api/v1/users/puller/tokens", 403, error("forbidden"));
    let found = discover("Gitea", &api.url, &["--user", "puller"], &LOGIN).await;
    found.assert(
        1,
        &["Problems", "spec.gitea.user: the login bot may not manage the tokens of puller", "does not work"],
    );
    assert_eq!(found.manifest()["spec"]["gitea"]["user"], "puller");
    found.assert_silent_about(&["kubectl apply"]);
    let api = with_scopes(&["read:user"]).await;
    api.set("/api/v1/user", 403, error("token does not have at least one of required scope(s)"));
    let found = discover("Gitea", &api.url, &[], &LOGIN).await;
    found.assert(1, &["needs the scope write:user"]);
    assert_eq!(found.out, "");
}
