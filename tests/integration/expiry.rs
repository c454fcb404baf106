//! Tokens that expire, at a portal that limits them: Harbor.

use crate::control_plane::{ControlPlane, eventually};
use crate::fake_harbor::{FakeHarbor, PASSWORD, PROJECT};
use crate::fake_portal::Config;
use crate::fixture::{LIMIT, Team, condition, own_control_plane, ready, stage, start_operator, token};
use crate::helpers::current;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use registry_token_operator::api::RegistryToken;
use serde_json::{Value, json};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A team whose issuer requests robot accounts of this Harbor, without a registry to verify them.
pub async fn team_with(control_plane: &'static ControlPlane, name: &str, harbor: &FakeHarbor, changes: Value) -> Team {
    let team = Team::bare(control_plane, name, Config::default()).await;
    team.apply(json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "portal", "labels": {"registry-token.dev/credentials": "true"}},
        "stringData": {"username": "bot", "password": PASSWORD},
    }))
    .await;
    let mut spec = json!({
        "type": "Harbor",
        "harbor": {
            "url": harbor.url, "project": PROJECT, "allowInsecureHTTP": true,
            "auth": {"type": "Basic", "basic": {"secretRef": {"name": "portal"}}},
        },
        "registries": [{"host": "harbor.example.com"}],
        "loginCheck": "Disabled",
    });
    crate::fixture::merge(&mut spec["harbor"], changes);
    team.apply(json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "TokenIssuer", "metadata": {"name": "portal"}, "spec": spec,
    }))
    .await;
    team
}

fn expiration(object: &RegistryToken) -> Timestamp {
    current(object).expiration_time.as_ref().expect("it expires").0
}

fn next_rotation(object: &RegistryToken) -> Timestamp {
    object.status.as_ref().and_then(|status| status.next_rotation_time.clone()).expect("a time").0
}

#[tokio::test]
async fn a_token_that_expired_while_no_operator_was_running_is_replaced_and_not_taken_for_revoked() {
    let harbor = FakeHarbor::start().await;
    let (control_plane, operator) = own_control_plane().await;
    let team = team_with(control_plane, "expired", &harbor, json!({"duration": 30})).await;
    let mut object = token("pull", "prod");
    object["spec"]["upstreamRevocationPolicy"] = json!("Hold");
    team.apply(object).await;
    let before = team.until_synced("pull").await;
    let (requested, expires) = (current(&before).request_time.0, expiration(&before));
    let lifetime = expires.duration_since(requested);
    let (least, most) = (requested + lifetime * 3 / 5 - DAY, requested + lifetime * 2 / 3);
    let next = next_rotation(&before);
    assert!(next >= least && next <= most, "rotated at {next}, when a third of the time until {expires} is left");
    let columns =
        control_plane.kubectl_ok(&["get", "rtok", "-n", &team.namespace, "-o", "wide"], None).await.expect("listed");
    assert!(columns.contains("EXPIRES") && columns.contains(&expires.to_string()), "{columns}");

    operator.terminate().await;
    let now = Timestamp::now();
    let times = json!({
        "token": {"requestTime": now - DAY * 30, "expirationTime": now - SignedDuration::from_mins(5)},
        "nextRotationTime": now - DAY * 10,
    });
    team.patch_status("pull", times).await;
    // As a portal does that lists no tokens that are expired.
    harbor.state().robots.clear();
    harbor.calls();
    let _operator = start_operator(control_plane).await;

    let replaced = team.until_replaced("pull", &current(&before)).await;
    assert!(expiration(&replaced) > now, "{replaced:?}");
    let synced = team.until_synced("pull").await;
    assert_eq!(ready(&synced).0, "True");
    let status = synced.status.as_ref().expect("a status");
    assert_eq!(status.upstream_revocation, None, "nobody revoked it");
    let events: Api<Event> = Api::namespaced(team.client.clone(), &team.namespace);
    let events = events.list(&ListParams::default()).await.expect("listed").items;
    assert!(!events.iter().any(|event| event.reason.as_deref() == Some("RevokedUpstream")), "{events:?}");
    eventually("one robot account", LIMIT, async || match harbor.state().robots.len() {
        1 => Ok(()),
        count => Err(format!("{count}")),
    })
    .await;
    let posts = harbor.calls().iter().filter(|call| call.starts_with("POST")).count();
    assert_eq!(posts, 1, "it is requested once");
}

#[tokio::test]
async fn an_object_whose_scope_the_issuer_does_not_allow_gets_no_token() {
    let harbor = FakeHarbor::start().await;
    let system = json!({"level": "System", "project": null, "projects": ["base", "team-a"]});
    let team = team_with(stage(), "scope", &harbor, system).await;
    let scoped = |name: &str, projects: Value| {
        let mut object = token(name, "limited");
        object["spec"]["scope"] = json!({"projects": projects});
        object
    };
    team.apply(scoped("refused", json!(["base", "team-b"]))).await;
    let refused = team.until("refused", "False", "ScopeNotAllowed").await;
    let stalled = condition(&refused, "Stalled").expect("it requires manual action");
    assert!(stalled["message"].as_str().is_some_and(|message| message.contains("names team-b,")), "{stalled}");
    assert!(refused.finalizers().is_empty(), "nothing is to be revoked");
    team.apply(scoped("limited", json!(["team-a"]))).await;
    team.until_synced("limited").await;
    let requests = harbor.requests();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    let permissions = request["permissions"].as_array().expect("a list");
    let projects: Vec<&Value> = permissions.iter().map(|one| &one["namespace"]).collect();
    assert_eq!(projects, ["team-a"]);
}
