//! helm, helm-unittest and kubeconform.

use crate::control_plane::ControlPlane;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;
use tempfile::TempDir;
use tokio::process::Command;

/// A folder of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The chart in the repository.
pub fn chart() -> String {
    repository("deploy/chart").display().to_string()
}

/// A tool. They are built at the first use, which takes minutes.
fn tool(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        if let Some(folder) = std::env::var_os("HELM_TOOLS") {
            return PathBuf::from(folder);
        }
        let script = repository("tests/support/helm_tools/build.sh");
        let output = std::process::Command::new("bash").arg(script).output().expect("the script runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
    };
    FOLDER.get_or_init(build).join(name)
}

/// Whether a command succeeded, and all that it printed.
pub fn result(output: Output) -> (bool, String) {
    let Output { status, stdout, stderr } = output;
    (status.success(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

/// Runs a tool without a cluster.
pub async fn run(name: &str, args: &[&str]) -> (bool, String) {
    result(Command::new(tool(name)).args(args).output().await.expect("it runs"))
}

/// helm without a cluster; returns what it printed.
pub async fn helm_ok(args: &[&str]) -> String {
    let (done, text) = run("helm", args).await;
    assert!(done, "helm {}: {text}", args.join(" "));
    text
}

/// helm with a cluster.
pub struct Helm {
    control_plane: &'static ControlPlane,
    home: TempDir,
}

impl Helm {
    pub fn new(control_plane: &'static ControlPlane) -> Self {
        Self { control_plane, home: tempfile::tempdir().expect("a folder") }
    }

    /// A command as the cluster's admin. It ends with the test.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(tool("helm"));
        command.args(args).kill_on_drop(true).env("KUBECONFIG", self.control_plane.kubeconfig_path());
        for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(variable, self.home.path());
        }
        command
    }

    /// Runs a command that must succeed.
    pub async fn ok(&self, args: &[&str]) -> String {
        let (done, text) = result(self.command(args).output().await.expect("it runs"));
        assert!(done, "helm {}: {text}", args.join(" "));
        text
    }
}
