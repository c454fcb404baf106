//! Locates the control plane's programs; builds them if none are found.

use super::error::{Context, Error, Result};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The build script next to this file. It knows the cache and `KUBEBUILDER_ASSETS`.
const BUILD_SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/control_plane/build.sh");

/// The folder with etcd, kube-apiserver, kube-controller-manager and kubectl.
///
/// Blocks for minutes if they have to be built; the script's progress goes to this process's standard error. This is
/// the only unbounded wait of the harness: a slow machine's build is not a failure, and its output shows the progress.
pub fn folder() -> Result<PathBuf> {
    static FOLDER: OnceLock<Result<PathBuf>> = OnceLock::new();
    FOLDER.get_or_init(run_build_script).clone()
}

fn run_build_script() -> Result<PathBuf> {
    let output = Command::new("bash")
        .arg(BUILD_SCRIPT)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context(format!("running {BUILD_SCRIPT}"))?;
    if !output.status.success() {
        return Err(Error::new(format!(
            "{BUILD_SCRIPT} ended with {}; its reason is on standard error",
            output.status
        )));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    Ok(PathBuf::from(printed.trim()))
}
