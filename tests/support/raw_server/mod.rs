//! A server that misbehaves as no framework would: it stops in the middle, sends garbage, never ends. HTTP/1.1, with or
//! without TLS; it counts what really arrives.

#![allow(clippy::expect_used, reason = "a test stops at the first failure")]

pub mod http2;

use rcgen::{CertificateParams, KeyPair};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct RawRequest {
    /// Its first line.
    pub request_line: String,
    /// Its other lines.
    pub headers: Vec<String>,
    /// How many bytes of a body came with it.
    pub body_bytes: usize,
}

impl RawRequest {
    /// The value of a header, or an empty string.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().filter_map(|line| line.split_once(": "));
        found.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next().unwrap_or_default()
    }

    /// The requested path.
    pub fn path(&self) -> &str {
        self.request_line.split(' ').nth(1).unwrap_or_default()
    }
}

/// What to do with a connection or a request.
#[derive(Clone, Debug)]
pub enum ConnectionAction {
    /// Continues reading.
    Continue,
    /// Sends this, and waits for the next request.
    Send(String),
    /// Sends this after a delay, and waits for the next request.
    SendLater(Duration, String),
    /// Sends this and closes the connection.
    SendAndClose(String),
    /// Sends this and closes the connection after a delay, whatever arrives meanwhile.
    SendAndCloseAfter(String, Duration),
    /// Connects the client to the server that it requests, as a proxy does.
    Tunnel,
    /// Connects the client to this server, whichever it requests.
    TunnelTo(String),
    /// Sends the first, and then the second without end.
    SendForever(String, String),
    /// Does nothing and keeps the connection open.
    Hang,
}

/// When the server asks the script for an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionPhase {
    /// After a connection was accepted, before TLS.
    Accepted,
    /// After a connection was accepted, and after the TLS handshake if there is one.
    Connected,
    /// After the headers of a request, possibly before its body.
    HeadersReceived,
    /// After a complete request.
    RequestReceived,
}

type Script = dyn Fn(ConnectionPhase, &RawRequest) -> ConnectionAction + Send + Sync;

/// A running server. Stops when dropped.
pub struct RawServer {
    /// `127.0.0.1:1234`.
    pub address: String,
    counts: Arc<Counts>,
    task: AbortHandle,
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    requests: Mutex<Vec<RawRequest>>,
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl RawServer {
    /// Starts a server that asks the script at each phase what to do.
    pub async fn start(
        tls: Option<TlsAcceptor>,
        script: impl Fn(ConnectionPhase, &RawRequest) -> ConnectionAction + Send + Sync + 'static,
    ) -> Self {
        Self::start_on("127.0.0.1", tls, script).await
    }

    /// The same on another address of this machine.
    pub async fn start_on(
        host: &str,
        tls: Option<TlsAcceptor>,
        script: impl Fn(ConnectionPhase, &RawRequest) -> ConnectionAction + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(format!("{host}:0")).await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (counts, script) = (Arc::new(Counts::default()), Arc::new(script) as Arc<Script>);
        let task = tokio::spawn(accept(listener, tls, script, Arc::clone(&counts))).abort_handle();
        Self { address, counts, task }
    }

    /// Starts a server that answers each request.
    pub async fn responding(
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&RawRequest) -> ConnectionAction + Send + Sync + 'static,
    ) -> Self {
        Self::start(
            tls,
            move |at, seen| {
                if at == ConnectionPhase::RequestReceived { answer(seen) } else { ConnectionAction::Continue }
            },
        )
        .await
    }

    /// Requests whose headers arrived.
    pub fn requests(&self) -> Vec<RawRequest> {
        self.counts.requests.lock().expect("requests").clone()
    }

