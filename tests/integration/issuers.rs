//! Issuers for the whole cluster, for selected namespaces, and deleted before their objects.

use crate::control_plane::eventually;
use crate::fake_portal::Config;
use crate::fixture::{LIMIT, Team, issuer_spec, merge, stage};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

/// A cluster issuer for the team's portal; its Secret is in the operator's namespace.
pub async fn cluster_issuer(team: &Team, changes: Value) -> String {
    let name = team.namespace.clone();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "registry-token-operator"},
        "stringData": {"username": "k8s", "password": "portal-password"},
    });
    let mut spec = issuer_spec(&team.portal);
    merge(&mut spec, json!({"thinkwise": {"auth": {"basic": {"secretRef": {"name": name}}}}}));
    merge(&mut spec, changes);
    let issuer = json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "ClusterTokenIssuer", "metadata": {"name": name}, "spec": spec,
    });
    let manifests = format!("{secret}\n---\n{issuer}");
    team.control_plane.apply(&manifests).await.expect("applied");
    name
}

async fn token_of(team: &Team, issuer: &str) {
    team.apply(json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken", "metadata": {"name": "pull"},
        "spec": {"description": "cluster-wide", "issuerRef": {"name": issuer}},
    }))
    .await;
}

#[tokio::test]
async fn a_cluster_issuer_serves_a_namespace_that_holds_no_credentials() {
    let team = Team::bare(stage(), "cluster", Config::default()).await;
    let issuer = cluster_issuer(&team, json!({})).await;
    token_of(&team, &issuer).await;
    team.until_synced("pull").await;
    let content = team.dockerconfigjson("pull").await;
    assert!(team.pull(&content).await.is_ok());
    team.delete("pull").await;
    assert!(team.portal.ledger().live().is_empty());
}

#[tokio::test]
async fn a_namespace_without_the_label_gets_a_message_with_the_missing_label() {
    let team = Team::bare(stage(), "selected", Config::default()).await;
    let selector = json!({"allowedNamespaces": {"from": "Selector", "selector": {"matchLabels": {"may-pull": "yes"}}}});
    let issuer = cluster_issuer(&team, selector).await;
    token_of(&team, &issuer).await;
    team.until("pull", "False", "NamespaceNotAllowed").await;
    assert!(team.portal.ledger().all().is_empty(), "nothing is requested");
    let namespaces: Api<Namespace> = Api::all(team.client.clone());
    let label = Patch::Merge(json!({"metadata": {"labels": {"may-pull": "yes"}}}));
    namespaces.patch(&team.namespace, &PatchParams::default(), &label).await.expect("labelled");
    team.until_synced("pull").await;
}

#[tokio::test]
async fn a_deleted_namespace_revokes_its_tokens_in_any_order_of_deletion() {
    let team = Team::new("namespace").await;
    team.token("pull", "deleted with its namespace").await;
    team.until_synced("pull").await;
    let namespaces: Api<Namespace> = Api::all(team.client.clone());
    namespaces.delete(&team.namespace, &DeleteParams::default()).await.expect("deleted");
    eventually("the namespace to be deleted", LIMIT, async || match namespaces.get_opt(&team.namespace).await {
        Ok(None) => Ok(()),
        other => Err(format!("{:?}", other.map(|found| found.and_then(|found| found.status)))),
    })
    .await;
    assert!(team.portal.ledger().live().is_empty(), "issuer and credentials existed until the token was revoked");
}

#[tokio::test]
async fn further_registries_reach_the_secret_with_the_same_token() {
    let team = Team::new("registries").await;
    team.token("pull", "two registries").await;
    team.until_synced("pull").await;
    let hosts = json!([
        {"host": team.portal.registry_host().to_uppercase(), "tls": {"caBundle": team.portal.ca_pem()}},
        {"host": "Mirror.Example.com/thinkwise"},
        {"host": "mirror.example.com/thinkwise"},
    ]);
    team.issuer(json!({"registries": hosts, "loginCheck": "Disabled"})).await;
    eventually("both registries in the Secret", LIMIT, async || {
        let content: Value =
            serde_json::from_slice(&team.dockerconfigjson("pull").await).map_err(|error| error.to_string())?;
        let hosts: Vec<_> = content["auths"].as_object().into_iter().flatten().map(|(host, _)| host.clone()).collect();
        // As in image names, however the spec writes them.
        let own = team.portal.registry_host();
        let as_expected =
            hosts.len() == 2 && hosts.contains(&own) && hosts.iter().any(|host| host == "mirror.example.com/thinkwise");
        if as_expected { Ok(()) } else { Err(format!("{hosts:?}")) }
    })
    .await;
    let content = team.dockerconfigjson("pull").await;
    assert!(team.pull(&content).await.is_ok());
    assert_eq!(team.portal.ledger().all().len(), 1, "no further token");
}
