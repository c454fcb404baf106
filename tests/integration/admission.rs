//! Which objects the API server itself accepts and rejects. The message of a rejection says what to write instead.

use crate::admission_cases::{Case, Change, tokens};
use crate::admission_issuer_cases::{good_issuer, issuers};
use crate::cluster_tokens::validation::{refused_at_creation, refused_later};
use crate::fixture::{merge, stage};
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, discovery};
use registry_token_operator::api::custom_resource_definitions;
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn api(client: &Client, kind: &str, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("registry-token.dev", "v1alpha1", kind);
    let (resource, capabilities) = discovery::pinned_kind(client, &kind).await.expect("served");
    match capabilities.scope {
        discovery::Scope::Cluster => Api::all_with(client.clone(), &resource),
        discovery::Scope::Namespaced => Api::namespaced_with(client.clone(), namespace, &resource),
    }
}

/// Expects a rejection whose message contains the text of the case, or acceptance if the case has none.
fn check_answer(case: &Case, answer: Result<DynamicObject, kube::Error>) {
    match (answer, case.rejection) {
        (Ok(_), None) => {}
        (Err(kube::Error::Api(status)), Some(words)) => {
            assert!(status.message.contains(words), "{}: {:?} does not say {words:?}", case.what, status.message);
        }
        (answer, wanted) => panic!("{}: {answer:?}, wanted {wanted:?}", case.what),
    }
}

async fn try_case(client: &Client, kind: &str, namespace: &str, good: &Value, case: &Case) {
    let api = api(client, kind, namespace).await;
    let mut object = good.clone();
    object["kind"] = json!(kind);
    object["apiVersion"] = json!("registry-token.dev/v1alpha1");
    // No controller acts on it: it is a dry run, or in a namespace of its own if it names no issuer.
    match &case.change {
        Change::Create(change) => {
            merge(&mut object, change.clone());
            let object: DynamicObject = serde_json::from_value(object).expect("an object");
            let dry = PostParams { dry_run: true, ..PostParams::default() };
            check_answer(case, api.create(&dry, &object).await);
        }
        Change::Update(change) => {
            let params = PatchParams { dry_run: true, ..PatchParams::default() };
            check_answer(case, api.patch("good", &params, &Patch::Merge(change)).await);
        }
    }
}

#[tokio::test]
async fn every_rule_of_a_registry_token_accepts_and_rejects() {
    let control_plane = stage();
    let client = control_plane.client().await.expect("a client");
    let namespace = control_plane.namespace("rules").await.expect("a namespace");
    let good = json!({"metadata": {"name": "good"}, "spec": {"description": "prod-eu, team-a"}});
    let mut first = good.clone();
    first["kind"] = json!("RegistryToken");
    first["apiVersion"] = json!("registry-token.dev/v1alpha1");
    let object: DynamicObject = serde_json::from_value(first).expect("an object");
    let created = api(&client, "RegistryToken", &namespace).await.create(&PostParams::default(), &object).await;
    let created = created.expect("a description is enough");
    assert_eq!(created.data["spec"]["issuerRef"], json!({"kind": "ClusterTokenIssuer", "name": "default"}));
    assert_eq!(created.data["status"], json!({"observedGeneration": -1}), "in progress before the first pass");
    // For the rules about changes.
    let repository = Patch::Merge(json!({"spec": {"secret": {"argocdRepository": {"url": "r.example/charts"}}}}));
    let existing = api(&client, "RegistryToken", &namespace).await;
    existing.patch("good", &PatchParams::default(), &repository).await.expect("patched");
    for case in tokens() {
        try_case(&client, "RegistryToken", &namespace, &good, &case).await;
    }
}

#[tokio::test]
async fn every_rule_of_an_issuer_accepts_and_rejects() {
    let control_plane = stage();
    let client = control_plane.client().await.expect("a client");
    let namespace = control_plane.namespace("rules").await.expect("a namespace");
    let good = json!({"metadata": {"name": "good"}, "spec": good_issuer()});
    for kind in ["ClusterTokenIssuer", "TokenIssuer"] {
        for case in issuers(kind) {
            try_case(&client, kind, &namespace, &good, &case).await;
        }
    }
}