    /// The number of connections that were opened.
    pub fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, script: Arc<Script>, counts: Arc<Counts>) {
    while let Ok((stream, _)) = listener.accept().await {
        counts.connections.fetch_add(1, Ordering::SeqCst);
        let (tls, script, counts) = (tls.clone(), Arc::clone(&script), Arc::clone(&counts));
        tokio::spawn(async move {
            let (mut stream, nothing) = (BufReader::new(stream), RawRequest::default());
            perform(&mut stream, &nothing, script(ConnectionPhase::Accepted, &nothing)).await?;
            let stream = stream.into_inner();
            match tls {
                None => serve(stream, &*script, &counts).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => serve(stream, &*script, &counts).await,
                    Err(_) => None,
                },
            }
        });
    }
}

/// Serves a connection until the client disconnects or the script ends it.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, script: &Script, counts: &Counts) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let no_request = RawRequest::default();
    perform(&mut stream, &no_request, script(ConnectionPhase::Connected, &no_request)).await?;
    loop {
        let mut request = read_head(&mut stream).await?;
        counts.requests.lock().expect("requests").push(request.clone());
        perform(&mut stream, &request, script(ConnectionPhase::HeadersReceived, &request)).await?;
        let mut body = vec![0; request.header("content-length").parse().unwrap_or(0)];
        stream.read_exact(&mut body).await.ok()?;
        request.body_bytes = body.len();
        perform(&mut stream, &request, script(ConnectionPhase::RequestReceived, &request)).await?;
    }
}

async fn read_head(stream: &mut BufReader<impl AsyncRead + Unpin>) -> Option<RawRequest> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let line = lines.first()?.clone();
    Some(RawRequest { request_line: line, headers: lines.split_off(1), body_bytes: 0 })
}

async fn perform(
    stream: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>,
    request: &RawRequest,
    action: ConnectionAction,
) -> Option<()> {
    let stream = stream.get_mut();
    match action {
        ConnectionAction::Continue => {}
        ConnectionAction::Send(text) => write(stream, &text).await?,
        ConnectionAction::SendLater(late, text) => {
            tokio::time::sleep(late).await;
            write(stream, &text).await?;
        }
        ConnectionAction::SendAndClose(text) => {
            write(stream, &text).await?;
            return None;
        }
        ConnectionAction::SendAndCloseAfter(text, soon) => {
            write(stream, &text).await?;
            tokio::time::sleep(soon).await;
            return None;
        }
        ConnectionAction::Tunnel => return tunnel(stream, request.path()).await,
        ConnectionAction::TunnelTo(address) => return tunnel(stream, &address).await,
        ConnectionAction::SendForever(first, then) => {
            write(stream, &first).await?;
            loop {
                write(stream, &then).await?;
                tokio::task::yield_now().await;
            }
        }
        ConnectionAction::Hang => tokio::time::sleep(Duration::from_hours(1)).await,
    }
    Some(())
}

async fn tunnel(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), address: &str) -> Option<()> {
    let mut server = TcpStream::connect(address).await.ok()?;
    write(stream, "HTTP/1.1 200 Connected\r\n\r\n").await?;
    // Until one side closes.
    let _ = tokio::io::copy_bidirectional(stream, &mut server).await;
    None
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), text: &str) -> Option<()> {
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

/// A response with these header lines and this body.
pub fn response(status: u16, headers: &[&str], body: &str) -> ConnectionAction {
    let length = format!("Content-Length: {}", body.len());
    let lines = [headers, &[&length]].concat().join("\r\n");
    ConnectionAction::Send(format!("HTTP/1.1 {status} Answer\r\n{lines}\r\n\r\n{body}"))
}

/// A certificate for the loopback address, and a TLS acceptor with it, for these protocols.
pub fn self_signed_tls(protocols: &[&str]) -> (TlsAcceptor, String) {
    self_signed_tls_with(protocols, |_| {})
}

/// The same with a self-signed certificate, changed by the function.
pub fn self_signed_tls_with(protocols: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (TlsAcceptor, String) {
    let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    let mut params = CertificateParams::new(names).expect("names");
    change(&mut params);
    let signing_key = KeyPair::generate().expect("a key");
    let made = params.self_signed(&signing_key).expect("a certificate");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.der().clone()], key)
        .expect("a server");
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    (TlsAcceptor::from(Arc::new(config)), made.pem())
}
