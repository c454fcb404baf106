//! Someone who has stolen the operator's credential is refused whatever the operator itself never writes.

use crate::policies::cluster::{Actor, OPERATOR, assert_accepted, assert_refused, operator, start};
use kube::ResourceExt;
use serde_json::{Value, json};

const SECRET: &str = "v1/Secret";
const TOKEN: &str = "registry-token.dev/v1alpha1/RegistryToken";
const KEY: &str = "registry-token-operator-mac";
const FINALIZER: &str = "registry-token.dev/revoke";
const STOLEN: &str = "delete its ServiceAccount and create it again";

fn secret(kind: &str, name: &str, metadata: Value) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": {"name": name}});
    crate::fixture::merge(&mut object["metadata"], metadata);
    if kind == "kubernetes.io/dockerconfigjson" {
        object["stringData"] = json!({".dockerconfigjson": r#"{"auths":{}}"#});
    }
    object
}

fn pull_secret(name: &str, metadata: Value) -> Value {
    secret("kubernetes.io/dockerconfigjson", name, metadata)
}

fn owner(uid: &str) -> Value {
    json!({"apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken", "name": "pull", "uid": uid, "controller": true, "blockOwnerDeletion": true})
}

fn owned(uid: &str) -> Value {
    json!({"labels": {"registry-token.dev/owner": uid}, "ownerReferences": [owner(uid)]})
}

fn metadata(change: Value) -> Value {
    json!({"metadata": change})
}

/// `{"auths":{"forged":{}}}`
fn forged() -> Value {
    json!({"data": {".dockerconfigjson": "eyJhdXRocyI6eyJmb3JnZWQiOnt9fX0="}})
}

struct Stage {
    admin: Actor,
    operator: Actor,
    uid: String,
}

async fn stage() -> Stage {
    let (control_plane, _) = start().await;
    let namespace = control_plane.namespace("stolen").await.expect("a namespace");
    let admin = Actor::of(control_plane.client().await.expect("a client"), &namespace);
    let operator = operator(control_plane, &namespace).await;
    let token = admin.create(&crate::fixture::token("pull", "is stolen")).await.expect("created");
    Stage { admin, operator, uid: token.uid().expect("a UID") }
}

#[tokio::test]
async fn a_stolen_credential_of_the_operator_writes_only_what_the_operator_writes() {
    let stage = stage().await;
    secrets_of_other_types_and_owners_are_not_created(&stage).await;
    secrets_of_others_are_not_changed(&stage).await;
    pull_secrets_stay_the_operators(&stage).await;
    a_secret_is_taken_over_only_if_its_user_hands_it_over(&stage).await;
    the_mac_key_is_created_and_never_replaced(&stage).await;
    other_objects_get_only_the_finalizer(&stage).await;
    no_lease_of_another_controller_is_created(&stage).await;
    service_accounts_get_and_lose_one_entry(&stage).await;
}

async fn service_accounts_get_and_lose_one_entry(stage: &Stage) {
    let Stage { admin, operator, .. } = stage;
    let entries = |names: &[&str]| -> Value {
        let all: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        json!({"imagePullSecrets": all})
    };
    let mut account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "ci"}});
    crate::fixture::merge(&mut account, entries(&["b", "a"]));
    admin.create(&account).await.expect("created");
    let patch = async |change: Value| operator.patch("v1/ServiceAccount", "ci", change).await;
    let only = "changes only imagePullSecrets of a ServiceAccount";
    for (what, change) in [
        ("a label", metadata(json!({"labels": {"a": "b"}}))),
        ("an annotation", metadata(json!({"annotations": {"eks.amazonaws.com/role-arn": "admin"}}))),
        ("a finalizer", metadata(json!({"finalizers": [FINALIZER]}))),
        ("an owner", metadata(json!({"ownerReferences": [owner("7")]}))),
        ("secrets", json!({"secrets": [{"name": "pull"}]})),
        ("the token", json!({"automountServiceAccountToken": false})),
    ] {
        assert_refused(what, patch(change).await, only);
    }
    let one = "adds one entry at the end of imagePullSecrets";
    for names in [&["a", "b"][..], &["pull", "b", "a"], &["b", "a", "pull", "more"], &["pull"], &["b", "pull"], &[]] {
        assert_refused(&format!("{names:?}"), patch(entries(names)).await, one);
    }
    assert_accepted("an entry", patch(entries(&["b", "a", "pull"])).await);
    assert_accepted("no change", patch(entries(&["b", "a", "pull"])).await);
    assert_accepted("without the entry", patch(entries(&["b", "a"])).await);
    assert_accepted("without an entry", patch(entries(&["a"])).await);
    assert_accepted("without any", patch(json!({"imagePullSecrets": null})).await);
    assert_accepted("the first entry", patch(entries(&["pull"])).await);
}

