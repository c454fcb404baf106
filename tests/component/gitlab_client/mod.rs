//! The client of GitLab against a small GitLab that records what really happened.

pub mod fake;
mod lists;

use crate::portal_faults::{Fault, TOKEN_SECRET, marker, outcome, settings};
use fake::{FakeGitLab, GROUP, PROJECT, TOKEN};
use jiff::Timestamp;
use registry_token_operator::api::{IssuerSpec, Reason};
use registry_token_operator::domain::model::capabilities::{LoginName, TokenHandle};
use registry_token_operator::domain::model::token::{RowQuery, TokenRef};
use registry_token_operator::portal::gitlab::GitLabPortal;
use registry_token_operator::portal::{Credentials, Delivery, Portal as _, PortalError};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::time::Duration;

fn spec(url: &str, changes: &Value) -> IssuerSpec {
    let auth = json!({"type": "Token", "token": {"secretRef": {"name": "gitlab-login"}}});
    let mut gitlab = json!({"url": url, "project": PROJECT, "allowInsecureHTTP": true, "auth": auth});
    for (name, value) in changes.as_object().expect("an object") {
        gitlab[name] = value.clone();
    }
    let spec = json!({"type": "GitLab", "gitlab": gitlab, "registries": [{"host": "registry.example.com"}]});
    serde_json::from_value(spec).expect("a spec")
}

fn access_token(token: &str) -> Credentials {
    Credentials::Token { token: SecretString::from(token) }
}

fn portal_with(spec: &IssuerSpec, credentials: Credentials) -> Result<GitLabPortal, PortalError> {
    GitLabPortal::new(settings(spec, credentials))
}

async fn with_gitlab() -> (FakeGitLab, GitLabPortal) {
    let fake = FakeGitLab::start().await;
    let portal = portal_with(&spec(&fake.url, &json!({})), access_token(TOKEN)).expect("a portal");
    (fake, portal)
}

fn token_ref(id: &str) -> TokenRef {
    TokenRef { id: id.to_owned(), username: format!("gitlab+deploy-token-{id}") }
}

#[tokio::test]
async fn a_deploy_token_is_created_with_its_scopes_found_by_its_marker_and_deleted() {
    let group = json!({"project": null, "group": GROUP, "scopes": ["read_registry", "read_virtual_registry"]});
    for (changes, kind, scopes) in
        [(json!({}), "projects", json!(["read_registry"])), (group.clone(), "groups", group["scopes"].clone())]
    {
        let fake = FakeGitLab::start().await;
        let portal = portal_with(&spec(&fake.url, &changes), access_token(TOKEN)).expect("a portal");
        let name = marker('a').append_to("prod, team-a");
        let token = portal.request(&name).await.expect("a token");
        assert_eq!((token.id.as_deref(), token.username.as_str()), (Some("1"), "gitlab+deploy-token-1"));
        assert!(token.secret.expose_secret().starts_with(TOKEN_SECRET));
        assert!(!format!("{token:?}").contains(TOKEN_SECRET));
        assert_eq!(fake.requests(), [json!({"name": name, "scopes": scopes})]);
        assert_eq!(fake.calls(), [format!("POST {kind}")], "one request");
        let found = portal.list(&RowQuery::WithMarker(marker('a'))).await.expect("read");
        let found: Vec<_> = found.into_iter().map(|row| (row.token, row.description)).collect();
        assert_eq!(found, [(token_ref("1"), name)]);
        assert_eq!(portal.list(&RowQuery::WithMarker(marker('b'))).await.expect("read"), []);
        portal.revoke(&token_ref("1")).await.expect("revoked");
        assert_eq!(fake.names(), Vec::<String>::new());
        assert_eq!(fake.calls(), ["GET page 1", "GET page 1", "DELETE 1"]);
    }
}

#[tokio::test]
async fn a_deploy_token_with_a_duration_expires() {
    let (fake, _) = with_gitlab().await;
    let portal = portal_with(&spec(&fake.url, &json!({"duration": 30})), access_token(TOKEN)).expect("a portal");
    let validity = Duration::from_hours(30 * 24);
    let [earliest, latest] = [0, 60].map(|seconds| Timestamp::now() + validity + Duration::from_secs(seconds));
    let token = portal.request(&marker('a').append_to("prod")).await.expect("a token");
    let expires = token.expiration_time.expect("it expires");
    assert!(expires.as_second() >= earliest.as_second() && expires <= latest, "{expires}");
    assert_eq!(fake.requests()[0]["expires_at"], expires.to_string());
    let rows = portal.list(&RowQuery::WithMarker(marker('a'))).await.expect("read");
    assert_eq!(rows.into_iter().map(|row| row.expiration_time).collect::<Vec<_>>(), [Some(expires)]);
    assert_eq!(portal.resolve().await.expect("known").capabilities.expiry, Some(validity));
}

