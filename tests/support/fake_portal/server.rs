//! A server that can be taken off the network and put back at the same port.

use super::connection::{Connection, through};
use axum::{Extension, Router, middleware};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

/// Whether clients can connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reachability {
    /// They can.
    Up,
    /// Connections are refused, existing ones are closed.
    Down,
    /// Connections are accepted, and nothing is ever sent back.
    Blackhole,
}

/// A handle to a running server.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    commands: mpsc::UnboundedSender<(Reachability, oneshot::Sender<()>)>,
}

/// The listening port.
enum PortState {
    Open(TcpListener),
    /// Bound without listening: connections are refused, and no other process can take the port.
    Shut(TcpSocket),
}

struct Acceptor {
    door: PortState,
    address: SocketAddr,
    router: Router,
    tls: Option<TlsAcceptor>,
    reach: watch::Sender<Reachability>,
    /// Changes when all connections are to be closed.
    epoch: watch::Sender<u64>,
}

/// Numbers are unique over all servers.
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

const BACKLOG: u32 = 1024;

impl Server {
    /// Starts to listen on the loopback address, and serves until the runtime ends.
    pub(super) async fn listen(port: u16, router: Router, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let (commands, orders) = mpsc::unbounded_channel();
        let keeper = Acceptor {
            door: PortState::Open(listener),
            address,
            router: router.layer(middleware::from_fn(through)),
            tls,
            reach: watch::Sender::new(Reachability::Up),
            epoch: watch::Sender::new(0),
        };
        tokio::spawn(keeper.run(orders));
        Ok(Self { address, commands })
    }

    /// Changes whether clients can connect; returns when the change is in effect.
    pub(super) async fn switch(&self, reach: Reachability) {
        let (done, is_done) = oneshot::channel();
        self.commands.send((reach, done)).expect("the server runs");
        is_done.await.expect("the server runs");
    }
}

impl Acceptor {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<(Reachability, oneshot::Sender<()>)>) {
        loop {
            tokio::select! {
                stream = self.door.accept() => self.admit(stream),
                order = orders.recv() => match order {
                    Some((reach, done)) => {
                        self = self.switch(reach).await;
                        let _ = done.send(());
                    }
                    None => pending().await,
                },
            }
        }
    }

    async fn switch(mut self, reach: Reachability) -> Self {
        let before = self.reach.send_replace(reach);
        self.door = match (self.door, reach) {
            (PortState::Open(listener), Reachability::Down) => {
                drop(listener);
                PortState::Shut(bind(self.address).await.expect("the port is still ours"))
            }
            (PortState::Shut(socket), Reachability::Up | Reachability::Blackhole) => {
                PortState::Open(socket.listen(BACKLOG).expect("the port is still ours"))
            }
            (door, _) => door,
        };
        if reach == Reachability::Down || (before == Reachability::Blackhole && reach == Reachability::Up) {
            self.epoch.send_modify(|epoch| *epoch += 1);
        }
        self
    }

    fn admit(&self, stream: TcpStream) {
        let number = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        let connection = Connection::new(number, self.reach.subscribe());
        let router = self.router.clone().layer(Extension(connection.clone()));
        let (tls, mut epoch) = (self.tls.clone(), self.epoch.subscribe());
        tokio::spawn(async move {
            let served = async {
                connection.passable().await;
                match tls {
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(stream, router).await;
                        }
                    }
                    None => serve(stream, router).await,
                }
            };
            tokio::select! {
                () = served => {}
                () = connection.severed() => {}
                _ = epoch.changed() => {}
            }
        });
    }
}

impl PortState {
    async fn accept(&self) -> TcpStream {
        let Self::Open(listener) = self else { return pending().await };
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    return stream;
                }
                // For example out of file descriptors: it is temporary.
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, router: Router) {
    let builder = Builder::new(TokioExecutor::new());
    // An error here is a client that disconnected.
    let _ = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await;
}

/// A socket at this address; retries for five seconds, because an old socket may still linger.
async fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let mut tries = 250;
    loop {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        match socket.bind(address) {
            Ok(()) => return Ok(socket),
            Err(error) if tries == 0 => return Err(error),
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
        tries -= 1;
    }
}
