//! A token's password is stored only in its Secret; the portal's password, client secret and bearer token are stored
//! only in theirs. Every log, trace, event and object of a full run is searched for them in every encoding in which they could
//! have leaked.

use crate::collector::Collector;
use crate::control_plane::{ControlPlane, eventually};
use crate::fake_portal::{Config, Fault, Login, Operation};
use crate::fixture::{LIMIT, Team, own_control_plane_with, token};
use crate::helpers::current;
use crate::operator_process::Options;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use kube::api::{DeleteParams, DynamicObject, ListParams};
use kube::discovery::{Discovery, verbs};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The encodings of a secret: raw, escaped as JSON and as JSON in JSON, percent-encoded, and in Base64 at each of the
/// three offsets that it can have in a longer text.
fn shapes(secret: &str) -> Vec<String> {
    let escape = |text: &str| json!(text).to_string().trim_matches('"').to_owned();
    let once = escape(secret);
    let percent: String = secret
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    let mut all = vec![secret.to_owned(), escape(&once), once, percent];
    for offset in 0..3 {
        let padded = [vec![b'x'; offset], secret.as_bytes().to_vec()].concat();
        let encoded = STANDARD_NO_PAD.encode(&padded);
        // The first characters depend on the preceding bytes, the last ones on the following bytes.
        let first = [0, 2, 3][offset];
        let last = encoded.len() - usize::from(padded.len() % 3 != 0);
        all.push(encoded[first..last].to_owned());
    }
    all
}

pub fn contains_secret(text: &str, secret: &str) -> bool {
    shapes(secret).iter().any(|shape| text.contains(shape))
}

#[test]
fn the_search_finds_a_planted_secret_in_every_shape() {
    let secret = "a+b/c\"d\\e$f&g-0123456789";
    let plain = ["", "x", "xy", "xyz"].map(|before| format!("{before}{secret} and more"));
    for text in &plain {
        assert!(contains_secret(text, secret));
        assert!(contains_secret(&json!({"log": text}).to_string(), secret));
        assert!(contains_secret(&json!(json!({"log": text}).to_string()).to_string(), secret));
        assert!(contains_secret(&base64::engine::general_purpose::STANDARD.encode(text), secret), "{text}");
    }
    assert!(!contains_secret(&plain.join(" ").replace("0123", "0124"), secret));
}

/// Every object of every kind that can be listed, one text each.
pub async fn every_object(team: &Team) -> Vec<(String, String)> {
    let mut all = vec![];
    let discovery = Discovery::new(team.client.clone()).run().await.expect("discovered");
    for group in discovery.groups() {
        for (resource, capabilities) in group.recommended_resources() {
            if !capabilities.supports_operation(verbs::LIST) {
                continue;
            }
            let api: Api<DynamicObject> = Api::all_with(team.client.clone(), &resource);
            let found = api.list(&ListParams::default()).await;
            let found = found.unwrap_or_else(|error| panic!("{} cannot be listed: {error}", resource.plural));
            for object in found.items {
                let name =
                    format!("{}/{}/{}", resource.kind, object.namespace().unwrap_or_default(), object.name_any());
                all.push((name, serde_json::to_string(&object).expect("JSON")));
            }
        }
    }
    all
}

/// The names of the objects that contain a secret.
pub fn objects_containing<'a>(objects: &'a [(String, String)], secret: &str) -> Vec<&'a str> {
    objects.iter().filter(|(_, text)| object_contains(text, secret)).map(|(name, _)| name.as_str()).collect()
}

/// Whether the listed object contains the secret, or the decoded values of a Secret's data.
fn object_contains(text: &str, secret: &str) -> bool {
    let decoded = serde_json::from_str::<Value>(text).ok().and_then(|object| {
        let data = object["data"].as_object()?.values().filter_map(Value::as_str);
        let bytes = data.filter_map(|value| base64::engine::general_purpose::STANDARD.decode(value).ok());
        Some(bytes.map(|value| String::from_utf8_lossy(&value).into_owned()).collect::<String>())
    });
    contains_secret(text, secret) || decoded.is_some_and(|decoded| contains_secret(&decoded, secret))
}

/// Every log of the control plane, including the audit log.
fn logs(control_plane: &ControlPlane) -> BTreeMap<String, String> {
    let files = std::fs::read_dir(control_plane.folder()).expect("listed").map(|file| file.expect("a file").path());
    let logs = files.filter(|path| path.extension().is_some_and(|end| end == "log"));
    let read = |path: std::path::PathBuf| {
        let text = String::from_utf8_lossy(&std::fs::read(&path).expect("read")).into_owned();
        (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), text)
    };
    logs.map(read).collect()
}

const CLIENT_SECRET: &str = "client-hush+/%-7c1d";

/// A second issuer of the same portal, which logs in with client credentials, and a token of it.
async fn use_client_credentials(team: &Team) {
    team.apply(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "client-login", "labels": {"registry-token.dev/credentials": "true"}},
        "stringData": {"client_id": "operator", "client_secret": CLIENT_SECRET},
    }))
    .await;
    let auth = json!({"type": "OAuth2ClientCredentials", "basic": null, "oauth2ClientCredentials": {"secretRef": {"name": "client-login"}}});
    team.apply(json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "TokenIssuer", "metadata": {"name": "oauth"},
        "spec": team.issuer_spec(json!({"thinkwise": {"auth": auth}})),
    }))
    .await;
    let mut object = token("client", "by client credentials");
    object["spec"]["issuerRef"]["name"] = json!("oauth");
    team.apply(object).await;
    team.until_synced("client").await;
}

