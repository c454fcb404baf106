//! What the API server refuses.

use super::{Fleet, LABEL};
use crate::fixture::merge;
use serde_json::{Value, json};

fn object(changes: Value) -> Value {
    let mut object = json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "ClusterRegistryToken", "metadata": {"name": "refused"},
        "spec": {
            "namespaceSelector": {"matchLabels": {LABEL: "refused"}},
            "template": {"spec": {"description": "d"}}, "suspend": true,
        },
    });
    merge(&mut object["spec"], changes);
    object
}

/// What is refused when an object is created, and a part of the message.
pub fn refused_at_creation() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"namespaceSelector": null}), "namespaceSelector"),
        (json!({"tokenName": "Upper"}), "tokenName"),
        (json!({"unmatchedGracePeriod": "-1s"}), "unmatchedGracePeriod"),
        (json!({"unmatchedGracePeriod": "9000h"}), "at most 8760h"),
        (json!({"template": {"metadata": {"labels": {"registry-token.dev/owner": "x"}}}}), "reserved for the operator"),
        (
            json!({"template": {"metadata": {"annotations": {"registry-token.dev/rotate": "x"}}}}),
            "annotate the ClusterRegistryToken",
        ),
        (json!({"template": {"spec": {"issuerRef": {"kind": "Issuer"}}}}), "ClusterTokenIssuer"),
        (json!({"template": {"spec": {"description": "two\nlines"}}}), "one line"),
        (
            json!({"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "in", "values": ["b"]}]}}),
            "In, NotIn",
        ),
        (json!({"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}), "need values"),
        (json!({"template": {"spec": {"descripton": "d"}}}), "descripton"),
    ]
}

/// Changes that are refused, and a part of the message.
pub fn refused_later() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"tokenName": "other"}), "tokenName cannot be changed"),
        (json!({"template": {"spec": {"secret": {"name": "other"}}}}), "secret.name cannot be changed"),
        (json!({"template": {"spec": {"issuerRef": {"name": "other"}}}}), "issuerRef cannot be changed"),
        (json!({"template": {"spec": {"scope": {"projects": ["a"]}}}}), "scope cannot be changed"),
    ]
}

#[tokio::test]
async fn invalid_objects_are_refused_with_what_to_write_instead() {
    let fleet = Fleet::new("refused").await;
    let dry = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];
    let control_plane = fleet.team.control_plane;
    for (changes, message) in refused_at_creation() {
        let refused = control_plane.kubectl_ok(&dry, Some(&object(changes.clone()).to_string())).await;
        let error = refused.expect_err(&format!("{changes} is refused")).to_string();
        assert!(error.contains(message), "{changes}: {error}");
    }
    for accepted in
        [json!({}), json!({"namespaceSelector": {"matchLabels": null}}), json!({"unmatchedGracePeriod": "0s"})]
    {
        control_plane.kubectl_ok(&dry, Some(&object(accepted).to_string())).await.expect("accepted");
    }
    let apply = ["apply", "--server-side", "-f", "-"];
    control_plane.kubectl_ok(&apply, Some(&object(json!({})).to_string())).await.expect("applied");
    for (changes, message) in refused_later() {
        let refused = control_plane.kubectl_ok(&dry, Some(&object(changes.clone()).to_string())).await;
        let error = refused.expect_err(&format!("{changes} is refused")).to_string();
        assert!(error.contains(message), "{changes}: {error}");
    }
    let same = json!({"tokenName": "refused", "template": {"spec": {"secret": {"name": "refused"}}}});
    control_plane.kubectl_ok(&dry, Some(&object(same).to_string())).await.expect("the defaults, written out");
    let shown = control_plane.kubectl_ok(&["get", "crtok", "refused"], None).await.expect("shown");
    let header: Vec<&str> = shown.lines().next().expect("a header").split_whitespace().collect();
    assert_eq!(header, ["NAME", "MATCHED", "READY", "FAILING", "LEAVING", "AGE"]);
    control_plane.kubectl_ok(&["delete", "crtok", "refused"], None).await.expect("deleted");
}
