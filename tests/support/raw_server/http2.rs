//! A minimal HTTP/2 server (RFC 9113) that can refuse streams and send GOAWAY.

#![allow(clippy::expect_used, reason = "a test stops at the first failure")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What to do with a request.
#[derive(Clone, Copy, Debug)]
pub enum StreamAction {
    /// Answers 200 with this body.
    Answer(&'static str),
    /// Answers with this body and then sends GOAWAY: later streams are not served on this connection.
    AnswerAndGoAway(&'static str),
    /// `RST_STREAM` with this code.
    Reset(u32),
    /// `GOAWAY` with this code: streams above the number were not processed, and the connection closes.
    GoAway(u32, u32),
    /// Closes the connection.
    Close,
}

/// The stream was not processed and may be retried (RFC 9113).
pub const REFUSED_STREAM: u32 = 7;
/// An internal error.
pub const INTERNAL_ERROR: u32 = 2;
/// A graceful GOAWAY.
pub const NO_ERROR: u32 = 0;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` in HPACK's static table.
const STATUS_200: u8 = 0x88;

/// A running server. Stops when dropped.
pub struct Http2Server {
    /// `127.0.0.1:1234`.
    pub address: String,
    counts: Arc<Counts>,
    task: AbortHandle,
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    ended: AtomicUsize,
    requests: AtomicUsize,
}

impl Drop for Http2Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    content: Vec<u8>,
}

impl Http2Server {
    /// Starts a server that handles each request like this, by its number from 0.
    pub async fn start(tls: TlsAcceptor, script: impl Fn(usize) -> StreamAction + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.connections.fetch_add(1, Ordering::SeqCst);
                let (tls, script, counts) = (tls.clone(), script.clone(), Arc::clone(&counted));
                tokio::spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, script, &counts).await;
                    }
                    counts.ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, counts, task: task.abort_handle() }
    }

    /// The number of requests.
    pub fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// The number of connections that were opened.
    pub fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// Whether one of them is still open.
    pub fn is_connected(&self) -> bool {
        self.counts.ended.load(Ordering::SeqCst) < self.connections()
    }
}

async fn serve(
    mut stream: TlsStream<TcpStream>,
    script: impl Fn(usize) -> StreamAction,
    counts: &Counts,
) -> Option<()> {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.ok()?;
    write_frame(&mut stream, SETTINGS, 0, 0, &[]).await?;
    loop {
        let frame = read_frame(&mut stream).await?;
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => write_frame(&mut stream, SETTINGS, ACK, 0, &[]).await?,
            PING if frame.flags & ACK == 0 => write_frame(&mut stream, PING, ACK, 0, &frame.content).await?,
            HEADERS => drop(counts.requests.fetch_add(1, Ordering::SeqCst)),
            _ => {}
        }
        if matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0 {
            let number = counts.requests.load(Ordering::SeqCst) - 1;
            perform(&mut stream, frame.stream, script(number)).await?;
        }
    }
}

/// Performs an action; returns `None` if the connection ends.
async fn perform(stream: &mut TlsStream<TcpStream>, id: u32, action: StreamAction) -> Option<()> {
    match action {
        StreamAction::Answer(body) => respond(stream, id, body).await,
        StreamAction::AnswerAndGoAway(body) => {
            respond(stream, id, body).await?;
            write_frame(stream, GOAWAY, 0, 0, &[id.to_be_bytes(), NO_ERROR.to_be_bytes()].concat()).await
        }
        StreamAction::Reset(code) => write_frame(stream, RST_STREAM, 0, id, &code.to_be_bytes()).await,
        StreamAction::GoAway(last, code) => {
            write_frame(stream, GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat()).await?;
            stream.shutdown().await.ok()?;
            None
        }
        StreamAction::Close => None,
    }
}

async fn respond(stream: &mut TlsStream<TcpStream>, id: u32, body: &str) -> Option<()> {
    write_frame(stream, HEADERS, END_HEADERS, id, &[STATUS_200]).await?;
    write_frame(stream, DATA, END_STREAM, id, body.as_bytes()).await
}

async fn read_frame(stream: &mut TlsStream<TcpStream>) -> Option<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let [a, b, c, kind, flags, stream_id @ ..] = head;
    let mut content = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?];
    stream.read_exact(&mut content).await.ok()?;
    Some(Frame { kind, flags, stream: u32::from_be_bytes(stream_id) & 0x7fff_ffff, content })
}

async fn write_frame(stream: &mut TlsStream<TcpStream>, kind: u8, flags: u8, id: u32, content: &[u8]) -> Option<()> {
    let length = u32::try_from(content.len()).ok()?.to_be_bytes();
    let head = [&length[1..], &[kind, flags], &id.to_be_bytes()].concat();
    stream.write_all(&[&head, content].concat()).await.ok()?;
    stream.flush().await.ok()
}
