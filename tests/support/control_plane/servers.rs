//! The command lines of the three servers.

use super::certs::{Authority, key_pair};
use super::error::{Context, Result};
use super::start::Options;
use super::supervise::Server;
use std::fs;
use std::path::{Path, PathBuf};

/// The issuer of `ServiceAccount` tokens.
const ISSUER: &str = "https://kubernetes.default.svc";

/// The controllers that tests need: namespaces are really deleted, owner references are really followed, and there are
/// `default` `ServiceAccounts`, quotas, and the rules of aggregated roles (without them `view`, `edit` and `admin`
/// grant nothing).
const CONTROLLERS: &str = "--controllers=namespace-controller,garbage-collector-controller,\
    serviceaccount-controller,serviceaccount-token-controller,\
    root-ca-certificate-publisher-controller,resourcequota-controller,clusterrole-aggregation-controller";

/// One line for each finished request, and one for each watch when it starts.
const AUDIT_POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
";

/// The files of one control plane.
pub struct Files {
    /// The folder that contains them all.
    pub folder: PathBuf,
    /// The folder with the programs.
    pub programs: PathBuf,
}

impl Files {
    /// A file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file into the folder.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        fs::write(&path, text).context(format!("writing {}", path.display()))
    }

    /// The path of the audit log, if there is one.
    pub fn audit_log(&self) -> PathBuf {
        self.path("audit.log")
    }

    /// Writes what the servers read: certificates, keys and the audit policy.
    pub fn write_server_files(&self, authority: &Authority) -> Result<()> {
        let server = authority.server()?;
        let tokens = key_pair()?;
        self.write("ca.crt", &authority.pem())?;
        self.write("apiserver.crt", &server.certificate)?;
        self.write("apiserver.key", &server.key)?;
        self.write("service-account.key", &tokens.serialize_pem())?;
        self.write("service-account.pub", &tokens.public_key_pem())?;
        self.write("audit-policy.yaml", AUDIT_POLICY)
    }

    fn start(&self, name: &'static str, args: &[String]) -> Result<Server> {
        Server::start(name, &self.programs.join(name), args, &self.folder)
    }

    /// `--flag=<folder>/<file>`
    fn flag(&self, flag: &str, file: &str) -> String {
        format!("--{flag}={}", self.path(file).display())
    }
}

/// Starts etcd on Unix sockets: no other process can take them, and no other user can connect to a store without a
/// password.
pub fn start_etcd(files: &Files) -> Result<Server> {
    // etcd accepts a peer's socket only as `host:port`, which names a file in its working folder.
    let peer = "unix://peer.sock:0";
    let client = etcd_url(&files.folder);
    files.start(
        "etcd",
        &[
            "--name=test".into(),
            // A test does not need durability, and syncing is most of etcd's time.
            "--unsafe-no-fsync".into(),
            files.flag("data-dir", "etcd"),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=test={peer}"),
        ],
    )
}

fn etcd_url(folder: &Path) -> String {
    format!("unix://{}", folder.join("etcd.sock").display())
}

/// Starts kube-apiserver on this port of the loopback address.
pub fn start_api_server(files: &Files, port: u16, options: &Options) -> Result<Server> {
    let plugin = options.admission_plugin.map(|name| format!(",{name}")).unwrap_or_default();
    let mut args = vec![
        format!("--etcd-servers={}", etcd_url(&files.folder)),
        "--bind-address=127.0.0.1".into(),
        format!("--secure-port={port}"),
        // A loopback address is rejected here, and without an address the machine would need a default route. Nothing
        // connects to it: the reconciler that would publish it is off.
        "--advertise-address=192.0.2.1".into(),
        "--endpoint-reconciler-type=none".into(),
        "--service-cluster-ip-range=10.0.0.0/24".into(),
        files.flag("cert-dir", "apiserver-generated"),
        files.flag("tls-cert-file", "apiserver.crt"),
        files.flag("tls-private-key-file", "apiserver.key"),
        files.flag("client-ca-file", "ca.crt"),
        format!("--service-account-issuer={ISSUER}"),
        files.flag("service-account-key-file", "service-account.pub"),
        files.flag("service-account-signing-key-file", "service-account.key"),
        // As in a cluster: a node may read only what its pods name.
        "--authorization-mode=Node,RBAC".into(),
        format!("--enable-admission-plugins=ResourceQuota,ServiceAccount{plugin}"),
        "--profiling=false".into(),
    ];
    args.extend(options.feature_gates.map(|gates| format!("--feature-gates={gates}")));
    if options.audit {
        args.push(files.flag("audit-policy-file", "audit-policy.yaml"));
        args.push(format!("--audit-log-path={}", files.audit_log().display()));
        // The log must not be rotated while it is read.
        args.push("--audit-log-maxsize=100000".into());
    }
    files.start("kube-apiserver", &args)
}

/// Starts kube-controller-manager with this kubeconfig.
pub fn start_controller_manager(files: &Files, kubeconfig: &Path) -> Result<Server> {
    files.start(
        "kube-controller-manager",
        &[
            format!("--kubeconfig={}", kubeconfig.display()),
            CONTROLLERS.into(),
            "--leader-elect=false".into(),
            // It has no clients here, so it needs no port.
            "--secure-port=0".into(),
            files.flag("service-account-private-key-file", "service-account.key"),
            files.flag("root-ca-file", "ca.crt"),
            // With the default of 20 requests a second, parallel tests would wait for it.
            "--kube-api-qps=500".into(),
            "--kube-api-burst=1000".into(),
        ],
    )
}
