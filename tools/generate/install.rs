//! `install.yaml`: the same as `kubectl kustomize deploy`, for people without a checkout.

use super::files::{Error, HEADER};
use registry_token_operator::api::CrdDocument;
use serde_json::{Value, json};
use std::path::Path;

const NAMESPACE: &str = "registry-token-operator";

/// Everything that an installation needs, in the order in which it is applied.
pub fn single_file(root: &Path, definitions: &[CrdDocument]) -> Result<String, Error> {
    let deploy = root.join("deploy");
    let read = |path: &str| std::fs::read_to_string(deploy.join(path));
    let kustomization: Value = serde_saphyr::from_str(&read("kustomization.yaml")?)?;
    let base: Value = serde_saphyr::from_str(&read("base/kustomization.yaml")?)?;
    let mut all: Vec<Value> = definitions.iter().map(|one| one.manifest.clone()).collect();
    all.push(serde_saphyr::from_str(&read("namespace/namespace.yaml")?)?);
    for file in base["resources"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        for text in read(&format!("base/{file}"))?.split("---\n") {
            all.push(in_namespace(serde_saphyr::from_str(text)?));
        }
    }
    for file in ["policies.yaml", "bindings.yaml"] {
        for text in read(&format!("policies/operator/{file}"))?.split("---\n") {
            all.push(serde_saphyr::from_str(text)?);
        }
    }
    let mut text = HEADER.to_owned();
    for (index, object) in all.iter_mut().enumerate() {
        set_image(object, &kustomization["images"][0]);
        text.push_str(if index == 0 { "" } else { "---\n" });
        text.push_str(&serde_saphyr::to_string(object)?);
    }
    Ok(text)
}

/// Sets the namespace of an object, and of the subjects of a binding.
fn in_namespace(mut object: Value) -> Value {
    let is_cluster_wide = object["kind"].as_str().is_some_and(|kind| kind.starts_with("Cluster"));
    if !is_cluster_wide {
        object["metadata"]["namespace"] = json!(NAMESPACE);
    }
    let subjects = object.get_mut("subjects").and_then(Value::as_array_mut);
    for subject in subjects.into_iter().flatten() {
        subject["namespace"] = json!(NAMESPACE);
    }
    object
}

fn set_image(object: &mut Value, image: &Value) {
    let containers = object.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten().filter(|one| one["image"] == image["name"]) {
        let part = |key: &str| image[key].as_str().unwrap_or_default();
        container["image"] = json!(format!("{}:{}", part("newName"), part("newTag")));
    }
}
