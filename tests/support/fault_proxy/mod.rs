//! A reverse proxy in front of a portal, whose responses get lost, arrive twice or are replaced as a test requests. As the
//! faults are injected here, they are the same for every portal, for a fake one and a real one.

#![allow(dead_code, reason = "several test binaries include this module, and each uses its own part of it")]

mod reply;

pub use reply::Reply;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request, Response, header};
use futures::future::BoxFuture;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use reply::{Answer, closed};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// The largest body that a test sends or lists.
const MAX_BODY: usize = 16 << 20;

/// Which calls a fault concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Calls {
    /// Those that change something: every method but `GET`.
    Changes,
    /// Those that read the list of tokens.
    Lists,
}

/// What goes wrong with a call.
pub enum Fault {
    /// It does not reach the portal, and the connection is closed.
    LoseRequest,
    /// It reaches the portal, and the connection is closed before a response.
    LoseResponse,
    /// It reaches the portal, and the connection is closed in the middle of the response's body.
    CutResponse,
    /// It does not reach the portal, and this is the response.
    Answer(Reply),
    /// It reaches the portal, and this is the response.
    Replace(Reply),
    /// It reaches the portal twice, and the second response arrives.
    Twice,
    /// It reaches the portal, and this is done before its response arrives.
    Then(BoxFuture<'static, ()>),
}

#[derive(Default)]
struct State {
    faults: HashMap<Calls, VecDeque<Fault>>,
    changes: Vec<String>,
    lists: Vec<String>,
    /// The bodies of responses to changes, which contain the secrets of new tokens.
    bodies: Vec<Bytes>,
    /// Every list as it was read last, by its address.
    recorded: HashMap<String, Answer>,
    is_stale: bool,
    delay: Duration,
    /// Changes that are in progress, and the most at once.
    in_progress: usize,
    peak: usize,
}

/// A running proxy. Stops when dropped.
pub struct FaultProxy {
    /// Such as `http://127.0.0.1:1234`.
    pub origin: String,
    proxy: Arc<Proxy>,
    task: AbortHandle,
}

struct Proxy {
    upstream: String,
    list: &'static str,
    client: reqwest::Client,
    state: Mutex<State>,
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FaultProxy {
    /// Starts a proxy in front of this origin. The address of the list ends with `list`.
    pub async fn start(upstream: &str, ca_pem: Option<&str>, list: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let origin = format!("http://{}", listener.local_addr().expect("an address"));
        let (upstream, client) = (upstream.to_owned(), http_client(ca_pem));
        let proxy = Arc::new(Proxy { upstream, list, client, state: Mutex::default() });
        let shared = Arc::clone(&proxy);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("a socket");
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request| Arc::clone(&shared).handle(request));
                // An error closes the connection, which is a fault here.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { origin, proxy, task: task.abort_handle() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.proxy.state()
    }

    /// Lets the next of these calls fail.
    pub fn fail(&self, calls: Calls, fault: Fault) {
        self.state().faults.entry(calls).or_default().push_back(fault);
    }

    /// The faults that were not injected yet.
    pub fn pending_faults(&self) -> usize {
        self.state().faults.values().map(VecDeque::len).sum()
    }

    /// Takes the changes that arrived since the last time.
    pub fn take_changes(&self) -> Vec<String> {
        std::mem::take(&mut self.state().changes)
    }

    /// Takes the reads of lists that arrived since the last time.
    pub fn take_lists(&self) -> Vec<String> {
        std::mem::take(&mut self.state().lists)
    }

    /// The bodies of all responses to changes.
    pub fn bodies(&self) -> Vec<Bytes> {
        self.state().bodies.clone()
    }

    /// While it is stale, a list that was read before is answered as it was then.
    pub fn set_stale(&self, is_stale: bool) {
        self.state().is_stale = is_stale;
    }

    /// Every change takes this long from now on.
    pub fn delay_changes(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// The highest number of changes at once.
    pub fn peak(&self) -> usize {
        self.state().peak
    }
}

/// A client that trusts this CA, if there is one, and follows no redirect.
pub fn http_client(ca_pem: Option<&str>) -> reqwest::Client {
    // There may be one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let trusted = ca_pem.map(|pem| reqwest::Certificate::from_pem(pem.as_bytes()).expect("a certificate"));
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let builder = if let Some(ca) = trusted { builder.tls_certs_only([ca]) } else { builder };
    builder.build().expect("a client")
}

impl Proxy {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a state")
    }

    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(Body::new(body), MAX_BODY).await.map_err(io::Error::other)?;
        let target = parts.uri.path_and_query().map_or("/", |text| text.as_str()).to_owned();
        let is_change = parts.method != Method::GET;
        let is_list = !is_change && parts.uri.path().ends_with(self.list);
        let (fault, former, delay) = self.arrived(&parts.method, &target, is_change, is_list);
        if let Some(answer) = former {
            return Ok(answer.whole());
        }
        if is_change && !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let send = || self.forward(parts.method.clone(), &target, &parts.headers, body.clone());
        let result = match fault {
            Some(Fault::LoseRequest) => Err(closed()),
            Some(Fault::Answer(reply)) => Ok(reply.into_response()),
            Some(Fault::LoseResponse) => send().await.and(Err(closed())),
            Some(Fault::CutResponse) => send().await.and_then(Answer::cut),
            Some(Fault::Replace(reply)) => send().await.map(|_| reply.into_response()),
            Some(Fault::Twice) => {
                send().await?;
                send().await.map(Answer::whole)
            }
            Some(Fault::Then(action)) => {
                let answer = send().await?;
                action.await;
                Ok(answer.whole())
            }
            None => send().await.map(|answer| {
                if is_list {
                    self.state().recorded.insert(target.clone(), answer.clone());
                }
                answer.whole()
            }),
        };
        if is_change {
            self.state().in_progress -= 1;
        }
        result
    }

    /// Records a call, and returns what is to be done with it.
    fn arrived(
        &self,
        method: &Method,
        target: &str,
        is_change: bool,
        is_list: bool,
    ) -> (Option<Fault>, Option<Answer>, Duration) {
        let mut state = self.state();
        let call = format!("{method} {target}");
        if is_change {
            state.changes.push(call);
            state.in_progress += 1;
            state.peak = state.peak.max(state.in_progress);
        } else if is_list {
            state.lists.push(call);
        }
        let calls = if is_change { Some(Calls::Changes) } else { is_list.then_some(Calls::Lists) };
        let fault = calls.and_then(|calls| state.faults.get_mut(&calls)?.pop_front());
        let former = if state.is_stale && is_list { state.recorded.get(target).cloned() } else { None };
        (fault, former, state.delay)
    }

    async fn forward(&self, method: Method, target: &str, headers: &HeaderMap, body: Bytes) -> io::Result<Answer> {
        let is_change = method != Method::GET;
        let mut request = self.client.request(method, format!("{}{target}", self.upstream)).body(body);
        for (name, value) in headers.iter().filter(|(name, _)| !is_of_connection(name)) {
            request = request.header(name, value);
        }
        let response = request.send().await.map_err(io::Error::other)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(io::Error::other)?;
        let headers = headers.into_iter().filter_map(|(name, value)| Some((name?, value)));
        let headers = headers.filter(|(name, _)| !is_of_connection(name)).collect();
        if is_change {
            self.state().bodies.push(body.clone());
        }
        Ok(Answer { status, headers, body })
    }
}

/// Headers that the proxy and its client set themselves.
fn is_of_connection(name: &header::HeaderName) -> bool {
    [header::HOST, header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(name)
}