/// A token's whole life cycle: requested, edited, rotated, its Secret deleted, a response lost, revoked.
async fn a_full_run(team: &Team) {
    team.token("pull", "searched for").await;
    team.token("gone", "deleted meanwhile").await;
    team.until_synced("pull").await;
    team.until_synced("gone").await;
    team.patch("pull", json!({"spec": {"description": "edited", "rotation": {"interval": "720h", "overlap": "1s"}}}))
        .await;
    let former = current(&team.until_synced("pull").await);
    team.annotate("pull", "rotate", "now").await;
    let former = current(&team.until_replaced("pull", &former).await);
    team.until_synced("pull").await;
    team.secrets().delete("pull", &DeleteParams::default()).await.expect("deleted");
    team.until_replaced("pull", &former).await;
    team.until_synced("pull").await;
    team.portal.faults().once(Operation::Request, Fault::DropAfter);
    team.token("lost", "its response is lost").await;
    team.until_synced("lost").await;
    use_client_credentials(team).await;
    team.delete("gone").await;
    eventually(
        "the deleted object's Secret to be garbage collected, and all old tokens to be revoked",
        LIMIT,
        async || {
            let secret = team.secrets().get_opt("gone").await.map_err(|error| error.to_string())?;
            let live = team.portal.ledger().live().len();
            if secret.is_none() && live == 3 { Ok(()) } else { Err(format!("{} {live} live", secret.is_some())) }
        },
    )
    .await;
}

/// The object whose Secret has to contain each live token's secret, by that secret.
async fn expected_holders(team: &Team) -> BTreeMap<String, String> {
    let objects = team.tokens().list(&ListParams::default()).await.expect("listed").items;
    let holder = |username: &str| {
        let holds = |object: &&registry_token_operator::api::RegistryToken| current(object).username == username;
        let name = objects.iter().find(holds).map(ResourceExt::name_any).expect("a live token has an object");
        format!("Secret/{}/{name}", team.namespace)
    };
    team.portal.ledger().live().iter().map(|token| (token.secret.clone(), holder(&token.username))).collect()
}

#[tokio::test]
async fn secrets_are_stored_only_in_their_secret() {
    // Every crate at its most verbose: no secret may be logged there either.
    let collector = Collector::start().await;
    let environment = vec![format!("OTEL_EXPORTER_OTLP_ENDPOINT={}", collector.endpoint)];
    let talkative = Options { log: "trace", environment, ..Options::default() };
    let (control_plane, operator) = own_control_plane_with(talkative).await;
    let config = Config { clients: vec![Login::new("operator", CLIENT_SECRET)], ..Config::default() };
    let team = Team::on(control_plane, "search", config, json!({})).await;
    a_full_run(&team).await;

    let objects = every_object(&team).await;
    let kinds: std::collections::BTreeSet<&str> =
        objects.iter().filter_map(|(name, _)| name.split('/').next()).collect();
    assert!(kinds.contains("Event") && kinds.contains("RegistryToken") && kinds.contains("Secret"), "{kinds:?}");
    let mut logs = logs(control_plane);
    for name in ["audit.log", "etcd.log", "kube-apiserver.log", "kube-controller-manager.log"] {
        assert!(logs.get(name).is_some_and(|text| !text.is_empty()), "{name}: {:?}", logs.keys());
    }
    logs.insert("operator".to_owned(), operator.log());
    // The last traces are exported on shutdown.
    operator.terminate().await;
    logs.insert("traces".to_owned(), collector.received());
    for expected in ["reconcile", "portal request", "login", "revoke", &team.namespace] {
        assert!(logs["traces"].contains(expected), "{expected} is not in the traces");
    }
    assert!(
        logs["operator"].contains("executing request") && logs["operator"].contains("TRACE"),
        "the trace log was on"
    );

    let (kept, secrets) = (expected_holders(&team).await, team.portal.ledger().secrets());
    assert_eq!(
        (kept.len(), secrets.len()),
        (3, 7),
        "first, rotated and repaired; deleted; lost and its successor; by a client"
    );
    let mut searched: Vec<(String, Vec<String>)> = vec![
        ("portal-password".to_owned(), vec![format!("Secret/{}/portal", team.namespace)]),
        (CLIENT_SECRET.to_owned(), vec![format!("Secret/{}/client-login", team.namespace)]),
    ];
    searched.extend(secrets.iter().map(|secret| (secret.clone(), kept.get(secret).cloned().into_iter().collect())));
    let bearers = team.portal.bearers();
    assert!(!bearers.is_empty(), "a client logged in");
    searched.extend(bearers.into_iter().map(|bearer| (bearer, vec![])));
    for (secret, expected) in &searched {
        assert_eq!(objects_containing(&objects, secret), *expected);
        for (name, log) in &logs {
            assert!(!contains_secret(log, secret), "{secret} is in {name}");
        }
    }

    assert_planted_secrets_are_found(&team, &secrets[0]).await;
}

/// The search finds a secret that was planted in an object or an event.
async fn assert_planted_secrets_are_found(team: &Team, secret: &str) {
    team.apply(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "planted"}, "data": {"note": format!("it is {secret}")},
    }))
    .await;
    team.apply(json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "planted"},
        "involvedObject": {"kind": "ConfigMap", "name": "planted", "namespace": team.namespace},
        "reason": "Planted", "message": format!("it is {secret}"), "type": "Normal",
    }))
    .await;
    let objects = every_object(team).await;
    let holders = objects_containing(&objects, secret);
    for kind in ["ConfigMap", "Event"] {
        let planted = format!("{kind}/{}/planted", team.namespace);
        assert!(holders.contains(&planted.as_str()), "{planted} is not found: {holders:?}");
    }
}
