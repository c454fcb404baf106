//! Which Secret an issuer may use, the messages about values that cannot be read, and the limits of what a tenant may
//! request from a portal.

use crate::control_plane::eventually;
use crate::fake_portal::Config;
use crate::fixture::{LIMIT, Team, own_control_plane_with, stage};
use crate::operator_process;
use futures::future::join_all;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

const LABEL: &str = "registry-token.dev/credentials";

#[tokio::test]
async fn a_token_issuer_uses_no_secret_that_is_not_opted_in() {
    let team = Team::bare(stage(), "opt-in", Config::default()).await;
    let secret: Secret = serde_json::from_value(json!({
        "metadata": {"name": "portal", "labels": {LABEL: "false"}},
        "stringData": {"username": "k8s", "password": "portal-password"},
    }))
    .expect("a Secret");
    let created = team.secrets().create(&PostParams::default(), &secret).await.expect("created");
    team.issuer(json!({})).await;
    team.token("pull", "waits").await;
    let command = format!("kubectl label secret portal -n {} {LABEL}=true", team.namespace);
    team.until_issuer("False", "CredentialsNotLabeled", &[&command]).await;
    team.until_condition("pull", "Stalled", "True", "IssuerNotReady").await;
    let now = team.secrets().get("portal").await.expect("there");
    assert_eq!(created.resource_version(), now.resource_version(), "no finalizer either");
    assert!(team.portal.ledger().requests_since(0).is_empty(), "none of it was sent anywhere");
    let opted_in = Patch::Merge(json!({"metadata": {"labels": {LABEL: "true"}}}));
    team.secrets().patch("portal", &PatchParams::default(), &opted_in).await.expect("labeled");
    team.until_synced("pull").await;
    team.until_issuer("True", "PortalReady", &[]).await;
}

/// Expects this text in the issuer's condition for a Secret with this password, given in bytes.
async fn expect_message(number: usize, password: &[u8], words: &str) {
    let team = Team::bare(stage(), &format!("value-{number}"), Config::default()).await;
    let mut secret: Secret = serde_json::from_value(json!({
        "metadata": {"name": "portal", "labels": {LABEL: "true"}}, "stringData": {"username": "k8s"},
    }))
    .expect("a Secret");
    secret.data = Some([("password".to_owned(), ByteString(password.to_vec()))].into());
    team.secrets().create(&PostParams::default(), &secret).await.expect("created");
    team.issuer(json!({})).await;
    team.until_issuer("False", "CredentialsInvalid", &["the key \"password\" of the Secret", words]).await;
    assert!(team.portal.ledger().requests_since(0).is_empty());
    team.credentials("portal-password").await;
    team.until_issuer("True", "PortalReady", &[]).await;
}

#[tokio::test]
async fn an_unreadable_value_is_not_reported_as_missing() {
    let utf16: Vec<u8> = "\u{feff}portal-password\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: [(&[u8], &str); 4] = [
        (&utf16, "is UTF-16 text"),
        (b"\xef\xbb\xbfportal-password", "begins with a byte-order mark"),
        (b"portal-passw\xf6rd", "is not UTF-8 text"),
        (b"portal-password\nsecond", "has a line break"),
    ];
    join_all(cases.into_iter().enumerate().map(|(number, (bytes, words))| expect_message(number, bytes, words))).await;
}

#[tokio::test]
async fn a_binary_ca_is_not_reported_as_missing() {
    let team = Team::bare(stage(), "binary-ca", Config::default()).await;
    team.credentials("portal-password").await;
    let maps: Api<ConfigMap> = Api::namespaced(team.client.clone(), &team.namespace);
    let mut map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "portal-ca"}})).expect("a ConfigMap");
    map.binary_data = Some([("ca.crt".to_owned(), ByteString(vec![0x30, 0x82, 0xff]))].into());
    maps.create(&PostParams::default(), &map).await.expect("created");
    team.issuer(json!({"thinkwise": {"tls": {"caBundle": null, "caConfigMapRef": {"name": "portal-ca"}}}})).await;
    team.until_issuer("False", "CABundleInvalid", &["is binary data, such as DER or UTF-16"]).await;
}

