//! A small portal that records what really happened, so that a test can compare it with what the client reports. One
//! connection, one request at a time, HTTP/1.1.

#![allow(clippy::expect_used, reason = "a test stops at the first failure")]

mod ledger;
mod list;
mod metadata;
mod portal;
mod shape;

pub use ledger::{Ledger, RequestFault};
pub use metadata::document as metadata;
pub use shape::{Shape, ShapeFlow, ShapeForm, ShapeKey, ShapeList};

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use url::Url;

pub const USER: &str = "robot@example.com";
pub const PASSWORD: &str = "correct-horse-battery";
pub const CLIENT_SECRET: &str = "staple-of-the-client";
/// Part of every password that the portal returns.
pub const TOKEN_SECRET: &str = "hush-token";

pub struct MinimalPortal {
    pub url: String,
    ledger: Arc<Mutex<Ledger>>,
    task: AbortHandle,
}

impl Drop for MinimalPortal {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct PortalRequest {
    method: String,
    url: Url,
    authorization: String,
    /// Whether the request had a `Content-Length`.
    has_length: bool,
    body: String,
}

struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Reply {
    fn empty(status: u16) -> Self {
        Self { status, headers: vec![], body: String::new() }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl MinimalPortal {
    pub async fn start(tls: Option<TlsAcceptor>) -> Self {
        Self::start_operator_with(tls, Shape::default()).await
    }

    pub async fn with_shape(shape: Shape) -> Self {
        Self::start_operator_with(None, shape).await
    }

    async fn start_operator_with(tls: Option<TlsAcceptor>, shape: Shape) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}/indicium", listener.local_addr().expect("an address"));
        let ledger = Arc::new(Mutex::new(Ledger {
            shape,
            page_size: 1000,
            access_token_lifetime: 3600,
            customers: vec![shape::CUSTOMER],
            ..Ledger::default()
        }));
        let task = tokio::spawn(accept(listener, tls, url.clone(), Arc::clone(&ledger))).abort_handle();
        Self { url, ledger, task }
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("a ledger")
    }

    pub fn fail(&self, at: &'static str, fault: RequestFault) {
        self.ledger().faults.entry(at).or_default().push_back(fault);
    }

    pub fn issued(&self) -> usize {
        self.ledger().issued
    }

    pub fn access_tokens_issued(&self) -> usize {
        self.ledger().access_tokens_issued
    }

    pub fn request_count(&self, at: &str) -> usize {
        self.ledger().request_counts.get(at).copied().unwrap_or(0)
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, url: String, ledger: Arc<Mutex<Ledger>>) {
    while let Ok((stream, _)) = listener.accept().await {
        ledger.lock().expect("a ledger").connections += 1;
        let (tls, url, ledger) = (tls.clone(), url.clone(), Arc::clone(&ledger));
        tokio::spawn(async move {
            match tls {
                None => serve(stream, &url, &ledger).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, &url, &ledger).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, url: &str, ledger: &Mutex<Ledger>) {
    let mut stream = BufReader::new(stream);
    while let Some(arrived) = read_request(&mut stream, url).await {
        let (reply, body, wait) = respond(&arrived, url, &mut ledger.lock().expect("a ledger"));
        tokio::time::sleep(wait).await;
        let Some(reply) = reply else { return };
        let mut head = format!("HTTP/1.1 {} Answer\r\n", reply.status);
        match body {
            // According to HTTP a 204 has no body, and so no length.
            ReplyBody::Whole if reply.status == 204 => {}
            ReplyBody::Whole => write!(head, "Content-Length: {}\r\n", reply.body.len()).expect("a header"),
            ReplyBody::Cut(missing) => {
                write!(head, "Content-Length: {}\r\n", reply.body.len() + missing).expect("a header");
            }
            ReplyBody::Endless => head.push_str("Transfer-Encoding: chunked\r\n"),
        }
        for (name, value) in &reply.headers {
            write!(head, "{name}: {value}\r\n").expect("a header");
        }
        let text = if body == ReplyBody::Endless { format!("{head}\r\n") } else { format!("{head}\r\n{}", reply.body) };
        let mut sent = stream.get_mut().write_all(text.as_bytes()).await;
        while body == ReplyBody::Endless && sent.is_ok() {
            let chunk = format!("4000\r\n{}\r\n", "hush".repeat(0x1000));
            sent = stream.get_mut().write_all(chunk.as_bytes()).await;
        }
        if sent.is_err() || body != ReplyBody::Whole {
            return;
        }
    }
}

/// How much of a body is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReplyBody {
    Whole,
    /// This many more bytes are announced than are sent.
    Cut(usize),
    Endless,
}

async fn read_request(stream: &mut BufReader<impl AsyncRead + Unpin>, url: &str) -> Option<PortalRequest> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let header = |name: &str| {
        let found =
            lines.iter().filter_map(|line| line.split_once(": ")).find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned())
    };
    let length = header("content-length");
    let mut body = vec![0; length.as_ref().and_then(|text| text.parse().ok()).unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    let mut first = lines.first()?.split(' ');
    let method = first.next()?.to_owned();
    let url = Url::parse(url).expect("a URL").join(first.next()?).expect("a path");
    let authorization = header("authorization").unwrap_or_default();
    Some(PortalRequest {
        method,
        url,
        authorization,
        has_length: length.is_some(),
        body: String::from_utf8(body).ok()?,
    })
}

/// The name under which a request is counted: the last part of its path, without a key; requests to a staged task and
/// to a waiting flow have names of their own.
fn endpoint_name(arrived: &PortalRequest) -> String {
    let parts: Vec<&str> =
        arrived.url.path().split('/').map(|part| part.split('(').next().unwrap_or_default()).collect();
    let (last, before) = (parts[parts.len() - 1], parts[parts.len() - 2]);
    match (arrived.method.as_str(), last, before) {
        ("DELETE", _, _) => "cancel",
        (_, "continue", "flow") => "finish",
        (_, "commit", "flow") => "commit_flow",
        ("GET", "flow", _) => "flow",
        ("PATCH", _, _) => "fill",
        ("GET", staged, _) if staged.starts_with("staged_") => "staged",
        _ => last,
    }
    .to_owned()
}

/// The response, how much of it is sent, and how long it takes.
fn respond(arrived: &PortalRequest, url: &str, ledger: &mut Ledger) -> (Option<Reply>, ReplyBody, Duration) {
    let at = endpoint_name(arrived);
    *ledger.request_counts.entry(at.clone()).or_default() += 1;
    ledger.paths.push(format!("{} {}", arrived.method, arrived.url.path().trim_start_matches("/indicium/iam/tcp/")));
    let fault = ledger.faults.get_mut(at.as_str()).and_then(VecDeque::pop_front);
    match fault {
        Some(RequestFault::Drop) => return (None, ReplyBody::Whole, Duration::ZERO),
        Some(RequestFault::Answer(status, headers, body)) => {
            return (Some(Reply { status, headers, body: body.to_owned() }), ReplyBody::Whole, Duration::ZERO);
        }
        _ => {}
    }
    let reply = portal::handle(arrived, url, ledger);
    let whole = |reply| (Some(reply), ReplyBody::Whole, Duration::ZERO);
    match fault {
        Some(RequestFault::ActThenAnswer(status, body)) => {
            whole(Reply { body: body.to_owned(), ..Reply::empty(status) })
        }
        Some(RequestFault::ActThenDrop) => (None, ReplyBody::Whole, Duration::ZERO),
        Some(RequestFault::ActThenCut) => (Some(reply), ReplyBody::Cut(10), Duration::ZERO),
        Some(RequestFault::ActThenAnnounce(bytes)) => (Some(reply), ReplyBody::Cut(bytes), Duration::ZERO),
        Some(RequestFault::ActThenEndless) => (Some(Reply::empty(200)), ReplyBody::Endless, Duration::ZERO),
        Some(RequestFault::ActThenHang) => (Some(reply), ReplyBody::Whole, Duration::from_secs(30)),
        _ => whole(reply),
    }
}
