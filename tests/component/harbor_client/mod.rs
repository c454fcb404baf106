//! The client of Harbor against a small Harbor that records what really happened.

pub mod fake;
mod lists;
mod scope;

use crate::portal_faults::{Fault, TOKEN_SECRET, marker, outcome, settings};
use fake::{CREATED, FakeHarbor, Login, PASSWORD, PROJECT};
use jiff::Timestamp;
use registry_token_operator::api::{IssuerSpec, Reason};
use registry_token_operator::domain::model::capabilities::{LoginName, TokenHandle};
use registry_token_operator::domain::model::token::{RowQuery, TokenRef};
use registry_token_operator::portal::harbor::HarborPortal;
use registry_token_operator::portal::{Credentials, Delivery, Portal as _, PortalError};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::time::Duration;

fn spec(url: &str, changes: &Value) -> IssuerSpec {
    let auth = json!({"type": "Basic", "basic": {"secretRef": {"name": "harbor-login"}}});
    let mut harbor = json!({"url": url, "project": PROJECT, "allowInsecureHTTP": true, "auth": auth});
    for (name, value) in changes.as_object().expect("an object") {
        harbor[name] = value.clone();
    }
    let spec = json!({"type": "Harbor", "harbor": harbor, "registries": [{"host": "harbor.example.com"}]});
    serde_json::from_value(spec).expect("a spec")
}

fn basic(password: &str) -> Credentials {
    Credentials::Basic { username: "bot".to_owned(), password: SecretString::from(password) }
}

fn portal_with(spec: &IssuerSpec, credentials: Credentials) -> Result<HarborPortal, PortalError> {
    HarborPortal::new(settings(spec, credentials))
}

async fn with_harbor() -> (FakeHarbor, HarborPortal) {
    let fake = FakeHarbor::start().await;
    let portal = portal_with(&spec(&fake.url, &json!({})), basic(PASSWORD)).expect("a portal");
    (fake, portal)
}

/// A robot account whose name the operator chose.
fn token_ref(id: &str, letter: char) -> TokenRef {
    TokenRef { id: id.to_owned(), username: format!("robot${PROJECT}+{}", marker(letter).token_name()) }
}

#[tokio::test]
async fn a_robot_account_is_created_found_by_its_marker_edited_and_deleted() {
    let (fake, portal) = with_harbor().await;
    let description = marker('a').append_to("prod, team-a");
    let token = portal.request(&description).await.expect("a token");
    let expected = token_ref("1", 'a');
    assert_eq!((token.id.as_deref(), &token.username), (Some("1"), &expected.username));
    assert!(token.secret.expose_secret().starts_with(TOKEN_SECRET));
    assert!(!format!("{token:?}").contains(TOKEN_SECRET));
    let access = json!([{"resource": "repository", "action": "pull"}]);
    assert_eq!(
        fake.requests(),
        [json!({
            "name": marker('a').token_name(), "description": description, "level": "project", "duration": -1, "disable": false,
            "permissions": [{"kind": "project", "namespace": PROJECT, "access": access}],
        })]
    );
    assert_eq!(fake.calls(), ["POST robots"], "one request");
    let found = portal.list(&RowQuery::WithMarker(marker('a'))).await.expect("read");
    let found: Vec<_> = found.into_iter().map(|row| (row.token, row.description)).collect();
    assert_eq!(found, [(expected.clone(), description)]);
    let nonce = "a".repeat(12);
    assert_eq!(
        fake.calls(),
        [
            format!("GET project {PROJECT}"),
            format!("GET robots Level=project,ProjectID=7,id=[1~],description=~{nonce}")
        ]
    );
    portal.edit_description(&expected, "prod").await.expect("edited");
    assert_eq!(fake.descriptions(), ["prod"]);
    assert_eq!(fake.state().robots[0].permissions[0]["access"], access, "sent back");
    assert_eq!(portal.list(&RowQuery::WithMarker(marker('a'))).await.expect("read"), []);
    fake.calls();
    portal.revoke(&expected).await.expect("revoked");
    assert_eq!((fake.descriptions().len(), fake.calls()), (0, vec!["DELETE 1".to_owned()]));
}

