//! The committed generated files match what the code generates.

use crate::fixture::{binary, stage};
use crate::generate::files::generated;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn the_committed_files_are_what_make_generate_writes() {
    let files = generated(root()).expect("generated");
    for (path, content) in &files {
        assert_eq!(&text(&root().join(path)), content, "{path} drifted: run `make generate`");
    }
    for folder in ["deploy/chart/templates/crds", "deploy/schemas"] {
        for file in std::fs::read_dir(root().join(folder)).expect("listed") {
            let path = format!("{folder}/{}", file.expect("a file").file_name().to_string_lossy());
            assert!(files.contains_key(&path), "{path} is not generated any more: delete it");
        }
    }
    assert!(files.len() >= 14, "{:?}", files.keys());
}

#[test]
fn the_command_writes_the_committed_crds() {
    let fresh = tempfile::tempdir().expect("a folder");
    let status = Command::new(binary()).arg("generate").arg(fresh.path()).status().expect("runs");
    assert!(status.success());
    let committed = root().join("crds");
    let mut compared = 0;
    for file in std::fs::read_dir(fresh.path()).expect("listed") {
        let file = file.expect("a file");
        let name = file.file_name();
        assert_eq!(text(&file.path()), text(&committed.join(&name)), "{name:?} drifted: run `make generate`");
        compared += 1;
    }
    assert_eq!(compared, 4);
}

/// Kustomize writes 100.0 as 100.
fn with_integers(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, with_integers(value))).collect(),
        Value::Array(list) => list.into_iter().map(with_integers).collect(),
        Value::Number(number) => {
            let text = number.to_string();
            text.strip_suffix(".0").and_then(|text| text.parse::<i64>().ok()).map_or(Value::Number(number), Value::from)
        }
        other => other,
    }
}

/// The objects of a file, sorted by kind and name.
fn objects(manifests: &str) -> Vec<Value> {
    let parse = |text: &str| {
        let mut object = with_integers(serde_saphyr::from_str::<Value>(text).expect("YAML"));
        // Kustomize does not know that policies are cluster-wide; the API server ignores their namespace.
        if object["kind"].as_str().is_some_and(|kind| kind.starts_with("ValidatingAdmissionPolicy")) {
            object["metadata"].as_object_mut().expect("metadata").remove("namespace");
        }
        object
    };
    let mut all: Vec<Value> = manifests.split("\n---\n").map(parse).collect();
    all.sort_by_key(|object| format!("{} {}", object["kind"], object["metadata"]["name"]));
    all
}

#[tokio::test]
async fn install_yaml_is_what_kustomize_builds() {
    let built = stage().kubectl_ok(&["kustomize", &root().join("deploy").display().to_string()], None).await;
    let (single, built) = (objects(&text(&root().join("deploy/install.yaml"))), objects(&built.expect("built")));
    assert_eq!(single.len(), built.len());
    for (one, other) in single.iter().zip(&built) {
        assert_eq!(one, other);
    }
}

#[tokio::test]
async fn the_single_files_are_applied_and_every_field_is_known() {
    for (file, count) in [("deploy/install.yaml", 26), ("deploy/crds.yaml", 4)] {
        let path = root().join(file).display().to_string();
        let strictly =
            ["apply", "--server-side", "--dry-run=server", "--validate=strict", "--output=name", "-f", &path];
        let names = stage().kubectl_ok(&strictly, None).await.expect("applied");
        assert_eq!(names.lines().count(), count, "{file}: {names}");
    }
}
