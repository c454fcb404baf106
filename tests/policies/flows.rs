//! What the operator does, from the first request to the release of the last object.

use crate::control_plane::{ControlPlane, eventually};
use crate::fake_portal::Config;
use crate::fixture::{LIMIT, Team, binary, issuer_spec, merge, ready, token, until_gone};
use crate::helpers::current;
use crate::operator_process;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};
use registry_token_operator::api::ClusterRegistryToken;
use serde_json::{Value, json};
use std::path::Path;
use tokio::process::Command;

/// All flows at the same time, each in a namespace of its own.
pub async fn run(control_plane: &'static ControlPlane) {
    let team = async |name: &str| Team::on(control_plane, name, Config::default(), json!({})).await;
    tokio::join!(
        async { requested_edited_rotated_and_revoked(&team("lifecycle").await).await },
        async { adopted(&team("adopted").await).await },
        async { released(&team("released").await).await },
        async { restored(&team("restored").await).await },
        async { lost(&team("lost").await).await },
        async { in_service_accounts(&team("accounts").await).await },
        async { for_argocd(&team("argocd").await).await },
        with_a_ca(control_plane),
        of_a_cluster_issuer(control_plane),
        from_a_template(control_plane),
    );
}

fn with(spec: Value) -> Value {
    let mut object = token("pull", "is used");
    merge(&mut object["spec"], spec);
    object
}

async fn requested_edited_rotated_and_revoked(team: &Team) {
    let secret = json!({"labels": {"team": "a"}, "annotations": {"note": "b"}});
    team.apply(with(json!({"rotation": {"interval": "24h", "overlap": "1h"}, "secret": secret}))).await;
    let first = team.until_synced("pull").await;
    team.patch("pull", json!({"spec": {"description": "after", "secret": null}})).await;
    team.until_synced("pull").await;
    for key in ["rotate", "replace"] {
        let before = team.tokens().get("pull").await.expect("there");
        team.annotate("pull", key, "now").await;
        team.until_replaced("pull", &current(&before)).await;
        team.until_synced("pull").await;
    }
    assert_eq!(team.tokens().get("pull").await.expect("there").uid(), first.uid());
    team.delete("pull").await;
    assert!(team.portal.ledger().live().is_empty());
}

async fn adopted(team: &Team) {
    team.apply(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pull", "labels": {"team": "a"}},
        "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "{\"auths\":{}}"},
    }))
    .await;
    team.token("pull", "takes over").await;
    team.until("pull", "False", "SecretNotOwned").await;
    team.patch_secret("pull", json!({"metadata": {"annotations": {"registry-token.dev/adopt": "true"}}})).await;
    team.until_synced("pull").await;
    team.delete("pull").await;
}

async fn released(team: &Team) {
    team.apply(with(json!({"deletionPolicy": "Orphan"}))).await;
    team.until_synced("pull").await;
    team.delete("pull").await;
    let secret = team.secrets().get("pull").await.expect("it stays");
    assert!(secret.owner_references().is_empty() && secret.labels().is_empty(), "{:?}", secret.metadata);
}

/// Label, owner reference, annotations or content are changed by a cluster admin.
async fn restored(team: &Team) {
    team.token("pull", "is restored").await;
    let object = team.until_synced("pull").await;
    let stripped = [
        json!({"metadata": {"labels": null}}),
        json!({"metadata": {"ownerReferences": null}}),
        json!({"metadata": {"labels": null, "ownerReferences": null}}),
        json!({"data": {".dockerconfigjson": "e30="}}),
    ];
    for change in stripped {
        team.patch_secret("pull", change.clone()).await;
        eventually(&format!("{change} to be repaired"), LIMIT, async || {
            let secret = team.secrets().get("pull").await.map_err(|error| error.to_string())?;
            let labelled = secret.labels().get("registry-token.dev/owner") == object.uid().as_ref();
            let content = secret.data.as_ref().and_then(|data| data.get(".dockerconfigjson"));
            let filled = content.is_some_and(|content| content.0.len() > 2);
            let owned = secret.owner_references().len() == 1;
            if labelled && owned && filled { Ok(()) } else { Err(format!("{:?}", secret.metadata)) }
        })
        .await;
        team.until_synced("pull").await;
    }
    team.patch("pull", json!({"metadata": {"finalizers": null}})).await;
    team.until_object("pull", "its finalizer", |object| !object.finalizers().is_empty()).await;
}

async fn lost(team: &Team) {
    team.token("pull", "is lost").await;
    let first = team.until_synced("pull").await;
    team.secrets().delete("pull", &kube::api::DeleteParams::default()).await.expect("deleted");
    team.until_replaced("pull", &current(&first)).await;
    team.until_synced("pull").await;
}

