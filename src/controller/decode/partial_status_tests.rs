use crate::api::{RegistryToken, TokenIssuer};
use crate::controller::decode::prune::{decode_issuer, decode_token, live_token};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

const UNSUPPORTED_TIME: &str = "9999-12-31T23:59:59Z";

fn condition(time: &str) -> Value {
    json!({"type": "Ready", "status": "True", "reason": "TokenStored", "message": "", "lastTransitionTime": time})
}

fn status() -> Value {
    let good = "2026-01-01T00:00:00Z";
    json!({
        "uid": "u", "conditions": [condition(good)],
        "portal": {"type": "Thinkwise", "url": "https://p", "scope": "tcp", "user": "k8s"},
        "secret": {"name": "pull", "uid": "s"},
        "token": {"id": "1", "username": "a", "nonce": "n", "requestTime": good, "mac": "m1"},
        "retiring": [{"id": "2", "username": "b", "revocationTime": good, "mac": "m2"}],
        "handledAnnotations": {"rotate": "1"},
        "upstreamRevocation": {"time": good, "again": false},
        "nextRotationTime": good,
        "serviceAccounts": [{"name": "ci", "uid": "a", "resourceVersion": "7"}],
    })
}

fn object(status: &Value) -> String {
    json!({
        "metadata": {"name": "pull", "namespace": "team", "uid": "u", "finalizers": ["f"]},
        "spec": {"description": "d", "rotation": {"interval": "48h", "overlap": "2h"}},
        "status": status,
    })
    .to_string()
}

/// Returns the object decoded with this status, and the error.
fn read(status: &Value) -> (RegistryToken, String) {
    let text = object(status);
    let invalid = decode_token(text.as_bytes()).expect_err("not whole");
    let partial = invalid.partial.expect("the rest");
    let live = live_token(text.as_bytes()).expect("a live read too");
    assert_eq!(live.metadata, partial.metadata);
    (partial, invalid.error)
}

fn is_about(time: &Time, wanted: Timestamp) -> bool {
    time.0.duration_since(wanted).abs().as_secs() < 60
}

#[test]
fn an_invalid_time_in_a_status_keeps_everything_that_proves_its_tokens() {
    assert!(decode_token(object(&status()).as_bytes()).is_ok());
    for pointer in [
        "/conditions/0/lastTransitionTime",
        "/token/requestTime",
        "/token/expirationTime",
        "/retiring/0/revocationTime",
        "/nextRotationTime",
        "/upstreamRevocation/time",
    ] {
        let mut status = status();
        status["token"]["expirationTime"] = Value::Null;
        *status.pointer_mut(pointer).expect("a time") = json!(UNSUPPORTED_TIME);
        let (object, why) = read(&status);
        assert!(why.starts_with("status."), "{why}");
        let found = object.status.expect("a status");
        let token = found.token.expect("a token");
        assert_eq!(
            (token.id.as_str(), token.nonce.as_str(), token.mac.as_deref()),
            ("1", "n", Some("m1")),
            "{pointer}"
        );
        assert_eq!(found.retiring.first().and_then(|former| former.mac.as_deref()), Some("m2"), "{pointer}");
        assert_eq!(found.portal.map(|portal| portal.user).as_deref(), Some("k8s"), "{pointer}");
        assert_eq!(found.secret.and_then(|secret| secret.uid).as_deref(), Some("s"), "{pointer}");
        assert_eq!(found.handled_annotations.get("rotate").map(String::as_str), Some("1"), "no action is repeated");
        assert!(found.conditions.is_empty(), "so that the status is written again");
        let accounts: Vec<&str> = found.service_accounts.iter().map(|account| account.name.as_str()).collect();
        assert_eq!(accounts, ["ci"], "the Secret is still removed from its accounts");
        assert!(found.service_accounts[0].resource_version.is_none(), "they are read again");
        assert_eq!((object.metadata.finalizers, object.spec.description.as_str()), (Some(vec!["f".to_owned()]), "d"));
    }
}

