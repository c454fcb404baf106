//! The operator runs all flows with exactly the shipped permissions and all policies: no request is refused, and no
//! permission is unused.

use crate::control_plane::{self, ControlPlane, Events, eventually};
use crate::fixture::{LIMIT, Team, binary};
use crate::operator_process::{Operator, Options};
use crate::policies::cluster::{OPERATOR, operator, start, start_with};
use crate::policies::flows;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// Not a request: admission checks it for owner references that block deletion.
pub const OWNER_REFERENCES: &str = "update registrytokens/finalizers";

pub fn deploy(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file)).expect("readable")
}

/// Every verb and resource of the roles in these manifests.
pub fn permissions(manifests: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for document in manifests.split("---\n") {
        let role: Value = serde_saphyr::from_str(document).expect("YAML");
        for rule in role["rules"].as_array().into_iter().flatten() {
            let texts = |key: &str| rule[key].as_array().expect("a list").iter().filter_map(Value::as_str);
            for resource in texts("resources") {
                all.extend(texts("verbs").map(|verb| format!("{verb} {resource}")));
            }
        }
    }
    all
}

/// Every verb and resource of these requests.
pub fn used(events: &Events) -> BTreeSet<String> {
    let resource = |one: &crate::control_plane::AuditEvent| {
        if one.subresource.is_empty() { one.resource.clone() } else { format!("{}/{}", one.resource, one.subresource) }
    };
    let of_resources = events.iter().filter(|event| !event.resource.is_empty());
    of_resources.map(|event| format!("{} {}", event.verb, resource(event))).collect()
}

pub fn assert_none_refused(events: &Events) {
    assert!(!events.is_empty(), "the operator sends requests");
    let refused: Vec<_> = events.iter().filter(|event| [401, 403].contains(&event.status_code)).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[tokio::test]
async fn no_request_of_the_operator_is_refused_and_every_permission_is_used() {
    let (control_plane, kubeconfig) = start().await;
    let audit = control_plane.audit().expect("audit");
    let user = format!("system:serviceaccount:{OPERATOR}:{OPERATOR}");
    let position = audit.position().await.expect("position");
    let mut options = Options::default();
    options.flags.push("--leader-elect");
    let running = Operator::start(binary(), &kubeconfig, &options).await.expect("the operator starts");
    Box::pin(flows::run(control_plane)).await;
    let events = audit.since(position).await.expect("read").by(&user);
    assert_none_refused(&events);
    let mut shipped = permissions(&deploy("base/rbac.yaml"));
    shipped.append(&mut permissions(&deploy("base/leader-election.yaml")));
    assert!(shipped.remove(OWNER_REFERENCES) && shipped.remove("update clusterregistrytokens/finalizers"));
    let mut needed = used(&events);
    needed.append(&mut used_without_streaming_lists().await);
    assert_eq!(needed, shipped, "used (left) and shipped (right)");

    flows::replaced_without_a_trace(control_plane).await;

    // An admin's drain while the operator runs, and the Job, which runs the controllers as the operator's
    // ServiceAccount. The portals of these flows are gone.
    let position = audit.position().await.expect("position");
    flows::drain(&control_plane.kubeconfig_path(), &["--policy=orphan", "--timeout=2m"]).await;
    running.terminate().await;
    drained_by_the_job(control_plane, &kubeconfig).await;
    assert_none_refused(&audit.since(position).await.expect("read").by(&user));
}

/// What the operator uses on an API server without streaming lists, as of Kubernetes 1.33.
async fn used_without_streaming_lists() -> BTreeSet<String> {
    let options = control_plane::Options { audit: true, feature_gates: Some("WatchList=false"), ..Default::default() };
    let (control_plane, kubeconfig) = start_with(options).await;
    let audit = control_plane.audit().expect("audit");
    let team = Team::bare(control_plane, "paged", crate::fake_portal::Config::default()).await;
    let mut object = crate::fixture::token("pull", "names an account");
    object["spec"]["serviceAccounts"] = json!([{"name": "default"}]);
    team.apply(object).await;
    let position = audit.position().await.expect("position");
    let _running = Operator::start(binary(), &kubeconfig, &Options::default()).await.expect("the operator starts");
    let by_operator =
        async || audit.since(position).await.expect("read").by(&format!("system:serviceaccount:{OPERATOR}:{OPERATOR}"));
    eventually("the accounts to be listed", LIMIT, async || {
        let all = used(&by_operator().await);
        if all.contains("watch serviceaccounts") { Ok(()) } else { Err(format!("{all:?}")) }
    })
    .await;
    let events = by_operator().await;
    assert_none_refused(&events);
    used(&events)
}

/// The drain Job of `deploy/drain-job.yaml` with objects that are released, without a running operator.
async fn drained_by_the_job(control_plane: &'static ControlPlane, kubeconfig: &Path) {
    let manifests = deploy("drain-job.yaml");
    let roles: Vec<&str> = manifests.split("---\n").filter(|one| !one.contains("\nkind: Job\n")).collect();
    control_plane.apply(&roles.join("---\n")).await.expect("applied");
    let running = Operator::start(binary(), kubeconfig, &Options::default()).await.expect("the operator starts");
    let team = Team::on(control_plane, "drained", crate::fake_portal::Config::default(), json!({})).await;
    team.token("pull", "is drained").await;
    team.until_synced("pull").await;
    running.terminate().await;
    flows::drain(kubeconfig, &["--policy=orphan", "--timeout=2m"]).await;
    assert!(team.secrets().get("pull").await.expect("it stays").owner_references().is_empty());
    assert!(team.secrets().get("portal").await.expect("it stays").finalizers().is_empty());
}

#[tokio::test]
async fn where_admission_checks_owner_references_pull_secrets_need_the_permission_for_finalizers() {
    let options =
        control_plane::Options { admission_plugin: Some("OwnerReferencesPermissionEnforcement"), ..Default::default() };
    let (control_plane, _) = start_with(options).await;
    let client = control_plane.client().await.expect("a client");
    let namespace = control_plane.namespace("owners").await.expect("a namespace");
    let operator = operator(control_plane, &namespace).await.dry_run();
    let owner = json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken", "name": "pull", "uid": "7",
        "controller": true, "blockOwnerDeletion": true,
    });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "pull", "labels": {"registry-token.dev/owner": "7"}, "ownerReferences": [owner]},
        "stringData": {".dockerconfigjson": r#"{"auths":{}}"#},
    });
    operator.create(&secret).await.expect("permitted");
    let roles: Api<ClusterRole> = Api::all(client);
    let mut fewer = roles.get(OPERATOR).await.expect("the role");
    let is_finalizers = |resource: &String| resource == "registrytokens/finalizers";
    fewer.rules.iter_mut().flatten().for_each(|rule| {
        rule.resources.iter_mut().for_each(|all| all.retain(|one| !is_finalizers(one)));
    });
    fewer
        .rules
        .iter_mut()
        .for_each(|rules| rules.retain(|rule| rule.resources.as_ref().is_none_or(|all| !all.is_empty())));
    roles.replace(OPERATOR, &PostParams::default(), &fewer).await.expect("replaced");
    eventually("the owner reference to be refused", LIMIT, async || match operator.create(&secret).await {
        Err(kube::Error::Api(status)) if status.message.contains("blockOwnerDeletion") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}
