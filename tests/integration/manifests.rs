//! The manifests in `deploy/`.

use crate::fixture::stage;
use serde_json::{Value, json};
use std::path::Path;

fn deploy() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").display().to_string()
}

async fn manifests() -> String {
    stage().kubectl_ok(&["kustomize", &deploy()], None).await.expect("built")
}

#[test]
fn jemalloc_is_used_where_it_is_proven_and_is_built_for_the_largest_pages_of_arm() {
    let read = |name: &str| {
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("readable")
    };
    let proven =
        r#"all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64"))"#;
    let condition = format!("cfg({proven})");
    let manifest = read("Cargo.toml");
    let (_, for_targets) = manifest.split_once(&format!("[target.'{condition}'.dependencies]")).expect("a condition");
    assert!(for_targets.contains("tikv-jemallocator"));
    assert_eq!(manifest.matches("tikv-jemallocator =").count(), 1, "nowhere else");
    assert!(for_targets.contains("jemalloc_pprof"), "its profile too");
    assert_eq!(manifest.matches("jemalloc_pprof =").count(), 1, "nowhere else");
    assert!(read("src/main.rs").contains(&format!("#[{condition}]\n#[global_allocator]")));
    let profile = read("src/profiling/heap.rs");
    assert_eq!(profile.matches(&format!("#[{condition}]\nmod allocator")).count(), 1);
    assert_eq!(profile.matches(&format!("#[cfg(not({proven}))]\nmod allocator")).count(), 1);
    assert!(read(".cargo/config.toml").contains("AARCH64_UNKNOWN_LINUX_GNU_JEMALLOC_SYS_WITH_LG_PAGE = \"16\""));
    assert!(read("Dockerfile").contains("COPY .cargo .cargo"));
}

#[tokio::test]
async fn all_manifests_are_applied_and_every_field_is_known() {
    let strictly = ["apply", "--server-side", "--validate=strict", "--output=name", "--filename=-"];
    let names = stage().kubectl_ok(&strictly, Some(&manifests().await)).await.expect("applied");
    for kind in [
        "customresourcedefinition",
        "namespace",
        "serviceaccount",
        "clusterrole.",
        "clusterrolebinding",
        "validatingadmissionpolicy.",
        "validatingadmissionpolicybinding.",
        "deployment",
        "poddisruptionbudget",
    ] {
        assert!(names.lines().any(|name| name.starts_with(kind)), "{kind}: {names}");
    }
    assert!(
        !names.lines().any(|name| name.starts_with("role")),
        "kustomize would move it to another namespace: {names}"
    );
    // An unknown field would be rejected.
    let misspelt = manifests().await.replace("terminationGracePeriodSeconds", "terminationGracePeriodSecond");
    assert!(stage().kubectl_ok(&strictly, Some(&misspelt)).await.is_err());
}

/// The objects that kustomize builds from this kustomization, which is written to a folder beside the repository.
async fn customized(kustomization: &str) -> Vec<Value> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    // It does not exist if cargo writes to another folder.
    std::fs::create_dir_all(&beside).expect("a folder");
    let folder = tempfile::tempdir_in(beside).expect("a folder");
    std::fs::write(folder.path().join("kustomization.yaml"), kustomization).expect("written");
    let built = stage().kubectl_ok(&["kustomize", &folder.path().display().to_string()], None).await.expect("built");
    built.split("\n---\n").map(|text| serde_saphyr::from_str(text).expect("YAML")).collect()
}

#[tokio::test]
async fn the_manifests_work_in_any_namespace() {
    for base in ["deploy", "deploy/base", "deploy/overlays/ha"] {
        let objects = customized(&format!("namespace: elsewhere\nresources: [../../{base}]\n")).await;
        let mut bindings = 0;
        for object in &objects {
            for subject in object["subjects"].as_array().into_iter().flatten() {
                assert_eq!(subject["namespace"], "elsewhere", "{base}: {object}");
                bindings += 1;
            }
            let namespace = &object["metadata"]["namespace"];
            assert!(namespace.is_null() || namespace == "elsewhere", "{base}: {object}");
            assert!(object["kind"] != "Namespace" || object["metadata"]["name"] == "elsewhere", "{base}: {object}");
        }
        assert_eq!(bindings, 2, "{base}");
    }
}

