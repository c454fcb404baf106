//! Passes the Git commit to the build. `GIT_COMMIT` sets it where there is no repository, as in the image's build.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=GIT_COMMIT");
    let set = std::env::var("GIT_COMMIT").ok().filter(|commit| !commit.is_empty());
    // Without a release profile it is not read: each commit would cause a new build.
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = set.or_else(|| is_release.then(read_commit).flatten()).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=GIT_COMMIT={commit}");
}

/// The commit of the checkout, if this folder is its root: otherwise it belongs to another project.
fn read_commit() -> Option<String> {
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    let is_root = git(&["rev-parse", "--show-prefix"])?.is_empty();
    println!("cargo:rerun-if-changed={}", if Path::new(&log).exists() { &log } else { "build.rs" });
    git(&["rev-parse", "HEAD"]).filter(|_| is_root)
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
}
