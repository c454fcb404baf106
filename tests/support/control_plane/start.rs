//! Starting and stopping a control plane.

use super::certs::{Authority, Identity};
use super::error::{Context, Error, Result};
use super::servers::{Files, start_api_server, start_controller_manager, start_etcd};
use super::supervise::{FolderCleanup, Server};
use super::{assets, wait};
use kube::core::Request;
use kube::core::params::GetParams;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// It takes three seconds on an idle machine, and several on one that starts many at once.
const START_LIMIT: Duration = Duration::from_mins(2);

/// How long one response may take. Another process that took the port may accept connections and never respond.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// How many ports are tried if other processes take them first.
const PORT_TRIES: u32 = 5;

#[derive(Debug, Clone)]
pub struct Options {
    /// Whether to write an audit log of all requests, for [`ControlPlane::audit`].
    pub audit: bool,
    /// Whether to run a controller manager: without one, namespaces are never deleted, owner references are never
    /// followed and no `default` `ServiceAccount` is created.
    pub controller_manager: bool,
    /// The port to try first, instead of one that the system reports as free.
    pub first_port: Option<u16>,
    /// `--feature-gates` of kube-apiserver.
    pub feature_gates: Option<&'static str>,
    /// An admission plugin to enable in addition.
    pub admission_plugin: Option<&'static str>,
}

impl Default for Options {
    fn default() -> Self {
        Self { audit: false, controller_manager: true, first_port: None, feature_gates: None, admission_plugin: None }
    }
}

/// A running control plane. Dropping it stops its processes and removes its folder.
pub struct ControlPlane {
    // Fields are dropped in this order: a client before its server, and the folder last. kube-apiserver can hang for a
    // while if etcd stops before it.
    controller_manager: Option<Mutex<Server>>,
    api_server: Mutex<Server>,
    etcd: Mutex<Server>,
    sweeper: Option<FolderCleanup>,
    pub(super) files: Files,
    pub(super) options: Options,
    pub(super) authority: Authority,
    pub(super) admin: Identity,
    pub(super) port: u16,
    pub(super) audit_marks: AtomicU64,
    /// Whether a test changed something that is not undone for the next test.
    pub(super) modified: AtomicBool,
}

impl ControlPlane {
    /// Starts a control plane and waits until it is ready.
    pub async fn start(options: Options) -> Result<Self> {
        let programs = tokio::task::spawn_blocking(assets::folder).await.context("building the control plane")??;
        let start = Instant::now();
        let (files, sweeper) = make_folder(programs.as_path())?;
        let authority = Authority::new()?;
        let admin = authority.client("admin", "system:masters")?;
        files.write_server_files(&authority)?;
        let etcd = start_etcd(&files)?;
        let port = options.first_port.map_or_else(free_port, Ok)?;
        let api_server = start_api_server(&files, port, &options)?;
        let mut control_plane = Self {
            controller_manager: None,
            api_server: Mutex::new(api_server),
            etcd: Mutex::new(etcd),
            sweeper,
            files,
            options,
            authority,
            admin,
            port,
            audit_marks: AtomicU64::new(0),
            modified: AtomicBool::new(false),
        };
        control_plane.wait_until_ready().await?;
        control_plane.write_kubeconfig(&control_plane.admin_config()?, &control_plane.kubeconfig_path())?;
        control_plane.start_controller_manager()?;
        announce(&format!("ready in {:.1} s on 127.0.0.1:{}", start.elapsed().as_secs_f32(), control_plane.port));
        Ok(control_plane)
    }

    /// The folder of this control plane's files, including logs.
    pub fn folder(&self) -> &Path {
        &self.files.folder
    }

    /// The port on 127.0.0.1 where kube-apiserver serves.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The pids of the servers by name, for tests that stop or freeze one.
    pub fn pids(&self) -> Vec<(&'static str, u32)> {
        self.servers()
            .map(|server| {
                let server = lock(server);
                (server.name(), server.pid())
            })
            .collect()
    }

    /// An error with the tail of its log if one of the servers has ended.
    pub fn check_alive(&self) -> Result<()> {
        self.servers().try_for_each(|server| lock(server).check_alive())
    }