/// The second Secret is created, rotated, repaired and deleted, and left to its user.
pub async fn for_argocd(team: &Team) {
    const NAME: &str = "pull-argocd";
    let url = format!("{}/charts", team.portal.registry_host());
    let spec = json!({"secret": {"argocdRepository": {"url": url}}});
    team.apply(with(spec.clone())).await;
    let first = team.until_synced("pull").await;
    let uid = team.until_argocd_synced("pull", NAME).await.uid();
    team.annotate("pull", "replace", "now").await;
    team.until_replaced("pull", &current(&first)).await;
    team.until_argocd_synced("pull", NAME).await;
    for stripped in [
        json!({"metadata": {"labels": null}}),
        json!({"metadata": {"ownerReferences": null}}),
        json!({"data": {"password": "Zm9yZ2Vk", "sshPrivateKey": "Zm9yZ2Vk"}}),
    ] {
        team.patch_secret(NAME, stripped).await;
        team.until_argocd_synced("pull", NAME).await;
    }
    assert_eq!(team.until_argocd_synced("pull", NAME).await.uid(), uid);
    team.patch("pull", json!({"spec": {"secret": null}})).await;
    until_gone(&team.secrets(), NAME).await;
    team.apply(with(spec)).await;
    team.until_argocd_synced("pull", NAME).await;
    team.patch("pull", json!({"spec": {"deletionPolicy": "Orphan"}})).await;
    team.delete("pull").await;
    assert!(team.secrets().get(NAME).await.expect("it stays").owner_references().is_empty());
    // Both Secrets and the token are left to their user, who removes them.
    for name in ["pull", NAME] {
        team.secrets().delete(name, &DeleteParams::default()).await.expect("deleted");
    }
    for token in team.portal.ledger().live() {
        assert!(team.portal.ledger().revoke_as_colleague(token.id));
    }
}

/// The Secret is added to the accounts that the object names, and removed from them.
pub async fn in_service_accounts(team: &Team) {
    let accounts: Api<ServiceAccount> = Api::namespaced(team.client.clone(), &team.namespace);
    let secrets = async |name: &str| -> Vec<String> {
        let account = accounts.get(name).await.expect("an account");
        account.image_pull_secrets.into_iter().flatten().map(|secret| secret.name).collect()
    };
    team.apply(json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "ci"}, "imagePullSecrets": [{"name": "b"}, {"name": "a"}],
    }))
    .await;
    team.apply(with(json!({"serviceAccounts": [{"name": "default"}, {"name": "ci"}]}))).await;
    team.until_synced("pull").await;
    team.until_condition("pull", "ServiceAccountsSynced", "True", "Synced").await;
    assert_eq!(
        (secrets("ci").await, secrets("default").await),
        (vec!["b".into(), "a".into(), "pull".into()], vec!["pull".into()])
    );
    team.patch("pull", json!({"spec": {"serviceAccounts": [{"name": "ci"}]}})).await;
    eventually("the Secret to be removed from the account", LIMIT, async || {
        let left = secrets("default").await;
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    team.delete("pull").await;
    assert_eq!(secrets("ci").await, ["b", "a"]);
}

/// The issuer's CA is in a `ConfigMap`. Its objects stay, for `drain`.
async fn with_a_ca(control_plane: &'static ControlPlane) {
    let team = Team::bare(control_plane, "with-ca", Config::default()).await;
    team.credentials("portal-password").await;
    let map = json!({"ca.crt": team.portal.ca_pem()});
    team.apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca"}, "data": map})).await;
    team.issuer(json!({"thinkwise": {"tls": {"caBundle": null, "caConfigMapRef": {"name": "ca"}}}})).await;
    team.token("pull", "with a CA").await;
    team.until_synced("pull").await;
    let maps: Api<ConfigMap> = Api::namespaced(team.client.clone(), &team.namespace);
    let finalizers = async || maps.get("ca").await.expect("there").finalizers().to_vec();
    assert_eq!(finalizers().await, ["registry-token.dev/revoke"]);
    team.delete("pull").await;
    team.issuers().delete("portal", &kube::api::DeleteParams::default()).await.expect("deleted");
    until_gone(&team.issuers(), "portal").await;
    assert!(finalizers().await.is_empty());
}

async fn of_a_cluster_issuer(control_plane: &'static ControlPlane) {
    let team = Team::bare(control_plane, "cluster", Config::default()).await;
    let mut spec = issuer_spec(&team.portal);
    let allowed =
        json!({"from": "Selector", "selector": {"matchLabels": {"kubernetes.io/metadata.name": team.namespace}}});
    merge(
        &mut spec,
        json!({"thinkwise": {"auth": {"basic": {"secretRef": {"name": "cluster"}}}}, "allowedNamespaces": allowed}),
    );
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cluster", "namespace": "registry-token-operator"},
        "stringData": {"username": "k8s", "password": "portal-password"},
    });
    let issuer = json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "ClusterTokenIssuer", "metadata": {"name": "cluster"}, "spec": spec,
    });
    control_plane.apply(&format!("{secret}\n---\n{issuer}")).await.expect("applied");
    let mut object = token("pull", "cluster-wide");
    object["spec"]["issuerRef"] = json!({"kind": "ClusterTokenIssuer", "name": "cluster"});
    team.apply(object).await;
    team.until_synced("pull").await;
    team.delete("pull").await;
}

