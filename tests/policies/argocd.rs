//! Someone who has stolen the operator's credential writes and deletes only Secrets of the form that Argo CD reads as a Helm
//! repository, of an object.

use crate::policies::cluster::{Actor, assert_accepted, assert_refused, operator, start, tenant};
use kube::ResourceExt;
use serde_json::{Value, json};

const SECRET: &str = "v1/Secret";
const ONLY: &str =
    "creates only Secrets of type kubernetes.io/dockerconfigjson, Secrets with the login of a Helm repository";
const OWNED: &str = "have the label registry-token.dev/owner and an owner reference";
const WRITES: &str = "writes only its own labels and the login of a Helm repository";
const FOREIGN: &str = "only add and remove its own finalizer";
const OWNERS: &str = "changes neither the owner references of others";
const LABEL: &str = "The operator does not add it to a pull";
const DELETES: &str = "deletes only the Secrets for Argo CD that it created";

fn owner(uid: &str) -> Value {
    json!({"apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken", "name": "pull", "uid": uid, "controller": true, "blockOwnerDeletion": true})
}

/// A Secret as the operator writes it, with this change.
fn repository(name: &str, uid: &str, change: Value) -> Value {
    let mut secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {
            "name": name, "ownerReferences": [owner(uid)],
            "labels": {
                "registry-token.dev/owner": uid, "registry-token.dev/role": "argocd-repository",
                "argocd.argoproj.io/secret-type": "repository",
            },
        },
        "stringData": {"type": "helm", "enableOCI": "true", "url": "r.example/charts", "name": "pull", "username": "u", "password": "p"},
    });
    crate::fixture::merge(&mut secret, change);
    secret
}

fn labels(labels: Value) -> Value {
    json!({"metadata": {"labels": labels}})
}

struct Stage {
    admin: Actor,
    operator: Actor,
    tenant: Actor,
    uid: String,
}

#[tokio::test]
async fn a_stolen_credential_writes_for_argocd_only_what_the_operator_writes() {
    let (control_plane, _) = start().await;
    let namespace = control_plane.namespace("argocd").await.expect("a namespace");
    let admin = Actor::of(control_plane.client().await.expect("a client"), &namespace);
    let operator = operator(control_plane, &namespace).await;
    let tenant = tenant(control_plane, &namespace, "tenant").await;
    let token = admin.create(&crate::fixture::token("pull", "is stolen")).await.expect("created");
    let stage = Stage { admin, operator, tenant, uid: token.uid().expect("a UID") };
    only_helm_repositories_of_an_object_are_created(&stage).await;
    its_own_secrets_keep_their_form(&stage).await;
    secrets_of_others_are_neither_changed_nor_deleted(&stage).await;
    only_the_operator_writes_the_label(&stage).await;
    no_pull_secret_is_read_by_argocd(&stage).await;
}

/// A pull secret may have other keys, which Argo CD would read.
async fn no_pull_secret_is_read_by_argocd(stage: &Stage) {
    let Stage { operator, admin, uid, .. } = stage;
    let pull_secret = |name: &str, labels: Value| {
        let mut secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": name, "ownerReferences": [owner(uid)], "labels": {"registry-token.dev/owner": uid}},
            "stringData": {".dockerconfigjson": r#"{"auths":{}}"#, "server": "https://attacker.example", "config": "{}"},
        });
        crate::fixture::merge(&mut secret["metadata"]["labels"], labels);
        secret
    };
    for kind in ["cluster", "repository", "repo-creds"] {
        let secret = pull_secret("cluster", json!({"argocd.argoproj.io/secret-type": kind}));
        assert_refused(kind, operator.create(&secret).await, LABEL);
    }
    assert_accepted("no label of Argo CD", operator.create(&pull_secret("labeled", json!({}))).await);
    let cluster = labels(json!({"argocd.argoproj.io/secret-type": "cluster"}));
    assert_refused("a label later", operator.patch(SECRET, "labeled", cluster.clone()).await, LABEL);
    admin.patch(SECRET, "labeled", cluster).await.expect("patched");
    assert_accepted("another label", operator.patch(SECRET, "labeled", labels(json!({"app": "a"}))).await);
    let repository = labels(json!({"argocd.argoproj.io/secret-type": "repository"}));
    assert_refused("another value", operator.patch(SECRET, "labeled", repository).await, LABEL);
    let removed = labels(json!({"argocd.argoproj.io/secret-type": null}));
    assert_accepted("a removal", operator.patch(SECRET, "labeled", removed).await);
}

