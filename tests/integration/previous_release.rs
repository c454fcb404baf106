//! An object that the previous release wrote is kept: no token is requested or revoked, and nothing is written. What that
//! release wrote was recorded from a running cluster. It is put into etcd as it is, because an API server would assign
//! other UIDs, which the operator's MACs cover.

use crate::control_plane::{ControlPlane, Options, eventually};
use crate::fake_portal::{Config, FakePortal, Operation, Ports};
use crate::fixture::{LIMIT, Team, own_control_plane, start_operator};
use crate::helpers::{current, current_id};
use crate::operator_process::{self, Operator};
use base64::{Engine, engine::general_purpose::STANDARD};
use kube::ResourceExt;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

const NAMESPACE: &str = "previous-release";
const OPERATOR: &str = "system:serviceaccount:registry-token-operator:registry-token-operator";
/// MACs cover the portal's address, so it is part of the recording.
const PORTS: Ports = Ports { portal: 18_471, registry: 18_472, control: None };

fn recording() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v0.1.0/cluster.json")
}

async fn team(control_plane: &'static ControlPlane) -> Team {
    let portal = FakePortal::start(Config { ports: PORTS, ..Config::default() }).await;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    control_plane.apply(&namespace.to_string()).await.expect("a namespace");
    let client = control_plane.client().await.expect("a client");
    Team { control_plane, namespace: NAMESPACE.to_owned(), portal, client }
}

/// Records what the present binary writes. Run it with the release that becomes the previous one, after its fixture's
/// folder was added to [`recording`]:
///
///     cargo test --test integration previous_release::record -- --ignored
#[tokio::test]
#[ignore = "it writes the fixture"]
async fn record() {
    let (control_plane, _operator) = own_control_plane().await;
    let team = team(control_plane).await;
    team.credentials("portal-password").await;
    team.issuer(json!({})).await;
    team.token("pull", "of the previous release").await;
    team.until_synced("pull").await;
    team.assert_idle_for("pull", Duration::from_secs(3)).await;

    let get = |kinds: &'static str, namespace: &'static str| async move {
        let text = control_plane.kubectl_ok(&["get", kinds, "-n", namespace, "-o", "json"], None).await.expect("read");
        let all: Value = serde_json::from_str(&text).expect("JSON");
        all["items"].as_array().cloned().expect("items")
    };
    // In the order in which they are restored: owners first.
    let mut objects = get("secrets", "registry-token-operator").await;
    for kinds in ["tokenissuers", "registrytokens", "secrets"] {
        objects.extend(get(kinds, NAMESPACE).await);
    }
    for object in &mut objects {
        // etcd stores the version itself.
        object["metadata"].as_object_mut().expect("metadata").remove("resourceVersion");
        set_ca(object, "replaced");
    }
    let tokens = team.portal.ledger().live();
    let tokens = tokens.iter().map(|token| {
        json!({"id": token.id, "username": token.username, "secret": token.secret, "description": token.description})
    });
    let all = json!({
        "release": env!("CARGO_PKG_VERSION"), "objects": objects, "tokens": tokens.collect::<Vec<Value>>(),
    });
    std::fs::create_dir_all(recording().parent().expect("a folder")).expect("created");
    std::fs::write(recording(), format!("{all:#}\n")).expect("written");
}

/// Each fake portal has a CA of its own. This and the version of the Secret are the only values that differ from what was
/// recorded.
fn set_ca(object: &mut Value, ca: &str) {
    if object["kind"] == "TokenIssuer" {
        for path in ["/spec/thinkwise/tls/caBundle", "/spec/registries/0/tls/caBundle"] {
            *object.pointer_mut(path).expect("a CA") = json!(ca);
        }
    }
}

/// Writes an object to etcd, as an API server stores it; returns its version.
async fn store(control_plane: &ControlPlane, object: &Value) -> String {
    let resource = match object["kind"].as_str() {
        Some("Secret") => "secrets",
        Some("TokenIssuer") => "registry-token.dev/tokenissuers",
        Some("RegistryToken") => "registry-token.dev/registrytokens",
        other => panic!("{other:?} is not recorded"),
    };
    let part = |key: &str| object["metadata"][key].as_str().expect("text");
    let key = format!("/registry/{resource}/{}/{}", part("namespace"), part("name"));
    let body = json!({"key": STANDARD.encode(key), "value": STANDARD.encode(object.to_string())});
    let etcd =
        reqwest::Client::builder().unix_socket(control_plane.folder().join("etcd.sock")).build().expect("a client");
    let response = etcd.post("http://etcd/v3/kv/put").body(body.to_string()).send().await.expect("a response");
    let response: Value = response.error_for_status().expect("stored").json().await.expect("JSON");
    response["header"]["revision"].as_str().expect("a revision").to_owned()
}