async fn secrets_of_other_types_and_owners_are_not_created(stage: &Stage) {
    let Stage { operator, uid, .. } = stage;
    let only = "creates only Secrets of type kubernetes.io/dockerconfigjson";
    let account = json!({"annotations": {"kubernetes.io/service-account.name": "default"}});
    let of_account = secret("kubernetes.io/service-account-token", "account", account);
    assert_refused("a token of a ServiceAccount", operator.create(&of_account).await, only);
    let in_own = operator.within(OPERATOR).create(&of_account).await;
    assert_refused("a token of a ServiceAccount in the operator's namespace", in_own, only);
    assert_refused("an owned Opaque Secret", operator.create(&secret("Opaque", "any", owned(uid))).await, only);
    assert_refused("a MAC key in another namespace", operator.create(&secret("Opaque", KEY, json!({}))).await, only);
    let label = "have the label registry-token.dev/owner and an owner reference";
    let mut two = owned(uid);
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt", "uid": "7"});
    two["ownerReferences"].as_array_mut().expect("owners").push(map);
    for (what, metadata) in [
        ("without label and owner", json!({})),
        ("without an owner", json!({"labels": {"registry-token.dev/owner": uid}})),
        ("without a label", json!({"ownerReferences": [owner(uid)]})),
        (
            "with another label",
            json!({"labels": {"registry-token.dev/owner": "other"}, "ownerReferences": [owner(uid)]}),
        ),
        ("with a second owner", two),
    ] {
        assert_refused(what, operator.create(&pull_secret("forged", metadata)).await, label);
    }
    let mut held = owned(uid);
    held["finalizers"] = json!(["example.com/forever"]);
    assert_refused("with a finalizer", operator.create(&pull_secret("forged", held)).await, STOLEN);
    assert_accepted("a pull secret", operator.create(&pull_secret("pull", owned(uid))).await);
}

async fn secrets_of_others_are_not_changed(stage: &Stage) {
    let Stage { admin, operator, uid, .. } = stage;
    let held = json!({"finalizers": ["example.com/other"]});
    admin.create(&secret("Opaque", "credentials", held.clone())).await.expect("created");
    admin.create(&pull_secret("foreign", held)).await.expect("created");
    let only = "only add and remove its own finalizer";
    for name in ["credentials", "foreign"] {
        for (what, change) in [
            ("data", json!({"data": {".dockerconfigjson": "e30="}})),
            ("immutable", json!({"immutable": true})),
            ("labels", metadata(json!({"labels": {"registry-token.dev/owner": uid}}))),
            ("annotations", metadata(json!({"annotations": {"registry-token.dev/adopt": "true"}}))),
            ("owners", metadata(json!({"ownerReferences": [owner(uid)]}))),
            ("label and owner", metadata(owned(uid))),
        ] {
            assert_refused(&format!("{name}: {what}"), operator.patch(SECRET, name, change).await, only);
        }
        let finalizers = async |all: Value| operator.patch(SECRET, name, metadata(json!({"finalizers": all}))).await;
        assert_refused("a removed finalizer", finalizers(json!([])).await, STOLEN);
        let more = json!(["example.com/other", "example.com/forever"]);
        assert_refused("another finalizer", finalizers(more).await, STOLEN);
        assert_accepted("the finalizer", finalizers(json!(["example.com/other", FINALIZER])).await);
        assert_accepted("without the finalizer", finalizers(json!(["example.com/other"])).await);
    }
    let account = json!({"annotations": {"kubernetes.io/service-account.name": "default"}});
    admin.create(&secret("kubernetes.io/service-account-token", "account", account)).await.expect("created");
    let change = metadata(json!({"finalizers": [FINALIZER]}));
    let refused = operator.patch(SECRET, "account", change).await;
    assert_refused("a token of a ServiceAccount", refused, "refer to a Secret of type Opaque instead");
}

