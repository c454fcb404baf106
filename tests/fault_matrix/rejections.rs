//! What the API server itself rejects: by a quota (403), an admission policy (422), and permissions (403).

use super::forbidden;
use crate::control_plane::{ControlPlane, eventually};
use crate::fake_portal::{Config, Operation};
use crate::fixture::{LIMIT, Team, own_control_plane, ready};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::api::core::v1::{ResourceQuota, Secret};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

async fn team(control_plane: &'static ControlPlane, name: &str) -> Team {
    Team::on(control_plane, name, Config::default(), json!({})).await
}

/// Waits until the object reports the rejection, in these words.
async fn until_rejected(team: &Team, word: &str) {
    eventually("the object to report what is rejected", LIMIT, async || {
        let object = team.tokens().get("pull").await.map_err(|error| error.to_string())?;
        let (is, why, message) = ready(&object);
        if is == "False" && message.contains(word) { Ok(()) } else { Err(format!("Ready={is} {why}: {message}")) }
    })
    .await;
}

#[tokio::test]
async fn rejections_by_quota_policy_and_permissions_are_reported_and_leave_no_token() {
    // Its own API server: a permission is taken from the operator of all tests otherwise.
    let (control_plane, operator) = own_control_plane().await;
    tokio::join!(exceeded_quota(control_plane), admission_policy(control_plane));
    forbidden::status_writes(team(control_plane, "forbidden").await, &operator).await;
}

async fn exceeded_quota(control_plane: &'static ControlPlane) {
    let team = team(control_plane, "quota").await;
    let quotas: Api<ResourceQuota> = Api::namespaced(team.client.clone(), &team.namespace);
    team.apply(json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"},
        "spec": {"hard": {"count/secrets": "1"}},
    }))
    .await;
    eventually("the quota to take effect", LIMIT, async || {
        let quota = quotas.get("full").await.map_err(|error| error.to_string())?;
        let used = quota.status.and_then(|status| status.used).unwrap_or_default();
        if used.get("count/secrets").is_some_and(|count| count.0 == "1") { Ok(()) } else { Err(format!("{used:?}")) }
    })
    .await;
    team.token("pull", "over quota").await;
    until_rejected(&team, "quota").await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 0, "no token is requested that could not be stored");
    quotas.delete("full", &DeleteParams::default()).await.expect("deleted");
    team.until_synced("pull").await;
    assert_eq!(team.portal.ledger().all().len(), 1);
}

async fn admission_policy(control_plane: &'static ControlPlane) {
    let team = team(control_plane, "policy").await;
    let name = format!("no-commit-{}", team.namespace);
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": team.namespace}});
    let rules = json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["secrets"]}]);
    let stored = "!has(object.metadata.annotations) || !('registry-token.dev/stored' in object.metadata.annotations)";
    let group = "admissionregistration.k8s.io/v1";
    let manifests = [
        json!({
            "apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": rules, "namespaceSelector": selector},
                "validations": [{"expression": stored, "message": "no token may be stored here"}],
            },
        }),
        json!({
            "apiVersion": group, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        }),
    ];
    for manifest in &manifests {
        team.control_plane.apply(&manifest.to_string()).await.expect("applied");
    }
    // A policy takes effect shortly after it was created.
    let probe: Secret = serde_json::from_value(json!({
        "metadata": {"name": "probe", "annotations": {"registry-token.dev/stored": "x"}},
    }))
    .expect("a Secret");
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    eventually("the policy to be in force", LIMIT, async || match team.secrets().create(&dry_run, &probe).await {
        Err(kube::Error::Api(status)) if status.code == 422 => Ok(()),
        other => Err(format!("{:?}", other.map(|_| "admitted"))),
    })
    .await;

    team.token("pull", "against policy").await;
    until_rejected(&team, "no token may be stored here").await;
    eventually("the token that could not be stored to be revoked", LIMIT, async || {
        let live = team.portal.ledger().live().len();
        if live == 0 { Ok(()) } else { Err(format!("{live} live")) }
    })
    .await;
    // Further attempts are dry-run before a token is requested.
    let attempts = team.portal.ledger().count(Operation::Request);
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!((attempts, team.portal.ledger().count(Operation::Request)), (1, 1), "one token, and it is revoked");

    let policies: Api<ValidatingAdmissionPolicy> = Api::all(team.client.clone());
    policies.delete(&name, &DeleteParams::default()).await.expect("deleted");
    team.until_synced("pull").await;
    assert_eq!(team.portal.ledger().live().len(), 1);
}