/// A `ClusterRegistryToken`: a token is created, reverted, taken over, deleted when its namespace leaves, and deleted with
/// its object.
async fn from_a_template(control_plane: &'static ControlPlane) {
    let team = Team::on(control_plane, "template", Config::default(), json!({})).await;
    let objects: Api<ClusterRegistryToken> = Api::all(team.client.clone());
    let object = |values: Value| {
        json!({
            "apiVersion": "registry-token.dev/v1alpha1", "kind": "ClusterRegistryToken", "metadata": {"name": "pull"},
            "spec": {
                "namespaceSelector": {"matchExpressions": [
                    {"key": "kubernetes.io/metadata.name", "operator": "In", "values": values},
                ]},
                "template": {"spec": {"description": "d", "issuerRef": {"kind": "TokenIssuer", "name": "portal"}}},
                "unmatchedGracePeriod": "0s",
            },
        })
    };
    let apply = async |values: Value| {
        control_plane.apply(&object(values).to_string()).await.expect("applied");
    };
    apply(json!([team.namespace])).await;
    team.until_synced("pull").await;
    team.patch("pull", json!({"metadata": {"ownerReferences": null}, "spec": {"description": "mine"}})).await;
    team.until_object("pull", "reverted", |token| {
        token.spec.description == "d" && !token.owner_references().is_empty()
    })
    .await;
    apply(json!(["elsewhere"])).await;
    until_gone(&team.tokens(), "pull").await;
    apply(json!([team.namespace])).await;
    team.until_synced("pull").await;
    objects.delete("pull", &DeleteParams::default()).await.expect("deleted");
    until_gone(&objects, "pull").await;
    assert!(team.portal.ledger().live().is_empty());
}

/// A Secret whose metadata are replaced as a whole has no trace of the operator: its user has to hand it over.
pub async fn replaced_without_a_trace(control_plane: &'static ControlPlane) {
    let team = Team::on(control_plane, "replaced", Config::default(), json!({})).await;
    team.token("pull", "is replaced").await;
    let first = team.until_synced("pull").await;
    let all = [
        "reservation",
        "stored",
        "token-id",
        "username",
        "mac",
        "cause",
        "provenance",
        "checksum",
        "registries",
        "last-applied-keys",
    ];
    let annotations: Value = all
        .iter()
        .map(|key| (format!("registry-token.dev/{key}"), Value::Null))
        .collect::<serde_json::Map<_, _>>()
        .into();
    team.patch_secret(
        "pull",
        json!({"metadata": {"labels": null, "ownerReferences": null, "annotations": annotations}}),
    )
    .await;
    let named = |object: &registry_token_operator::api::RegistryToken| {
        json!(object.status).to_string().contains("registry-token.dev/adopt=true")
    };
    team.until_object("pull", "a condition that says what to do", named).await;
    team.patch_secret("pull", json!({"metadata": {"annotations": {"registry-token.dev/adopt": "true"}}})).await;
    eventually("the Secret to be owned", LIMIT, async || {
        let secret = team.secrets().get("pull").await.map_err(|error| error.to_string())?;
        let object = team.tokens().get("pull").await.map_err(|error| error.to_string())?;
        let owned = secret.owner_references().len() == 1 && ready(&object).0 == "True";
        if owned { Ok(()) } else { Err(format!("{:?} {:?}", secret.metadata, ready(&object))) }
    })
    .await;
    assert_eq!(team.tokens().get("pull").await.expect("there").uid(), first.uid());
}

/// Runs `drain` with this kubeconfig.
pub async fn drain(kubeconfig: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(binary());
    command.arg("drain").args(operator_process::Options::default().flags).args(arguments);
    command.env("KUBECONFIG", kubeconfig).env_remove("RUST_LOG").kill_on_drop(true);
    let output = command.output().await.expect("it runs");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("nothing is left"), "{text}");
    text
}
