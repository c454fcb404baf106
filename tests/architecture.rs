//! Imports run one way: the `use` lines and paths of `src/` are read and compared with the layers of docs/architecture.md.

#![allow(clippy::expect_used, reason = "a test that cannot read the sources fails")]

#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/dependencies.rs"]
mod dependencies;
#[path = "architecture/paths.rs"]
mod paths;
#[path = "architecture/supply_chain.rs"]
mod supply_chain;

use circles::Modules;
use paths::{ImportPath, paths_in};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What each top-level module may import. A module that is not listed here fails the test.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "api",
            "controller",
            "domain",
            "health",
            "http",
            "kube_client",
            "metrics",
            "plain_text",
            "portal",
            "profiling",
            "registry",
            "sanitize",
            "telemetry",
        ],
    ),
    (
        "controller",
        &["api", "domain", "health", "http", "kube_client", "metrics", "plain_text", "portal", "registry", "sanitize"],
    ),
    ("portal", &["api", "domain", "http", "sanitize"]),
    ("registry", &["api", "domain", "http", "sanitize"]),
    ("domain", &["api"]),
    ("health", &["http_server", "metrics"]),
    ("profiling", &["http_server"]),
    ("http_server", &[]),
    ("kube_client", &["api", "http", "sanitize"]),
    ("http", &["sanitize"]),
    ("metrics", &[]),
    ("telemetry", &["http"]),
    ("plain_text", &[]),
    ("sanitize", &[]),
    ("api", &[]),
];

/// Crates that the decision core does not know, and the parts of `std` that read a clock.
const IMPURE: &[&str] = &["kube", "reqwest", "tokio", "hyper", "axum", "tracing", "std::net", "std::fs", "std::env"];
const CLOCKS: &[&str] = &["Instant::now", "SystemTime", "Timestamp::now", "Zoned::now"];

/// A source file of the library without its tests.
struct Source {
    path: PathBuf,
    /// Its top-level module.
    module: String,
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut pending, mut found) = (vec![root.clone()], vec![]);
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let relative = path.strip_prefix(&root).expect("below src").to_path_buf();
            let module = relative.components().next().expect("a name").as_os_str().to_string_lossy().replace(".rs", "");
            if !is_test(&relative) && !["lib", "main"].contains(&module.as_str()) {
                let text = std::fs::read_to_string(&path).expect("text");
                found.push(Source { path: relative, module, code: without_tests_and_comments(&text) });
            }
        }
    }
    found
}

fn is_test(path: &Path) -> bool {
    let name = path.file_name().expect("a name").to_string_lossy();
    let is_support =
        path.components().any(|part| ["test_support", "tests"].contains(&&*part.as_os_str().to_string_lossy()));
    is_support || name.ends_with("_tests.rs") || ["tests.rs", "fuzz.rs", "fuzz_support.rs"].contains(&&*name)
}

/// Tests stand at the end of a file.
fn without_tests_and_comments(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect()
}

/// The top-level modules that this code names.
fn imports(code: &str) -> BTreeSet<String> {
    let paths = paths_in(code).into_iter().filter(|path| path.first().is_some_and(|start| start == "crate"));
    paths.filter_map(|path| path.into_iter().nth(1)).collect()
}

