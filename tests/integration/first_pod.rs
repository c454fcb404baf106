//! Pods that are created at the same moment as their namespace and their `RegistryToken`, and the admission policy of
//! `deploy/first-pod`. There is no kubelet: what a Pod names is what its kubelet looks up again and again.

use crate::control_plane::eventually;
use crate::fake_portal::{Config, FakePortal};
use crate::fixture::{LIMIT, Team, issuer_spec, own_control_plane, stage, token};
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use std::time::Instant;

fn pod(name: &str, secrets: &[&str]) -> Pod {
    let containers = json!([{"name": "app", "image": "registry.example.com/app:1"}]);
    let mut spec = json!({"containers": containers});
    if !secrets.is_empty() {
        spec["imagePullSecrets"] = secrets.iter().map(|name| json!({"name": name})).collect();
    }
    serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).expect("a Pod")
}

fn names(pod: &Pod) -> Vec<String> {
    let secrets = pod.spec.as_ref().and_then(|spec| spec.image_pull_secrets.as_ref());
    secrets.into_iter().flatten().map(|secret| secret.name.clone()).collect()
}

/// Creates a Pod, again and again until its `ServiceAccount` exists, as the controllers of workloads do.
async fn create(pods: &Api<Pod>, pod: &Pod) -> Pod {
    eventually("the Pod to be admitted", LIMIT, async || {
        pods.create(&PostParams::default(), pod).await.map_err(|error| error.to_string())
    })
    .await
}

#[tokio::test]
async fn a_pod_that_names_the_secret_may_be_created_before_it_and_one_that_relies_on_its_account_may_not() {
    let (control_plane, _operator) = own_control_plane().await;
    let client = control_plane.client().await.expect("a client");
    let portal = FakePortal::start(Config::default()).await;
    cluster_issuer(&client, &portal).await;

    let begun = Instant::now();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": "new-team"}})).expect("a namespace");
    namespaces.create(&PostParams::default(), &namespace).await.expect("created");
    let mut object = token("pull", "of a new namespace");
    object["metadata"]["namespace"] = json!("new-team");
    object["spec"]["issuerRef"] = json!({"kind": "ClusterTokenIssuer", "name": "default"});
    object["spec"]["serviceAccounts"] = json!([{"name": "default"}]);
    let pods: Api<Pod> = Api::namespaced(client.clone(), "new-team");
    let (with_list, without_list) = (pod("explicit", &["pull"]), pod("implicit", &[]));
    let (applied, explicit, implicit) = tokio::join!(
        crate::control_plane::apply_object(&client, &object),
        create(&pods, &with_list),
        create(&pods, &without_list),
    );
    applied.expect("applied");
    let admitted = begun.elapsed();
    assert_eq!(names(&explicit), ["pull"], "admitted without the Secret");

    let secrets: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(client.clone(), "new-team");
    let stored = eventually("the Secret to contain a token", LIMIT, async || {
        let secret = secrets.get("pull").await.map_err(|error| error.to_string())?;
        let stored = secret.annotations().contains_key("registry-token.dev/stored");
        if stored { Ok(begun.elapsed()) } else { Err(format!("{:?}", secret.metadata)) }
    })
    .await;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "new-team");
    let listed = eventually("the account to name the Secret", LIMIT, async || {
        let account = accounts.get("default").await.map_err(|error| error.to_string())?;
        let listed = account.image_pull_secrets.iter().flatten().any(|secret| secret.name == "pull");
        if listed { Ok(begun.elapsed()) } else { Err(format!("{account:?}")) }
    })
    .await;
    println!("after the namespace: Pods admitted {admitted:?}, Secret {stored:?}, ServiceAccount {listed:?}");
    let as_admitted = names(&pods.get("implicit").await.expect("there"));
    assert_eq!(as_admitted, names(&implicit), "the list of the account is fixed at admission");
    assert!(as_admitted.is_empty(), "it was created before the account named the Secret");
    assert_eq!(names(&create(&pods, &pod("later", &[])).await), ["pull"]);
}

