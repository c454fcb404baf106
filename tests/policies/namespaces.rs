//! The operator for single namespaces, with exactly the shipped Roles: nothing is requested outside them, and one
//! namespace does not wait for another.

use crate::api_proxy::{self, ResponseFault};
use crate::control_plane::{ControlPlane, Events, Options as ControlPlaneOptions, eventually};
use crate::fake_portal::{Config, FakePortal};
use crate::fixture::{LIMIT, Team, binary, ready, token, until_gone};
use crate::helpers::current;
use crate::operator_process::{self, Operator, Options};
use crate::policies::cluster::OPERATOR;
use crate::policies::flows;
use crate::policies::permissions::{OWNER_REFERENCES, assert_none_refused, deploy, permissions, used};
use kube::ResourceExt;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A control plane with the CRDs and what the overlay grants in the operator's namespace. Returns the kubeconfig of the
/// operator's ServiceAccount too.
pub async fn start(options: ControlPlaneOptions) -> (&'static ControlPlane, PathBuf) {
    let control_plane = ControlPlane::start_for_test(options).await.expect("starts");
    operator_process::install(control_plane).await.expect("installed");
    let overlay = format!("{}/deploy/overlays/namespaced/operator", env!("CARGO_MANIFEST_DIR"));
    let manifests = control_plane.kubectl_ok(&["kustomize", &overlay], None).await.expect("built");
    assert!(!manifests.contains("kind: ClusterRoleBinding"), "{manifests}");
    let kinds = ["ServiceAccount", "Role", "RoleBinding"].map(|kind| format!("kind: {kind}"));
    let is_access = |document: &&str| document.lines().any(|line| kinds.iter().any(|kind| line == kind));
    let access: Vec<&str> = manifests.split("\n---\n").filter(is_access).collect();
    assert_eq!(access.len(), 5, "{access:#?}");
    control_plane.apply(&access.join("\n---\n")).await.expect("applied");
    let config = control_plane.service_account_config(OPERATOR, OPERATOR).await.expect("a token");
    let path = control_plane.folder().join("namespaced.kubeconfig");
    control_plane.write_kubeconfig(&config, &path).expect("written");
    (control_plane, path)
}

/// Applies the shipped Role and its binding in a namespace.
async fn permit(control_plane: &ControlPlane, namespace: &str) {
    let role = ["role", "rolebinding"].map(|name| deploy(&format!("overlays/namespaced/watched/{name}.yaml")));
    let apply = ["apply", "--server-side", "--namespace", namespace, "--filename=-"];
    control_plane.kubectl_ok(&apply, Some(&role.join("\n---\n"))).await.expect("applied");
}

/// A namespace with a portal and the operator's Role.
pub async fn permitted(control_plane: &'static ControlPlane, name: &str) -> Team {
    let team = Team::on(control_plane, name, Config::default(), json!({})).await;
    permit(control_plane, &team.namespace).await;
    team
}