async fn only_helm_repositories_of_an_object_are_created(stage: &Stage) {
    let Stage { operator, uid, .. } = stage;
    for (what, change) in [
        ("another type", json!({"type": "example.com/any"})),
        ("a cluster", labels(json!({"argocd.argoproj.io/secret-type": "cluster"}))),
        ("write credentials", labels(json!({"argocd.argoproj.io/secret-type": "repository-write"}))),
        ("no type of Argo CD", labels(json!({"argocd.argoproj.io/secret-type": null}))),
        ("no role", labels(json!({"registry-token.dev/role": null}))),
        ("another role", labels(json!({"registry-token.dev/role": "other"}))),
        ("a git repository", json!({"stringData": {"type": "git"}})),
        ("no repository", json!({"stringData": {"type": null}})),
        ("another kind of Helm repository", json!({"stringData": {"enableOCI": "false"}})),
        ("an SSH key", json!({"stringData": {"sshPrivateKey": "k"}})),
        ("without a check of certificates", json!({"stringData": {"insecure": "true"}})),
        ("a proxy", json!({"stringData": {"proxy": "http://attacker.example"}})),
        ("the keys of a cluster", json!({"stringData": {"server": "https://attacker.example", "config": "{}"}})),
    ] {
        assert_refused(what, operator.create(&repository("forged", uid, change)).await, ONLY);
    }
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt", "uid": "7"});
    for (what, change) in [
        ("no owner label", labels(json!({"registry-token.dev/owner": null}))),
        ("another owner label", labels(json!({"registry-token.dev/owner": "other"}))),
        ("no owner", json!({"metadata": {"ownerReferences": []}})),
        ("a second owner", json!({"metadata": {"ownerReferences": [owner(uid), map]}})),
    ] {
        assert_refused(what, operator.create(&repository("forged", uid, change)).await, OWNED);
    }
    let template = labels(json!({"argocd.argoproj.io/secret-type": "repo-creds"}));
    assert_accepted("a template", operator.create(&repository("template", uid, template)).await);
    let project = json!({"stringData": {"project": "web"}});
    assert_accepted("a repository", operator.create(&repository("charts", uid, project)).await);
}

