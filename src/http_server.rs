//! Connections of the ports that the operator serves. Any client in the cluster may open them: the number is limited, each
//! has a timeout and a small buffer, and a new one is always served.

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

/// Buffer of a connection, in bytes: the minimum of hyper.
const BUFFER_BYTES: usize = 8 << 10;
/// How long responses in progress may take on shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);
/// Pause after a failed accept, for example because no file descriptor is left.
const ACCEPT_RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// Interval between log lines about closed connections.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionLimits {
    /// Timeout for the head of a request.
    pub(crate) header_timeout: Duration,
    /// Timeout for a request and its response. A connection serves one request.
    pub(crate) request_timeout: Duration,
    /// Maximum number of open connections.
    pub(crate) max_connections: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { header_timeout: Duration::from_secs(5), request_timeout: Duration::from_secs(10), max_connections: 32 }
    }
}

/// Listens on this address. If it is the unspecified IPv6 address and there is no IPv6, listens on all IPv4 addresses.
///
/// # Errors
/// If the address cannot be bound.
pub(crate) async fn listen(address: SocketAddr) -> io::Result<Vec<TcpListener>> {
    listen_with(address, async |address| TcpListener::bind(address).await).await
}

async fn listen_with(
    address: SocketAddr,
    bind: impl AsyncFn(SocketAddr) -> io::Result<TcpListener>,
) -> io::Result<Vec<TcpListener>> {
    if address.ip() != IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        return Ok(vec![bind(address).await?]);
    }
    let ipv4 = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    match bind(address).await {
        Ok(listener) => {
            // The listener accepts IPv4 too, unless net.ipv6.bindv6only is set: then IPv4 gets its own listener.
            let other = bind(ipv4(listener.local_addr()?.port())).await.ok();
            Ok([Some(listener), other].into_iter().flatten().collect())
        }
        Err(error) if matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied) => Err(error),
        Err(_) => Ok(vec![bind(ipv4(address.port())).await?]),
    }
}

/// Serves until `stop` completes, and then finishes responses in progress for a moment. `port` names the port in the log.
pub(crate) async fn serve(
    port: &'static str,
    listeners: Vec<TcpListener>,
    routes: Router,
    limits: ConnectionLimits,
    stop: impl Future<Output = ()> + Send,
) {
    let mut stop = std::pin::pin!(stop);
    let mut open = OpenConnections::new(port, limits);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listeners) => match accepted {
                Ok(stream) => open.add(stream, &routes),
                Err(error) => {
                    tracing::warn!(port, %error, "accept failed");
                    sleep(ACCEPT_RETRY_INTERVAL).await;
                }
            },
            Some(_) = open.tasks.join_next() => {}
        }
    }
    let _ = timeout(SHUTDOWN_GRACE, async { while open.tasks.join_next().await.is_some() {} }).await;
}

async fn accept(listeners: &[TcpListener]) -> io::Result<TcpStream> {
    let (accepted, ..) = select_all(listeners.iter().map(|listener| Box::pin(listener.accept()))).await;
    accepted.map(|(stream, _)| stream)
}

struct OpenConnections {
    port: &'static str,
    limits: ConnectionLimits,
    tasks: JoinSet<()>,
    oldest_first: VecDeque<AbortHandle>,
    last_logged: Option<Instant>,
}

impl OpenConnections {
    fn new(port: &'static str, limits: ConnectionLimits) -> Self {
        Self { port, limits, tasks: JoinSet::new(), oldest_first: VecDeque::new(), last_logged: None }
    }