pub fn watching(namespaces: &[&str], more: &[&'static str]) -> Options {
    let mut options = Options::default();
    options.flags.push(Box::leak(format!("--namespaces={}", namespaces.join(",")).into_boxed_str()));
    options.flags.extend(more);
    options
}

fn by_operator(events: Events) -> Events {
    events.by(&format!("system:serviceaccount:{OPERATOR}:{OPERATOR}"))
}

/// That every request is about these namespaces, or about the MAC key or the lease in the operator's.
fn assert_within(events: &Events, namespaces: &[&str]) {
    for event in events.iter().filter(|event| !event.resource.is_empty()) {
        let own = event.namespace == OPERATOR
            && ((event.resource == "secrets" && !["list", "watch"].contains(&event.verb.as_str()))
                || event.resource == "leases");
        assert!(own || namespaces.contains(&event.namespace.as_str()), "{event:?}");
    }
}

#[tokio::test]
async fn a_whole_life_requests_nothing_outside_the_watched_namespaces_and_uses_every_permission() {
    let (control_plane, kubeconfig) = start(ControlPlaneOptions { audit: true, ..Default::default() }).await;
    let (a, b) = (permitted(control_plane, "watched-a").await, permitted(control_plane, "watched-b").await);
    let outside = Team::on(control_plane, "outside", Config::default(), json!({})).await;
    outside.token("pull", "is not touched").await;
    let untouched = outside.tokens().get("pull").await.expect("there").resource_version();
    let names = [a.namespace.as_str(), b.namespace.as_str()];
    let audit = control_plane.audit().expect("audit");
    let position = audit.position().await.expect("position");
    let running = Operator::start(binary(), &kubeconfig, &watching(&names, &["--leader-elect"])).await.expect("starts");
    live(&a).await;
    flows::in_service_accounts(&b).await;
    flows::for_argocd(&b).await;
    b.token("pull", "stays").await;
    b.until_synced("pull").await;
    let mut of_cluster = token("cluster-wide", "names a ClusterTokenIssuer");
    of_cluster["spec"]["issuerRef"] = json!({"kind": "ClusterTokenIssuer", "name": "portal"});
    b.apply(of_cluster).await;
    let refused = b.until("cluster-wide", "False", "IssuerNotReady").await;
    assert!(ready(&refused).2.contains("(ClusterIssuersDisabled): "), "{refused:?}");
    b.delete("cluster-wide").await;
    running.terminate().await;

    let events = by_operator(audit.since(position).await.expect("read"));
    assert_none_refused(&events);
    assert_within(&events, &names);
    let roles = ["watched/role.yaml", "operator/mac-key.yaml", "operator/leader-election.yaml"]
        .map(|file| format!("overlays/namespaced/{file}"));
    let mut shipped: BTreeSet<String> = roles.iter().flat_map(|file| permissions(&deploy(file))).collect();
    assert!(shipped.remove(OWNER_REFERENCES));
    let mut needed = used(&events);
    needed.append(&mut used_without_streaming_lists().await);
    assert_eq!(needed, shipped, "used (left) and shipped (right)");

    // A restart changes nothing.
    let position = audit.position().await.expect("position");
    let running = Operator::start(binary(), &kubeconfig, &watching(&names, &[])).await.expect("starts");
    tokio::time::sleep(Duration::from_secs(3)).await;
    running.terminate().await;
    let events = by_operator(audit.since(position).await.expect("read"));
    assert_within(&events, &names);
    let writes = events.writes();
    assert!(writes.is_empty(), "{writes:#?}");

    drained(&a, &b, &kubeconfig).await;
    assert_eq!(outside.tokens().get("pull").await.expect("there").resource_version(), untouched);
    assert!(outside.portal.ledger().live().is_empty());
}

/// A token is requested, rotated, repaired and revoked, and its issuer is deleted.
async fn live(team: &Team) {
    let map = json!({"ca.crt": team.portal.ca_pem()});
    team.apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca"}, "data": map})).await;
    team.issuer(json!({"thinkwise": {"tls": {"caBundle": null, "caConfigMapRef": {"name": "ca"}}}})).await;
    team.token("pull", "is used").await;
    let first = team.until_synced("pull").await;
    team.annotate("pull", "rotate", "now").await;
    team.until_replaced("pull", &current(&first)).await;
    team.until_synced("pull").await;
    team.patch_secret("pull", json!({"metadata": {"labels": null}})).await;
    eventually("the label to be restored", LIMIT, async || {
        let secret = team.secrets().get("pull").await.map_err(|error| error.to_string())?;
        if secret.labels().is_empty() { Err(format!("{:?}", secret.metadata)) } else { Ok(()) }
    })
    .await;
    team.delete("pull").await;
    assert!(team.portal.ledger().live().is_empty());
    team.issuers().delete("portal", &kube::api::DeleteParams::default()).await.expect("deleted");
    until_gone(&team.issuers(), "portal").await;
    assert!(team.secrets().get("portal").await.expect("it stays").finalizers().is_empty());
}

/// The namespaces are drained with the permissions of the chart's Job.
async fn drained(a: &Team, b: &Team, kubeconfig: &std::path::Path) {
    let control_plane = a.control_plane;
    let chart = deploy("chart/templates/_rules.tpl");
    let grant = async |rules: &str, namespace: &str| {
        let begin = format!("{{{{- define \"registry-token-operator.rules.{rules}\" -}}}}\n");
        let (_, rest) = chart.split_once(&begin).expect("rules");
        let (rules, _) = rest.split_once("{{- end }}").expect("an end");
        let role = format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: drain}}\nrules:\n{rules}---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: drain}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: drain}}\nsubjects: [{{kind: ServiceAccount, name: {OPERATOR}, namespace: {OPERATOR}}}]\n"
        );
        let apply = ["apply", "--server-side", "--namespace", namespace, "--filename=-"];
        control_plane.kubectl_ok(&apply, Some(&role)).await.expect("applied");
    };
    grant("own-drain", OPERATOR).await;
    grant("namespaced-drain", &a.namespace).await;
    grant("namespaced-drain", &b.namespace).await;
    let audit = control_plane.audit().expect("audit");
    let position = audit.position().await.expect("position");
    let names = [a.namespace.as_str(), b.namespace.as_str()];
    let namespaces = format!("--namespaces={}", names.join(","));
    flows::drain(kubeconfig, &[&namespaces, "--timeout=2m"]).await;
    assert!(b.portal.ledger().live().is_empty(), "its token is revoked");
    let events = by_operator(audit.since(position).await.expect("read"));
    assert_none_refused(&events);
    assert_within(&events.without(&["deployments"]), &names);
}

