//! Deletion of objects: each token is revoked or left to its user, in whatever order the parts are deleted, and a
//! deletion that is blocked says what to do.

use crate::control_plane::eventually;
use crate::fake_portal::{Config, Operation};
use crate::fixture::{LIMIT, Team, own_control_plane, ready, start_operator, token, until_gone};
use crate::helpers::{current, current_id};
use crate::operator_process;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

fn with(name: &str, spec: Value) -> Value {
    let mut object = token(name, "ends");
    crate::fixture::merge(&mut object["spec"], spec);
    object
}

async fn begin_deletion(team: &Team, name: &str) {
    team.tokens().delete(name, &DeleteParams::default()).await.expect("deleted");
}

#[tokio::test]
async fn orphan_leaves_token_and_secret_to_their_user_without_markers() {
    let team = Team::new("orphan").await;
    team.apply(with("pull", json!({"deletionPolicy": "Orphan"}))).await;
    let object = team.until_synced("pull").await;
    team.delete("pull").await;
    let live = team.portal.ledger().live();
    assert_eq!((live.len(), live[0].id), (1, current_id(&object)));
    assert_eq!(live[0].description.as_deref(), Some("ends"));
    let secret = team.secrets().get("pull").await.expect("it stays");
    assert!(secret.owner_references().is_empty(), "the garbage collector keeps it");
    let ours = |keys: &std::collections::BTreeMap<String, String>| {
        keys.keys().any(|key| key.starts_with("registry-token.dev/"))
    };
    assert!(!ours(secret.labels()) && !ours(secret.annotations()), "{:?}", secret.metadata);
    assert!(team.pull(&team.dockerconfigjson("pull").await).await.is_ok());
    team.annotate_issuer("reconcile", "an audit finds an orphaned token only by its marker").await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(team.portal.ledger().count(Operation::Revoke), 0);
}

#[tokio::test]
async fn orphan_removes_a_permanent_marker() {
    let team = Team::new("orphan-marked").await;
    team.issuer(json!({"ownershipMarker": "Permanent"})).await;
    team.apply(with("pull", json!({"deletionPolicy": "Orphan"}))).await;
    team.until_synced("pull").await;
    let marked = team.portal.ledger().live()[0].description.clone().expect("described");
    assert!(marked.starts_with("ends [") && marked.ends_with(']'), "{marked}");
    team.delete("pull").await;
    assert_eq!(team.portal.ledger().live()[0].description.as_deref(), Some("ends"));
}

#[tokio::test]
async fn retiring_tokens_are_revoked_with_the_object_and_orphan_keeps_the_current_one() {
    for (policy, left) in [("Revoke", 0), ("Orphan", 1)] {
        let team = Team::new("retiring").await;
        let rotation = json!({"interval": "24h", "overlap": "1h"});
        team.apply(with("pull", json!({"deletionPolicy": policy, "rotation": rotation}))).await;
        let first = team.until_synced("pull").await;
        team.annotate("pull", "rotate", "1").await;
        let second = team.until_replaced("pull", &current(&first)).await;
        team.until_synced("pull").await;
        team.delete("pull").await;
        let live: Vec<i64> = team.portal.ledger().live().iter().map(|token| token.id).collect();
        assert_eq!(live.len(), left, "{policy}: {live:?}");
        assert!(live.iter().all(|id| *id == current_id(&second)));
    }
}

#[tokio::test]
async fn deletion_reports_that_it_waits_for_the_portal_and_orphan_unblocks_it() {
    let team = Team::new("ends-later").await;
    team.token("pull", "revoked later").await;
    team.token("lost", "left behind").await;
    team.until_synced("pull").await;
    team.until_synced("lost").await;
    team.portal.down().await;
    for name in ["pull", "lost"] {
        begin_deletion(&team, name).await;
        let says = |object: &registry_token_operator::api::RegistryToken| {
            let (status, reason, message) = ready(object);
            status == "False" && reason == "IssuerNotReady" && message.contains("revoked once the issuer is ready")
        };
        team.until_object(name, "it says what it waits for", says).await;
    }
    // If the portal never came back, the object would wait forever.
    team.patch("lost", json!({"spec": {"deletionPolicy": "Orphan"}})).await;
    until_gone(&team.tokens(), "lost").await;
    assert_eq!(team.portal.ledger().live().len(), 2);
    team.portal.up().await;
    until_gone(&team.tokens(), "pull").await;
    let live = team.portal.ledger().live();
    assert_eq!(live.len(), 1);
    assert_eq!(live[0].description.as_deref(), Some("left behind"));
}

#[tokio::test]
async fn an_issuer_and_its_secret_that_are_deleted_first_stay_until_the_last_token_is_revoked() {
    let team = Team::new("issuer-first").await;
    team.token("pull", "outlived by its issuer").await;
    team.until_synced("pull").await;
    team.secrets().delete("portal", &DeleteParams::default()).await.expect("deleted");
    team.issuers().delete("portal", &DeleteParams::default()).await.expect("deleted");
    team.token("late", "created too late").await;
    let late = team.until("late", "False", "IssuerDeleting").await;
    assert!(ready(&late).2.contains("create it again"), "{}", ready(&late).2);
    team.until("pull", "True", "TokenStored").await;
    assert!(team.secrets().get_opt("portal").await.expect("asked").is_some(), "credentials are still needed");
    team.delete("late").await;
    team.delete("pull").await;
    assert!(team.portal.ledger().live().is_empty());
    assert_eq!(team.portal.ledger().count(Operation::Request), 1);
    until_gone(&team.issuers(), "portal").await;
    until_gone(&team.secrets(), "portal").await;
}