#[tokio::test]
async fn a_rejected_request_created_nothing() {
    let refused = |status, message: &str| Fault::Reject(status, json!({"message": message}).to_string());
    for (fault, reason, words) in [
        (refused(403, "403 Forbidden"), Reason::AccessDenied, "Maintainer"),
        (refused(400, "Name is too long"), Reason::RequestRejected, "Name is too long"),
    ] {
        let (fake, portal) = with_gitlab().await;
        fake.fail("POST", fault);
        let failure = portal.request("prod").await.expect_err("rejected");
        assert_eq!(outcome(&failure), (Delivery::Rejected, reason), "{failure}");
        assert!(failure.message.contains(words), "{failure}");
        assert_eq!(fake.names(), Vec::<String>::new());
    }
    let (fake, _) = with_gitlab().await;
    let fly = spec(&fake.url, &json!({"scopes": ["fly"]}));
    let failure = portal_with(&fly, access_token(TOKEN)).expect("a portal").request("prod").await.expect_err("a scope");
    assert_eq!(outcome(&failure), (Delivery::Rejected, Reason::RequestRejected));
    assert!(failure.message.contains("scopes does not have a valid value"), "{failure}");
}

#[tokio::test]
async fn a_missing_project_says_what_to_check() {
    let (fake, _) = with_gitlab().await;
    let other = portal_with(&spec(&fake.url, &json!({"project": "a/b"})), access_token(TOKEN)).expect("a portal");
    for failure in [
        other.list(&RowQuery::Probe).await.expect_err("no project"),
        other.list(&RowQuery::WithId("1".to_owned())).await.expect_err("no project"),
        other.revoke(&token_ref("1")).await.expect_err("no project"),
        other.request("prod").await.expect_err("no project"),
    ] {
        assert_eq!(outcome(&failure), (Delivery::Rejected, Reason::AccessDenied));
        assert!(failure.message.contains("the project a/b"), "{failure}");
    }
}

#[tokio::test]
async fn a_deploy_token_is_never_edited() {
    let (fake, portal) = with_gitlab().await;
    let failure = portal.edit_description(&token_ref("1"), "prod").await.expect_err("not possible");
    assert_eq!(outcome(&failure), (Delivery::NotSent, Reason::EditUnsupported));
    let interface = portal.resolve().await.expect("known");
    let capabilities = interface.capabilities;
    assert!(!capabilities.edit && capabilities.list_visible() && interface.names.is_none());
    assert_eq!((capabilities.handle, capabilities.login_name), (TokenHandle::Marker, LoginName::PerToken));
    assert_eq!(fake.calls(), Vec::<String>::new());
    assert_eq!(portal.location().scope, "projects/team/apps");
}

#[tokio::test]
async fn a_spec_that_cannot_work_is_refused_before_anything_is_sent() {
    let url = "https://gitlab.example.com";
    let good = spec(url, &json!({}));
    let basic = Credentials::Basic { username: "a".into(), password: SecretString::from("b") };
    let missing = IssuerSpec { gitlab: None, ..good.clone() };
    for (spec, credentials, words) in [
        (&good, basic, "spec.gitlab.auth"),
        (&missing, access_token(TOKEN), "spec.gitlab is missing"),
        (&spec(url, &json!({"group": GROUP})), access_token(TOKEN), "spec.gitlab.group"),
        (&spec(url, &json!({"project": null})), access_token(TOKEN), "spec.gitlab.project"),
        (&spec(&format!("{url}?x=y"), &json!({})), access_token(TOKEN), "spec.gitlab.url"),
        (&good, access_token("a\nb"), "access token"),
    ] {
        let failure = portal_with(spec, credentials).expect_err(words);
        assert_eq!(failure.delivery, Delivery::NotSent);
        assert!(failure.message.contains(words), "{failure}");
    }
}
