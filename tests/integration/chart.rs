//! What can be checked of the Helm chart without Helm, which `make test-install` uses: the values, their schema and
//! their documentation belong together, and no manifest names a user or a namespace that a cluster would not accept.

use crate::generate::readme::described;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn read(path: &str) -> String {
    let path = deploy().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn values() -> Value {
    serde_saphyr::from_str(&read("chart/values.yaml")).expect("YAML")
}

/// The paths of the values that the schema describes: an object without named properties is one value.
fn paths(schema: &Value, definitions: &Value, prefix: &str, found: &mut BTreeSet<String>) {
    let name = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    let schema = name.map_or(schema, |name| &definitions[name]);
    match schema["properties"].as_object() {
        Some(properties) if name.is_none() => {
            for (key, one) in properties {
                let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                paths(one, definitions, &path, found);
            }
        }
        _ => {
            found.insert(prefix.to_owned());
        }
    }
}

#[test]
fn every_value_has_a_description_and_a_schema_and_no_other_value_is_accepted() {
    let schema: Value = serde_json::from_str(&read("chart/values.schema.json")).expect("JSON");
    assert_eq!(schema["additionalProperties"], false);
    let mut in_schema = BTreeSet::new();
    paths(&schema, &schema["definitions"], "", &mut in_schema);
    let documented: BTreeSet<String> =
        described(&read("chart/values.yaml")).into_iter().map(|(path, _)| path.join(".")).collect();
    assert_eq!(documented, in_schema, "values.yaml (left) and values.schema.json (right)");
    assert!(documented.len() > 60, "{documented:?}");
    for path in &documented {
        let pointer = format!("/{}", path.replace('.', "/"));
        assert!(values().pointer(&pointer).is_some(), "{path} has no default");
    }
}

#[test]
fn every_value_is_used_by_a_template() {
    let mut templates = String::new();
    let mut pending = vec![deploy().join("chart/templates")];
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(std::fs::read_dir(path).expect("listed").map(|entry| entry.expect("an entry").path()));
        } else {
            templates.push_str(&std::fs::read_to_string(path).expect("readable"));
        }
    }
    for (path, _) in described(&read("chart/values.yaml")) {
        let last = path.last().expect("a name");
        assert!(templates.contains(&format!(".{last}")), "{} is not used", path.join("."));
    }
}

#[test]
fn the_versions_of_chart_crate_and_manifests_are_the_same() {
    let chart: Value = serde_saphyr::from_str(&read("chart/Chart.yaml")).expect("YAML");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!((chart["version"].as_str(), chart["appVersion"].as_str()), (Some(version), Some(version)));
    assert_eq!(chart["kubeVersion"], ">=1.33.0-0");
    let image = format!("registry.example.com/registry-token-operator:{version}");
    assert!(chart["annotations"]["artifacthub.io/images"].as_str().is_some_and(|text| text.contains(&image)));
    assert!(read("install.yaml").contains(&format!("image: {image}\n")));
    for overlay in ["ha", "namespaced/operator"] {
        let kustomization = read(&format!("overlays/{overlay}/kustomization.yaml"));
        assert!(kustomization.contains(&format!("newTag: {version}\n")), "{overlay}");
    }
}

#[test]
fn no_manifest_names_a_user_or_group_and_the_image_has_a_numeric_user() {
    let mut pending = vec![deploy()];
    let mut count = 0;
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            let inside = std::fs::read_dir(&path).expect("listed").map(|entry| entry.expect("an entry").path());
            pending.extend(inside.filter(|path| !path.ends_with("chart/tests")));
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("readable");
        count += 1;
        for field in ["runAsUser:", "runAsGroup:", "fsGroup:"] {
            let is_set = text.lines().any(|line| line.trim_start().starts_with(field));
            assert!(!is_set, "{}: {field}", path.display());
        }
    }
    assert!(count > 30);
    let dockerfile = Path::new(env!("CARGO_MANIFEST_DIR")).join("Dockerfile");
    assert!(std::fs::read_to_string(dockerfile).expect("readable").contains("\nUSER 65532\n"));
}

#[test]
fn the_chart_has_the_rules_of_the_kustomize_base_with_their_reasons() {
    let rules = read("chart/templates/_rules.tpl");
    let base = read("base/rbac.yaml");
    let (_, wanted) = base.split_once("\nrules:\n").expect("rules");
    let wanted: Vec<&str> = wanted.lines().map(str::trim).collect();
    let found: Vec<&str> = rules.lines().map(str::trim).collect();
    assert!(found.windows(wanted.len()).any(|lines| lines == wanted), "all lines, comments included");
    assert!(rules.contains(r#"resourceNames: [{{ include "registry-token-operator.leaseName" . }}]"#));
}
