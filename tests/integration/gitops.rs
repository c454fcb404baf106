//! GitOps tools overwrite metadata, as `kubectl replace` does. What protects a token is restored at once, even while
//! the object waits for something else, so that a deletion leaks nothing.

use crate::control_plane::eventually;
use crate::fixture::{LIMIT, Team, until_gone};
use crate::helpers::current_id;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Far more than the second that it takes on an idle machine, and far less than the minute after which an issuer is
/// reconciled anyway.
const SOON: Duration = Duration::from_secs(30);

/// Removes the finalizers and waits until the operator's is back.
async fn strip_and_wait<K>(api: &Api<K>, name: &str)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let strip = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    api.patch(name, &PatchParams::default(), &strip).await.expect("stripped");
    let begun = Instant::now();
    eventually(&format!("the finalizer of {name} to come back"), LIMIT, async || {
        let object = api.get(name).await.map_err(|error| error.to_string())?;
        let ours = |finalizer: &String| finalizer == "registry-token.dev/revoke";
        if object.finalizers().iter().any(ours) { Ok(()) } else { Err(format!("{:?}", object.finalizers())) }
    })
    .await;
    assert!(begun.elapsed() < SOON, "{name}: it took {:?}", begun.elapsed());
}

async fn deleted_and_revoked(team: &Team) {
    team.tokens().delete("pull", &DeleteParams::default()).await.expect("deleted");
    team.portal.up().await;
    until_gone(&team.tokens(), "pull").await;
    assert!(team.portal.ledger().live().is_empty(), "nothing is leaked");
}

#[tokio::test]
async fn a_removed_finalizer_is_restored_although_the_object_is_suspended_and_its_portal_is_down() {
    let team = Team::new("stripped").await;
    team.token("pull", "protected").await;
    team.until_synced("pull").await;
    strip_and_wait(&team.tokens(), "pull").await;
    team.patch("pull", json!({"spec": {"suspend": true}})).await;
    team.until_condition("pull", "Suspended", "True", "Suspended").await;
    strip_and_wait(&team.tokens(), "pull").await;
    team.portal.down().await;
    team.annotate_issuer("reconcile", "so that the change is seen").await;
    strip_and_wait(&team.tokens(), "pull").await;
    team.patch_secret("pull", json!({"immutable": true})).await;
    strip_and_wait(&team.tokens(), "pull").await;
    deleted_and_revoked(&team).await;
}

#[tokio::test]
async fn a_removed_finalizer_is_restored_although_the_issuer_is_deleted() {
    let team = Team::new("no-issuer").await;
    team.token("pull", "protected").await;
    team.until_synced("pull").await;
    team.issuers().delete("portal", &DeleteParams::default()).await.expect("deleted");
    let force = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    team.issuers().patch("portal", &PatchParams::default(), &force).await.expect("forced");
    until_gone(&team.issuers(), "portal").await;
    strip_and_wait(&team.tokens(), "pull").await;
    team.issuer(json!({})).await;
    deleted_and_revoked(&team).await;
}

#[tokio::test]
async fn removed_label_and_owner_are_restored_while_the_portal_is_down() {
    let team = Team::new("undressed-down").await;
    team.token("pull", "protected").await;
    team.until_synced("pull").await;
    team.portal.down().await;
    team.annotate_issuer("reconcile", "so that the change is seen").await;
    let changes = [
        json!({"labels": {"registry-token.dev/owner": null}}),
        json!({"ownerReferences": null}),
        json!({"labels": {"registry-token.dev/owner": null}, "ownerReferences": null}),
    ];
    for change in changes {
        team.patch_secret("pull", json!({"metadata": change})).await;
        eventually("label and owner to come back", LIMIT, async || {
            let secret: Secret = team.secrets().get("pull").await.map_err(|error| error.to_string())?;
            let labelled = secret.labels().contains_key("registry-token.dev/owner");
            let both = labelled && !secret.owner_references().is_empty();
            if both { Ok(()) } else { Err(format!("{:?}", secret.metadata)) }
        })
        .await;
    }
    let object = team.until("pull", "True", "TokenStored").await;
    team.portal.up().await;
    team.until_live(&[current_id(&object)]).await;
}

#[tokio::test]
async fn removed_finalizers_of_issuer_and_credentials_are_restored_at_once_while_the_portal_hangs() {
    let team = Team::new("issuer-stripped").await;
    team.token("pull", "protected").await;
    team.until_synced("pull").await;
    strip_and_wait(&team.issuers(), "portal").await;
    strip_and_wait(&team.secrets(), "portal").await;
    team.portal.down().await;
    team.annotate_issuer("reconcile", "so that the change is seen").await;
    strip_and_wait(&team.issuers(), "portal").await;
    strip_and_wait(&team.secrets(), "portal").await;
    deleted_and_revoked(&team).await;
    // What is no longer needed is removed.
    for _ in 0..2 {
        let _ = team.issuers().delete("portal", &DeleteParams::default()).await;
    }
    until_gone(&team.issuers(), "portal").await;
    team.secrets().delete("portal", &DeleteParams::default()).await.expect("deleted");
    until_gone(&team.secrets(), "portal").await;
}