async fn cluster_issuer(client: &Client, portal: &FakePortal) {
    let mut spec = issuer_spec(portal);
    spec["allowedNamespaces"] = json!({"from": "All"});
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "portal", "namespace": "registry-token-operator"},
        "stringData": {"username": "k8s", "password": "portal-password"},
    });
    let issuer = json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "ClusterTokenIssuer", "metadata": {"name": "default"}, "spec": spec,
    });
    for object in [secret, issuer] {
        crate::control_plane::apply_object(client, &object).await.expect("applied");
    }
    let issuers: Api<registry_token_operator::api::ClusterTokenIssuer> = Api::all(client.clone());
    eventually("the issuer to be ready", LIMIT, async || {
        let issuer = issuers.get("default").await.map_err(|error| error.to_string())?;
        let conditions = issuer.status.map(|status| status.conditions).unwrap_or_default();
        let ready = conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True");
        if ready { Ok(()) } else { Err(format!("{conditions:?}")) }
    })
    .await;
}

fn manifests(file: &str) -> Vec<Value> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/first-pod").join(file);
    let text = std::fs::read_to_string(path).expect("readable");
    text.split("\n---\n").map(|text| serde_saphyr::from_str(text).expect("YAML")).collect()
}

/// Labels a namespace, and waits until the policy applies there.
async fn select(team: &Team) {
    let namespaces: Api<Namespace> = Api::all(team.client.clone());
    let label = Patch::Merge(json!({"metadata": {"labels": {"registry-token.dev/pull": "true"}}}));
    namespaces.patch(&team.namespace, &PatchParams::default(), &label).await.expect("labeled");
    let pods: Api<Pod> = Api::namespaced(team.client.clone(), &team.namespace);
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    eventually("the policy to be in force", LIMIT, async || {
        let pod = pods.create(&dry_run, &pod("probe", &[])).await.map_err(|error| error.to_string())?;
        if names(&pod).is_empty() { Err(format!("{:?}", pod.spec)) } else { Ok(()) }
    })
    .await;
}

#[tokio::test]
async fn the_admission_policy_adds_the_secret_to_pods_of_selected_namespaces_and_changes_nothing_else() {
    let (selected, other) = (Team::new("selected").await, Team::new("not-selected").await);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/first-pod").display().to_string();
    let built = stage().kubectl_ok(&["kustomize", &folder], None).await.expect("built");
    stage().apply(&built).await.expect("applied");
    select(&selected).await;
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app"}, "imagePullSecrets": [{"name": "y"}, {"name": "x"}],
    });
    selected.apply(account.clone()).await;
    let pods: Api<Pod> = Api::namespaced(selected.client.clone(), &selected.namespace);
    let cases: [(&str, &[&str], &[&str]); 4] = [
        ("none", &[], &["thinkwise-pull"]),
        ("others", &["b", "a"], &["b", "a", "thinkwise-pull"]),
        ("last", &["b", "thinkwise-pull"], &["b", "thinkwise-pull"]),
        ("first", &["thinkwise-pull", "b"], &["thinkwise-pull", "b"]),
    ];
    for (name, given, wanted) in cases {
        assert_eq!(names(&create(&pods, &pod(name, given)).await), wanted, "{name}");
    }
    let mut of_account = pod("of-account", &[]);
    of_account.spec.as_mut().expect("a spec").service_account_name = Some("app".to_owned());
    assert_eq!(
        names(&create(&pods, &of_account).await),
        ["y", "x", "thinkwise-pull"],
        "those of the ServiceAccount stay"
    );
    // An update is not changed: the list is immutable.
    let label = Patch::Merge(json!({"metadata": {"labels": {"a": "b"}}}));
    pods.patch("others", &PatchParams::default(), &label).await.expect("patched");

    let elsewhere: Api<Pod> = Api::namespaced(other.client.clone(), &other.namespace);
    assert!(names(&create(&elsewhere, &pod("none", &[])).await).is_empty());
    assert_eq!(names(&create(&elsewhere, &pod("others", &["b"])).await), ["b"]);
}

#[test]
fn the_kyverno_policy_selects_the_same_pods_and_adds_the_same_secret() {
    let native = &manifests("policy.yaml")[0];
    let kyverno = &manifests("kyverno.yaml")[0];
    let rule = &kyverno["spec"]["rules"][0];
    let matched = &rule["match"]["any"][0]["resources"];
    assert_eq!(matched["namespaceSelector"], native["spec"]["matchConstraints"]["namespaceSelector"]);
    assert_eq!((&matched["kinds"], &matched["operations"]), (&json!(["Pod"]), &json!(["CREATE"])));
    let secret = &rule["mutate"]["patchStrategicMerge"]["spec"]["imagePullSecrets"][0]["name"];
    let variable = &native["spec"]["variables"][0];
    assert_eq!(variable["expression"], json!(format!("'{}'", secret.as_str().expect("a name"))));
}
