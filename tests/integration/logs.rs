//! Each line of the log is machine-readable, or readable text if that is configured.

use crate::fake_portal::{Config, Fault, Operation};
use crate::fixture::{Team, binary, own_control_plane};
use crate::operator_process::{Operator, Options, kubeconfig};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// A JSON object without duplicate keys: log stores differ in what they do with duplicates.
struct Line(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keys)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Line;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
        let mut seen = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            if seen.contains_key(&key) {
                return Err(A::Error::custom(format!("{key} occurs twice")));
            }
            seen.insert(key, value);
        }
        Ok(Line(seen))
    }
}

#[test]
fn a_duplicate_key_is_detected() {
    assert!(serde_json::from_str::<Line>(r#"{"message":"a","detail":"b"}"#).is_ok());
    assert!(serde_json::from_str::<Line>(r#"{"message":"a","message":"b"}"#).is_err());
}

#[tokio::test]
async fn every_line_is_one_json_object_without_duplicate_keys_or_text_if_configured() {
    let (control_plane, operator) = own_control_plane().await;
    let team = Team::bare(control_plane, "logs", Config::default()).await;
    team.token("pull", "logged").await;
    team.until("pull", "False", "IssuerNotFound").await;
    team.credentials("mistyped").await;
    team.issuer(json!({})).await;
    team.until("pull", "False", "IssuerNotReady").await;
    team.credentials("portal-password").await;
    team.portal.faults().once(Operation::Request, Fault::Refuse("not today".to_owned()));
    team.until("pull", "False", "RequestRejected").await;
    team.patch("pull", json!({"spec": {"description": "logged again"}})).await;
    team.until_synced("pull").await;

    let log = operator.terminate().await;
    let mut seen = vec![];
    for line in log.lines() {
        let fields = serde_json::from_str::<Line>(line).unwrap_or_else(|error| panic!("{error}: {line}")).0;
        assert!(fields.contains_key("level") && fields.contains_key("timestamp"), "{line}");
        let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        seen.push((text("message"), text("detail")));
    }
    for (message, detail) in
        [("status changed", "create it"), ("issuer", "credentials"), ("status changed", "not today")]
    {
        let was_logged = seen.iter().any(|(what, why)| what == message && why.contains(detail));
        assert!(was_logged, "{message}, {detail}: {seen:?}");
    }

    let kubeconfig = kubeconfig(control_plane).await.expect("kubeconfig");
    let text = Options { format: "text", ..Options::default() };
    let operator = Operator::start(binary(), &kubeconfig, &text).await.expect("starts");
    let log = operator.terminate().await;
    assert!(log.contains("starting") && log.contains("INFO"), "{log}");
    assert!(!log.lines().any(|line| line.starts_with('{')), "{log}");
}
