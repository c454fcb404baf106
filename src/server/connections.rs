//! The connections of the health port. Anybody in the cluster may open some: few of them are kept, each for a
//! short time and with a small buffer, and a new one is always served.

use axum::Router;
use futures::future::select_all;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

/// The buffer of a connection, in bytes: the least that hyper takes.
const BUFFER: usize = 8 << 10;
/// How long answers that are under way may take at the end.
const LAST: Duration = Duration::from_secs(1);
/// How long nothing is accepted after that failed, as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two log lines about connections that had to go.
const QUIET: Duration = Duration::from_mins(1);

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How long the head of a request may take.
    head: Duration,
    /// How long a request and its answer may take. A connection serves one request.
    total: Duration,
    /// How many connections there may be at a time.
    connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head: Duration::from_secs(5), total: Duration::from_secs(10), connections: 32 }
    }
}

/// Listens on this address; on all of IPv4 where that is all of IPv6 and there is no IPv6.
///
/// # Errors
/// If the address cannot be bound.
pub(super) async fn listen(address: SocketAddr) -> io::Result<Vec<TcpListener>> {
    listen_by(address, async |address| TcpListener::bind(address).await).await
}

async fn listen_by(
    address: SocketAddr,
    bind: impl AsyncFn(SocketAddr) -> io::Result<TcpListener>,
) -> io::Result<Vec<TcpListener>> {
    if address.ip() != IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        return Ok(vec![bind(address).await?]);
    }
    let ipv4 = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    match bind(address).await {
        Ok(listener) => {
            // It takes IPv4 too, but where net.ipv6.bindv6only is set: then that gets a listener of its own.
            let other = bind(ipv4(listener.local_addr()?.port())).await.ok();
            Ok([Some(listener), other].into_iter().flatten().collect())
        }
        Err(error) if matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied) => Err(error),
        Err(_) => Ok(vec![bind(ipv4(address.port())).await?]),
    }
}

/// Serves until `stop` ends, and then what is under way for a moment.
pub(super) async fn serve(
    listeners: Vec<TcpListener>,
    routes: Router,
    limits: Limits,
    stop: impl Future<Output = ()> + Send,
) {
    let mut stop = std::pin::pin!(stop);
    let mut open = Open::new(limits);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listeners) => match accepted {
                Ok(stream) => open.add(stream, &routes),
                Err(error) => {
                    tracing::warn!(%error, "the health port accepts no connection");
                    sleep(PAUSE).await;
                }
            },
            Some(_) = open.tasks.join_next() => {}
        }
    }
    let _ = timeout(LAST, async { while open.tasks.join_next().await.is_some() {} }).await;
}

async fn accept(listeners: &[TcpListener]) -> io::Result<TcpStream> {
    let (accepted, ..) = select_all(listeners.iter().map(|listener| Box::pin(listener.accept()))).await;
    accepted.map(|(stream, _)| stream)
}

/// The connections that are open.
struct Open {
    limits: Limits,
    tasks: JoinSet<()>,
    /// The oldest first.
    order: VecDeque<AbortHandle>,
    logged: Option<Instant>,
}

impl Open {
    fn new(limits: Limits) -> Self {
        Self { limits, tasks: JoinSet::new(), order: VecDeque::new(), logged: None }
    }

