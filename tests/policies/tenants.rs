//! A tenant with every permission in a namespace does not write what only the operator writes, and is not restricted
//! otherwise.

use crate::control_plane::ControlPlane;
use crate::policies::cluster::{Actor, assert_accepted, assert_refused, start, tenant};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

const SECRET: &str = "v1/Secret";
const TOKEN: &str = "registry-token.dev/v1alpha1/RegistryToken";

fn pull_secret(name: &str, metadata: Value) -> Value {
    let mut object = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson", "metadata": {"name": name},
        "stringData": {".dockerconfigjson": r#"{"auths":{}}"#},
    });
    crate::fixture::merge(&mut object["metadata"], metadata);
    object
}

/// Annotations and labels of a pull secret, as the operator writes them.
fn written(uid: &str) -> Value {
    let owner =
        json!({"apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken", "name": "pull", "uid": uid});
    json!({
        "labels": {"registry-token.dev/owner": uid}, "annotations": {"registry-token.dev/mac": "signed"},
        "ownerReferences": [owner],
    })
}

fn annotated(key: &str, value: Value) -> Value {
    json!({"metadata": {"annotations": {format!("registry-token.dev/{key}"): value}}})
}

fn member_of(control_plane: &ControlPlane, group: &str, namespace: &str) -> Actor {
    let config = control_plane.config_for("someone", &[group]).expect("a configuration");
    Actor::of(Client::try_from(config).expect("a client"), namespace)
}

#[tokio::test]
async fn only_the_operator_and_cluster_admins_write_status_label_and_annotations() {
    let (control_plane, _) = start().await;
    let namespace = control_plane.namespace("tenants").await.expect("a namespace");
    let admin = Actor::of(control_plane.client().await.expect("a client"), &namespace);
    let tenant = tenant(control_plane, &namespace, "tenant").await;
    let operator = crate::policies::cluster::operator(control_plane, &namespace).await;
    let token = assert_accepted("a RegistryToken", tenant.create(&crate::fixture::token("pull", "is used")).await);
    let uid = token.uid().expect("a UID");
    assert_accepted("a pull secret", operator.create(&pull_secret("pull", written(&uid))).await);

    let status = tenant.patch_status("pull", json!({"uid": "forged"})).await;
    assert_refused("the status", status, "annotate the object: see docs/configuration.md");
    assert_refused_on_secrets(&tenant, &uid).await;
    assert_accepted_of_tenants(&tenant, &namespace).await;

    // Users who may do everything in the whole cluster are exempt: drain and a restore from a backup need it.
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "admins"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "admins"}],
    });
    admin.apply(&binding).await.expect("applied");
    for group in ["system:masters", "admins"] {
        let exempt = member_of(control_plane, group, &namespace);
        assert_accepted("the status", exempt.patch_status("pull", json!({"uid": group})).await);
        assert_accepted("an annotation", exempt.patch(SECRET, "kept", annotated("mac", json!(group))).await);
    }
}

async fn assert_refused_on_secrets(tenant: &Actor, uid: &str) {
    let (annotations, label) = ("except registry-token.dev/adopt", "To copy a pull secret, leave it out");
    for (what, change) in [
        ("a changed annotation", annotated("mac", json!("forged"))),
        ("a removed annotation", annotated("mac", json!(null))),
        ("a new annotation", annotated("token-id", json!("7"))),
    ] {
        assert_refused(what, tenant.patch(SECRET, "pull", change).await, annotations);
    }
    for (what, value) in [("a changed label", json!("other")), ("a removed label", json!(null))] {
        let change = json!({"metadata": {"labels": {"registry-token.dev/owner": value}}});
        assert_refused(what, tenant.patch(SECRET, "pull", change).await, label);
    }
    assert_refused("a copy", tenant.create(&pull_secret("copy", written(uid))).await, annotations);
    let labelled = json!({"labels": {"registry-token.dev/owner": uid}});
    assert_refused("a copied label", tenant.create(&pull_secret("copy", labelled)).await, label);
}

/// What users write on Secrets and objects, as the documentation says.
async fn assert_accepted_of_tenants(tenant: &Actor, namespace: &str) {
    let handed_over = json!({"annotations": {"registry-token.dev/adopt": "true"}});
    let credentials = json!({"labels": {"registry-token.dev/credentials": "true"}});
    for (what, name, metadata) in [
        ("a Secret", "kept", json!({})),
        ("handed over", "handed", handed_over),
        ("credentials", "portal", credentials),
    ] {
        assert_accepted(what, tenant.create(&pull_secret(name, metadata)).await);
    }
    for name in ["pull", "kept"] {
        for change in [
            annotated("adopt", json!("true")),
            annotated("adopt", json!(null)),
            json!({"metadata": {"annotations": {"example.com/note": "kept"}, "labels": {"team": "a"}}}),
            json!({"data": {".dockerconfigjson": "e30="}}),
        ] {
            assert_accepted(name, tenant.patch(SECRET, name, change).await);
        }
    }
    for key in ["rotate", "replace", "reconcile", "confirmed-revoked", "import"] {
        assert_accepted(key, tenant.patch(TOKEN, "pull", annotated(key, json!("now"))).await);
    }
    assert_accepted("the spec", tenant.patch(TOKEN, "pull", json!({"spec": {"description": "edited"}})).await);
    assert_eq!(tenant.get(SECRET, "pull").await.namespace().as_deref(), Some(namespace));
    tenant.delete(SECRET, "pull").await;
}
