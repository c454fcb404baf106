//! Starts a fake portal in its own thread, and stops it.

use super::config::Config;
use super::faults::Faults;
use super::ledger::Ledger;
use super::server::{Reachability, Server};
use super::shared::{Origins, Shared};
use super::tls::Tls;
use super::{control, portal, registry};
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// A running portal with its registry. Stops when dropped.
pub struct FakePortal {
    shared: Arc<Shared>,
    servers: Servers,
    control: Option<Server>,
    ca_pem: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The two servers, which can be taken off the network.
#[derive(Clone)]
pub(super) struct Servers {
    pub(super) portal: Server,
    pub(super) registry: Server,
}

impl FakePortal {
    /// Starts a fake portal. It has its own thread and runtime, so that it outlives the runtime of the test that
    /// started it.
    ///
    /// # Panics
    ///
    /// If it cannot listen.
    pub async fn start(config: Config) -> Self {
        let tls = Tls::new(&config);
        let ca_pem = tls.ca_pem.clone();
        let shared = Arc::new(Shared::new(config));
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = oneshot::channel();
        let state = shared.clone();
        let thread = thread::Builder::new().name("fake-portal".to_owned()).spawn(move || {
            let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let _ = ready.send(listen(&state, &tls).await);
                let _ = stopped.await;
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
        });
        let (servers, control) = is_ready.await.expect("the thread runs").expect("free ports");
        Self { shared, servers, control, ca_pem, stop: Some(stop), thread: thread.ok() }
    }

    /// Indicium's root, without `/iam`.
    #[must_use]
    pub fn portal_url(&self) -> String {
        format!("{}{}", self.shared.origins().portal, self.shared.config().root)
    }

    /// Such as `localhost:1234`.
    #[must_use]
    pub fn registry_host(&self) -> String {
        format!("{}:{}", self.shared.config().host, self.servers.registry.address.port())
    }

    /// Such as `http://127.0.0.1:1234`, if there is a control interface.
    #[must_use]
    pub fn control_url(&self) -> Option<String> {
        self.control.as_ref().map(|server| format!("http://{}", server.address))
    }

    /// The CA certificate of both servers, in PEM.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.ca_pem.clone()
    }

    /// The portal's state.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.shared.ledger.clone()
    }

    /// The faults to inject.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.shared.faults.clone()
    }

    /// The current configuration.
    #[must_use]
    pub fn config(&self) -> Config {
        (*self.shared.config()).clone()
    }

    /// Changes the configuration for requests that start from now on.
    pub fn configure(&self, change: impl FnOnce(&mut Config)) {
        self.shared.configure(change);
    }

    /// The bearer tokens that the portal has issued.
    pub fn bearers(&self) -> Vec<String> {
        self.shared.bearers.all()
    }

    /// Invalidates all bearer tokens of the portal; new ones can be requested.
    pub fn revoke_bearers(&self) {
        self.shared.bearers.revoke_all();
    }

    /// The portal refuses connections, and closes existing ones. Tasks in progress are completed.
    pub async fn down(&self) {
        self.servers.portal.switch(Reachability::Down).await;
    }

    /// The portal accepts connections again, at the same port.
    pub async fn up(&self) {
        self.servers.portal.switch(Reachability::Up).await;
    }

    /// The portal accepts connections and requests, and never responds, not even to a handshake.
    pub async fn blackhole(&self) {
        self.servers.portal.switch(Reachability::Blackhole).await;
    }

    /// The registry refuses connections.
    pub async fn registry_down(&self) {
        self.servers.registry.switch(Reachability::Down).await;
    }

    /// The registry accepts connections again.
    pub async fn registry_up(&self) {
        self.servers.registry.switch(Reachability::Up).await;
    }

    /// The registry accepts connections, and never responds.
    pub async fn registry_blackhole(&self) {
        self.servers.registry.switch(Reachability::Blackhole).await;
    }
}

impl Drop for FakePortal {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn listen(shared: &Arc<Shared>, tls: &Tls) -> io::Result<(Servers, Option<Server>)> {
    let config = shared.config();
    let acceptor = config.tls.then(|| tls.acceptor.clone());
    let portal = Server::listen(config.ports.portal, portal::router(shared.clone()), acceptor.clone()).await?;
    let registry = Server::listen(config.ports.registry, registry::router(shared.clone()), acceptor).await?;
    let scheme = if config.tls { "https" } else { "http" };
    let origin = |server: &Server| format!("{scheme}://{}:{}", config.host, server.address.port());
    let _ = shared.origins.set(Origins { portal: origin(&portal), registry: origin(&registry) });
    let servers = Servers { portal, registry };
    let control = match config.ports.control {
        None => None,
        Some(port) => {
            let router = control::router(shared.clone(), servers.clone(), tls.ca_pem.clone());
            Some(Server::listen(port, router, None).await?)
        }
    };
    Ok((servers, control))
}
