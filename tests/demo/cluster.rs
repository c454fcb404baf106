//! The cluster of the demo: a separate control plane, or an existing cluster.

use crate::control_plane::{ControlPlane, Options};
use crate::operator_process::{self, crds};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A cluster with the CRDs and the operator's namespace.
pub struct Cluster {
    kubectl: PathBuf,
    /// The user's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The operator's kubeconfig.
    pub operator_kubeconfig: PathBuf,
    own: Option<ControlPlane>,
    /// The namespaces that this demo created in an existing cluster.
    made: Vec<&'static str>,
    _folder: tempfile::TempDir,
}

/// The namespace of the issuer's Secret.
const OPERATOR: &str = "registry-token-operator";
/// The namespace of the token.
const TEAM: &str = "team-a";
/// The namespace that is labeled.
pub const SECOND_TEAM: &str = "team-b";

impl Cluster {
    /// Starts a control plane; the operator gets the permissions of `deploy/`.
    pub async fn own() -> Result<Self, String> {
        let control_plane = ControlPlane::start(Options::default()).await.map_err(|error| error.to_string())?;
        operator_process::install(&control_plane).await.map_err(|error| error.to_string())?;
        let operator_kubeconfig =
            operator_process::kubeconfig(&control_plane).await.map_err(|error| error.to_string())?;
        Ok(Self {
            kubectl: control_plane.kubectl(),
            kubeconfig: control_plane.kubeconfig_path(),
            operator_kubeconfig,
            own: Some(control_plane),
            made: vec![],
            _folder: folder()?,
        })
    }

    /// Uses the cluster of a context of the user's kubeconfig; the operator runs on this machine, as that user.
    pub fn of_context(context: &str) -> Result<Self, String> {
        let view = ["config", "view", "--minify", "--flatten", "--context", context];
        let output = Command::new("kubectl").args(view).output().map_err(|error| format!("kubectl: {error}"))?;
        if !output.status.success() {
            return Err(format!("kubectl has no context {context}: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let folder = folder()?;
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, output.stdout).map_err(|error| error.to_string())?;
        let operator_kubeconfig = kubeconfig.clone();
        let mut cluster = Self {
            kubectl: "kubectl".into(),
            kubeconfig,
            operator_kubeconfig,
            own: None,
            made: vec![],
            _folder: folder,
        };
        cluster.refuse_to_take_over()?;
        if !cluster.has(&["namespace", OPERATOR])? {
            cluster.made.push(OPERATOR);
        }
        cluster.made.extend([TEAM, SECOND_TEAM]);
        cluster.apply(&crds())?;
        cluster.apply("{apiVersion: v1, kind: Namespace, metadata: {name: registry-token-operator}}")?;
        for definition in ["registrytokens", "clusterregistrytokens", "clustertokenissuers", "tokenissuers"] {
            let name = format!("crd/{definition}.registry-token.dev");
            cluster.run(&["wait", "--for=condition=Established", &name, "--timeout=60s"], None)?;
        }
        Ok(cluster)
    }

    /// Objects that the demo would change, and delete at the end, must not exist yet.
    fn refuse_to_take_over(&self) -> Result<(), String> {
        let taken = [
            vec!["clustertokenissuer", "default"],
            vec!["clusterregistrytoken", "thinkwise-pull"],
            vec!["secret", "portal", "-n", OPERATOR],
            vec!["namespace", TEAM],
            vec!["namespace", SECOND_TEAM],
        ];
        for what in taken {
            if self.has(&what)? {
                let name = what.join(" ");
                return Err(format!(
                    "this cluster already has a {name}, and the demo creates and deletes one of that name: delete it, or use another cluster"
                ));
            }
        }
        Ok(())
    }

    fn has(&self, what: &[&str]) -> Result<bool, String> {
        let found = self.run(&[&["get", "--ignore-not-found", "--output=name"], what].concat(), None);
        match found {
            Ok(name) => Ok(!name.trim().is_empty()),
            // The CRDs are not installed yet.
            Err(error) if error.contains("doesn't have a resource type") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Deletes everything that the demo created in an existing cluster. The operator must still run, to remove its
    /// finalizers. A separate control plane just stops.
    pub fn clean_up(&self) -> Result<(), String> {
        if self.own.is_some() {
            return Ok(());
        }
        // An issuer is deleted once no response can arrive any more.
        let limits = r#"{"spec":{"limits":{"connectTimeout":"1s","firstByteTimeout":"2s","requestTimeout":"2s"}}}"#;
        let _ = self.run(&["patch", "clustertokenissuer", "default", "--type=merge", "-p", limits], None);
        let mut steps = vec![
            vec!["clusterregistrytoken", "thinkwise-pull"],
            vec!["registrytoken", "--all", "-n", TEAM],
            vec!["clustertokenissuer", "default"],
            vec!["secret", "portal", "-n", OPERATOR],
        ];
        steps.extend(self.made.iter().map(|name| vec!["namespace", *name]));
        let mut failed = vec![];
        for step in steps {
            let delete = [&["delete", "--ignore-not-found", "--timeout=120s"], &step[..]].concat();
            match self.run(&delete, None) {
                Ok(said) => print!("{said}"),
                Err(error) => failed.push(format!("kubectl {}: {error}", delete.join(" "))),
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
    }

    /// The commands with which a shell can run kubectl against this cluster.
    pub fn exports(&self) -> String {
        let config = format!("  export KUBECONFIG={}", self.kubeconfig.display());
        match self.kubectl.parent().filter(|_| self.own.is_some()) {
            Some(folder) => format!("{config}\n  export PATH={}:$PATH", folder.display()),
            None => config,
        }
    }

    /// Applies a manifest.
    pub fn apply(&self, manifest: &str) -> Result<String, String> {
        self.run(&["apply", "--server-side", "-f", "-"], Some(manifest))
    }

    /// Runs kubectl; returns its output, or its error message.
    pub fn run(&self, args: &[&str], stdin: Option<&str>) -> Result<String, String> {
        let mut child = Command::new(&self.kubectl)
            .env("KUBECONFIG", &self.kubeconfig)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("kubectl: {error}"))?;
        if let Some(mut input) = child.stdin.take() {
            // kubectl may exit without reading; its exit status shows why.
            let _ = input.write_all(stdin.unwrap_or_default().as_bytes());
        }
        let output = child.wait_with_output().map_err(|error| format!("kubectl: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() { Ok(text) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }
}

fn folder() -> Result<tempfile::TempDir, String> {
    tempfile::tempdir().map_err(|error| error.to_string())
}

/// The operator's binary, which cargo builds next to the folder of this example.
pub fn binary() -> Result<PathBuf, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = here.parent().and_then(Path::parent).ok_or("this program is in no folder")?;
    let binary = folder.join("registry-token-operator");
    if binary.exists() { Ok(binary) } else { Err(format!("{} is not built: run `make demo`", binary.display())) }
}
