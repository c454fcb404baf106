//! A token's secret is in its Secret and nowhere else: every log, event and object of a full run
//! is searched for it, in every shape in which it could have slipped through.

use crate::control_plane::eventually;
use crate::operator::Options;
use crate::simulator::Config;
use crate::stage::{LIMIT, Team, own_stage_with};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use kube::api::DynamicObject;
use kube::discovery::{Discovery, verbs};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

/// The shapes of a secret: raw, escaped as JSON and as JSON in JSON, percent-encoded, and what
/// base64 makes of it at each of the three offsets at which it can lie in a longer text.
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
        // The first characters mix with what stands before, the last ones with what follows.
        let first = [0, 2, 3][offset];
        let last = encoded.len() - usize::from(padded.len() % 3 != 0);
        all.push(encoded[first..last].to_owned());
    }
    all
}

fn finds(text: &str, secret: &str) -> bool {
    shapes(secret).iter().any(|shape| text.contains(shape))
}

#[test]
fn the_search_finds_a_planted_secret_in_every_shape() {
    let secret = "a+b/c\"d\\e$f&g-0123456789";
    let plain = ["", "x", "xy", "xyz"].map(|before| format!("{before}{secret} and more"));
    for text in &plain {
        assert!(finds(text, secret));
        assert!(finds(&json!({"log": text}).to_string(), secret));
        assert!(finds(&json!(json!({"log": text}).to_string()).to_string(), secret));
        assert!(finds(&base64::engine::general_purpose::STANDARD.encode(text), secret), "{text}");
    }
    assert!(!finds(&plain.join(" ").replace("0123", "0124"), secret));
}

/// Every object of every kind that can be listed, one text each.
async fn every_object(team: &Team) -> Vec<(String, String)> {
    let mut all = vec![];
    let discovery = Discovery::new(team.client.clone()).run().await.expect("discovered");
    for group in discovery.groups() {
        for (resource, capabilities) in group.recommended_resources() {
            if !capabilities.supports_operation(verbs::LIST) {
                continue;
            }
            let api: Api<DynamicObject> = Api::all_with(team.client.clone(), &resource);
            let Ok(found) = api.list(&kube::api::ListParams::default()).await else { continue };
            for object in found.items {
                let name =
                    format!("{}/{}/{}", resource.kind, object.namespace().unwrap_or_default(), object.name_any());
                all.push((name, serde_json::to_string(&object).expect("JSON")));
            }
        }
    }
    all
}

#[tokio::test]
async fn a_secret_is_in_its_secret_alone() {
    // Every crate at its most talkative: a secret must not slip out there either.
    let talkative = Options { log: "trace", ..Options::default() };
    let (control_plane, operator) = own_stage_with(talkative).await;
    let control_plane: &'static _ = Box::leak(Box::new(control_plane));
    let team = Team::bare(control_plane, "search", Config::default()).await;
    team.credentials("portal-password").await;
    team.issuer(json!({})).await;
    team.token("pull", "searched for").await;
    team.token("gone", "deleted meanwhile").await;
    team.until_settled("pull").await;
    team.until_settled("gone").await;
    team.patch("pull", json!({"spec": {"description": "edited"}})).await;
    team.until_settled("pull").await;
    team.delete("gone").await;
    eventually("the deleted object's Secret to be garbage collected", LIMIT, async || {
        match team.secrets().get_opt("gone").await {
            Ok(None) => Ok(()),
            other => Err(format!("{:?}", other.map(|secret| secret.is_some()))),
        }
    })
    .await;

    let objects = every_object(&team).await;
    let log = operator.log();
    assert!(log.contains("asked for") && log.contains("TRACE"), "the trace log was on");
    let audit = std::fs::read_to_string(control_plane.folder().join("audit.log")).unwrap_or_default();
    let kinds: std::collections::BTreeSet<&str> =
        objects.iter().filter_map(|(name, _)| name.split('/').next()).collect();
    assert!(kinds.contains("Event") && kinds.contains("RegistryToken") && kinds.contains("Secret"), "{kinds:?}");

    let secrets = team.portal.ledger().secrets();
    assert_eq!(secrets.len(), 2);
    let kept = team.portal.ledger().live()[0].secret.clone();
    for secret in &secrets {
        assert!(!finds(&log, secret), "in the operator's log");
        assert!(!finds(&audit, secret), "in the audit log");
        let holders: Vec<&str> =
            objects.iter().filter(|(_, text)| holds(text, secret)).map(|(name, _)| name.as_str()).collect();
        let own = format!("Secret/{}/pull", team.namespace);
        let expected: Vec<&str> = if *secret == kept { vec![own.as_str()] } else { vec![] };
        assert_eq!(holders, expected);
    }
    // What the portal's stand-in was asked, but for the answer that hands the secret out.
    assert!(!finds(&log, "portal-password"), "the portal's own password");
}

/// In the object as it is listed, or in the decoded values of a Secret's data.
fn holds(text: &str, secret: &str) -> bool {
    let decoded = serde_json::from_str::<Value>(text).ok().and_then(|object| {
        let data = object["data"].as_object()?.values().filter_map(Value::as_str);
        let bytes = data.filter_map(|value| base64::engine::general_purpose::STANDARD.decode(value).ok());
        Some(bytes.map(|value| String::from_utf8_lossy(&value).into_owned()).collect::<String>())
    });
    finds(text, secret) || decoded.is_some_and(|decoded| finds(&decoded, secret))
}
