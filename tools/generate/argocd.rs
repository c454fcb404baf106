//! The Argo CD customizations as one patch of the ConfigMap `argocd-cm`.

use super::files::{Error, HEADER};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Health and actions of every kind.
pub fn config_map_patch(root: &Path) -> Result<String, Error> {
    let folder = root.join("deploy/argocd/registry-token.dev");
    let mut data = Map::new();
    for kind in names(&folder)? {
        let read = |path: &str| std::fs::read_to_string(folder.join(&kind).join(path));
        let customization = |what: &str| format!("resource.customizations.{what}.registry-token.dev_{kind}");
        data.insert(customization("health"), json!(read("health.lua")?));
        let mut definitions = vec![];
        for action in names(&folder.join(&kind).join("actions"))?.into_iter().filter(|name| name != "testdata") {
            let script = read(&format!("actions/{action}/action.lua"))?;
            definitions.push(json!({"name": action, "action.lua": script}));
        }
        let actions = json!({"discovery.lua": read("actions/discovery.lua")?, "definitions": definitions});
        data.insert(customization("actions"), json!(serde_saphyr::to_string(&actions)?));
    }
    let patch = json!({"data": Value::Object(data)});
    Ok(format!("{HEADER}{}", serde_saphyr::to_string(&patch)?))
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