    /// Serves one more. The oldest one goes for it where there are too many: an honest request is answered in
    /// a moment, so that one most likely waits for a request that never ends.
    fn add(&mut self, stream: TcpStream, routes: &Router) {
        self.order.retain(|task| !task.is_finished());
        while self.order.len() >= self.limits.connections
            && let Some(oldest) = self.order.pop_front()
        {
            oldest.abort();
            if self.logged.is_none_or(|logged| logged.elapsed() >= QUIET) {
                self.logged = Some(Instant::now());
                tracing::warn!(
                    most = self.limits.connections,
                    "the health port has too many connections: the oldest are closed"
                );
            }
        }
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(self.limits.head).max_buf_size(BUFFER).keep_alive(false);
        let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes.clone()));
        let total = self.limits.total;
        // What breaks off or comes too late is closed, and concerns nobody else.
        let task = self.tasks.spawn(async move { drop(timeout(total, connection).await) });
        self.order.push_back(task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// A server, and where it is.
    async fn started(limits: Limits) -> SocketAddr {
        let listeners = listen("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
        let address = listeners[0].local_addr().expect("an address");
        let routes = Router::new().route("/livez", get(|| async { "ok" }));
        tokio::spawn(serve(listeners, routes, limits, std::future::pending()));
        address
    }

    async fn livez(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer, and its end");
        answer
    }

    /// A request that never ends.
    async fn half_open(address: SocketAddr, size: usize) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let begun = format!("GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: {}", "x".repeat(size));
        // It may be closed already.
        let _ = stream.write_all(begun.as_bytes()).await;
        stream
    }

    async fn is_closed(stream: &mut TcpStream, within: Duration) -> bool {
        timeout(within, async { while stream.read(&mut [0; 512]).await.is_ok_and(|size| size > 0) {} }).await.is_ok()
    }

    #[tokio::test]
    async fn half_open_requests_take_few_connections_and_keep_nobody_waiting() {
        let address =
            started(Limits { head: Duration::from_mins(1), total: Duration::from_mins(2), ..Limits::default() }).await;
        let mut streams = vec![];
        for number in 0..600 {
            streams.push(half_open(address, 1000).await);
            if number % 100 == 0 {
                assert!(livez(address).await.starts_with("HTTP/1.1 200"));
            }
        }
        let answer = timeout(Duration::from_secs(20), livez(address)).await.expect("in time");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"), "{answer}");
        let (older, newer) = streams.split_at_mut(600 - 32);
        for stream in older {
            assert!(is_closed(stream, Duration::from_secs(20)).await);
        }
        let mut left = 0;
        for stream in newer {
            left += usize::from(!is_closed(stream, Duration::from_millis(1)).await);
        }
        assert!((1..=32).contains(&left), "{left} of them are open");
    }

    #[tokio::test]
    async fn a_request_that_does_not_end_or_is_too_long_is_closed() {
        let limits = Limits { head: Duration::from_millis(300), ..Limits::default() };
        let address = started(limits).await;
        let mut silent = TcpStream::connect(address).await.expect("a connection");
        let mut begun = half_open(address, 10).await;
        let mut long = half_open(address, 64 << 10).await;
        for stream in [&mut silent, &mut begun, &mut long] {
            assert!(is_closed(stream, Duration::from_secs(5)).await);
        }
        // A body that never ends, and an answer that nobody reads.
        let address = started(Limits { total: Duration::from_millis(300), ..Limits::default() }).await;
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n").await.expect("sent");
        assert!(is_closed(&mut stream, Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn without_ipv6_all_of_ipv4_is_listened_on() {
        let wanted: SocketAddr = "[::]:0".parse().expect("an address");
        let without = async |address: SocketAddr| match address {
            // What Linux says of a machine without IPv6: EAFNOSUPPORT.
            SocketAddr::V6(_) => Err(io::Error::from_raw_os_error(97)),
            SocketAddr::V4(_) => TcpListener::bind(address).await,
        };
        let listeners = listen_by(wanted, without).await.expect("a listener");
        assert_eq!(listeners.len(), 1);
        assert_eq!(listeners[0].local_addr().expect("an address").ip(), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let taken = async |_: SocketAddr| Err::<TcpListener, _>(ErrorKind::AddrInUse.into());
        assert_eq!(listen_by(wanted, taken).await.expect_err("taken").kind(), ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn by_default_both_families_are_served() {
        let Ok(listeners) = listen("[::]:0".parse().expect("an address")).await else { return };
        let port = listeners[0].local_addr().expect("an address").port();
        let routes = Router::new().route("/livez", get(|| async { "ok" }));
        tokio::spawn(serve(listeners, routes, Limits::default(), std::future::pending()));
        assert!(livez(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.ends_with("ok"));
    }
}