#[tokio::test]
async fn an_issuer_removed_by_force_is_requested_before_the_token_is_revoked() {
    let team = Team::new("forced").await;
    team.token("pull", "needs its issuer").await;
    team.until_synced("pull").await;
    team.issuers().delete("portal", &DeleteParams::default()).await.expect("deleted");
    let force = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    team.issuers().patch("portal", &PatchParams::default(), &force).await.expect("forced");
    until_gone(&team.issuers(), "portal").await;
    team.until("pull", "True", "TokenStored").await;
    begin_deletion(&team, "pull").await;
    let waits = team.until("pull", "False", "IssuerNotFound").await;
    let message = ready(&waits).2;
    assert!(message.contains("create the issuer again") && message.contains("deletionPolicy: Orphan"), "{message}");
    team.issuer(json!({})).await;
    until_gone(&team.tokens(), "pull").await;
    assert!(team.portal.ledger().live().is_empty(), "revoked with an issuer of another UID");
}

#[tokio::test]
async fn a_namespace_deleted_while_the_portal_is_down_is_cleaned_up_when_it_is_back() {
    let team = Team::new("namespace-down").await;
    let rotation = json!({"interval": "24h", "overlap": "1h"});
    team.apply(with("pull", json!({"rotation": rotation}))).await;
    let first = team.until_synced("pull").await;
    team.annotate("pull", "rotate", "1").await;
    team.until_replaced("pull", &current(&first)).await;
    team.until_synced("pull").await;
    team.portal.down().await;
    let namespaces: Api<Namespace> = Api::all(team.client.clone());
    namespaces.delete(&team.namespace, &DeleteParams::default()).await.expect("deleted");
    team.until("pull", "False", "IssuerNotReady").await;
    team.portal.up().await;
    until_gone(&namespaces, &team.namespace).await;
    assert!(team.portal.ledger().live().is_empty(), "the retiring one too");
}

#[tokio::test]
async fn an_issuer_without_objects_is_deleted_at_once() {
    let team = Team::new("unused").await;
    team.issuers().delete("portal", &DeleteParams::default()).await.expect("deleted");
    until_gone(&team.issuers(), "portal").await;
    until_gone(&team.tokens(), "pull").await;
}

#[tokio::test]
async fn a_changed_secret_ref_moves_the_finalizer() {
    let team = Team::new("secret-ref").await;
    team.token("pull", "credentials move").await;
    team.until_synced("pull").await;
    let assert_finalizer = async |name: &str, wanted: bool| {
        eventually(&format!("{name} has the finalizer: {wanted}"), LIMIT, async || {
            let secret: Secret = team.secrets().get(name).await.map_err(|error| error.to_string())?;
            if secret.finalizers().is_empty() == wanted { Err(format!("{:?}", secret.finalizers())) } else { Ok(()) }
        })
        .await;
    };
    assert_finalizer("portal", true).await;
    team.apply(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "portal-2", "labels": {"registry-token.dev/credentials": "true"}},
        "stringData": {"username": "k8s", "password": "portal-password"},
    }))
    .await;
    team.issuer(json!({"thinkwise": {"auth": {"basic": {"secretRef": {"name": "portal-2"}}}}})).await;
    assert_finalizer("portal-2", true).await;
    assert_finalizer("portal", false).await;
    team.secrets().delete("portal", &DeleteParams::default()).await.expect("deleted");
    until_gone(&team.secrets(), "portal").await;
    team.delete("pull").await;
    assert!(team.portal.ledger().live().is_empty());
    team.issuers().delete("portal", &DeleteParams::default()).await.expect("deleted");
    until_gone(&team.issuers(), "portal").await;
    assert_finalizer("portal-2", false).await;
}

#[tokio::test]
async fn tokens_deleted_while_the_operator_is_stopped_are_revoked_when_it_is_back_and_so_are_all_with_the_crd() {
    let (control_plane, operator) = own_control_plane().await;
    let team = Team::on(control_plane, "stopped", Config::default(), json!({})).await;
    for name in ["pull", "stays", "goes-with-its-kind"] {
        team.token(name, "ends").await;
    }
    for name in ["pull", "stays", "goes-with-its-kind"] {
        team.until_synced(name).await;
    }
    operator.terminate().await;
    begin_deletion(&team, "pull").await;
    assert!(team.tokens().get_opt("pull").await.expect("asked").is_some(), "it has the finalizer");
    let operator = start_operator(control_plane).await;
    until_gone(&team.tokens(), "pull").await;
    assert_eq!(team.portal.ledger().live().len(), 2);

    let crds: Api<CustomResourceDefinition> = Api::all(team.client.clone());
    let name = "registrytokens.registry-token.dev";
    crds.delete(name, &DeleteParams::default()).await.expect("deleted");
    until_gone(&crds, name).await;
    assert!(team.portal.ledger().live().is_empty(), "no live token without an object");
    control_plane.apply_crds(&operator_process::crds()).await.expect("installed again");
    team.token("again", "after the CRD came back").await;
    team.until_synced("again").await;
    drop(operator);
}
