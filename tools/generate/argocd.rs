//! The Argo CD customizations as one patch of the ConfigMap `argocd-cm`.

use super::files::{Error, HEADER};
use serde_json::{Map, Value, json};
use std::path::Path;

const FOLDER: &str = "deploy/argocd/registry-token.dev";
const CLUSTER_ISSUER: &str = "ClusterTokenIssuer";
const NAMESPACED_ISSUER: &str = "TokenIssuer";

/// Health and actions of every kind.
pub fn config_map_patch(root: &Path) -> Result<String, Error> {
    let folder = root.join(FOLDER);
    let mut data = Map::new();
    for kind in names(&folder)? {
        let read = |path: &str| script(root, &kind, path);
        let customization = |what: &str| format!("resource.customizations.{what}.registry-token.dev_{kind}");
        data.insert(customization("health"), json!(read("health.lua")?));
        let mut definitions = vec![];
        for action in actions(&folder.join(&kind))? {
            let script = read(&format!("actions/{action}/action.lua"))?;
            definitions.push(json!({"name": action, "action.lua": script}));
        }
        let actions = json!({"discovery.lua": read("actions/discovery.lua")?, "definitions": definitions});
        data.insert(customization("actions"), json!(serde_saphyr::to_string(&actions)?));
    }
    let patch = json!({"data": Value::Object(data)});
    Ok(format!("{HEADER}{}", serde_saphyr::to_string(&patch)?))
}

/// The scripts of the `TokenIssuer`, which are those of the `ClusterTokenIssuer`, by their paths.
pub fn namespaced_issuer_scripts(root: &Path) -> Result<Vec<(String, String)>, Error> {
    let mut paths = vec!["health.lua".to_owned(), "actions/discovery.lua".to_owned()];
    for action in actions(&root.join(FOLDER).join(CLUSTER_ISSUER))? {
        paths.push(format!("actions/{action}/action.lua"));
    }
    let mut scripts = vec![];
    for path in paths {
        scripts.push((format!("{FOLDER}/{NAMESPACED_ISSUER}/{path}"), script(root, NAMESPACED_ISSUER, &path)?));
    }
    Ok(scripts)
}

/// A script of this kind.
fn script(root: &Path, kind: &str, path: &str) -> Result<String, Error> {
    let source = if kind == NAMESPACED_ISSUER { CLUSTER_ISSUER } else { kind };
    let text = std::fs::read_to_string(root.join(FOLDER).join(source).join(path))?;
    Ok(text.replace(source, kind))
}

/// The names of the actions of a kind.
fn actions(kind: &Path) -> Result<Vec<String>, Error> {
    Ok(names(&kind.join("actions"))?.into_iter().filter(|name| name != "testdata").collect())
}

/// The names of the folders in a folder.
fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let mut names = vec![];
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
