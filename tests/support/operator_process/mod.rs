//! The operator's own binary as a child process that never outlives its parent.

#![allow(dead_code, reason = "several targets include this module, and each uses its own part")]

use crate::control_plane::{ControlPlane, Result, Server, wait_for};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How to run it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The namespace of the cluster issuers' Secrets.
    pub namespace: String,
    /// `RUST_LOG`.
    pub log: &'static str,
    /// `json` or `text`.
    pub format: &'static str,
    /// Additional flags. Portals and registries of tests have addresses to which no `TokenIssuer` may connect by
    /// default.
    pub flags: Vec<&'static str>,
    /// Additional environment variables: `NAME=value`.
    pub environment: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            namespace: "registry-token-operator".to_owned(),
            log: "info,registry_token_operator=debug",
            format: "json",
            flags: vec!["--allow-portal-cidr=127.0.0.0/8,::1", "--allow-insecure-http-for-namespaced-issuers"],
            environment: vec![],
        }
    }
}

/// A running operator.
pub struct Operator {
    server: Server,
    folder: tempfile::TempDir,
    port: u16,
}

impl Operator {
    /// Starts the binary with this kubeconfig and waits until it is ready.
    pub async fn start(binary: &Path, kubeconfig: &Path, options: &Options) -> Result<Self> {
        let mut operator = Self::spawn(binary, kubeconfig, options)?;
        operator.until_ready().await?;
        Ok(operator)
    }

    /// Starts the binary without waiting.
    pub fn spawn(binary: &Path, kubeconfig: &Path, options: &Options) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(|error| crate::control_plane::Error::new(error.to_string()))?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .map_err(|error| crate::control_plane::Error::new(error.to_string()))?
            .port();
        let mut args = vec![
            format!("KUBECONFIG={}", kubeconfig.display()),
            format!("RUST_LOG={}", options.log),
            format!("LOG_FORMAT={}", options.format),
        ];
        args.extend(options.environment.iter().cloned());
        args.extend([
            binary.display().to_string(),
            "run".to_owned(),
            format!("--namespace={}", options.namespace),
            format!("--listen=127.0.0.1:{port}"),
        ]);
        args.extend(options.flags.iter().map(|flag| (*flag).to_owned()));
        // Many tests run several operators on one control plane, and each has to work.
        if !options.flags.iter().any(|flag| flag.starts_with("--leader-elect")) {
            args.push("--leader-elect=false".to_owned());
        }
        let server = Server::start("operator", Path::new("/usr/bin/env"), &args, folder.path())?;
        Ok(Self { server, folder, port })
    }

    /// Waits until it reports that it is ready.
    pub async fn until_ready(&mut self) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/readyz", self.port);
        wait_for("the operator to be ready", Duration::from_mins(1), async || {
            self.server.check_alive().map_err(|error| error.to_string())?;
            let answer = reqwest::get(&url).await.map_err(|error| error.to_string())?;
            let ready = answer.status().is_success();
            let text = answer.text().await.unwrap_or_default();
            if ready { Ok(()) } else { Err(text) }
        })
        .await
    }

    /// The response of `/metrics`.
    pub async fn metrics(&self) -> String {
        self.health("metrics").await
    }

    /// The response of this path of its health port.
    pub async fn health(&self, path: &str) -> String {
        let url = format!("http://127.0.0.1:{}/{path}", self.port);
        let Ok(answer) = reqwest::get(&url).await else { return String::new() };
        answer.text().await.unwrap_or_default()
    }

    /// Host and port of `/metrics`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Kills it with SIGKILL; returns its log.
    pub fn kill(self) -> String {
        self.signal("KILL");
        self.log()
    }

    /// Sends it a signal: `STOP` freezes it, `CONT` resumes it.
    pub fn signal(&self, name: &str) {
        let _ = std::process::Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
    }

    /// Sends SIGTERM, as the kubelet does, and waits until it has stopped; returns its log.
    pub async fn terminate(self) -> String {
        self.ended().await.1
    }

    /// The same; also returns its exit code if it stopped within half a minute.
    pub async fn ended(mut self) -> (Option<i32>, String) {
        self.signal("TERM");
        let ended = wait_for("the operator to stop", Duration::from_secs(30), async || {
            self.server.exit_code().ok_or_else(|| "it runs".to_owned())
        });
        match ended.await {
            Ok(code) => (Some(code), self.log()),
            Err(error) => (None, format!("{}{error}", self.log())),
        }
    }

    /// Its complete log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("operator.log")
    }
}

/// The committed CRDs.
pub fn crds() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let mut all = String::new();
    for file in ["registrytokens.yaml", "clusterregistrytokens.yaml", "clustertokenissuers.yaml", "tokenissuers.yaml"] {
        all += &std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        all += "\n---\n";
    }
    all
}

/// Installs the operator's prerequisites: CRDs and its namespace.
pub async fn install(control_plane: &ControlPlane) -> Result<()> {
    let namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: registry-token-operator}}";
    control_plane.apply_crds(&format!("{}{namespace}", crds())).await
}

/// Applies the admission policy that creates objects with the finalizer, and waits until it is in force in this namespace.
pub async fn create_with_finalizer(control_plane: &ControlPlane, namespace: &str) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/policies/created").display().to_string();
    let policy = control_plane.kubectl_ok(&["kustomize", &folder], None).await?;
    control_plane.apply(&policy).await?;
    let probe = r#"{"apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken", "metadata": {"name": "probe"},
        "spec": {"description": "is not created", "issuerRef": {"kind": "TokenIssuer", "name": "portal"}}}"#;
    let namespace = format!("--namespace={namespace}");
    let create = ["create", "--dry-run=server", "--output=json", "--filename=-", &namespace];
    wait_for("the policy to be in force", Duration::from_mins(1), async || {
        let created = control_plane.kubectl_ok(&create, Some(probe)).await.map_err(|error| error.to_string())?;
        if created.contains("registry-token.dev/revoke") { Ok(()) } else { Err(created) }
    })
    .await
}

/// A kubeconfig of the operator's own ServiceAccount, with only the permissions in the manifests under `deploy/`.
pub async fn kubeconfig(control_plane: &ControlPlane) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").display().to_string();
    let manifests = control_plane.kubectl_ok(&["kustomize", &folder], None).await?;
    let kinds =
        ["kind: ServiceAccount", "kind: ClusterRole", "kind: ClusterRoleBinding", "kind: Role", "kind: RoleBinding"];
    let is_access = |document: &&str| document.lines().any(|line| kinds.contains(&line));
    let access: Vec<&str> = manifests.split("\n---\n").filter(is_access).collect();
    control_plane.apply(&access.join("\n---\n")).await?;
    let config = control_plane.service_account_config("registry-token-operator", "registry-token-operator").await?;
    let path = control_plane.folder().join("operator.kubeconfig");
    control_plane.write_kubeconfig(&config, &path)?;
    Ok(path)
}
