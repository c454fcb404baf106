//! What the tests of portals with a JSON API share: small servers whose calls fail as requested, and clients with short
//! timeouts.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use registry_token_operator::api::{IssuerSpec, Limits, Reason};
use registry_token_operator::domain::model::marker::{IssuerTag, Marker, Nonce};
use registry_token_operator::portal::{Credentials, Delivery, EgressPolicy, PortalError, PortalSettings};
use std::collections::{HashMap, VecDeque};
use std::io;
use tokio::task::AbortHandle;

/// The start of every token's secret.
pub const TOKEN_SECRET: &str = "hush-token";

/// What goes wrong with a call.
pub enum Fault {
    /// It is rejected, and nothing is done.
    Reject(u16, Vec<(&'static str, String)>, String),
    /// It is done, and this is the response.
    Replace(u16, String),
    /// It is done, and the response breaks off.
    BreakOff,
    /// It is delivered twice, and the second response arrives.
    Twice,
    /// It is done, and then this token is deleted by another client.
    Delete(i64),
}

/// The faults of the next calls, by method.
#[derive(Default)]
pub struct Faults(HashMap<&'static str, VecDeque<Fault>>);

impl Faults {
    /// Lets the next call of this method fail.
    pub fn add(&mut self, method: &'static str, fault: Fault) {
        self.0.entry(method).or_default().push_back(fault);
    }
}

/// A portal whose calls fail as requested.
pub trait Server {
    fn faults(&mut self) -> &mut Faults;
    fn delete(&mut self, id: i64);
}

/// Performs a call with its fault.
pub fn perform<S: Server>(server: &mut S, method: &'static str, mut act: impl FnMut(&mut S) -> Response) -> Response {
    let fault = server.faults().0.get_mut(method).and_then(VecDeque::pop_front);
    match fault {
        None => act(server),
        Some(Fault::Reject(status, headers, body)) => {
            let mut response = (StatusCode::from_u16(status).expect("a status"), body).into_response();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().expect("a value"));
            }
            response
        }
        Some(Fault::Replace(status, body)) => {
            act(server);
            (StatusCode::from_u16(status).expect("a status"), body).into_response()
        }
        Some(Fault::BreakOff) => {
            act(server);
            let start = Bytes::from(format!("{{\"id\":1,\"sha1\":\"{TOKEN_SECRET}"));
            let broken = futures::stream::iter([Ok(start), Err(io::Error::other("broken"))]);
            (StatusCode::CREATED, Body::from_stream(broken)).into_response()
        }
        Some(Fault::Twice) => {
            act(server);
            act(server)
        }
        Some(Fault::Delete(id)) => {
            let response = act(server);
            server.delete(id);
            response
        }
    }
}

/// Serves a portal; returns its address, and what ends it.
pub async fn serve(router: Router) -> (String, AbortHandle) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    (url, tokio::spawn(async move { axum::serve(listener, router).await.expect("served") }).abort_handle())
}

/// Settings of a client with short timeouts.
pub fn settings(spec: &IssuerSpec, credentials: Credentials) -> PortalSettings<'_> {
    let duration = |text: &str| text.parse().expect("a duration");
    let limits = Limits {
        connect_timeout: duration("1s"),
        first_byte_timeout: duration("2s"),
        request_timeout: duration("3s"),
        ..Limits::default()
    };
    PortalSettings { spec, limits, credentials, ca_pem: None, egress: EgressPolicy::default() }
}

pub fn marker(letter: char) -> Marker {
    let nonce: String = std::iter::repeat_n(letter, 12).collect();
    Marker::new(IssuerTag::of("issuer"), Nonce::parse(&nonce).expect("a nonce"))
}

pub fn outcome(failure: &PortalError) -> (Delivery, Reason) {
    (failure.delivery, failure.reason)
}
