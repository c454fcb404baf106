//! The files of a release page, in the folder `RELEASE_FILES`, where `make release` has put them.

use crate::archive::Image;
use crate::{output, repository};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const NAME: &str = env!("CARGO_PKG_NAME");

/// The folder, or nothing.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("RELEASE_FILES").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: RELEASE_FILES is not set; make release sets it");
    }
    folder
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect()
}

/// The platforms whose image is in the folder.
fn platforms(folder: &Path) -> Vec<String> {
    let start = format!("{NAME}_{VERSION}_");
    let of = |name: &String| name.strip_prefix(&start)?.strip_suffix(".oci.tar").map(str::to_owned);
    let found: Vec<String> = names(folder).iter().filter_map(of).collect();
    assert!(!found.is_empty(), "no image");
    found
}

fn tar(args: &[&str], archive: &Path) -> String {
    output(Command::new("tar").arg(args[0]).arg(archive).args(&args[1..]))
}

#[test]
fn the_folder_has_every_file_and_nothing_else() {
    let Some(folder) = folder() else { return };
    let mut expected: BTreeSet<String> = ["SHA256SUMS", "crds.yaml", "install.yaml"].map(str::to_owned).into();
    expected.insert(format!("{NAME}-{VERSION}.tgz"));
    expected.insert(format!("{NAME}_{VERSION}.spdx.json"));
    expected.extend(names(&repository("deploy/schemas")));
    for platform in platforms(&folder) {
        expected.extend([".tar.gz", ".oci.tar"].map(|end| format!("{NAME}_{VERSION}_{platform}{end}")));
    }
    assert_eq!(names(&folder), expected);
}

#[test]
fn the_checksums_cover_all_other_files_and_match() {
    let Some(folder) = folder() else { return };
    output(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&folder));
    let sums = std::fs::read_to_string(folder.join("SHA256SUMS")).expect("text");
    let mut covered: BTreeSet<String> =
        sums.lines().map(|line| line.split_once("  ").expect("a sum").1.to_owned()).collect();
    assert!(covered.insert("SHA256SUMS".to_owned()));
    assert_eq!(covered, names(&folder));
}

#[test]
fn the_binary_is_the_program_of_the_image() {
    let Some(folder) = folder() else { return };
    for platform in platforms(&folder) {
        let file = |end: &str| folder.join(format!("{NAME}_{VERSION}_{platform}{end}"));
        let (unpacked, image) = (tempfile::tempdir().expect("a folder"), Image::read(&file(".oci.tar")));
        assert_eq!(tar(&["-tzf"], &file(".tar.gz")), format!("{NAME}\nLICENSE"));
        tar(&["-xzf", "-C", &unpacked.path().display().to_string()], &file(".tar.gz"));
        let released = std::fs::read(unpacked.path().join(NAME)).expect("the binary");
        let in_image = std::fs::read(image.unpack().path().join(NAME)).expect("the program");
        assert!(released == in_image, "{platform}");
        let architecture = image.config["architecture"].as_str().expect("a name");
        assert_eq!(platform, format!("linux_{architecture}"));
    }
}

#[test]
fn manifests_schemas_and_chart_are_those_of_the_repository() {
    let Some(folder) = folder() else { return };
    let read = |path: PathBuf| std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let chart = folder.join(format!("{NAME}-{VERSION}.tgz"));
    let unpacked = tempfile::tempdir().expect("a folder");
    tar(&["-xzf", "-C", &unpacked.path().display().to_string()], &chart);
    let unpacked = unpacked.path().join(NAME);
    // IMAGE replaces the placeholder. Everything else is the same.
    let placeholder = "registry.example.com/registry-token-operator";
    let image = std::env::var("IMAGE").ok().filter(|image| !image.is_empty()).unwrap_or_else(|| placeholder.to_owned());
    let with_image = |path: &str| read(repository(path)).replace(placeholder, &image);
    assert_eq!(read(folder.join("install.yaml")), with_image("deploy/install.yaml"));
    assert_eq!(read(unpacked.join("values.yaml")), with_image("deploy/chart/values.yaml"));
    assert_eq!(read(folder.join("crds.yaml")), read(repository("deploy/crds.yaml")));
    for schema in names(&repository("deploy/schemas")) {
        assert_eq!(read(folder.join(&schema)), read(repository("deploy/schemas").join(&schema)), "{schema}");
    }
    let templates = names(&unpacked.join("templates"));
    assert_eq!(templates, names(&repository("deploy/chart/templates")));
    assert!(!unpacked.join("tests").exists() && !unpacked.join("ci").exists(), "the chart has no tests");
}

#[test]
fn the_sbom_lists_the_crates_of_the_binary_with_license_and_checksum() {
    let Some(folder) = folder() else { return };
    let path = folder.join(format!("{NAME}_{VERSION}.spdx.json"));
    let sbom: Value = serde_json::from_slice(&std::fs::read(&path).expect("a file")).expect("JSON");
    assert_eq!(sbom["spdxVersion"], "SPDX-2.3");
    let packages = sbom["packages"].as_array().expect("packages");
    let named = |name: &str| packages.iter().filter(|one| one["name"] == name).count();
    for name in [NAME, "kube", "rustls", "ring", "tokio", "tikv-jemallocator"] {
        assert_eq!(named(name), 1, "{name}");
    }
    for name in ["mlua", "bolero", "stateright", "rcgen", "serde_derive", "cc"] {
        assert_eq!(named(name), 0, "{name} is not in the binary");
    }
    let ids: BTreeSet<&str> = packages.iter().map(|one| one["SPDXID"].as_str().expect("an id")).collect();
    assert_eq!(ids.len(), packages.len(), "ids are unique");
    for one in packages.iter().filter(|one| one["name"] != NAME) {
        let checksum = one["checksums"][0]["checksumValue"].as_str().unwrap_or_default();
        assert!(checksum.len() == 64 && one["licenseDeclared"] != "NOASSERTION", "{one}");
    }
    let relationships = sbom["relationships"].as_array().expect("relationships");
    let targets: BTreeSet<&str> = relationships.iter().filter_map(|one| one["relatedSpdxElement"].as_str()).collect();
    assert_eq!(targets, ids, "every package is named by a relationship");
    match Command::new("pyspdxtools").arg("-i").arg(&path).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => println!("not validated: pyspdxtools is not installed (pip install spdx-tools)"),
    }
}
