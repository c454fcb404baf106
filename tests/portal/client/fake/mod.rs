//! A portal of a few lines that keeps a ledger of what really happened, so that a test can hold it
//! against what the client says happened. One connection, one request at a time, HTTP/1.1.

#![allow(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod ledger;
mod list;
mod metadata;
mod portal;
mod shape;

pub use ledger::{Fault, Ledger};
pub use metadata::document as metadata;
pub use shape::{Flow, Form, Key, List, Shape};

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
/// What every secret that the portal hands out holds.
pub const TOKEN_SECRET: &str = "hush-token";

pub struct Fake {
    pub url: String,
    ledger: Arc<Mutex<Ledger>>,
    task: AbortHandle,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Arrived {
    method: String,
    url: Url,
    authorization: String,
    /// The body's length was said.
    measured: bool,
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

impl Fake {
    pub async fn start(tls: Option<TlsAcceptor>) -> Self {
        Self::shaped(tls, Shape::default()).await
    }

    pub async fn of(shape: Shape) -> Self {
        Self::shaped(None, shape).await
    }

    async fn shaped(tls: Option<TlsAcceptor>, shape: Shape) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}/indicium", listener.local_addr().expect("an address"));
        let ledger = Arc::new(Mutex::new(Ledger {
            shape,
            page_size: 1000,
            bearer_seconds: 3600,
            customers: vec![shape::CUSTOMER],
            ..Ledger::default()
        }));
        let task = tokio::spawn(accept(listener, tls, url.clone(), Arc::clone(&ledger))).abort_handle();
        Self { url, ledger, task }
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("a ledger")
    }

    pub fn fail(&self, at: &'static str, fault: Fault) {
        self.ledger().faults.entry(at).or_default().push_back(fault);
    }

    pub fn made(&self) -> usize {
        self.ledger().made
    }

    pub fn bearers_made(&self) -> usize {
        self.ledger().bearers_made
    }

    pub fn seen(&self, at: &str) -> usize {
        self.ledger().seen.get(at).copied().unwrap_or(0)
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
    while let Some(arrived) = read(&mut stream, url).await {
        let (reply, body, wait) = answer(&arrived, url, &mut ledger.lock().expect("a ledger"));
        tokio::time::sleep(wait).await;
        let Some(reply) = reply else { return };
        let mut head = format!("HTTP/1.1 {} Answer\r\n", reply.status);
        match body {
            // By the letter of HTTP a 204 has no body, and so no length.
            Body::Whole if reply.status == 204 => {}
            Body::Whole => write!(head, "Content-Length: {}\r\n", reply.body.len()).expect("a header"),
            Body::Cut(missing) => write!(head, "Content-Length: {}\r\n", reply.body.len() + missing).expect("a header"),
            Body::Endless => head.push_str("Transfer-Encoding: chunked\r\n"),
        }
        for (name, value) in &reply.headers {
            write!(head, "{name}: {value}\r\n").expect("a header");
        }
        let text = if body == Body::Endless { format!("{head}\r\n") } else { format!("{head}\r\n{}", reply.body) };
        let mut sent = stream.get_mut().write_all(text.as_bytes()).await;
        while body == Body::Endless && sent.is_ok() {
            let chunk = format!("4000\r\n{}\r\n", "hush".repeat(0x1000));
            sent = stream.get_mut().write_all(chunk.as_bytes()).await;
        }
        if sent.is_err() || body != Body::Whole {
            return;
        }
    }
}

/// How much of a body comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    Whole,
    /// So many bytes are announced and do not come.
    Cut(usize),
    Endless,
}

async fn read(stream: &mut BufReader<impl AsyncRead + Unpin>, url: &str) -> Option<Arrived> {
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
    Some(Arrived { method, url, authorization, measured: length.is_some(), body: String::from_utf8(body).ok()? })
}

/// What a request is counted under: the last part of its path, without a key; what is done to a staged
/// task and to a waiting flow by names of their own.
fn place(arrived: &Arrived) -> String {
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

/// The answer, how much of it comes, and how long it takes.
fn answer(arrived: &Arrived, url: &str, ledger: &mut Ledger) -> (Option<Reply>, Body, Duration) {
    let at = place(arrived);
    *ledger.seen.entry(at.clone()).or_default() += 1;
    ledger.paths.push(format!("{} {}", arrived.method, arrived.url.path().trim_start_matches("/indicium/iam/tcp/")));
    let fault = ledger.faults.get_mut(at.as_str()).and_then(VecDeque::pop_front);
    match fault {
        Some(Fault::Drop) => return (None, Body::Whole, Duration::ZERO),
        Some(Fault::Answer(status, headers, body)) => {
            return (Some(Reply { status, headers, body: body.to_owned() }), Body::Whole, Duration::ZERO);
        }
        _ => {}
    }
    let reply = portal::act(arrived, url, ledger);
    let whole = |reply| (Some(reply), Body::Whole, Duration::ZERO);
    match fault {
        Some(Fault::ActThenAnswer(status, body)) => whole(Reply { body: body.to_owned(), ..Reply::empty(status) }),
        Some(Fault::ActThenDrop) => (None, Body::Whole, Duration::ZERO),
        Some(Fault::ActThenCut) => (Some(reply), Body::Cut(10), Duration::ZERO),
        Some(Fault::ActThenAnnounce(bytes)) => (Some(reply), Body::Cut(bytes), Duration::ZERO),
        Some(Fault::ActThenEndless) => (Some(Reply::empty(200)), Body::Endless, Duration::ZERO),
        Some(Fault::ActThenHang) => (Some(reply), Body::Whole, Duration::from_secs(30)),
        _ => whole(reply),
    }
}
