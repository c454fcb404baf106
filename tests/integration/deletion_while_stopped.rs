//! Deletions while no operator runs: once it is back, all tokens are revoked and nothing is stuck, in whatever order
//! the parts were deleted, including the CRDs.

use crate::control_plane::{ControlPlane, eventually};
use crate::fake_portal::{Config, Operation};
use crate::fixture::{LIMIT, Team, merge, own_control_plane, ready, start_operator, token, until_gone_within};
use crate::helpers::{current, current_id};
use crate::operator_process;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::DeleteParams;
use kube::{Api, Resource, ResourceExt};
use serde_json::{Value, json};
use std::fmt::Debug;

const KINDS: [&str; 3] =
    ["clustertokenissuers.registry-token.dev", "registrytokens.registry-token.dev", "tokenissuers.registry-token.dev"];

async fn delete<K>(api: &Api<K>, name: &str)
where
    K: Resource + Clone + Debug + serde::de::DeserializeOwned,
{
    api.delete(name, &DeleteParams::default()).await.expect("deleted");
}

/// A team whose object has a retiring token in addition to the current one.
async fn rotated(control_plane: &'static ControlPlane, name: &str, spec: Value) -> Team {
    let team = Team::on(control_plane, name, Config::default(), json!({})).await;
    let mut object = token("pull", "ends");
    merge(&mut object["spec"], json!({"rotation": {"interval": "24h", "overlap": "1h"}}));
    merge(&mut object["spec"], spec);
    team.apply(object).await;
    let first = team.until_synced("pull").await;
    team.annotate("pull", "rotate", "1").await;
    team.until_replaced("pull", &current(&first)).await;
    team.until_synced("pull").await;
    team
}

#[tokio::test]
async fn deletions_in_any_order_are_cleaned_up_when_the_operator_is_back() {
    let (control_plane, operator) = own_control_plane().await;
    let namespace = rotated(control_plane, "namespace", json!({})).await;
    let parts = rotated(control_plane, "parts", json!({})).await;
    let moved = rotated(control_plane, "moved", json!({})).await;
    let orphan = rotated(control_plane, "orphan", json!({"deletionPolicy": "Orphan"})).await;
    let stays = rotated(control_plane, "stays", json!({})).await;
    let before = stays.tokens().get("pull").await.expect("there");
    operator.terminate().await;

    let namespaces: Api<Namespace> = Api::all(namespace.client.clone());
    delete(&namespaces, &namespace.namespace).await;
    // The credentials first, then the issuer, then the object and its Secret.
    delete(&parts.secrets(), "portal").await;
    delete(&parts.issuers(), "portal").await;
    delete(&parts.tokens(), "pull").await;
    delete(&parts.secrets(), "pull").await;
    // Other credentials are configured and the previous ones deleted, then the rest.
    moved
        .apply(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "portal-2", "labels": {"registry-token.dev/credentials": "true"}},
            "stringData": {"username": "k8s", "password": "portal-password"},
        }))
        .await;
    moved.issuer(json!({"thinkwise": {"auth": {"basic": {"secretRef": {"name": "portal-2"}}}}})).await;
    delete(&moved.secrets(), "portal").await;
    delete(&moved.tokens(), "pull").await;
    delete(&orphan.tokens(), "pull").await;
    delete(&orphan.issuers(), "portal").await;
    assert!([&namespace, &parts, &moved].iter().all(|team| team.portal.ledger().live().len() == 2), "still there");

    let _operator = start_operator(control_plane).await;
    until_gone_within(LIMIT * 2, &namespaces, &namespace.namespace).await;
    for team in [&parts, &moved, &orphan] {
        until_gone_within(LIMIT * 2, &team.tokens(), "pull").await;
    }
    until_gone_within(LIMIT * 2, &parts.issuers(), "portal").await;
    until_gone_within(LIMIT * 2, &parts.secrets(), "portal").await;
    until_gone_within(LIMIT * 2, &moved.secrets(), "portal").await;
    until_gone_within(LIMIT * 2, &orphan.issuers(), "portal").await;
    for team in [&namespace, &parts, &moved] {
        assert!(team.portal.ledger().live().is_empty(), "{}: the retiring one too", team.namespace);
        assert_eq!(team.portal.ledger().count(Operation::Request), 2, "nothing is requested by then");
    }
    assert_eq!(orphan.portal.ledger().live().len(), 1, "it belongs to its user");
    assert!(orphan.pull(&orphan.dockerconfigjson("pull").await).await.is_ok());
    let after = stays.tokens().get("pull").await.expect("there");
    assert_eq!(after.resource_version(), before.resource_version(), "remaining objects are not written");
    assert_eq!(stays.portal.ledger().count(Operation::Revoke), 0);
}

