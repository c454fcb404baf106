//! What builds run is pinned by its content: base images by digest, actions by commit. Tags can be moved.

use std::path::Path;

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("text")
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.chars().all(|one| one.is_ascii_digit() || ('a'..='f').contains(&one))
}

/// The base images of a Dockerfile that are not pinned.
fn unpinned_bases(dockerfile: &str) -> Vec<&str> {
    let bases =
        dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")).filter_map(|line| line.split(' ').next());
    bases.filter(|base| !base.split_once("@sha256:").is_some_and(|(_, digest)| is_hex(digest, 64))).collect()
}

/// The lines of a workflow whose action is not pinned to a commit, with its version in a comment for readers and Dependabot.
fn unpinned_actions(workflow: &str) -> Vec<&str> {
    let is_pinned = |action: &str| {
        let Some((reference, version)) = action.split_once(" # v") else { return false };
        reference.split_once('@').is_some_and(|(_, commit)| is_hex(commit, 40)) && version.split('.').count() == 3
    };
    let actions = workflow.lines().map(|line| line.trim_start().trim_start_matches("- "));
    actions.filter_map(|line| line.strip_prefix("uses: ")).filter(|action| !is_pinned(action)).collect()
}

#[test]
fn base_images_are_pinned_by_digest() {
    let dockerfile = read("Dockerfile");
    assert_eq!(dockerfile.matches("FROM ").count(), 2);
    assert_eq!(unpinned_bases(&dockerfile), Vec::<&str>::new());
    assert!(!dockerfile.starts_with("# syntax"), "the frontend would be one more image");
    // Otherwise rustup would download another toolchain during the build.
    let toolchain = read("rust-toolchain.toml");
    let version = toolchain.lines().find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"'));
    let base = format!("FROM docker.io/library/rust:{}-slim-trixie@", version.expect("a version"));
    assert!(dockerfile.contains(&base), "{base}");
    assert!(dockerfile.contains("\nUSER 65532\n"), "a number, which Kubernetes can compare");
}

#[test]
fn on_arm_jemalloc_is_built_for_pages_of_64_kib() {
    let setting = "AARCH64_UNKNOWN_LINUX_GNU_JEMALLOC_SYS_WITH_LG_PAGE = \"16\"";
    assert!(read(".cargo/config.toml").lines().any(|line| line == setting));
    assert!(read("Dockerfile").contains("\nCOPY .cargo .cargo\n"), "the image's build reads it");
}

#[test]
fn actions_are_pinned_by_commit() {
    for name in [".github/workflows/ci.yml", ".github/workflows/release.yml"] {
        let workflow = read(name);
        assert!(workflow.contains("uses: "), "{name} is read");
        assert_eq!(unpinned_actions(&workflow), Vec::<&str>::new(), "{name}");
        assert!(workflow.contains("\npermissions:\n  contents: read\n"), "{name}: few permissions by default");
    }
}

#[test]
fn what_is_not_pinned_is_found() {
    let digest = "0".repeat(64);
    let dockerfile = format!("FROM a:1 AS build\nFROM b:2@sha256:{digest}\nFROM c@sha256:12\n");
    assert_eq!(unpinned_bases(&dockerfile), ["a:1", "c@sha256:12"]);
    let commit = "a".repeat(40);
    let workflow = format!(
        "  - uses: a/b@v4\n    uses: a/c@{commit}\n  - uses: a/d@{commit} # v4.1.0\n  - uses: a/e@{commit} # v4\n"
    );
    assert_eq!(
        unpinned_actions(&workflow),
        ["a/b@v4".to_owned(), format!("a/c@{commit}"), format!("a/e@{commit} # v4")]
    );
}