#[test]
fn an_invalid_time_revokes_nothing_early() {
    let mut status = status();
    status["token"]["requestTime"] = json!(UNSUPPORTED_TIME);
    status["retiring"][0]["revocationTime"] = json!(UNSUPPORTED_TIME);
    let found = read(&status).0.status.expect("a status");
    let now = Timestamp::now();
    assert!(found.token.is_some_and(|token| is_about(&token.request_time, now)));
    let due = now.checked_add(std::time::Duration::from_hours(2)).expect("a time");
    assert!(found.retiring.first().is_some_and(|former| is_about(&former.revocation_time, due)), "after its overlap");
}

#[test]
fn a_status_that_is_too_long_is_read_without_its_long_values() {
    let spoil: [fn(&mut Value, String); 4] = [
        |status, long| status["handledAnnotations"]["note"] = json!(long),
        |status, long| status["conditions"][0]["message"] = json!(long),
        |status, long| status["secret"]["name"] = json!(long),
        |status, long| {
            let former = json!({"id": long, "username": "c", "revocationTime": UNSUPPORTED_TIME});
            status["retiring"].as_array_mut().expect("a list").push(former);
        },
    ];
    for (number, spoil) in spoil.into_iter().enumerate() {
        let mut status = status();
        spoil(&mut status, "x".repeat(100_000));
        let (object, why) = read(&status);
        assert!(why.contains("more than 98304"), "{number}: {why}");
        let found = object.status.expect("a status");
        assert!(json!(found).to_string().len() < 2000, "{number}");
        assert_eq!(found.handled_annotations.get("rotate").map(String::as_str), Some("1"), "{number}");
        assert_eq!((found.token.map(|token| token.id).as_deref(), found.retiring.len()), (Some("1"), 1), "{number}");
    }
}

#[test]
fn an_invalid_token_makes_the_object_invalid_and_is_not_dropped() {
    let mut status = status();
    status["token"] = json!(5);
    assert!(decode_token(object(&status).as_bytes()).expect_err("no token").partial.is_none());
}

#[test]
fn an_issuer_with_an_invalid_status_still_knows_what_it_protects() {
    let object = |status: Value| {
        let auth = json!({"type": "Basic", "basic": {"secretRef": {"name": "portal"}}});
        json!({
            "metadata": {"name": "portal", "namespace": "team", "finalizers": ["f"]},
            "spec": {"type": "Thinkwise", "thinkwise": {"url": "https://p", "auth": auth}},
            "status": status,
        })
        .to_string()
    };
    let names: Vec<String> = (0..10_000).map(|number| format!("s{number}")).collect();
    for status in [
        json!({"lastAuditTime": UNSUPPORTED_TIME, "credentialsSecrets": ["portal"], "caConfigMaps": ["ca", "?"]}),
        json!({"conditions": [condition(UNSUPPORTED_TIME)], "credentialsSecrets": ["portal"], "caConfigMaps": ["ca"]}),
        json!({"resolved": {"request": "x".repeat(40_000)}, "credentialsSecrets": ["portal"], "caConfigMaps": ["ca"]}),
    ] {
        let text = object(status.clone());
        let partial = decode_issuer::<TokenIssuer>(text.as_bytes()).expect_err("not whole").partial.expect("the rest");
        let found = partial.status.expect("a status");
        assert_eq!((found.credentials_secrets, found.ca_config_maps), (vec!["portal".into()], vec!["ca".to_owned()]));
        assert_eq!(found.last_audit_time.is_some(), status["lastAuditTime"].is_string(), "a patch replaces it");
    }
    let many = object(json!({"credentialsSecrets": names}));
    let found = decode_issuer::<TokenIssuer>(many.as_bytes()).expect_err("too long").partial.expect("the rest");
    assert!(found.status.is_some_and(|status| status.credentials_secrets.len() == 64));
}
