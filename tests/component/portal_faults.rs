//! What the tests of portals with a JSON API share: small servers whose calls fail as requested, and clients with short
//! timeouts.

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::serve::ListenerExt as _;
use registry_token_operator::api::{IssuerSpec, Limits, Reason};
use registry_token_operator::domain::model::marker::{IssuerTag, Marker, Nonce};
use registry_token_operator::portal::{Credentials, Delivery, EgressPolicy, PortalError, PortalSettings};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::task::AbortHandle;

/// The start of every token's secret.
pub const TOKEN_SECRET: &str = "hush-token";

/// What goes wrong with a call.
pub enum Fault {
    /// It is rejected, and nothing is done.
    Reject(u16, String),
    /// It is done, and this is the response.
    Replace(u16, String),
    /// It is done, and then this token is deleted by another client.
    Delete(i64),
}

/// What arrived at a fake portal, and what goes wrong next.
#[derive(Default)]
pub struct CallLog {
    faults: HashMap<&'static str, VecDeque<Fault>>,
    /// Every call, as `<method> <path and query>`.
    pub calls: Vec<String>,
    /// The bodies of the token requests.
    pub requests: Vec<Value>,
}

/// A portal whose calls fail as requested.
pub trait Server {
    fn log(&mut self) -> &mut CallLog;
    /// Adds a token of another client, with this name or description.
    fn add(&mut self, description: String);
    fn delete(&mut self, id: i64);
}

/// A running fake portal. Stops when dropped.
pub struct Fake<S> {
    pub url: String,
    state: Shared<S>,
    task: AbortHandle,
}

pub type Shared<S> = Arc<Mutex<S>>;

impl<S> Drop for Fake<S> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<S: Server> Fake<S> {
    /// Serves a portal whose root has this path.
    pub async fn serve(root: &str, state: S, build: impl FnOnce(Shared<S>) -> Router) -> Self {
        let state = Arc::new(Mutex::new(state));
        let (url, task) = serve(build(Arc::clone(&state))).await;
        Self { url: format!("{url}{root}"), state, task }
    }

    pub fn state(&self) -> MutexGuard<'_, S> {
        self.state.lock().expect("a state")
    }

    /// Lets the next call of this method fail.
    pub fn fail(&self, method: &'static str, fault: Fault) {
        self.state().log().faults.entry(method).or_default().push_back(fault);
    }

    /// Adds tokens of another client, with these names or descriptions.
    pub fn add(&self, descriptions: impl IntoIterator<Item = String>) {
        let mut state = self.state();
        descriptions.into_iter().for_each(|description| state.add(description));
    }

    /// Takes the calls since the last time.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log().calls)
    }

    /// The bodies of the token requests.
    pub fn requests(&self) -> Vec<Value> {
        self.state().log().requests.clone()
    }
}

/// Serves a router; returns its address, and what ends it.
pub async fn serve(router: Router) -> (String, AbortHandle) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    // Otherwise a large response takes as long as a delayed acknowledgment.
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("a socket"));
    (url, tokio::spawn(async move { axum::serve(listener, router).await.expect("served") }).abort_handle())
}

/// Performs a call with its fault.
pub fn perform<S: Server>(server: &mut S, method: &'static str, act: impl FnOnce(&mut S) -> Response) -> Response {
    let fault = server.log().faults.get_mut(method).and_then(VecDeque::pop_front);
    match fault {
        None => act(server),
        Some(Fault::Reject(status, body)) => (StatusCode::from_u16(status).expect("a status"), body).into_response(),
        Some(Fault::Replace(status, body)) => {
            act(server);
            (StatusCode::from_u16(status).expect("a status"), body).into_response()
        }
        Some(Fault::Delete(id)) => {
            let response = act(server);
            server.delete(id);
            response
        }
    }
}

/// Short timeouts.
pub fn limits() -> Limits {
    let duration = |text: &str| text.parse().expect("a duration");
    Limits {
        connect_timeout: duration("1s"),
        first_byte_timeout: duration("2s"),
        request_timeout: duration("6s"),
        ..Limits::default()
    }
}

/// Settings of a client with short timeouts.
pub fn settings(spec: &IssuerSpec, credentials: Credentials) -> PortalSettings<'_> {
    PortalSettings { spec, limits: limits(), credentials, ca_pem: None, egress: EgressPolicy::default() }
}

pub fn marker(letter: char) -> Marker {
    let nonce: String = std::iter::repeat_n(letter, 12).collect();
    Marker::new(IssuerTag::of("issuer"), Nonce::parse(&nonce).expect("a nonce"))
}

pub fn outcome(failure: &PortalError) -> (Delivery, Reason) {
    (failure.delivery, failure.reason)
}