async fn pull_secrets_stay_the_operators(stage: &Stage) {
    let Stage { admin, operator, uid, .. } = stage;
    let patch = async |change: Value| operator.patch(SECRET, "pull", change).await;
    let mut released = forged();
    released["metadata"] = json!({"labels": {"registry-token.dev/owner": null}, "ownerReferences": []});
    assert_refused("content without an owner", patch(released).await, "changes the content only of pull secrets");
    let mut of_other = forged();
    of_other["metadata"] = json!({"labels": {"registry-token.dev/owner": "other"}});
    assert_refused("content of another owner", patch(of_other).await, "changes the content only of pull secrets");
    let owners = "changes neither the owner references of others";
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt", "uid": "7"});
    assert_refused("another owner", patch(metadata(json!({"ownerReferences": [owner(uid), map]}))).await, owners);
    let other = json!([owner(uid), {"apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken", "name": "other", "uid": "other"}]);
    assert_refused("another RegistryToken", patch(metadata(json!({"ownerReferences": other}))).await, owners);
    assert_refused("an immutable Secret", patch(json!({"immutable": true})).await, owners);
    assert_refused("a finalizer", patch(metadata(json!({"finalizers": ["example.com/forever"]}))).await, STOLEN);
    // What the operator itself does: content, release to the user, and ownership restored.
    assert_accepted("content", patch(forged()).await);
    let released = json!({"labels": {"registry-token.dev/owner": null}, "ownerReferences": []});
    assert_accepted("released", patch(metadata(released.clone())).await);
    assert_refused(
        "content after the release",
        patch(forged_with(uid)).await,
        "annotate it with registry-token.dev/adopt=true",
    );
    admin.delete(SECRET, "pull").await;
    let mut signed = owned(uid);
    signed["annotations"] = json!({"registry-token.dev/mac": "signed"});
    assert_accepted("a pull secret", operator.create(&pull_secret("pull", signed)).await);
    admin.patch(SECRET, "pull", metadata(released)).await.expect("patched");
    assert_accepted("ownership restored", patch(metadata(owned(uid))).await);
}

/// Content, label and owner at once.
fn forged_with(uid: &str) -> Value {
    let mut change = json!({"data": {".dockerconfigjson": "eyJhdXRocyI6e319"}});
    change["metadata"] = owned(uid);
    change
}

async fn a_secret_is_taken_over_only_if_its_user_hands_it_over(stage: &Stage) {
    let Stage { admin, operator, uid, .. } = stage;
    let handed_over = json!({"annotations": {"registry-token.dev/adopt": "true"}});
    admin.create(&secret("Opaque", "handed-opaque", handed_over.clone())).await.expect("created");
    let opaque = operator.patch(SECRET, "handed-opaque", metadata(owned(uid))).await;
    assert_refused("another type", opaque, "use a Secret of type kubernetes.io/dockerconfigjson");
    admin.create(&pull_secret("handed", json!({}))).await.expect("created");
    let before = operator.patch(SECRET, "handed", forged_with(uid)).await;
    assert_refused("before", before, "annotate it with registry-token.dev/adopt=true");
    admin.patch(SECRET, "handed", metadata(handed_over)).await.expect("annotated");
    let unowned = operator.patch(SECRET, "handed", forged()).await;
    assert_refused("content without an owner", unowned, "changes the content only of pull secrets");
    assert_accepted("after", operator.patch(SECRET, "handed", forged_with(uid)).await);
}

