//! The files in `examples/`: the API server accepts them as they are, by a dry run. It does not have the kinds of Argo CD
//! and Flux: of these the test checks only that they are parsed, and `make test-install` that their values fit the chart.

use crate::control_plane::ControlPlane;
use crate::fixture::stage;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// The name and content of each example.
fn examples() -> Vec<(String, String)> {
    let files = std::fs::read_dir(folder()).expect("listed").map(|entry| entry.expect("an entry").path());
    let mut all: Vec<(String, String)> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("readable"))
        })
        .collect();
    all.sort();
    assert_eq!(all.len(), 17, "{:?}", all.iter().map(|(name, _)| name).collect::<Vec<_>>());
    all
}

fn documents(text: &str) -> Vec<Value> {
    text.split("\n---\n").map(|text| serde_saphyr::from_str(text).expect("YAML")).collect()
}

/// Whether the API server of the tests has the kind.
fn is_served(object: &Value) -> bool {
    let version = object["apiVersion"].as_str().expect("a version");
    !version.contains("argoproj.io") && !version.contains("fluxcd.io")
}

/// The namespaces and the Deployment to which the examples belong.
async fn prepare(control_plane: &ControlPlane) {
    for name in ["team-a", "argocd", "registry-token-operator"] {
        let namespace = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}");
        control_plane.apply(&namespace).await.expect("applied");
    }
    let manifests = std::fs::read_to_string(folder().join("../deploy/install.yaml")).expect("readable");
    let deployment =
        manifests.split("\n---\n").find(|text| text.contains("\nkind: Deployment\n")).expect("a Deployment");
    control_plane.apply(deployment).await.expect("applied");
}

#[tokio::test]
async fn the_api_server_accepts_every_example() {
    prepare(stage()).await;
    let mut applied = 0;
    for (name, text) in examples() {
        let served: Vec<Value> = documents(&text).into_iter().filter(is_served).collect();
        for object in served {
            let dry = [
                "apply",
                "--server-side",
                "--dry-run=server",
                "--validate=strict",
                "--field-manager=examples",
                "-f",
                "-",
            ];
            let done = stage().kubectl_ok(&dry, Some(&object.to_string())).await;
            done.unwrap_or_else(|error| panic!("{name}: {} {}: {error}", object["kind"], object["metadata"]["name"]));
            applied += 1;
        }
    }
    assert!(applied >= 24, "{applied}");
}

#[tokio::test]
async fn a_misspelt_field_of_an_example_is_rejected() {
    prepare(stage()).await;
    let (_, text) = examples().into_iter().find(|(name, _)| name == "rotation.yaml").expect("there");
    let dry = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];
    let error = stage().kubectl_ok(&dry, Some(&text.replace("overlap:", "overlaps:"))).await.expect_err("rejected");
    assert!(error.to_string().contains("overlaps"), "{error}");
}

#[test]
fn every_example_says_what_it_shows_and_is_in_the_list() {
    let list = std::fs::read_to_string(folder().join("README.md")).expect("readable");
    for (name, text) in examples() {
        assert!(text.starts_with("# "), "{name} begins with a comment");
        assert!(list.contains(&format!("[{name}]({name})")), "{name} is in README.md");
        for object in documents(&text) {
            for field in ["apiVersion", "kind"] {
                assert!(object[field].is_string(), "{name}: {field} of {object}");
            }
            assert!(object["metadata"]["name"].is_string(), "{name}: {object}");
        }
    }
}

#[test]
fn the_gitops_examples_install_the_version_of_the_chart() {
    let version = env!("CARGO_PKG_VERSION");
    for (name, text) in examples().into_iter().filter(|(name, _)| name.starts_with("gitops")) {
        let has = [format!("targetRevision: {version}"), format!("tag: {version}")];
        assert!(has.iter().any(|one| text.contains(one)), "{name} installs {version}");
        assert!(documents(&text).iter().all(|object| !is_served(object)), "{name} has only kinds of its tool");
    }
}
