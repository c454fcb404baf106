//! The Argo CD customizations as one patch of the ConfigMap `argocd-cm`.

use super::files::{Error, HEADER};
use serde_json::{Map, Value, json};
use std::path::Path;

const FOLDER: &str = "deploy/argocd/registry-token.dev";
/// The kinds whose scripts are those of another kind, with that kind.
const COPIES: [(&str, &str); 2] = [("TokenIssuer", "ClusterTokenIssuer"), ("ClusterRegistryToken", "RegistryToken")];

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

/// The scripts of the kinds that have those of another kind, by their paths.
pub fn copied_scripts(root: &Path) -> Result<Vec<(String, String)>, Error> {
    let mut scripts = vec![];
    for (kind, source) in COPIES {
        let mut paths = vec!["health.lua".to_owned(), "actions/discovery.lua".to_owned()];
        for action in actions(&root.join(FOLDER).join(source))? {
            paths.push(format!("actions/{action}/action.lua"));
        }
        for path in paths {
            scripts.push((format!("{FOLDER}/{kind}/{path}"), script(root, kind, &path)?));
        }
    }
    Ok(scripts)
}

/// A script of this kind.
fn script(root: &Path, kind: &str, path: &str) -> Result<String, Error> {
    let source = COPIES.iter().find(|(copy, _)| *copy == kind).map_or(kind, |(_, source)| *source);
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