#[test]
fn imports_run_from_the_outer_layers_to_the_inner_ones() {
    let layers: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let mut wrong = vec![];
    for source in sources() {
        let Some(allowed) = layers.get(source.module.as_str()) else {
            wrong.push(format!("{}: {} is in no layer", source.path.display(), source.module));
            continue;
        };
        for import in imports(&source.code) {
            let is_module = layers.contains_key(import.as_str());
            if is_module && import != source.module && !allowed.contains(&import.as_str()) {
                wrong.push(format!("{}: {} must not import {import}", source.path.display(), source.module));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn portal_and_registry_know_the_types_of_the_core_and_none_of_its_decisions() {
    let mut wrong = vec![];
    for source in sources().iter().filter(|source| ["portal", "registry"].contains(&source.module.as_str())) {
        for rest in source.code.split("crate::domain").skip(1).filter(|rest| !rest.starts_with("::model::")) {
            wrong.push(format!("{}: domain{}", source.path.display(), rest.lines().next().unwrap_or_default()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_connect_names_a_type_of_portal() {
    for name in ["thinkwise", "gitea", "gitlab", "harbor"] {
        let is_allowed = |source: &Source| {
            ["api", "cli"].contains(&source.module.as_str())
                || source.path.starts_with(format!("portal/{name}"))
                // The declaration of the module.
                || source.path == Path::new("portal/mod.rs")
        };
        let mut wrong = vec![];
        for source in sources().iter().filter(|source| !is_allowed(source)) {
            let lines = source.code.lines().map(str::to_lowercase).filter(|line| line.contains(name));
            wrong.extend(lines.map(|line| format!("{}: {}", source.path.display(), line.trim())));
        }
        let [connect] = &wrong[..] else { panic!("{}", wrong.join("\n")) };
        assert!(connect.starts_with("portal/connect.rs:"), "{connect}");
    }
}

#[test]
fn the_layers_have_no_circle() {
    let mut left: BTreeMap<&str, BTreeSet<&str>> =
        LAYERS.iter().map(|(module, allowed)| (*module, allowed.iter().copied().collect())).collect();
    while let Some(innermost) = left.iter().find(|(_, allowed)| allowed.is_empty()).map(|(module, _)| *module) {
        left.remove(innermost);
        for allowed in left.values_mut() {
            allowed.remove(innermost);
        }
    }
    assert!(left.is_empty(), "{left:?}");
}

/// The path of the module in a file below `src`.
fn module_path(file: &Path) -> ImportPath {
    let names = file.with_extension("");
    let names = names.components().map(|name| name.as_os_str().to_string_lossy().into_owned());
    names.filter(|name| name != "mod").collect()
}

#[test]
fn modules_of_one_folder_have_no_circle() {
    let code = sources().into_iter().map(|source| (module_path(&source.path), source.code)).collect();
    let circles = Modules::new(code).circles();
    let wrong = circles.iter().map(|(folder, modules)| format!("{folder}: {} import each other", modules.join(", ")));
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_decision_core_knows_no_client_no_runtime_and_no_clock() {
    let mut wrong = vec![];
    for source in sources().iter().filter(|source| source.module == "domain") {
        for word in IMPURE.iter().map(|one| format!("{one}::")).chain(CLOCKS.iter().map(|one| (*one).to_owned())) {
            let is_named = source.code.match_indices(&word).any(|(at, _)| {
                let before = source.code[..at].chars().next_back();
                before.is_none_or(|one| !one.is_alphanumeric() && one != '_' && one != ':')
            });
            if is_named {
                wrong.push(format!("{}: {word}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Words that this repository once used for things that have a standard name: docs/glossary.md has the names.
const RETIRED: &[&str] = &[
    "anew",
    "whoever",
    "sought",
    "errand",
    "errands",
    "deed",
    "deeds",
    "vain",
    "roll call",
    "hindered",
    "hinders",
    "mishap",
    "misfortune",
    "befall",
    "befalls",
    "sightings",
    "redate",
    "ailing",
    "ailment",
    "nobody's",
];

#[test]
fn retired_words_do_not_come_back() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pending: Vec<PathBuf> =
        ["src", "tests", "docs", "deploy", "crds", "README.md", "CONTRIBUTING.md", "Makefile"]
            .map(|one| root.join(one))
            .into();
    let (mut read, mut wrong) = (0, vec![]);
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(std::fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path()));
            continue;
        }
        if path.ends_with("tests/architecture.rs") || path.components().any(|part| part.as_os_str() == "go") {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        read += 1;
        for (number, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            let is_word = |at: usize, word: &str| {
                let is_letter = |one: Option<char>| one.is_some_and(|one| one.is_alphanumeric() || one == '_');
                !is_letter(line[..at].chars().next_back()) && !is_letter(line[at + word.len()..].chars().next())
            };
            for word in RETIRED {
                if line.match_indices(word).any(|(at, _)| is_word(at, word)) {
                    wrong.push(format!("{}:{}: {word}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(read > 300 && wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn paths_are_found_however_they_are_written() {
    let code = "use crate::api::Reason;\nuse crate::{http::{self, Body}, sanitize};\nfn f() { crate::portal::g(); }\n";
    let found: Vec<String> = imports(code).into_iter().collect();
    assert_eq!(found, ["api", "http", "portal", "sanitize"]);
    assert!(sources().len() > 150, "the sources are read");
}