#[tokio::test]
async fn a_token_issuer_stays_below_the_operators_ceiling_and_reports_it() {
    let mut options = operator_process::Options::default();
    options.flags.extend(["--token-issuer-max-requests-per-second=2", "--token-issuer-max-concurrency=1"]);
    let (control_plane, _operator) = own_control_plane_with(options).await;
    let team = Team::on(control_plane, "ceiling", Config::default(), json!({})).await;
    let words = ["exceeds the operator's ceiling", "2 requests per second, concurrency 1"];
    team.until_issuer("True", "PortalReady", &words).await;
    let begun = std::time::Instant::now();
    for name in ["one", "two", "three", "four"] {
        team.token(name, "within bounds").await;
    }
    for name in ["one", "two", "three", "four"] {
        team.until(name, "True", "TokenStored").await;
    }
    // Each takes at least a request and an edit: at the 1000 a second of the spec they would be done almost
    // immediately.
    assert!(begun.elapsed().as_secs_f64() > 2.0, "{:?}", begun.elapsed());
    team.issuer(json!({"limits": {"requestsPerSecond": 2, "concurrency": 1}})).await;
    eventually("the issuer not to report a ceiling", LIMIT, async || {
        let issuer = team.issuers().get("portal").await.map_err(|error| error.to_string())?;
        let conditions = issuer.status.unwrap_or_default().conditions;
        let said = conditions.into_iter().find(|one| one.type_ == "Ready").map(|one| one.message).unwrap_or_default();
        if said.contains("ceiling") { Err(said) } else { Ok(()) }
    })
    .await;
}

#[tokio::test]
async fn the_quota_in_the_docs_counts_existing_kinds() {
    let page = include_str!("../../docs/configuration.md");
    let manifest = page.split("<!-- quota -->\n```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    let quota: serde_json::Value = serde_saphyr::from_str(manifest.expect("in docs/configuration.md")).expect("YAML");
    let team = Team::bare(stage(), "bounded", Config::default()).await;
    let documents = registry_token_operator::api::custom_resource_definitions().expect("generated");
    let kinds: Vec<String> =
        documents.iter().filter_map(|one| one.manifest["metadata"]["name"].as_str()).map(str::to_owned).collect();
    let hard = quota["spec"]["hard"].as_object().expect("bounds");
    assert!(hard.contains_key("count/registrytokens.registry-token.dev"), "{hard:?}");
    for key in hard.keys() {
        assert!(kinds.iter().any(|kind| key.strip_prefix("count/") == Some(kind)), "{key}");
    }
    team.apply(quota).await;
}

#[tokio::test]
async fn the_ca_bundles_of_an_issuer_have_a_maximum_total_size() {
    let team = Team::bare(stage(), "ca-bound", Config::default()).await;
    let pem = |size: usize| format!("-----BEGIN CERTIFICATE-----\n{}", "x".repeat(size));
    let registries = |count: usize, size: usize| {
        let registry =
            |number: usize| json!({"host": format!("r{number}.example.com"), "tls": {"caBundle": pem(size)}});
        json!({"registries": (0..count).map(registry).collect::<Vec<_>>()})
    };
    let portal = |size: usize| json!({"thinkwise": {"tls": {"caBundle": pem(size)}}});
    let refused = [
        (registries(16, 5000), "at most 65536 characters in total"),
        (registries(1, 65_536), "Too long"),
        (portal(65_536), "Too long"),
    ];
    let apply = async |changes: serde_json::Value| {
        let issuer = json!({
            "apiVersion": "registry-token.dev/v1alpha1", "kind": "TokenIssuer",
            "metadata": {"name": "bounded", "namespace": team.namespace}, "spec": team.issuer_spec(changes),
        });
        team.control_plane.apply(&issuer.to_string()).await.map_err(|error| error.to_string())
    };
    for (changes, words) in refused {
        let why = apply(changes).await.expect_err("refused");
        assert!(why.contains(words), "{why}");
    }
    for changes in [registries(16, 4000), registries(1, 65_000), portal(65_000)] {
        apply(changes).await.expect("accepted");
    }
}
