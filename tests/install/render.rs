//! The chart without a release: lint, unit tests, every switch, wrong values, and what an API server says of the result.

use crate::control_plane::shared;
use crate::tools::{chart, helm_ok, repository, run};
use serde_json::{Value, json};

/// The files with values that switch everything on or off.
fn value_files() -> Vec<String> {
    let files = std::fs::read_dir(repository("deploy/chart/ci")).expect("listed");
    let mut all: Vec<String> = files.map(|file| file.expect("a file").path().display().to_string()).collect();
    all.sort();
    assert!(all.len() >= 4, "{all:?}");
    all
}

/// The objects that the chart renders with these arguments.
async fn rendered(args: &[&str]) -> Vec<Value> {
    let chart = chart();
    let mut all = vec!["template", "rto", &chart, "--namespace=tokens"];
    all.extend(args);
    let text = helm_ok(&all).await;
    text.split("\n---\n")
        .map(|text| serde_saphyr::from_str(text).expect("YAML"))
        .filter(|one: &Value| !one.is_null())
        .collect()
}

fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = objects.iter().find(|one| one["kind"] == kind && one["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

#[tokio::test]
async fn helm_finds_no_fault_with_any_values() {
    helm_ok(&["lint", "--strict", &chart()]).await;
    for file in value_files() {
        helm_ok(&["lint", "--strict", &chart(), "--values", &file]).await;
    }
}

#[tokio::test]
async fn the_unit_tests_of_the_chart_pass() {
    let (done, text) = run("helm-unittest", &["--strict", &chart()]).await;
    assert!(done, "{text}");
    assert!(text.contains("Charts:      1 passed"), "{text}");
    assert!(!text.contains("Tests:       0 passed"), "{text}");
}

#[tokio::test]
async fn an_api_server_accepts_every_object_and_knows_every_field() {
    let control_plane = shared();
    // The release's, and those that the values name.
    for name in ["tokens", "monitoring", "team-a", "team-b"] {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        control_plane.apply(&namespace.to_string()).await.expect("applied");
    }
    let mut values = vec![None];
    values.extend(value_files().into_iter().map(Some));
    for file in values {
        let flag = file.as_ref().map(|file| format!("--values={file}"));
        let objects = rendered(&flag.iter().map(String::as_str).collect::<Vec<_>>()).await;
        // The kinds of the Prometheus Operator are not installed.
        let is_known = |one: &&Value| one["kind"] != "ServiceMonitor" && one["kind"] != "PrometheusRule";
        let known: Vec<String> = objects.iter().filter(is_known).map(ToString::to_string).collect();
        let dry = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "--output=name", "-f", "-"];
        let names = control_plane.kubectl_ok(&dry, Some(&known.join("\n---\n"))).await;
        let names = names.unwrap_or_else(|error| panic!("{file:?}: {error}"));
        assert_eq!(names.lines().count(), known.len(), "{names}");
    }
}

#[tokio::test]
async fn the_pods_are_admitted_under_restricted_pod_security() {
    let control_plane = shared();
    let namespace = control_plane.namespace("restricted").await.expect("a namespace");
    let label = ["label", "namespace", &namespace, "pod-security.kubernetes.io/enforce=restricted"];
    control_plane.kubectl_ok(&label, None).await.expect("labelled");
    let objects = rendered(&["--set=uninstall.policy=Drain"]).await;
    for kind in ["Deployment", "Job"] {
        let workload = objects.iter().find(|one| one["kind"] == kind).expect("there");
        let mut spec = workload["spec"]["template"]["spec"].clone();
        // The ServiceAccounts exist only in the release's namespace.
        spec["serviceAccountName"] = json!("default");
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod", "namespace": namespace}, "spec": spec});
        let dry = ["create", "--dry-run=server", "--validate=strict", "--filename=-"];
        control_plane.kubectl_ok(&dry, Some(&pod.to_string())).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        let mut loose = pod;
        loose["spec"]["securityContext"]["runAsNonRoot"] = json!(false);
        control_plane.kubectl_ok(&dry, Some(&loose.to_string())).await.expect_err("refused");
    }
}

#[tokio::test]
async fn the_roles_have_the_rules_of_the_manifests() {
    let objects = rendered(&["--set=uninstall.policy=Drain"]).await;
    let rules = |file: &str, name: &str| -> Value {
        let text = std::fs::read_to_string(repository(file)).expect("readable");
        let all: Vec<Value> = text.split("---\n").map(|text| serde_saphyr::from_str(text).expect("YAML")).collect();
        all.iter().find(|one| one["metadata"]["name"] == name && !one["rules"].is_null()).expect("there")["rules"]
            .clone()
    };
    let name = "rto-registry-token-operator";
    let base = rules("deploy/base/rbac.yaml", "registry-token-operator");
    assert_eq!(find(&objects, "ClusterRole", name)["rules"], base);
    for part in ["view", "edit"] {
        let wanted = rules("deploy/base/user-roles.yaml", &format!("registry-token-operator-{part}"));
        assert_eq!(find(&objects, "ClusterRole", &format!("{name}-{part}"))["rules"], wanted);
    }
    let mut drain = rules("deploy/drain-job.yaml", "registry-token-operator-drain");
    drain.as_array_mut().expect("a list").extend(base.as_array().expect("a list").clone());
    assert_eq!(find(&objects, "ClusterRole", &format!("{name}-uninstall"))["rules"], drain);
}

#[tokio::test]
async fn a_wrong_value_is_rejected_and_named() {
    let cases = [
        ("replicas=2", "replicas"),
        ("replicaCount=-1", "replicaCount"),
        ("image.digest=sha256:1", "digest"),
        ("image.repository=example.com/a:tag", "repository"),
        ("leaderElection.leaseDuration=15", "leaseDuration"),
        ("leaderElection.renewDeadlines=1s", "renewDeadlines"),
        ("uninstall.policy=drain", "policy"),
        ("issuerPolicy.allowPortalCIDRs=10.0.0.0/8", "allowPortalCIDRs"),
        ("issuerPolicy.tokenIssuerMaxConcurrency=0", "tokenIssuerMaxConcurrency"),
        ("log.format=xml", "format"),
        ("crds.keep=sometimes", "keep"),
        ("resources.request.cpu=1", "request"),
    ];
    for (set, named) in cases {
        let (done, text) = run("helm", &["template", "rto", &chart(), "--set", set]).await;
        assert!(!done && text.contains(named) && text.contains("schema"), "{set}: {text}");
    }
    let (done, text) = run("helm", &["template", "rto", &chart(), "--kube-version=1.32.0"]).await;
    assert!(!done && text.contains("kubeVersion"), "{text}");
    helm_ok(&["template", "rto", &chart(), "--kube-version=1.33.0-gke.100"]).await;
}

#[tokio::test]
async fn the_package_has_the_crds_as_templates_and_no_tests() {
    let folder = tempfile::tempdir().expect("a folder");
    let destination = folder.path().display().to_string();
    helm_ok(&["package", &chart(), "--destination", &destination]).await;
    let file = folder.path().join(format!("registry-token-operator-{}.tgz", env!("CARGO_PKG_VERSION")));
    let listed = std::process::Command::new("tar").arg("-tzf").arg(&file).output().expect("listed");
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(names.contains("registry-token-operator/templates/crds/registrytokens.yaml"), "{names}");
    assert!(names.contains("registry-token-operator/values.schema.json"), "{names}");
    for absent in ["registry-token-operator/crds/", "/tests/", "/ci/"] {
        assert!(!names.contains(absent), "{names}");
    }
    // The release is stored in a Secret of at most 1 MiB.
    assert!(std::fs::metadata(&file).expect("there").len() < 200_000);
    helm_ok(&["template", "rto", &file.display().to_string()]).await;
}

#[tokio::test]
async fn the_values_in_the_gitops_examples_fit_the_chart() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut checked = 0;
    for (file, pointer) in
        [("gitops-argocd.yaml", "/spec/source/helm/valuesObject"), ("gitops-flux.yaml", "/spec/values")]
    {
        let text = std::fs::read_to_string(repository("examples").join(file)).expect("readable");
        for document in text.split("\n---\n") {
            let object: Value = serde_saphyr::from_str(document).expect("YAML");
            let Some(values) = object.pointer(pointer) else { continue };
            let path = folder.path().join(file);
            std::fs::write(&path, values.to_string()).expect("written");
            helm_ok(&["template", "rto", &chart(), "--values", &path.display().to_string()]).await;
            checked += 1;
        }
    }
    assert_eq!(checked, 2);
}
