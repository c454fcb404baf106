//! The client of Gitea against a small Gitea that records what really happened.

pub mod fake;
mod lists;

use crate::portal_faults::{Fault, TOKEN_SECRET, marker, outcome, settings};
use fake::{FakeGitea, PASSWORD, USER};
use registry_token_operator::api::{IssuerSpec, Reason};
use registry_token_operator::domain::model::capabilities::{LoginName, TokenHandle};
use registry_token_operator::domain::model::token::{RowQuery, TokenRef};
use registry_token_operator::portal::gitea::GiteaPortal;
use registry_token_operator::portal::{Credentials, Delivery, Portal as _, PortalError};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

fn spec(url: &str, changes: &Value) -> IssuerSpec {
    let auth = json!({"type": "Basic", "basic": {"secretRef": {"name": "gitea-login"}}});
    let mut gitea = json!({"url": url, "user": USER, "allowInsecureHTTP": true, "auth": auth});
    for (name, value) in changes.as_object().expect("an object") {
        gitea[name] = value.clone();
    }
    let spec = json!({"type": "Gitea", "gitea": gitea, "registries": [{"host": "git.example.com"}]});
    serde_json::from_value(spec).expect("a spec")
}

fn basic(password: &str) -> Credentials {
    Credentials::Basic { username: USER.to_owned(), password: SecretString::from(password) }
}

fn portal_with(spec: &IssuerSpec, credentials: Credentials) -> Result<GiteaPortal, PortalError> {
    GiteaPortal::new(settings(spec, credentials))
}

async fn with_gitea() -> (FakeGitea, GiteaPortal) {
    let fake = FakeGitea::start().await;
    let portal = portal_with(&spec(&fake.url, &json!({})), basic(PASSWORD)).expect("a portal");
    (fake, portal)
}

fn token_ref(id: &str) -> TokenRef {
    TokenRef { id: id.to_owned(), username: USER.to_owned() }
}

fn names(fake: &FakeGitea) -> Vec<String> {
    fake.state().tokens.iter().map(|(_, name)| name.clone()).collect()
}

#[tokio::test]
async fn a_token_is_created_with_its_scopes_found_by_its_name_and_deleted() {
    let (fake, portal) = with_gitea().await;
    let name = marker('a').append_to("prod, team-a");
    let token = portal.request(&name).await.expect("a token");
    assert_eq!((token.id.as_deref(), token.username.as_str()), (Some("1"), USER));
    assert!(token.secret.expose_secret().starts_with(TOKEN_SECRET));
    assert!(!format!("{token:?}").contains(TOKEN_SECRET));
    assert_eq!(fake.requests(), [json!({"name": name, "scopes": ["read:package"]})]);
    assert_eq!(fake.calls(), ["POST /users/bot/tokens"], "one request");
    let found = portal.list(&RowQuery::WithMarker(marker('a'))).await.expect("read");
    assert_eq!(
        found.iter().map(|row| (row.token.clone(), row.description.clone())).collect::<Vec<_>>(),
        [(token_ref("1"), name)]
    );
    assert_eq!(portal.list(&RowQuery::WithMarker(marker('b'))).await.expect("read"), []);
    portal.revoke(&token_ref("1")).await.expect("revoked");
    assert_eq!(names(&fake), Vec::<String>::new());
    assert_eq!(fake.calls(), ["GET page -", "GET page -", "DELETE 1"]);
}

#[tokio::test]
async fn a_rejected_request_created_nothing() {
    let refused = |status, message: &str| Fault::Reject(status, json!({"message": message}).to_string());
    for (fault, reason, words) in [
        (refused(403, "token does not have at least one of required scope(s)"), Reason::AccessDenied, "write:user"),
        (refused(422, "[Name]: Required"), Reason::RequestRejected, "[Name]: Required"),
    ] {
        let (fake, portal) = with_gitea().await;
        fake.fail("POST", fault);
        let failure = portal.request("prod").await.expect_err("rejected");
        assert_eq!(outcome(&failure), (Delivery::Rejected, reason), "{failure}");
        assert!(failure.message.contains(words), "{failure}");
        assert_eq!(names(&fake), Vec::<String>::new());
    }
    let (fake, _) = with_gitea().await;
    let scopes = spec(&fake.url, &json!({"scopes": ["read:nothing"]}));
    let failure = portal_with(&scopes, basic(PASSWORD)).expect("a portal").request("prod").await.expect_err("a scope");
    assert_eq!(outcome(&failure), (Delivery::Rejected, Reason::RequestRejected));
    assert!(failure.message.contains("read:nothing"), "{failure}");
}

#[tokio::test]
async fn a_missing_user_says_what_to_check() {
    let (fake, _) = with_gitea().await;
    let other = spec(&fake.url, &json!({"user": "nobody"}));
    let failure =
        portal_with(&other, basic(PASSWORD)).expect("a portal").list(&RowQuery::Probe).await.expect_err("no user");
    assert_eq!(outcome(&failure), (Delivery::Rejected, Reason::AccessDenied));
    assert!(failure.message.contains("spec.gitea.user"), "{failure}");
}

#[tokio::test]
async fn a_token_is_never_edited_and_all_log_in_with_the_name_of_the_user() {
    let (fake, portal) = with_gitea().await;
    let failure = portal.edit_description(&token_ref("1"), "prod").await.expect_err("not possible");
    assert_eq!(outcome(&failure), (Delivery::NotSent, Reason::EditUnsupported));
    let interface = portal.resolve().await.expect("known");
    let capabilities = interface.capabilities;
    assert!(!capabilities.edit && capabilities.list_visible() && interface.names.is_none());
    assert_eq!((capabilities.handle, capabilities.login_name), (TokenHandle::UniqueName, LoginName::Shared));
    assert_eq!(fake.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_spec_that_cannot_work_is_refused_before_anything_is_sent() {
    let good = spec("https://git.example.com", &json!({}));
    let digits = spec("https://git.example.com", &json!({"user": "4711"}));
    let oauth = Credentials::ClientCredentials { client_id: "a".into(), client_secret: SecretString::from("b") };
    let missing = IssuerSpec { gitea: None, ..good.clone() };
    for (spec, credentials, words) in [
        (&digits, basic(PASSWORD), "spec.gitea.user"),
        (&good, oauth, "spec.gitea.auth"),
        (&missing, basic(PASSWORD), "spec.gitea is missing"),
        (&spec("https://git.example.com?x=y", &json!({})), basic(PASSWORD), "spec.gitea.url"),
        (&good, Credentials::Basic { username: "a:b".into(), password: SecretString::from("c") }, "colon"),
    ] {
        let failure = portal_with(spec, credentials).expect_err(words);
        assert_eq!(failure.delivery, Delivery::NotSent);
        assert!(failure.message.contains(words), "{failure}");
    }
}
