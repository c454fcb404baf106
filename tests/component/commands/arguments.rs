//! Arguments of `discover` that do not fit together.

use super::fixed_api::Api;
use super::{discover, run};

const BASIC: [(&str, &str); 2] = [("PORTAL_USERNAME", "bot"), ("PORTAL_PASSWORD", "correct-horse")];
const TOKEN: [(&str, &str); 1] = [("PORTAL_TOKEN", "correct-horse")];

/// A type of portal, further arguments, the environment, and words of the error.
type Case = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)], &'static str);

#[tokio::test]
async fn arguments_of_another_type_are_refused_and_the_error_says_what_to_do() {
    let table: &[Case] = &[
        ("Gitea", &["--application", "tcp"], &BASIC, "--application is only for type Thinkwise"),
        ("Harbor", &["--table", "x"], &BASIC, "--table is only for type Thinkwise"),
        ("GitLab", &["--value", "a=b"], &TOKEN, "--value is only for type Thinkwise"),
        ("GitLab", &["--scopes", "api"], &TOKEN, "--scopes is only for type Thinkwise"),
        ("Gitea", &["--project", "apps"], &BASIC, "--project is only for type Harbor or GitLab"),
        ("Harbor", &["--group", "team"], &BASIC, "--group is only for type GitLab"),
        ("GitLab", &["--level", "System"], &TOKEN, "--level is only for type Harbor"),
        ("Harbor", &["--user", "bot"], &BASIC, "--user is only for type Gitea"),
        ("Thinkwise", &["--user", "bot"], &BASIC, "--user is only for type Gitea"),
        ("Harbor", &["--project", "a", "--project", "b"], &BASIC, "--level System"),
        ("GitLab", &["--project", "a", "--project", "b"], &TOKEN, "use --project once"),
        ("Gitea", &[], &[], "credentials are missing: set --username with --password-file"),
        ("GitLab", &[], &[], "credentials are missing: set --token-file"),
        ("GitLab", &[], &BASIC, "use --token-file instead of --username"),
        ("Harbor", &[], &TOKEN, "use --username instead of --token-file"),
        (
            "Harbor",
            &[],
            &[("PORTAL_CLIENT_ID", "a"), ("PORTAL_CLIENT_SECRET", "b")],
            "use --username instead of --client-id",
        ),
        ("GitLab", &["--token-file", "/nowhere"], &[], "--token-file /nowhere"),
    ];
    for (kind, more, environment, says) in table {
        let start = ["discover", "--type", kind, "--url", "https://portal.invalid"];
        let ended = run(&[&start[..], more].concat(), environment, "").await;
        ended.assert(1, &[says]);
        assert_eq!(ended.out, "", "{kind} {more:?}");
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_the_root_is_refused_before_anything_is_sent() {
    for (kind, url, says) in [
        ("Gitea", "https://git.invalid/api/v1", "--url must not contain /api/v1"),
        ("Harbor", "https://harbor.invalid/api/v2.0", "--url must not contain /api"),
        ("Gitea", "http://git.invalid", "is not https"),
        ("Gitea", "git.invalid", "--url is not the root URL of Gitea"),
    ] {
        let ended = run(&["discover", "--type", kind, "--url", url], &BASIC, "").await;
        ended.assert(1, &[says]);
        ended.assert_silent_about(&["spec."]);
        assert_eq!(ended.out, "");
    }
    let ended = run(&["discover", "--type", "GitLab", "--url", "https://gitlab.invalid/api/v4"], &TOKEN, "").await;
    ended.assert(1, &["--url must not contain /api/v4"]);
    let ended = run(&["discover", "--type", "Nexus", "--url", "https://nexus.invalid"], &BASIC, "").await;
    ended.assert(2, &["Thinkwise", "Gitea", "Harbor", "GitLab"]);
    let ended =
        run(&["discover", "--type", "Gitea", "--url", "http://127.0.0.1:9", "--allow-insecure-http"], &BASIC, "").await;
    ended.assert(1, &["cannot connect to 127.0.0.1:9", "check --url"]);
}

#[tokio::test]
async fn a_server_without_the_api_is_reported_with_the_flag_of_the_address() {
    for (kind, login) in [("Gitea", &BASIC[..]), ("Harbor", &BASIC), ("GitLab", &TOKEN)] {
        let (header, value) = match kind {
            "GitLab" => ("private-token", "correct-horse"),
            _ => ("authorization", "Basic Ym90OmNvcnJlY3QtaG9yc2U="),
        };
        let api = Api::start(header, value.to_owned()).await;
        let found = discover(kind, &api.url, &[], login).await;
        found.assert(1, &[&format!("the API of {kind} is not found (HTTP 404): check --url")]);
        assert_eq!(found.out, "");
        api.reads();
    }
}
