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
    assert!(read("src/main.rs").contains(&format!("#[{condition}]\n#[global_allocator]")));
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
        "role.",
        "rolebinding",
        "deployment",
        "poddisruptionbudget",
    ] {
        assert!(names.lines().any(|name| name.starts_with(kind)), "{kind}: {names}");
    }
    // An unknown field would be rejected.
    let misspelt = manifests().await.replace("terminationGracePeriodSeconds", "terminationGracePeriodSecond");
    assert!(stage().kubectl_ok(&strictly, Some(&misspelt)).await.is_err());
}

#[tokio::test]
async fn the_folder_of_crds_can_be_applied_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds").display().to_string();
    let dry = ["apply", "--server-side", "--dry-run=server", "--output=name", "--filename", &folder];
    let names = stage().kubectl_ok(&dry, None).await.expect("applied");
    assert_eq!(names.lines().count(), 3, "{names}");
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