/// What the operator uses on an API server without streaming lists.
async fn used_without_streaming_lists() -> BTreeSet<String> {
    let options = ControlPlaneOptions { audit: true, feature_gates: Some("WatchList=false"), ..Default::default() };
    let (control_plane, kubeconfig) = start(options).await;
    let team = permitted(control_plane, "paged").await;
    let audit = control_plane.audit().expect("audit");
    let position = audit.position().await.expect("position");
    let _running = Operator::start(binary(), &kubeconfig, &watching(&[&team.namespace], &[])).await.expect("starts");
    flows::in_service_accounts(&team).await;
    team.token("pull", "is listed page by page").await;
    team.until_synced("pull").await;
    let events = by_operator(audit.since(position).await.expect("read"));
    assert_none_refused(&events);
    assert_within(&events, &[&team.namespace]);
    used(&events)
}

#[tokio::test]
async fn an_absent_namespace_is_named_and_served_when_it_appears() {
    let (control_plane, kubeconfig) = start(ControlPlaneOptions::default()).await;
    let present = permitted(control_plane, "present").await;
    let names = [present.namespace.as_str(), "later"];
    let mut running = Operator::spawn(binary(), &kubeconfig, &watching(&names, &[])).expect("spawned");
    running.until_ready().await.expect("an absent namespace does not make it unready");
    present.token("pull", "does not wait").await;
    present.until_synced("pull").await;
    let ready = running.health("readyz").await;
    assert!(ready.starts_with("ok\n") && ready.contains("RegistryToken in the namespace later: "), "{ready}");
    assert!(ready.contains("does not exist, or the ServiceAccount has no Role"), "{ready}");
    assert!(running.log().contains("waiting for the namespace; the others are served"), "{}", running.log());
    assert_eq!(running.health("livez").await, "ok\n");

    control_plane.apply("{apiVersion: v1, kind: Namespace, metadata: {name: later}}").await.expect("applied");
    permit(control_plane, "later").await;
    let portal = FakePortal::start(Config::default()).await;
    let later = Team { control_plane, namespace: "later".to_owned(), portal, client: present.client.clone() };
    later.credentials("portal-password").await;
    later.issuer(json!({})).await;
    later.token("pull", "is late").await;
    later.until_synced("pull").await;
    eventually("readyz to name no namespace", LIMIT, async || {
        let ready = running.health("readyz").await;
        if ready == "ok\n" { Ok(()) } else { Err(ready) }
    })
    .await;
    later.delete("pull").await;
    assert!(later.portal.ledger().live().is_empty());
}

#[tokio::test]
async fn a_namespace_that_cannot_be_listed_delays_no_other() {
    let (control_plane, _) = start(ControlPlaneOptions::default()).await;
    let (good, bad) = (permitted(control_plane, "good").await, permitted(control_plane, "bad").await);
    let (broken, list) = (Arc::new(AtomicBool::new(true)), format!("/namespaces/{}/secrets", bad.namespace));
    // As if a Secret there could not be decrypted.
    let is_broken = Arc::clone(&broken);
    let kubeconfig = api_proxy::start(control_plane, move |_, uri| {
        let owned = uri.query().is_some_and(|query| query.contains("registry-token.dev%2Fowner"));
        let fails = uri.path().ends_with(&list) && owned && is_broken.load(Ordering::SeqCst);
        if fails { ResponseFault::NoResponse } else { ResponseFault::PassThrough }
    })
    .await;
    let names = [good.namespace.as_str(), bad.namespace.as_str()];
    let running = Operator::spawn(binary(), &kubeconfig, &watching(&names, &[])).expect("spawned");
    bad.token("pull", "waits").await;
    good.token("pull", "does not wait").await;
    good.until_synced("pull").await;
    let waiting = bad.tokens().get("pull").await.expect("there");
    assert_eq!(ready(&waiting).0, "absent", "its Secrets are not known: {:?}", waiting.status);
    assert!(bad.portal.ledger().live().is_empty());
    let ready = running.health("readyz").await;
    assert!(ready.contains(&format!("Secret in the namespace {}", bad.namespace)), "{ready}");
    good.delete("pull").await;
    broken.store(false, Ordering::SeqCst);
    bad.until_within(LIMIT * 2, "pull", "True", "TokenStored").await;
}
