//! The container image: built from the unchanged Dockerfile, and run as a cluster would. Bases that cannot be pulled are
//! replaced by stand-ins from Debian packages. `IMAGE_ARCHIVE` tests an image that exists already.

use crate::archive::Image;
use crate::control_plane::{ControlPlane, Options};
use crate::fake_portal::Config;
use crate::fixture::Team;
use crate::operator_process::{self, Operator};
use crate::{output, repository};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The target: what a node downloads.
const MAX_COMPRESSED: u64 = 15_000_000;
const USER: &str = "65532";

/// The image, or nothing where it cannot be built and run.
fn image() -> Option<&'static Image> {
    static IMAGE: OnceLock<Option<Image>> = OnceLock::new();
    let read = || {
        let missing = output(&mut Command::new(repository("tests/support/image/missing.sh")));
        if !missing.is_empty() {
            println!("skipped: {missing}");
            return None;
        }
        let build = || PathBuf::from(output(&mut Command::new(repository("tests/support/image/build.sh"))));
        Some(Image::read(&std::env::var_os("IMAGE_ARCHIVE").map_or_else(build, PathBuf::from)))
    };
    IMAGE.get_or_init(read).as_ref()
}

/// A program that runs the image with arguments, in a folder that must live as long as it runs.
fn runner(image: &Image, root: &Path, folder: &Path) -> PathBuf {
    let entrypoint = image.config["config"]["Entrypoint"][0].as_str().expect("an entrypoint");
    let user = image.config["config"]["User"].as_str().expect("a user");
    let run = repository("tests/support/image/run_read_only.sh");
    let text = format!("#!/bin/sh\nexec {} {} {user} {entrypoint} \"$@\"\n", run.display(), root.display());
    let path = folder.join("image");
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    path
}

/// A value of `/proc/PID/status`.
fn status(pid: u32, key: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.expect("a value").trim().to_owned()
}

#[test]
fn the_image_names_its_user_program_and_origin() {
    let Some(image) = image() else { return };
    let config = &image.config["config"];
    assert_eq!(config["User"], USER);
    assert_eq!(config["Entrypoint"], json!(["/registry-token-operator"]));
    assert_eq!(config["Cmd"], json!(["run"]));
    let label = |name: &str| {
        let value = &config["Labels"][format!("org.opencontainers.image.{name}")];
        value.as_str().unwrap_or_else(|| panic!("no label {name}")).to_owned()
    };
    assert_eq!(label("title"), "registry-token-operator");
    assert_eq!(label("licenses"), "Apache-2.0");
    assert_eq!(label("version"), env!("CARGO_PKG_VERSION"));
    assert!(!label("description").is_empty());
    let revision = label("revision");
    assert!(revision.len() == 40 && revision.chars().all(|one| one.is_ascii_hexdigit()), "{revision}");
    let base = format!("FROM {}@{}\n", label("base.name"), label("base.digest"));
    let dockerfile = std::fs::read_to_string(repository("Dockerfile")).expect("text");
    assert!(dockerfile.contains(&base), "the labels name the base: {base}");
}

#[test]
fn the_image_is_small_and_has_no_shell() {
    let Some(image) = image() else { return };
    let size = image.compressed_size();
    println!("image: {}.{} MB compressed", size / 1_000_000, size % 1_000_000 / 100_000);
    assert!(size <= MAX_COMPRESSED, "{size} bytes");
    let root = image.unpack();
    let program = std::fs::metadata(root.path().join("registry-token-operator")).expect("the program");
    println!("program: {}.{} MB", program.len() / 1_000_000, program.len() % 1_000_000 / 100_000);
    for shell in ["bin/sh", "bin/bash", "usr/bin/sh", "usr/bin/bash", "usr/bin/apt", "usr/bin/dpkg"] {
        assert!(!root.path().join(shell).exists(), "{shell}");
    }
}

#[tokio::test]
async fn the_image_runs_as_an_unprivileged_user_on_a_read_only_root() {
    let Some(image) = image() else { return };
    let (root, folder) = (image.unpack(), tempfile::tempdir().expect("a folder"));
    let program = runner(image, root.path(), folder.path());
    let control_plane = ControlPlane::start_for_test(Options::default()).await.expect("starts");
    operator_process::install(control_plane).await.expect("installed");
    let kubeconfig = operator_process::kubeconfig(control_plane).await.expect("kubeconfig");
    let options = operator_process::Options::default();
    let operator = Operator::start(&program, &kubeconfig, &options).await.expect("the operator starts");

    let pid = operator.pid();
    assert_eq!(status(pid, "Name"), "registry-token-");
    let ids = [USER; 4].join("\t");
    assert_eq!((status(pid, "Uid"), status(pid, "Gid")), (ids.clone(), ids));
    assert_eq!(status(pid, "CapEff"), "0000000000000000");
    assert_eq!(status(pid, "CapPrm"), "0000000000000000");
    assert_eq!(status(pid, "NoNewPrivs"), "1");
    let mounts = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).expect("mounts");
    let mut roots = mounts.lines().filter(|line| line.split(' ').nth(4) == Some("/"));
    let options = roots.next().and_then(|line| line.split(' ').nth(5)).expect("a root");
    assert!(options.split(',').any(|one| one == "ro"), "the root is read-only: {options}");

    let team = Team::on(control_plane, "image", Config::default(), json!({})).await;
    team.token("pull", "by the image").await;
    team.until_synced("pull").await;
    assert_eq!(team.portal.ledger().live().len(), 1);
    team.delete("pull").await;
    assert!(team.portal.ledger().live().is_empty(), "the token is revoked");

    let metrics = operator.metrics().await;
    let build = metrics.lines().find(|line| line.starts_with("registry_token_operator_build_info{"));
    let revision = &image.config["config"]["Labels"]["org.opencontainers.image.revision"];
    let revision = revision.as_str().expect("a revision");
    assert!(build.is_some_and(|line| line.contains(revision)), "{build:?} has the commit of the label, {revision}");
    let (code, log) = operator.ended().await;
    assert_eq!(code, Some(0), "it stops on SIGTERM: {log}");
}