#[tokio::test]
async fn the_overlay_for_high_availability_is_accepted_and_has_three_replicas_of_which_one_is_active() {
    let objects = customized("namespace: ha\nresources: [../../deploy/overlays/ha]\n").await;
    let namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: ha}}";
    stage().apply(namespace).await.expect("applied");
    let all: Vec<String> = objects.iter().map(ToString::to_string).collect();
    let dry = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "--output=name", "--filename=-"];
    let names = stage().kubectl_ok(&dry, Some(&all.join("\n---\n"))).await.expect("accepted");
    assert_eq!(names.lines().count(), objects.len(), "{names}");
    let find = |kind: &str| objects.iter().find(|one| one["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"));
    let spec = &find("Deployment")["spec"];
    assert_eq!((&spec["replicas"], &spec["strategy"]["type"]), (&json!(3), &json!("RollingUpdate")));
    let args = spec["template"]["spec"]["containers"][0]["args"].to_string();
    assert!(!args.contains("--leader-elect=false") && args.contains("--token-issuer-max-concurrency"), "{args}");
    assert_eq!(find("PodDisruptionBudget")["spec"]["maxUnavailable"], 1);
    let is_election = |one: &&Value| one["kind"] == "ClusterRole" && one["rules"][0]["resources"] == json!(["leases"]);
    let rules = &objects.iter().find(is_election).expect("the role of leader election")["rules"];
    let verbs: Vec<&Value> = rules.as_array().expect("rules").iter().map(|rule| &rule["verbs"]).collect();
    assert_eq!(verbs, [&json!(["create"]), &json!(["get", "update"])]);
}

#[tokio::test]
async fn the_overlay_for_single_namespaces_grants_the_operator_nothing_in_the_cluster() {
    let overlay = format!("{}/overlays/namespaced", deploy());
    let built = stage().kubectl_ok(&["kustomize", &overlay], None).await.expect("built");
    let objects: Vec<Value> = built.split("\n---\n").map(|text| serde_saphyr::from_str(text).expect("YAML")).collect();
    let of_kind = |kind: &str| objects.iter().filter(|one| one["kind"] == kind).collect::<Vec<_>>();
    assert!(of_kind("ClusterRoleBinding").is_empty());
    for role in of_kind("ClusterRole") {
        let aggregated = role["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"] == "true";
        assert!(aggregated && !role["rules"].to_string().contains("secrets"), "for people only: {role}");
    }
    let mut bound: Vec<&str> = vec![];
    for binding in of_kind("RoleBinding") {
        let operator = json!([{
            "kind": "ServiceAccount", "name": "registry-token-operator", "namespace": "registry-token-operator",
        }]);
        assert_eq!(binding["subjects"], operator, "{binding}");
        bound.extend(binding["metadata"]["namespace"].as_str());
    }
    bound.sort_unstable();
    assert_eq!(bound, ["registry-token-operator", "registry-token-operator", "team-a", "team-b"]);
    let args = of_kind("Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
    assert!(args.contains("--namespaces=team-a,team-b") && args.contains("--token-issuer-max-concurrency"), "{args}");
    for name in ["team-a", "team-b", "registry-token-operator"] {
        let namespace = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}");
        stage().apply(&namespace).await.expect("applied");
    }
    let dry = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "--output=name", "--filename=-"];
    let names = stage().kubectl_ok(&dry, Some(&built)).await.expect("accepted");
    assert_eq!(names.lines().count(), objects.len(), "{names}");
}

#[tokio::test]
async fn the_folder_of_crds_can_be_applied_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds").display().to_string();
    let dry = ["apply", "--server-side", "--dry-run=server", "--output=name", "--filename", &folder];
    let names = stage().kubectl_ok(&dry, None).await.expect("applied");
    assert_eq!(names.lines().count(), 4, "{names}");
}

#[tokio::test]
async fn the_pod_is_admitted_under_restricted_pod_security() {
    let control_plane = stage();
    let namespace = control_plane.namespace("restricted").await.expect("a namespace");
    let label = ["label", "namespace", &namespace, "pod-security.kubernetes.io/enforce=restricted"];
    control_plane.kubectl_ok(&label, None).await.expect("labelled");
    let all = manifests().await;
    let documents: Vec<Value> = all.split("\n---\n").map(|text| serde_saphyr::from_str(text).expect("YAML")).collect();
    let deployment = documents.iter().find(|one| one["kind"] == "Deployment").expect("a Deployment");
    let own = documents.iter().find(|one| one["kind"] == "Namespace").expect("a Namespace");
    assert_eq!(own["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted", "it sets that itself");

    let mut spec = deployment["spec"]["template"]["spec"].clone();
    // The operator's ServiceAccount exists only in the operator's namespace.
    spec["serviceAccountName"] = json!("default");
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "operator", "namespace": namespace}, "spec": spec});
    let dry = ["create", "--dry-run=server", "--validate=strict", "--filename=-"];
    control_plane.kubectl_ok(&dry, Some(&pod.to_string())).await.expect("admitted");
    let mut loose = pod;
    loose["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    let refused = control_plane.kubectl_ok(&dry, Some(&loose.to_string())).await.expect_err("refused").to_string();
    assert!(refused.contains("PodSecurity"), "{refused}");
}