async fn the_mac_key_is_created_and_never_replaced(stage: &Stage) {
    let operator = stage.operator.within(OPERATOR);
    let mut key = secret("Opaque", KEY, json!({"annotations": {"registry-token.dev/mac-keys": "a"}}));
    key["data"] = json!({"current": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="});
    assert_accepted("the MAC key", operator.create(&key).await);
    let patch = async |change: Value| operator.patch(SECRET, KEY, change).await;
    assert_accepted("its record", patch(metadata(json!({"annotations": {"registry-token.dev/mac-keys": "b"}}))).await);
    assert_accepted("its finalizer", patch(metadata(json!({"finalizers": [FINALIZER]}))).await);
    let only = "only add and remove its own finalizer";
    assert_refused("another key", patch(json!({"data": {"current": "Zm9yZ2Vk"}})).await, only);
    assert_refused("a label", patch(metadata(json!({"labels": {"a": "b"}}))).await, only);
    assert_refused("an annotation", patch(metadata(json!({"annotations": {"a": "b"}}))).await, only);
    assert_accepted("no finalizer", patch(metadata(json!({"finalizers": []}))).await);
    let other = operator.create(&secret("Opaque", "other", json!({}))).await;
    assert_refused("another Secret", other, "creates only Secrets of type");
}

async fn no_lease_of_another_controller_is_created(stage: &Stage) {
    let lease =
        |name: &str| json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}});
    let other = stage.operator.create(&lease("another-controller")).await;
    assert_refused("the Lease of another controller", other, "creates only the Lease registry-token-operator");
    assert_accepted("the operator's Lease", stage.operator.create(&lease("registry-token-operator")).await);
}

async fn other_objects_get_only_the_finalizer(stage: &Stage) {
    let Stage { admin, operator, .. } = stage;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca"}, "data": {"ca.crt": "ca"}});
    admin.create(&map).await.expect("created");
    let issuer = |kind: &str| {
        let spec = json!({"type": "Thinkwise", "thinkwise": {
            "url": "https://portal.example.com", "auth": {"type": "Basic", "basic": {"secretRef": {"name": "portal"}}},
        }});
        json!({"apiVersion": "registry-token.dev/v1alpha1", "kind": kind, "metadata": {"name": "ca"}, "spec": spec})
    };
    for kind in ["TokenIssuer", "ClusterTokenIssuer"] {
        admin.apply(&issuer(kind)).await.expect("applied");
    }
    let group = "registry-token.dev/v1alpha1";
    let template = json!({
        "apiVersion": group, "kind": "ClusterRegistryToken", "metadata": {"name": "ca"},
        "spec": {"namespaceSelector": {}, "suspend": true, "template": {"spec": {"description": "d"}}},
    });
    admin.apply(&template).await.expect("applied");
    let portal = json!({"spec": {"thinkwise": {"url": "https://forged.example.com"}}});
    let cases = [
        (
            "v1/ConfigMap".to_owned(),
            "ca",
            json!({"data": {"ca.crt": "forged"}}),
            "only add and remove its own finalizer",
        ),
        (TOKEN.to_owned(), "pull", json!({"spec": {"description": "forged"}}), "never changes a spec"),
        (
            format!("{group}/ClusterRegistryToken"),
            "ca",
            json!({"spec": {"unmatchedGracePeriod": "0s"}}),
            "never changes a spec",
        ),
        (format!("{group}/TokenIssuer"), "ca", portal.clone(), "never changes a spec"),
        (format!("{group}/ClusterTokenIssuer"), "ca", portal, "never changes a spec"),
    ];
    for (kind, name, change, message) in cases {
        let patch = async |change: Value| operator.patch(&kind, name, change).await;
        assert_refused(&kind, patch(change).await, message);
        for part in ["labels", "annotations"] {
            let refused = patch(metadata(json!({part: {"registry-token.dev/rotate": "now"}}))).await;
            assert_refused(&format!("{kind}: {part}"), refused, "only add and remove its own finalizer");
        }
        let forever = patch(metadata(json!({"finalizers": ["example.com/forever"]}))).await;
        assert_refused(&format!("{kind}: a finalizer"), forever, STOLEN);
        assert_accepted("the finalizer", patch(metadata(json!({"finalizers": [FINALIZER]}))).await);
        assert_accepted("no finalizer", patch(metadata(json!({"finalizers": []}))).await);
    }
    let own = operator.create(&crate::fixture::token("forged", "forged")).await;
    assert_refused("a RegistryToken of nobody", own, "creates only RegistryTokens that a ClusterRegistryToken owns");
    let drained = operator.patch(TOKEN, "pull", json!({"spec": {"deletionPolicy": "Orphan"}})).await;
    assert_accepted("drain", drained);
}