/// Each rule needs a case: a rule that no test triggers is untested.
#[test]
fn every_message_of_every_rule_has_a_case() {
    let mut messages = BTreeSet::new();
    for document in custom_resource_definitions().expect("generated") {
        collect(&document.manifest, &mut messages);
    }
    assert!(messages.len() > 25, "{}", messages.len());
    let cases: Vec<Case> = tokens().into_iter().chain(issuers("ClusterTokenIssuer")).collect();
    let of_templates = refused_at_creation().into_iter().chain(refused_later());
    let mut words: Vec<&str> = of_templates.map(|(_, words)| words).collect();
    words.extend(cases.iter().filter_map(|case| case.rejection));
    for message in messages {
        let seen = words.iter().any(|words| message.contains(words));
        assert!(seen, "no case shows: {message}");
    }
}

fn collect(value: &Value, messages: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for rule in map.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
                messages.insert(rule["message"].as_str().expect("each rule has a message").to_owned());
            }
            map.values().for_each(|value| collect(value, messages));
        }
        Value::Array(all) => all.iter().for_each(|value| collect(value, messages)),
        _ => {}
    }
}

#[tokio::test]
async fn kubectl_shows_the_columns() {
    let control_plane = stage();
    let client = control_plane.client().await.expect("a client");
    let definitions: Api<DynamicObject> = {
        let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
        let (resource, _) = discovery::pinned_kind(&client, &kind).await.expect("served");
        Api::all_with(client.clone(), &resource)
    };
    assert!(definitions.list(&ListParams::default()).await.expect("listed").items.len() >= 3);
    let namespace = control_plane.namespace("columns").await.expect("a namespace");
    let token = json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken",
        "metadata": {"name": "shown", "namespace": namespace}, "spec": {"description": "shown"},
    });
    control_plane.apply(&token.to_string()).await.expect("applied");
    let narrow = control_plane.kubectl_ok(&["get", "rtok", "-n", &namespace], None).await.expect("shown");
    let header: Vec<&str> = narrow.lines().next().expect("a header").split_whitespace().collect();
    assert_eq!(header, ["NAME", "READY", "REASON", "USERNAME", "SECRET", "AGE"]);
    let wide = control_plane.kubectl_ok(&["get", "rtok", "-o", "wide", "-n", &namespace], None).await.expect("shown");
    assert!(wide.lines().next().expect("a header").contains("ISSUER"));
}

#[tokio::test]
async fn kubectl_shows_the_url_of_an_issuer_that_never_connected() {
    let control_plane = stage();
    let namespace = control_plane.namespace("issuer-columns").await.expect("a namespace");
    let basic = json!({"type": "Basic", "basic": {"secretRef": {"name": "absent"}}});
    let thinkwise = json!({"url": "https://portal.example.com/indicium", "auth": basic});
    let gitea = json!({"url": "https://git.example.com", "user": "bot", "auth": basic});
    let harbor = json!({"url": "https://harbor.example.com", "project": "apps", "auth": basic});
    let token = json!({"type": "Token", "token": {"secretRef": {"name": "absent"}}});
    let gitlab = json!({"url": "https://gitlab.example.com", "group": "7", "auth": token});
    for (kind, member, value) in [
        ("Thinkwise", "thinkwise", &thinkwise),
        ("Gitea", "gitea", &gitea),
        ("GitLab", "gitlab", &gitlab),
        ("Harbor", "harbor", &harbor),
    ] {
        let issuer = json!({
            "apiVersion": "registry-token.dev/v1alpha1", "kind": "TokenIssuer",
            "metadata": {"name": member, "namespace": namespace},
            "spec": {"type": kind, member: value, "registries": [{"host": "registry.example.com"}]},
        });
        control_plane.apply(&issuer.to_string()).await.expect("applied");
        let shown = ["get", "tiss", member, "-o", "wide", "-n", &namespace];
        let shown = control_plane.kubectl_ok(&shown, None).await.expect("shown");
        let (header, row) = shown.split_once('\n').expect("two lines");
        assert!(header.contains("URL"), "{header}");
        let url = value["url"].as_str().expect("a URL");
        assert!(row.split_whitespace().any(|cell| cell == url), "{shown}");
    }
}
