//! Robot accounts that an object limits to some of the issuer's projects.

use super::fake::{FakeHarbor, PASSWORD, PROJECT};
use super::{basic, portal_with, spec, with_harbor};
use crate::portal_faults::{marker, outcome};
use registry_token_operator::api::Reason;
use registry_token_operator::portal::{Delivery, IssuedToken, Portal, PortalError, TokenRequest};
use serde_json::{Value, json};

async fn request(portal: &impl Portal, projects: &[&str]) -> Result<IssuedToken, PortalError> {
    let projects: Vec<String> = projects.iter().map(|project| (*project).to_owned()).collect();
    let description = marker('a').append_to("prod");
    portal.request_for(TokenRequest { namespace: "a", description: &description, projects: &projects }).await
}

/// The projects that the requested robot accounts may access.
fn requested(fake: &FakeHarbor) -> Vec<Vec<Value>> {
    let projects = |body: &Value| {
        let permissions = body["permissions"].as_array().expect("a list");
        permissions.iter().map(|one| one["namespace"].clone()).collect()
    };
    fake.requests().iter().map(projects).collect()
}

#[tokio::test]
async fn a_robot_account_of_the_system_is_limited_to_the_projects_of_the_object() {
    for (allowed, scope, expected) in [
        (json!(["apps", "base"]), &["base"][..], json!(["base"])),
        (json!(["apps", "base"]), &[][..], json!(["apps", "base"])),
        (json!(["*"]), &["team-a", "base"][..], json!(["team-a", "base"])),
    ] {
        let (fake, _) = with_harbor().await;
        let system = json!({"level": "System", "project": null, "projects": allowed});
        let portal = portal_with(&spec(&fake.url, &system), basic(PASSWORD)).expect("a portal");
        request(&portal, scope).await.expect("a token");
        assert_eq!(Value::from(requested(&fake)), json!([expected]), "{scope:?} of {allowed}");
        assert_eq!(fake.requests().len(), 1);
    }
}

#[tokio::test]
async fn nothing_is_requested_for_a_project_that_the_issuer_does_not_allow() {
    let system = json!({"level": "System", "project": null, "projects": ["apps", "base"]});
    for (issuer, scope) in [
        (&system, &["other"][..]),
        (&system, &["apps", "other"][..]),
        (&system, &["*"][..]),
        (&json!({}), &["other"][..]),
    ] {
        let (fake, _) = with_harbor().await;
        let portal = portal_with(&spec(&fake.url, issuer), basic(PASSWORD)).expect("a portal");
        let failure = request(&portal, scope).await.expect_err("not allowed");
        assert_eq!(outcome(&failure), (Delivery::NotSent, Reason::ScopeNotAllowed), "{scope:?}");
        assert_eq!(fake.calls(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_project_of_the_issuer_is_no_limit() {
    let (fake, portal) = with_harbor().await;
    request(&portal, &[PROJECT]).await.expect("a token");
    assert_eq!(Value::from(requested(&fake)), json!([[PROJECT]]));
    let projects = portal.resolve().await.expect("known").capabilities.projects.expect("it can limit tokens");
    assert!(projects.allows(PROJECT) && !projects.allows("other"));
}
