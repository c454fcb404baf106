//! A collector of traces that keeps what it receives.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// A running collector.
pub struct Collector {
    /// The value of `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub endpoint: String,
    received: Received,
}

type Received = Arc<Mutex<Vec<u8>>>;

impl Collector {
    /// Starts it.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let received = Received::default();
        let routes = Router::new().route("/v1/traces", post(receive)).with_state(Arc::clone(&received));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { endpoint, received }
    }

    /// All requests so far. Texts are stored in them as they are.
    pub fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().expect("unpoisoned")).into_owned()
    }
}

async fn receive(State(received): State<Received>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let mut all = received.lock().expect("unpoisoned");
    for value in headers.values() {
        all.extend_from_slice(value.as_bytes());
    }
    all.extend_from_slice(&body);
    StatusCode::OK
}
