//! Health checks and actions for Argo CD, in the layout of its repository: the cases in `health_test.yaml` and
//! `action_test.yaml`, and the actions on a live object.

use crate::fixture::Team;
use crate::helpers::current;
use mlua::{Lua, LuaSerdeExt};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The time that the scripts get.
const NOW: &str = "2030-01-01T00:00:00Z";

/// Runs a script with this object as `obj`, as Argo CD does; returns its result.
pub fn run(script: &str, object: &Value) -> Value {
    let lua = Lua::new();
    let options = mlua::serde::ser::Options::new().serialize_none_to_null(false).serialize_unit_to_null(false);
    lua.globals().set("obj", lua.to_value_with(object, options).expect("a table")).expect("set");
    lua.load(format!("require('os').date = function() return '{NOW}' end")).exec().expect("a fixed time");
    lua.from_value(lua.load(script).eval().expect("the script runs")).expect("a value")
}

fn kinds() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/argocd/registry-token.dev");
    let entries = std::fs::read_dir(folder).expect("listed").map(|entry| entry.expect("an entry").path());
    let kinds: Vec<PathBuf> = entries.collect();
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    kinds
}

fn yaml(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).expect("YAML")
}

fn script(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The entries of a list, of which there are at least this many.
fn entries(list: &Value, least: usize) -> Vec<Value> {
    let all = list.as_array().cloned().unwrap_or_default();
    assert!(all.len() >= least, "{list}");
    all
}

#[test]
fn every_health_case_has_the_expected_health() {
    for kind in kinds() {
        for case in entries(&yaml(&kind.join("health_test.yaml"))["tests"], 7) {
            let path = case["inputPath"].as_str().expect("a path");
            let object = yaml(&kind.join(path));
            assert_eq!(object["kind"], kind.file_name().expect("a name").to_string_lossy().as_ref(), "{path}");
            let health = run(&script(&kind.join("health.lua")), &object);
            assert_eq!(health, case["healthStatus"], "{}", kind.join(path).display());
        }
    }
}

#[test]
fn every_action_is_offered_when_it_makes_sense() {
    for kind in kinds() {
        let folder = kind.join("actions");
        for case in entries(&yaml(&folder.join("action_test.yaml"))["discoveryTests"], 2) {
            let path = folder.join(case["inputPath"].as_str().expect("a path"));
            let offered = run(&script(&folder.join("discovery.lua")), &yaml(&path));
            let expected = entries(&case["result"], 2);
            assert_eq!(offered.as_object().map(serde_json::Map::len), Some(expected.len()), "{}", path.display());
            for action in expected {
                let name = action["name"].as_str().expect("a name");
                assert_eq!(offered[name]["disabled"], action["disabled"], "{name}: {}", path.display());
                assert!(folder.join(name).join("action.lua").exists(), "{name} has a script");
            }
        }
    }
}

#[test]
fn every_action_changes_what_it_says_and_nothing_else() {
    for kind in kinds() {
        let folder = kind.join("actions");
        for case in entries(&yaml(&folder.join("action_test.yaml"))["actionTests"], 2) {
            let name = case["action"].as_str().expect("a name");
            let input = |key: &str| yaml(&folder.join(case[key].as_str().expect("a path")));
            let changed = run(&script(&folder.join(name).join("action.lua")), &input("inputPath"));
            assert_eq!(changed, input("expectedOutputPath"), "{name}: {}", kind.display());
        }
    }
}

#[tokio::test]
async fn the_actions_rotate_suspend_and_resume_a_live_object() {
    let team = Team::new("argo-actions").await;
    team.token("pull", "watched by Argo CD").await;
    let first = team.until_synced("pull").await;
    let act = async |action: &str| {
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/argocd/registry-token.dev/RegistryToken/actions");
        let object = json!(team.tokens().get("pull").await.expect("there"));
        let changed = run(&script(&folder.join(action).join("action.lua")), &object);
        let annotations = &changed["metadata"]["annotations"];
        // Argo CD patches the difference.
        team.patch(
            "pull",
            json!({"metadata": {"annotations": annotations}, "spec": {"suspend": changed["spec"]["suspend"]}}),
        )
        .await;
    };
    act("rotate").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    act("suspend").await;
    team.until_condition("pull", "Suspended", "True", "Suspended").await;
    act("resume").await;
    team.until_object("pull", "resumed", |object| crate::fixture::condition(object, "Suspended").is_none()).await;
    act("reconcile").await;
    let last = team.until_synced("pull").await;
    assert_eq!(current(&last), current(&second), "one rotation, and no other request");
}