/// A team whose portal may respond so slowly that absence is proved only after more than a minute.
async fn slow_team(name: &str) -> Team {
    let team = Team::new(name).await;
    team.issuer(json!({"limits": {"requestTimeout": "90s", "firstByteTimeout": "60s"}})).await;
    team
}

async fn deletion_completes(name: &str, how: DeleteParams) {
    let team = slow_team(name).await;
    team.token("pull", "ends").await;
    team.until_synced("pull").await;
    team.tokens().delete("pull", &how).await.expect("deleted");
    until_gone(&team.tokens(), "pull").await;
    assert!(team.portal.ledger().live().is_empty());
}

#[tokio::test]
async fn a_foreground_deletion_completes_as_fast_as_any() {
    deletion_completes("foreground", DeleteParams::foreground()).await;
}

#[tokio::test]
async fn an_orphaning_deletion_completes_as_fast_as_any_and_the_next_object_can_use_its_secret() {
    let team = slow_team("orphaning").await;
    team.token("pull", "ends").await;
    team.until_synced("pull").await;
    team.tokens().delete("pull", &DeleteParams::orphan()).await.expect("deleted");
    until_gone(&team.tokens(), "pull").await;
    assert!(team.portal.ledger().live().is_empty());
    let closed = |secret: &Secret| secret.annotations().contains_key("registry-token.dev/closed");
    assert!(closed(&team.secrets().get("pull").await.expect("it stays")));
    team.token("pull", "begins again").await;
    team.until_synced("pull").await;
    assert!(!closed(&team.secrets().get("pull").await.expect("it stays")), "it does not bind the next owner");
    team.delete("pull").await;
    assert!(team.portal.ledger().live().is_empty());
}

/// A policy that makes the API server reject a Secret with this label.
async fn forbid_label(team: &Team) {
    let name = format!("no-label-{}", team.namespace);
    let group = "admissionregistration.k8s.io/v1";
    let rules = json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["secrets"]}]);
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": team.namespace}});
    let manifests: [Value; 2] = [
        json!({
            "apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": rules, "namespaceSelector": selector},
                "validations": [{
                    "expression": "!has(object.metadata.labels) || !('forbidden' in object.metadata.labels)",
                    "message": "no such label here",
                }],
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
    let probe: Secret =
        serde_json::from_value(json!({"metadata": {"name": "probe", "labels": {"forbidden": "x"}}})).expect("a Secret");
    let dry_run = kube::api::PostParams { dry_run: true, ..kube::api::PostParams::default() };
    eventually("the policy to be in force", LIMIT, async || match team.secrets().create(&dry_run, &probe).await {
        Err(kube::Error::Api(status)) if status.code == 422 => Ok(()),
        other => Err(format!("{:?}", other.map(|_| "admitted"))),
    })
    .await;
}

#[tokio::test]
async fn a_rejected_label_blocks_neither_an_edit_nor_a_replacement_and_is_reported() {
    let team = Team::new("refused-label").await;
    team.token("pull", "before").await;
    let first = team.until_synced("pull").await;
    forbid_label(&team).await;
    team.patch("pull", json!({"spec": {"description": "after", "secret": {"labels": {"forbidden": "x"}}}})).await;
    let message = team.until_condition("pull", "Reconciling", "True", "SecretRejected").await;
    assert!(message.contains("no such label here"), "{message}");
    team.until_event("pull", "SecretRejected").await;
    team.until_synced("pull").await;
    team.annotate("pull", "replace", "compromised").await;
    let second = team.until_replaced("pull", &crate::helpers::current(&first)).await;
    team.until_live(&[current_id(&second)]).await;
    team.until_condition("pull", "Reconciling", "True", "SecretRejected").await;
    assert_eq!(team.portal.ledger().live()[0].description.as_deref(), Some("after"));
    assert!(team.pull(&team.dockerconfigjson("pull").await).await.is_ok());
    team.delete("pull").await;
    assert!(team.portal.ledger().live().is_empty());
}

#[tokio::test]
async fn a_pending_replacement_of_a_suspended_object_is_reported() {
    let team = Team::new("suspended-replace").await;
    team.token("pull", "pauses").await;
    let first = team.until_synced("pull").await;
    team.patch("pull", json!({"spec": {"suspend": true}})).await;
    team.until_condition("pull", "Suspended", "True", "Suspended").await;
    team.annotate("pull", "replace", "compromised").await;
    let message = team.until_condition("pull", "Reconciling", "True", "Suspended").await;
    assert!(message.contains("registry-token.dev/replace"), "{message}");
    let event = team.until_event("pull", "Suspended").await;
    assert_eq!(event.type_.as_deref(), Some("Normal"), "it is what its user wants");
    team.patch("pull", json!({"spec": {"suspend": false}})).await;
    let second = team.until_replaced("pull", &crate::helpers::current(&first)).await;
    team.until_live(&[current_id(&second)]).await;
}