    /// Serves one more connection, and closes the oldest if there are too many: a well-behaved request is answered
    /// immediately, so the oldest one is most likely waiting for a request that never completes.
    fn add(&mut self, stream: TcpStream, routes: &Router) {
        self.oldest_first.retain(|task| !task.is_finished());
        while self.oldest_first.len() >= self.limits.max_connections
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            oldest.abort();
            if self.last_logged.is_none_or(|logged| logged.elapsed() >= LOG_INTERVAL) {
                self.last_logged = Some(Instant::now());
                let most = self.limits.max_connections;
                tracing::warn!(port = self.port, most, "too many connections, closing the oldest");
            }
        }
        let mut server = http1::Builder::new();
        server
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout)
            .max_buf_size(BUFFER_BYTES)
            .keep_alive(false);
        let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes.clone()));
        let total = self.limits.request_timeout;
        // A broken or slow connection is closed without affecting others.
        let task = self.tasks.spawn(async move { drop(timeout(total, connection).await) });
        self.oldest_first.push_back(task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// Starts a server and returns its address.
    async fn started(limits: ConnectionLimits) -> SocketAddr {
        let listeners = listen("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
        let address = listeners[0].local_addr().expect("an address");
        let routes = Router::new().route("/livez", get(|| async { "ok" }));
        tokio::spawn(serve("health", listeners, routes, limits, std::future::pending()));
        address
    }

    async fn livez(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
        let mut response = String::new();
        stream.read_to_string(&mut response).await.expect("an answer, and its end");
        response
    }

    /// Sends a request that never ends.
    async fn half_open(address: SocketAddr, size: usize) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let started = format!("GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: {}", "x".repeat(size));
        // The server may have closed it already.
        let _ = stream.write_all(started.as_bytes()).await;
        stream
    }

    async fn is_closed(stream: &mut TcpStream, within: Duration) -> bool {
        timeout(within, async { while stream.read(&mut [0; 512]).await.is_ok_and(|size| size > 0) {} }).await.is_ok()
    }

    #[tokio::test]
    async fn half_open_requests_are_limited_and_do_not_block_others() {
        let address = started(ConnectionLimits {
            header_timeout: Duration::from_mins(1),
            request_timeout: Duration::from_mins(2),
            ..ConnectionLimits::default()
        })
        .await;
        let mut streams = vec![];
        for number in 0..600 {
            streams.push(half_open(address, 1000).await);
            if number % 100 == 0 {
                assert!(livez(address).await.starts_with("HTTP/1.1 200"));
            }
        }
        let response = timeout(Duration::from_secs(20), livez(address)).await.expect("in time");
        assert!(response.starts_with("HTTP/1.1 200") && response.ends_with("ok"), "{response}");
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
        let limits = ConnectionLimits { header_timeout: Duration::from_millis(300), ..ConnectionLimits::default() };
        let address = started(limits).await;
        let mut silent = TcpStream::connect(address).await.expect("a connection");
        let mut half_sent = half_open(address, 10).await;
        let mut long = half_open(address, 64 << 10).await;
        for stream in [&mut silent, &mut half_sent, &mut long] {
            assert!(is_closed(stream, Duration::from_secs(5)).await);
        }
        // A body that never ends.
        let address =
            started(ConnectionLimits { request_timeout: Duration::from_millis(300), ..ConnectionLimits::default() })
                .await;
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n").await.expect("sent");
        assert!(is_closed(&mut stream, Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn without_ipv6_all_of_ipv4_is_listened_on() {
        let wanted: SocketAddr = "[::]:0".parse().expect("an address");
        let without = async |address: SocketAddr| match address {
            // The error of Linux without IPv6: EAFNOSUPPORT.
            SocketAddr::V6(_) => Err(io::Error::from_raw_os_error(97)),
            SocketAddr::V4(_) => TcpListener::bind(address).await,
        };
        let listeners = listen_with(wanted, without).await.expect("a listener");
        assert_eq!(listeners.len(), 1);
        assert_eq!(listeners[0].local_addr().expect("an address").ip(), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let taken = async |_: SocketAddr| Err::<TcpListener, _>(ErrorKind::AddrInUse.into());
        assert_eq!(listen_with(wanted, taken).await.expect_err("taken").kind(), ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn by_default_both_families_are_served() {
        let Ok(listeners) = listen("[::]:0".parse().expect("an address")).await else { return };
        let port = listeners[0].local_addr().expect("an address").port();
        let routes = Router::new().route("/livez", get(|| async { "ok" }));
        tokio::spawn(serve("health", listeners, routes, ConnectionLimits::default(), std::future::pending()));
        assert!(livez(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.ends_with("ok"));
    }
}
