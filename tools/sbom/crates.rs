//! The crates of the binary, as cargo resolves them.

use super::Error;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Name and version.
pub type Id = (String, String);

/// A crate that is compiled into the binary.
#[derive(Debug, Default)]
pub struct Crate {
    /// As the crate's manifest states it.
    pub license: String,
    /// SHA-256 of the crate's archive; absent for the operator itself.
    pub checksum: Option<String>,
    pub dependencies: BTreeSet<Id>,
}

/// All crates, with the operator's own.
#[derive(Debug)]
pub struct Graph {
    pub root: Id,
    pub crates: BTreeMap<Id, Crate>,
}

/// Reads the crates of all targets. Crates of tests, build scripts and macros are not part of the binary.
pub fn read(folder: &Path, targets: &[&str]) -> Result<Graph, Error> {
    let checksums = checksums(&std::fs::read_to_string(folder.join("Cargo.lock"))?);
    let (mut crates, mut root) = (BTreeMap::new(), None);
    for target in targets {
        let output = Command::new("cargo")
            .args(["tree", "--locked", "--target", target, "--edges", "no-dev,no-build,no-proc-macro"])
            .args(["--prefix", "depth", "--format", "|{p}|{l}"])
            .current_dir(folder)
            .output()?;
        if !output.status.success() {
            return Err(format!("cargo tree: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        root = Some(add(&mut crates, &String::from_utf8(output.stdout)?)?);
    }
    for (id, one) in &mut crates {
        one.checksum = checksums.get(id).cloned();
    }
    Ok(Graph { root: root.ok_or("no target")?, crates })
}

/// Adds the lines `depth|name vX.Y.Z ...|license (*)` of `cargo tree`; returns the crate at the root. `(*)` is a crate whose
/// dependencies were listed before.
fn add(crates: &mut BTreeMap<Id, Crate>, tree: &str) -> Result<Id, Error> {
    let mut path: Vec<Id> = vec![];
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let mut parts = line.split('|');
        let (Some(depth), Some(package), Some(license)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(format!("cargo tree: unexpected line {line}").into());
        };
        let mut words = package.split(' ');
        let (Some(name), Some(version)) = (words.next(), words.next().and_then(|word| word.strip_prefix('v'))) else {
            return Err(format!("cargo tree: unexpected package {package}").into());
        };
        let id = (name.to_owned(), version.to_owned());
        path.truncate(depth.parse()?);
        if let Some(parent) = path.last() {
            crates.entry(parent.clone()).or_default().dependencies.insert(id.clone());
        }
        license.trim_end_matches(" (*)").clone_into(&mut crates.entry(id.clone()).or_default().license);
        path.push(id);
    }
    path.into_iter().next().ok_or_else(|| "cargo tree: no crate".into())
}

/// The checksums in `Cargo.lock`.
fn checksums(lock: &str) -> BTreeMap<Id, String> {
    let value = |block: &str, key: &str| {
        let start = format!("{key} = \"");
        block.lines().find_map(|line| line.strip_prefix(&start)?.strip_suffix('"').map(str::to_owned))
    };
    let blocks = lock.split("[[package]]\n").skip(1);
    blocks
        .filter_map(|block| Some(((value(block, "name")?, value(block, "version")?), value(block, "checksum")?)))
        .collect()
}