    /// Kills the API server and etcd, and starts them again with the same port and data. The controller manager is
    /// restarted: otherwise its garbage collector may take many minutes to notice that they are back.
    pub async fn restart(&self) -> Result<()> {
        {
            let (mut api_server, mut etcd) = (lock(&self.api_server), lock(&self.etcd));
            api_server.kill();
            etcd.kill();
            *etcd = start_etcd(&self.files)?;
            *api_server = start_api_server(&self.files, self.port, &self.options)?;
        }
        self.wait_until_ready_again().await?;
        if let Some(manager) = &self.controller_manager {
            let mut manager = lock(manager);
            manager.kill();
            *manager = start_controller_manager(&self.files, &self.kubeconfig_path())?;
        }
        Ok(())
    }

    /// Kills all servers, in the order in which dropping it does.
    pub fn stop(&self) {
        let servers = self.controller_manager.iter().chain([&self.api_server, &self.etcd]);
        servers.for_each(|server| lock(server).kill());
    }

    fn servers(&self) -> impl Iterator<Item = &Mutex<Server>> {
        [&self.etcd, &self.api_server].into_iter().chain(&self.controller_manager)
    }

    /// Waits for `/readyz`; uses another port whenever another process takes this one first.
    async fn wait_until_ready(&mut self) -> Result<()> {
        for _ in 1..PORT_TRIES {
            match self.ready().await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    if !lock(&self.api_server).port_was_in_use() {
                        return Err(error);
                    }
                }
            }
            self.port = free_port()?;
            let api_server = start_api_server(&self.files, self.port, &self.options)?;
            self.api_server = Mutex::new(api_server);
        }
        self.ready().await
    }

    /// Waits for `/readyz` after a restart: while the server was down, a connection of another test may have taken the
    /// port.
    async fn wait_until_ready_again(&self) -> Result<()> {
        for _ in 1..PORT_TRIES {
            match self.ready().await {
                Err(_) if lock(&self.api_server).port_was_in_use() => {
                    tokio::time::sleep(ANSWER_LIMIT).await;
                    *lock(&self.api_server) = start_api_server(&self.files, self.port, &self.options)?;
                }
                done => return done,
            }
        }
        self.ready().await
    }

    async fn ready(&self) -> Result<()> {
        let client = self.client().await?;
        let what = format!("/readyz of kube-apiserver on 127.0.0.1:{}", self.port);
        // A dead server ends the wait at once, which is why the result contains a result.
        let waited = wait::wait_for(&what, START_LIMIT, async || {
            if let Err(died) = self.check_alive() {
                return Ok(Err(died));
            }
            let request = Request::new("").get("readyz", &GetParams::default()).map_err(|error| error.to_string())?;
            tokio::time::timeout(ANSWER_LIMIT, client.request_text(request))
                .await
                .map_err(|_| format!("no response in {ANSWER_LIMIT:?}"))?
                .map(|_| Ok(()))
                .map_err(|error| error.to_string())
        })
        .await;
        waited.map_err(|error| {
            let tail = lock(&self.api_server).log_tail();
            Error::new(format!("{error}\nkube-apiserver's log ends with:\n{tail}"))
        })?
    }

    fn start_controller_manager(&mut self) -> Result<()> {
        if self.options.controller_manager {
            let server = start_controller_manager(&self.files, &self.kubeconfig_path())?;
            self.controller_manager = Some(Mutex::new(server));
        }
        Ok(())
    }
}

/// A new folder in the system's temporary folder, readable by this user only.
fn make_folder(programs: &Path) -> Result<(Files, Option<FolderCleanup>)> {
    let folder = tempfile::Builder::new()
        .prefix("control-plane-")
        .tempdir()
        .context("making the control plane's folder")?
        .keep();
    let sweeper = if std::env::var_os("KEEP_CONTROL_PLANE").is_some() {
        announce(&format!("keeping its files in {}", folder.display()));
        None
    } else {
        Some(FolderCleanup::start(folder.clone())?)
    };
    let programs = programs.to_owned();
    Ok((Files { folder, programs }, sweeper))
}

/// A port that was free a moment ago. Another process may take it before kube-apiserver does.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
    let address = listener.local_addr().context("looking for a free port")?;
    Ok(address.port())
}

fn lock(server: &Mutex<Server>) -> std::sync::MutexGuard<'_, Server> {
    // A panic in another thread leaves a server in a consistent state.
    server.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bypasses the test runner's capture, to show what a running test waits for.
fn announce(text: &str) {
    let _ = writeln!(std::io::stderr(), "control plane: {text}");
}