#[tokio::test]
async fn a_robot_account_of_the_system_may_access_the_projects_that_the_spec_names() {
    let (fake, _) = with_harbor().await;
    fake.add(["of the project".to_owned()]);
    fake.state().prefix = "bot-";
    let system = json!({"level": "System", "project": null, "projects": ["apps", "base"]});
    let portal = portal_with(&spec(&fake.url, &system), basic(PASSWORD)).expect("a portal");
    let token = portal.request(&marker('a').append_to("prod")).await.expect("a token");
    assert_eq!(token.username, format!("bot-{}", marker('a').token_name()));
    let permissions = fake.requests()[0]["permissions"].clone();
    let namespaces: Vec<_> = permissions.as_array().expect("a list").iter().map(|one| &one["namespace"]).collect();
    assert_eq!(namespaces, ["apps", "base"]);
    fake.calls();
    let mut rows = vec![];
    portal.scan(&mut |row| rows.push(row)).await.expect("read");
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(fake.calls(), ["GET robots Level=system,id=[1~]"]);
    assert_eq!(portal.location().scope, "/");
}

#[tokio::test]
async fn a_robot_account_with_a_duration_expires_and_an_edit_keeps_it() {
    let (fake, _) = with_harbor().await;
    let portal = portal_with(&spec(&fake.url, &json!({"duration": 30})), basic(PASSWORD)).expect("a portal");
    let token = portal.request(&marker('a').append_to("prod")).await.expect("a token");
    let expires = Timestamp::from_second(CREATED + 30 * 24 * 3600).expect("a time");
    assert_eq!((token.expiration_time, fake.requests()[0]["duration"].as_i64()), (Some(expires), Some(30)));
    portal.edit_description(&token_ref("1", 'a'), "prod").await.expect("edited");
    let rows = portal.list(&RowQuery::WithId("1".to_owned())).await.expect("read");
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((row.expiration_time, row.description.as_str()), (Some(expires), "prod"));
    let expiry = portal.resolve().await.expect("known").capabilities.expiry;
    assert_eq!(expiry, Some(Duration::from_hours(30 * 24)));
}

#[tokio::test]
async fn a_request_that_arrives_again_after_the_marker_was_removed_creates_nothing() {
    let (fake, portal) = with_harbor().await;
    let description = marker('a').append_to("prod");
    portal.request(&description).await.expect("a token");
    portal.edit_description(&token_ref("1", 'a'), "prod").await.expect("edited");
    let failure = portal.request(&description).await.expect_err("delivered again");
    assert_eq!(failure.delivery, Delivery::Unknown, "{failure}");
    assert_eq!(fake.descriptions(), ["prod"]);
}

#[tokio::test]
async fn a_rejected_request_created_nothing() {
    let refused = |status, message: &str| {
        Fault::Reject(status, json!({"errors": [{"code": "X", "message": message}]}).to_string())
    };
    for (fault, reason, words) in [
        (refused(403, "The system is in read only mode"), Reason::AccessDenied, "read only mode"),
        (refused(422, "validation failure"), Reason::RequestRejected, "validation failure"),
    ] {
        let (fake, portal) = with_harbor().await;
        fake.fail("POST", fault);
        let failure = portal.request(&marker('a').append_to("prod")).await.expect_err("rejected");
        assert_eq!(outcome(&failure), (Delivery::Rejected, reason), "{failure}");
        assert!(failure.message.contains(words), "{failure}");
        assert_eq!(fake.descriptions(), Vec::<String>::new());
    }
    let (fake, portal) = with_harbor().await;
    let fly = spec(&fake.url, &json!({"permissions": [{"resource": "repository", "action": "fly"}]}));
    let description = marker('a').append_to("prod");
    let failure = portal_with(&fly, basic(PASSWORD)).expect("a portal").request(&description).await.expect_err("no");
    assert_eq!(outcome(&failure), (Delivery::Rejected, Reason::RequestRejected));
    assert!(failure.message.contains("repository:fly"), "{failure}");
    fake.calls();
    let failure = portal.request("prod").await.expect_err("no marker");
    assert_eq!((failure.delivery, fake.calls()), (Delivery::NotSent, vec![]));
}

