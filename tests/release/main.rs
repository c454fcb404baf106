//! What a release consists of: the image, and the files of the release page. `make image-test` and `make release` run it;
//! `make test` does not, because the image's build takes minutes and root.

#![allow(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::panic,
    dead_code,
    unused_imports,
    reason = "a test stops at the first failure; the shared helpers are used in part"
)]

#[path = "../support/control_plane/mod.rs"]
mod control_plane;
#[path = "../support/fake_portal/mod.rs"]
mod fake_portal;
#[path = "../support/fixture.rs"]
mod fixture;
#[path = "../support/operator_process/mod.rs"]
mod operator_process;
#[path = "../support/oci_client/mod.rs"]
mod pull;

mod archive;
mod files;
mod image;

use std::path::{Path, PathBuf};
use std::process::Command;

/// A path in the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What a command that must succeed prints on its standard output.
fn output(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}
