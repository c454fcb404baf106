//! An issuer that is deleted before the caches are synced: no finalizer is removed before the caches show what else
//! uses the Secret.

use crate::control_plane::{ControlPlane, eventually};
use crate::fake_portal::Config;
use crate::fixture::{LIMIT, Team, binary, own_control_plane};
use crate::operator_process::{self, Operator};
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::json;
use std::time::{Duration, Instant};

/// Sets whether the operator may list and watch Secrets: without this permission its caches never sync.
async fn allow_secret_list(control_plane: &ControlPlane, allowed: bool) {
    let verbs = if allowed { "[get, list, watch, create, patch, delete]" } else { "[get, create, patch, delete]" };
    let manifests = include_str!("../../deploy/base/rbac.yaml");
    let changed = manifests.replace("verbs: [get, list, watch, create, patch, delete]", &format!("verbs: {verbs}"));
    assert!(allowed || changed != manifests, "the rule for Secrets is found");
    control_plane.apply(&changed).await.expect("applied");
}

#[tokio::test]
async fn an_issuer_deleted_before_the_caches_are_synced_leaves_no_finalizer_on_its_credentials() {
    let (control_plane, operator) = own_control_plane().await;
    let team = Team::on(
        control_plane,
        "unfilled",
        Config::default(),
        json!({"limits": {"connectTimeout": "1s", "firstByteTimeout": "1s", "requestTimeout": "1s"}}),
    )
    .await;
    team.token("pull", "ends").await;
    team.until_synced("pull").await;
    team.delete("pull").await;
    operator.terminate().await;
    team.issuers().delete("portal", &DeleteParams::default()).await.expect("deleted");
    allow_secret_list(control_plane, false).await;
    let kubeconfig = control_plane.folder().join("operator.kubeconfig");
    let mut operator = Operator::spawn(binary(), &kubeconfig, &operator_process::Options::default()).expect("spawned");
    // Longer than the response deadline: after it only the caches block the deletion.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        let issuer = team.issuers().get_opt("portal").await.expect("asked");
        assert!(issuer.is_some(), "it stays: what else needs its credentials is not known");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    eventually("the issuer to report what it waits for", LIMIT, async || {
        let issuer = team.issuers().get("portal").await.map_err(|error| error.to_string())?;
        let conditions = issuer.status.unwrap_or_default().conditions;
        let said = conditions.into_iter().find(|one| one.type_ == "Ready").map(|one| one.message).unwrap_or_default();
        let waits = said.contains("the operator has not listed all") && said.contains("/readyz");
        if waits { Ok(()) } else { Err(said) }
    })
    .await;
    allow_secret_list(control_plane, true).await;
    operator.until_ready().await.expect("ready");
    eventually("issuer and credentials to lose their finalizers", LIMIT * 2, async || {
        let issuer = team.issuers().get_opt("portal").await.map_err(|error| error.to_string())?;
        let secret = team.secrets().get("portal").await.map_err(|error| error.to_string())?;
        if issuer.is_none() && secret.finalizers().is_empty() {
            Ok(())
        } else {
            Err(format!("issuer: {}, finalizers: {:?}", issuer.is_some(), secret.finalizers()))
        }
    })
    .await;
}

#[tokio::test]
async fn previous_credentials_lose_the_finalizer_although_they_changed_before_the_caches_were_synced() {
    let (control_plane, operator) = own_control_plane().await;
    let team = Team::on(control_plane, "unfilled-former", Config::default(), json!({})).await;
    team.token("pull", "stays").await;
    team.until_synced("pull").await;
    operator.terminate().await;
    team.apply(json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "portal-2", "labels": {"registry-token.dev/credentials": "true"}},
        "stringData": {"username": "k8s", "password": "portal-password"},
    }))
    .await;
    team.issuer(json!({"thinkwise": {"auth": {"basic": {"secretRef": {"name": "portal-2"}}}}})).await;
    allow_secret_list(control_plane, false).await;
    let kubeconfig = control_plane.folder().join("operator.kubeconfig");
    let mut operator = Operator::spawn(binary(), &kubeconfig, &operator_process::Options::default()).expect("spawned");
    let finalizers = async |name: &str| team.secrets().get(name).await.map(|secret| secret.finalizers().len());
    eventually("the issuer to work with its new credentials", LIMIT, async || {
        let issuer = team.issuers().get("portal").await.map_err(|error| error.to_string())?;
        let status = issuer.status.unwrap_or_default();
        if status.observed_generation == issuer.metadata.generation { Ok(()) } else { Err(json!(status).to_string()) }
    })
    .await;
    // The operator does not know yet what else uses the previous credentials.
    assert_eq!(finalizers("portal").await.expect("read"), 1);
    allow_secret_list(control_plane, true).await;
    operator.until_ready().await.expect("ready");
    eventually("the previous credentials to lose their finalizer", LIMIT, async || {
        let finalizer_counts = (finalizers("portal").await, finalizers("portal-2").await);
        if matches!(finalizer_counts, (Ok(0), Ok(1))) { Ok(()) } else { Err(format!("{finalizer_counts:?}")) }
    })
    .await;
}

#[tokio::test]
async fn two_issuers_that_share_credentials_and_are_deleted_together_leave_no_finalizer_on_them() {
    let team = Team::new("shared-credentials").await;
    let mut second = json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "TokenIssuer", "metadata": {"name": "second"},
    });
    second["spec"] = team.issuer_spec(json!({}));
    team.apply(second).await;
    for (name, issuer) in [("first", "portal"), ("second", "second")] {
        let mut token = crate::fixture::token(name, name);
        token["spec"]["issuerRef"]["name"] = json!(issuer);
        team.apply(token).await;
        team.until_synced(name).await;
    }
    for name in ["first", "second"] {
        team.delete(name).await;
    }
    for name in ["portal", "second"] {
        team.issuers().delete(name, &DeleteParams::default()).await.expect("deleted");
    }
    eventually("issuers and credentials to lose their finalizers", LIMIT * 2, async || {
        let issuers =
            team.issuers().list(&kube::api::ListParams::default()).await.map_err(|error| error.to_string())?;
        let secret = team.secrets().get("portal").await.map_err(|error| error.to_string())?;
        if issuers.items.is_empty() && secret.finalizers().is_empty() {
            Ok(())
        } else {
            Err(format!("{} issuers, finalizers: {:?}", issuers.items.len(), secret.finalizers()))
        }
    })
    .await;
}