#[tokio::test]
async fn a_rejected_login_is_told_from_a_missing_project_which_says_what_to_check() {
    let (fake, _) = with_harbor().await;
    let wrong = portal_with(&spec(&fake.url, &json!({})), basic("wrong")).expect("a portal");
    let failure = wrong.resolve().await.expect_err("refused");
    assert_eq!(outcome(&failure), (Delivery::Rejected, Reason::Unauthorized), "of the login, and not of the project");
    let other = portal_with(&spec(&fake.url, &json!({"project": "absent"})), basic(PASSWORD)).expect("a portal");
    for failure in [
        other.list(&RowQuery::Probe).await.expect_err("no project"),
        other.request(&marker('a').append_to("prod")).await.expect_err("no project"),
    ] {
        assert_eq!(outcome(&failure), (Delivery::Rejected, Reason::AccessDenied));
        assert!(failure.message.contains("the project absent"), "{failure}");
    }
}

#[tokio::test]
async fn another_robot_account_is_not_edited() {
    let (fake, portal) = with_harbor().await;
    fake.add(["of another user".to_owned()]);
    let failure = portal.edit_description(&token_ref("1", 'a'), "prod").await.expect_err("another name");
    assert_eq!(outcome(&failure), (Delivery::Rejected, Reason::TokenNotFound));
    assert_eq!((fake.descriptions(), fake.calls()), (vec!["of another user".into()], vec!["GET robot 1".into()]));
    let failure = portal.edit_description(&token_ref("2", 'a'), "prod").await.expect_err("none");
    assert_eq!(outcome(&failure), (Delivery::Rejected, Reason::TokenNotFound));
}

#[tokio::test]
async fn a_robot_account_cannot_edit_descriptions_and_this_is_known_before() {
    for (login, edit) in [(Login::User, true), (Login::Robot, false)] {
        let (fake, portal) = with_harbor().await;
        fake.state().login = login;
        for _ in 0..2 {
            let interface = portal.resolve().await.expect("known");
            let capabilities = interface.capabilities;
            assert_eq!(capabilities.edit, edit);
            assert!(capabilities.list_visible() && interface.names.is_none());
            assert_eq!((capabilities.handle, capabilities.login_name), (TokenHandle::Marker, LoginName::PerToken));
        }
        assert_eq!(fake.calls(), ["GET user"], "asked once");
    }
    let (fake, portal) = with_harbor().await;
    fake.fail("GET", Fault::Reject(412, "<html>".into()));
    portal.resolve().await.expect_err("of another program");
    assert!(portal.resolve().await.expect("asked again").capabilities.edit);
    portal.request(&marker('a').append_to("prod")).await.expect("a token");
    fake.state().login = Login::Robot;
    let failure = portal.edit_description(&token_ref("1", 'a'), "prod").await.expect_err("refused");
    assert_eq!(outcome(&failure), (Delivery::Rejected, Reason::AccessDenied));
    assert!(failure.message.contains("a user who administers it"), "{failure}");
}

#[tokio::test]
async fn a_spec_that_cannot_work_is_refused_before_anything_is_sent() {
    let url = "https://harbor.example.com";
    let good = spec(url, &json!({}));
    let oauth = Credentials::ClientCredentials { client_id: "a".into(), client_secret: SecretString::from("b") };
    let missing = IssuerSpec { harbor: None, ..good.clone() };
    for (spec, credentials, words) in [
        (&good, oauth, "spec.harbor.auth"),
        (&missing, basic(PASSWORD), "spec.harbor is missing"),
        (&spec(url, &json!({"project": null})), basic(PASSWORD), "spec.harbor.project is missing"),
        (&spec(url, &json!({"level": "System"})), basic(PASSWORD), "spec.harbor.projects is missing"),
        (&spec(&format!("{url}?x=y"), &json!({})), basic(PASSWORD), "spec.harbor.url"),
        (&good, Credentials::Basic { username: "a:b".into(), password: SecretString::from("c") }, "colon"),
    ] {
        let failure = portal_with(spec, credentials).expect_err(words);
        assert_eq!(failure.delivery, Delivery::NotSent);
        assert!(failure.message.contains(words), "{failure}");
    }
}