async fn its_own_secrets_keep_their_form(stage: &Stage) {
    let Stage { operator, admin, uid, .. } = stage;
    let patch = async |change: Value| operator.patch(SECRET, "charts", change).await;
    for (what, change) in [
        ("a key of others", json!({"data": {"sshPrivateKey": "a2V5"}})),
        ("a git repository", json!({"data": {"type": "Z2l0"}})),
        ("a cluster", labels(json!({"argocd.argoproj.io/secret-type": "cluster"}))),
        ("a label", labels(json!({"app.kubernetes.io/instance": "pruned"}))),
        ("an annotation", json!({"metadata": {"annotations": {"a": "b"}}})),
        (
            "the owner of another",
            labels(json!({"registry-token.dev/owner": "other", "registry-token.dev/role": "other"})),
        ),
    ] {
        assert_refused(what, patch(change).await, WRITES);
    }
    let mut released = labels(json!({"registry-token.dev/owner": null, "registry-token.dev/role": null}));
    released["metadata"]["ownerReferences"] = json!([]);
    let mut forged = released.clone();
    forged["data"] = json!({"password": "Zm9yZ2Vk"});
    assert_refused("a login without an owner", patch(forged).await, WRITES);
    assert_refused("an immutable Secret", patch(json!({"immutable": true})).await, OWNERS);
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt", "uid": "7"});
    let two = json!({"metadata": {"ownerReferences": [owner(uid), map]}});
    assert_refused("another owner", patch(two).await, OWNERS);
    // What the operator does: another login, repair, deletion and release.
    assert_accepted("a login", patch(json!({"data": {"username": "dQ==", "password": "cA=="}})).await);
    for stripped in [json!({"metadata": {"labels": null}}), json!({"metadata": {"ownerReferences": null}})] {
        admin.patch(SECRET, "charts", stripped).await.expect("patched");
        let whole = repository("charts", uid, json!({}));
        let repair = json!({"metadata": {"labels": whole["metadata"]["labels"], "ownerReferences": whole["metadata"]["ownerReferences"]}});
        assert_accepted("a repair", patch(repair).await);
    }
    assert_accepted("a release", patch(released).await);
    assert_refused("after the release", patch(json!({"data": {"password": "Zm9yZ2Vk"}})).await, FOREIGN);
    assert_refused("after the release", operator.try_delete(SECRET, "charts").await, DELETES);
    assert_accepted("a deletion", operator.try_delete(SECRET, "template").await);
}

async fn secrets_of_others_are_neither_changed_nor_deleted(stage: &Stage) {
    let Stage { operator, admin, uid, .. } = stage;
    let own = repository("own", uid, json!({}));
    let foreign = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "foreign", "labels": {"argocd.argoproj.io/secret-type": "repository"}},
        "stringData": {"type": "helm", "enableOCI": "true", "url": "r.example/charts"},
    });
    let role_only = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "role", "labels": {"registry-token.dev/role": "argocd-repository"}},
    });
    for secret in [&foreign, &role_only] {
        let name = secret["metadata"]["name"].as_str().expect("a name");
        admin.create(secret).await.expect("created");
        let taken = json!({"metadata": own["metadata"], "data": {"password": "cA=="}});
        let mut taken = taken;
        taken["metadata"]["name"] = json!(name);
        assert_refused(name, operator.patch(SECRET, name, taken).await, FOREIGN);
        assert_refused(name, operator.try_delete(SECRET, name).await, DELETES);
    }
    let pull = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "pull", "labels": {"registry-token.dev/owner": uid}, "ownerReferences": [owner(uid)]},
        "stringData": {".dockerconfigjson": r#"{"auths":{}}"#},
    });
    assert_accepted("a pull secret", operator.create(&pull).await);
    assert_refused("a pull secret", operator.try_delete(SECRET, "pull").await, DELETES);
    // The role does not make a pull secret another one.
    let role = labels(json!({"registry-token.dev/role": "argocd-repository"}));
    let _ = operator.patch(SECRET, "pull", role).await;
    assert_refused("a pull secret with the role", operator.try_delete(SECRET, "pull").await, DELETES);
}

async fn only_the_operator_writes_the_label(stage: &Stage) {
    let Stage { operator, tenant, uid, .. } = stage;
    assert_accepted("a repository", operator.create(&repository("labeled", uid, json!({}))).await);
    let only = "Only the operator writes the labels registry-token.dev/owner and registry-token.dev/role";
    for value in [json!("other"), json!(null)] {
        let change = labels(json!({"registry-token.dev/role": value}));
        assert_refused("the role", tenant.patch(SECRET, "labeled", change).await, only);
    }
    let copy = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "copy", "labels": {"registry-token.dev/role": "argocd-repository"}},
    });
    assert_refused("a copied role", tenant.create(&copy).await, only);
    assert_accepted("content", tenant.patch(SECRET, "labeled", json!({"data": {"password": "Zm9yZ2Vk"}})).await);
    assert_accepted("deleted by a tenant", tenant.try_delete(SECRET, "labeled").await);
}