/// A cluster and a portal as the previous release left them, and the present operator, which has just started.
async fn upgraded() -> (Team, Operator, Value) {
    let audited = Options { audit: true, ..Options::default() };
    let control_plane = ControlPlane::start_for_test(audited).await.expect("starts");
    operator_process::install(control_plane).await.expect("installed");
    let mut recorded: Value =
        serde_json::from_slice(&std::fs::read(recording()).expect("the recording")).expect("JSON");
    let team = team(control_plane).await;
    for token in recorded["tokens"].as_array().expect("tokens") {
        let text = |key: &str| token[key].as_str().expect("text");
        let id = token["id"].as_i64().expect("an id");
        team.portal.ledger().restore(id, text("username"), text("secret"), text("description"));
    }
    for object in recorded["objects"].as_array().expect("objects") {
        let mut object = object.clone();
        set_ca(&mut object, &team.portal.ca_pem());
        store(control_plane, &object).await;
    }
    // etcd assigns versions, of which the status names one.
    let version = store(control_plane, recorded_object(&mut recorded, "Secret")).await;
    let object = recorded_object(&mut recorded, "RegistryToken");
    object["status"]["secret"]["resourceVersion"] = json!(version);
    store(control_plane, object).await;
    let (uid, status) = (object["metadata"]["uid"].clone(), object["status"].clone());
    eventually("the API server to serve the objects", LIMIT, async || {
        let object = team.tokens().get("pull").await.map_err(|error| error.to_string())?;
        let is_stored = json!(object.uid()) == uid && json!(object.status) == status;
        if is_stored { Ok(()) } else { Err(json!(object).to_string()) }
    })
    .await;
    let operator = start_operator(control_plane).await;
    (team, operator, recorded)
}

fn recorded_object<'a>(recorded: &'a mut Value, kind: &str) -> &'a mut Value {
    let mut objects = recorded["objects"].as_array_mut().expect("objects").iter_mut();
    objects.find(|one| one["kind"] == kind && one["metadata"]["name"] == "pull").expect("recorded")
}

/// Waits until the operator has read the portal's list twice: by then it has reconciled every object.
async fn until_audited(team: &Team) {
    for _ in 0..2 {
        let position = team.portal.ledger().position();
        team.audit_until("an audit", async || {
            let requests = team.portal.ledger().requests_since(position);
            let listed = requests.iter().any(|request| request.operation == Operation::List);
            if listed { Ok(()) } else { Err("no list".to_owned()) }
        })
        .await;
    }
}

#[tokio::test]
async fn an_object_of_the_previous_release_is_kept_without_a_write_and_works() {
    let (team, operator, mut recorded) = upgraded().await;
    let audit = team.control_plane.audit().expect("audit");
    let (before, position) = (team.tokens().get("pull").await.expect("there"), audit.position().await.expect("read"));
    until_audited(&team).await;
    team.assert_idle_for("pull", Duration::from_secs(3)).await;

    let after = team.tokens().get("pull").await.expect("there");
    assert_eq!(
        json!(after.status),
        recorded_object(&mut recorded, "RegistryToken")["status"],
        "the status is as recorded"
    );
    assert_eq!(after.resource_version(), before.resource_version(), "the object is not written");
    let recorded = recorded_object(&mut recorded, "Secret");
    let secret = team.secrets().get("pull").await.expect("there");
    assert_eq!(json!(secret.data), recorded["data"]);
    assert_eq!(json!(secret.metadata.annotations), recorded["metadata"]["annotations"]);
    let writes = audit.since(position).await.expect("read").by(OPERATOR).within(NAMESPACE).writes();
    let writes = writes.without(&["tokenissuers", "events"]);
    assert!(writes.is_empty(), "only the issuer's status is written: {writes:?}");
    let ledger = team.portal.ledger();
    for operation in [Operation::Request, Operation::Revoke, Operation::Edit] {
        assert_eq!(ledger.count(operation), 0, "{operation:?}");
    }
    assert!(team.pull(&team.dockerconfigjson("pull").await).await.is_ok(), "pods can pull");
    let log = operator.log();
    assert!(!log.contains("TokenUnverified"), "the MAC is accepted: {log}");

    // It can be changed, rotated and deleted.
    let former = current(&after);
    team.patch("pull", json!({"spec": {"description": "of the new release"}})).await;
    let edited = team.until_synced("pull").await;
    assert_eq!(current(&edited).id, former.id, "a description requests no token");
    let shown = ledger.token(current_id(&edited)).and_then(|token| token.description);
    assert_eq!(shown.as_deref(), Some("of the new release"));
    team.annotate("pull", "rotate", "now").await;
    team.until_replaced("pull", &former).await;
    assert_eq!(ledger.count(Operation::Request), 1);
    team.delete("pull").await;
    team.until_live(&[]).await;
}
