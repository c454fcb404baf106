//! HTTP with every limit applied, and without any repetition.

use super::{Failure, Sent, errors, tls};
use crate::api::{Limits, Reason};
use reqwest::{Client, Request, Response, redirect, retry};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::{Zeroize as _, Zeroizing};

/// How much of an answer that nobody reads is taken in, and for how long, so that its connection can be used again.
const DRAIN_LIMIT: usize = 64 << 10;
const DRAIN_TIME: Duration = Duration::from_secs(1);
/// Servers close idle connections, often after two minutes. A request that meets the closing has no
/// clear answer, so we let go long before.
const IDLE: Duration = Duration::from_secs(30);
/// A connection that silently died is noticed while it is still in use.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// An HTTP client that keeps its limits.
pub(super) struct HttpClient {
    client: Client,
    first_byte: Duration,
    total: Duration,
}

impl HttpClient {
    pub(super) fn new(limits: &Limits, ca_pem: Option<&str>, insecure: bool) -> Result<Self, Failure> {
        let first_byte = limits.first_byte_timeout.0;
        // A part of it, so that a connection that never came about is known as such and not as a missing answer.
        let connect = limits.connect_timeout.0.min(first_byte.mul_f32(0.9));
        let client = Client::builder()
            .tls_backend_preconfigured(tls::config(ca_pem)?)
            .https_only(!insecure)
            .user_agent(concat!("registry-token-operator/", env!("CARGO_PKG_VERSION")))
            // A redirect would carry credentials to where nobody sent them.
            .redirect(redirect::Policy::none())
            .referer(false)
            // By default some requests that HTTP/2 rejected are sent again. One POST is one POST. What is
            // left is below: a request whose pooled connection closed before a byte of it was written goes to a new one.
            .retry(retry::never())
            .connect_timeout(connect)
            .pool_idle_timeout(IDLE)
            .tcp_keepalive(KEEP_ALIVE)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(KEEP_ALIVE)
            .build()
            .map_err(|error| errors::of_transport(error, "the portal"))?;
        Ok(Self { client, first_byte, total: limits.request_timeout.0 })
    }

    /// The end of a call that begins now: login, request and answer together.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.total
    }

    /// Sends a request once and waits for the answer's head.
    pub(super) async fn send(&self, request: Request, deadline: Instant) -> Result<Response, Failure> {
        let host = request.url().host_str().unwrap_or("the portal").to_owned();
        let now = Instant::now();
        if deadline <= now {
            return Err(Failure::new(Sent::No, Reason::TimedOut, format!("no time was left to ask {host}")));
        }
        let end = deadline.min(now + self.first_byte);
        match timeout_at(end, self.client.execute(request)).await {
            Ok(answer) => answer.map_err(|error| errors::of_transport(error, &host)),
            Err(_) => Err(late(&format!("{host} did not answer within {:?}", end - now))),
        }
    }
}

fn late(message: &str) -> Failure {
    Failure::new(Sent::Perhaps, Reason::TimedOut, message)
}

fn too_large(limit: usize) -> Failure {
    Failure::new(Sent::Perhaps, Reason::AnswerMalformed, format!("the portal's answer is larger than {limit} bytes"))
}

/// Reads a body, at most so much of it. It is wiped when dropped, for it may hold a secret.
pub(super) async fn body(
    mut response: Response,
    limit: usize,
    deadline: Instant,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let host = response.url().host_str().unwrap_or("the portal").to_owned();
    let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(too_large(limit));
    }
    let mut body = Zeroizing::new(Vec::with_capacity(announced));
    loop {
        let chunk = timeout_at(deadline, response.chunk())
            .await
            .map_err(|_| late(&format!("{host} did not finish its answer in time")))?
            .map_err(|error| errors::of_transport(error, &host))?;
        let Some(chunk) = chunk else { return Ok(body) };
        if body.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        append(&mut body, &chunk);
    }
}

/// Grows into a new buffer and wipes the old one, which a plain `extend` would leave in memory.
fn append(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    let needed = body.len() + chunk.len();
    if needed > body.capacity() {
        let mut larger = Vec::with_capacity(needed.max(body.capacity() * 2));
        larger.extend_from_slice(body);
        body.zeroize();
        **body = larger;
    }
    body.extend_from_slice(chunk);
}

/// Takes in the rest of an answer, whose outcome is known already, so that the connection can be used again.
pub(super) async fn drain(mut response: Response) {
    let read = async {
        let mut left = DRAIN_LIMIT;
        while let Ok(Some(chunk)) = response.chunk().await {
            let Some(rest) = left.checked_sub(chunk.len()) else { return };
            left = rest;
        }
    };
    // Late or broken: then the connection is closed, and nothing else is lost.
    let _ = timeout(DRAIN_TIME, read).await;
}