#[tokio::test]
async fn crds_deleted_while_the_operator_is_stopped_revoke_every_token_and_can_be_installed_again() {
    let (control_plane, operator) = own_control_plane().await;
    let teams = [rotated(control_plane, "one", json!({})).await, rotated(control_plane, "two", json!({})).await];
    let client = teams[0].client.clone();
    // A cluster issuer and its object, too.
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "portal", "namespace": "registry-token-operator"},
        "stringData": {"username": "k8s", "password": "portal-password"},
    });
    let issuer = json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "ClusterTokenIssuer", "metadata": {"name": "default"},
        "spec": teams[0].issuer_spec(json!({})),
    });
    control_plane.apply(&format!("{secret}\n---\n{issuer}")).await.expect("applied");
    let mut object = token("of-the-cluster", "ends");
    object["spec"]["issuerRef"] = json!({"name": "default"});
    teams[0].apply(object).await;
    teams[0].until_synced("of-the-cluster").await;
    operator.terminate().await;

    let kinds: Api<CustomResourceDefinition> = Api::all(client);
    for kind in KINDS {
        delete(&kinds, kind).await;
    }
    assert_eq!(teams[0].portal.ledger().live().len(), 3, "nothing is revoked yet");
    let operator = start_operator(control_plane).await;
    for kind in KINDS {
        until_gone_within(LIMIT * 2, &kinds, kind).await;
    }
    for team in &teams {
        assert!(team.portal.ledger().live().is_empty(), "no live token without an object");
        assert!(team.secrets().get("portal").await.expect("the user's").finalizers().is_empty(), "nor a finalizer");
    }
    control_plane.apply_crds(&operator_process::crds()).await.expect("installed again");
    let again = Team::on(control_plane, "again", Config::default(), json!({})).await;
    again.token("pull", "after the CRDs were installed again").await;
    // The kind is listed again after a pause, and a new kind may take the API server a while.
    again.until_within(LIMIT * 2, "pull", "True", "TokenStored").await;
    let settled = again.until_synced("pull").await;
    again.until_live(&[current_id(&settled)]).await;
    drop(operator);
}

/// Waits until the deleted object reports how it can be deleted without its portal.
async fn until_way_out(team: &Team) {
    eventually("the deleted object to name the way out", LIMIT, async || {
        let object = team.tokens().get("pull").await.map_err(|error| error.to_string())?;
        let (_, reason, message) = ready(&object);
        let is_named = reason == "IssuerNotReady" && message.contains("deletionPolicy: Orphan");
        if is_named { Ok(()) } else { Err(format!("{reason}: {message}")) }
    })
    .await;
}

#[tokio::test]
async fn a_namespace_that_waits_for_its_portal_reports_it_also_after_a_restart() {
    let (control_plane, operator) = own_control_plane().await;
    let team = rotated(control_plane, "waits", json!({})).await;
    team.portal.down().await;
    let namespaces: Api<Namespace> = Api::all(team.client.clone());
    delete(&namespaces, &team.namespace).await;
    // Before the object is deleted too, it reports that it cannot repair its Secret.
    until_way_out(&team).await;
    operator.terminate().await;
    let _operator = start_operator(control_plane).await;
    until_way_out(&team).await;
    assert_eq!(team.portal.ledger().live().len(), 2, "no token is lost");
    team.portal.up().await;
    until_gone_within(LIMIT * 2, &namespaces, &team.namespace).await;
    assert!(team.portal.ledger().live().is_empty());
}
