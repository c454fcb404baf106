//! Tests of the simulator itself: what a test learns from its ledger has to be true.
//!
//! Included beside `mod simulator` by one test binary.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

#[path = "self_test_faults.rs"]
mod faults;
#[path = "self_test_login.rs"]
mod login;
#[path = "self_test_network.rs"]
mod network;
#[path = "self_test_reading.rs"]
mod reading;
#[path = "self_test_registry.rs"]
mod registry;
#[path = "self_test_tasks.rs"]
mod tasks;

use crate::simulator::{Config, Simulator};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Certificate, Client, RequestBuilder, Response};
use serde_json::{Value, json};
use std::time::Duration;

/// A simulator and a client of it.
struct Bench {
    simulator: Simulator,
    http: Client,
}

impl Bench {
    async fn new(config: Config) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let simulator = Simulator::start(config).await;
        let ca = Certificate::from_pem(simulator.ca_pem().as_bytes()).unwrap();
        let http = Client::builder().tls_certs_only([ca]).timeout(Duration::from_mins(1)).build().unwrap();
        Self { simulator, http }
    }

    fn address(&self, resource: &str) -> String {
        format!("{}/iam/tcp/{resource}", self.simulator.portal_url())
    }

    fn get(&self, resource: &str) -> RequestBuilder {
        self.http.get(self.address(resource)).basic_auth("k8s", Some("portal-password"))
    }

    fn post(&self, task: &str, body: &Value) -> RequestBuilder {
        self.http.post(self.address(task)).basic_auth("k8s", Some("portal-password")).json(body)
    }

    /// Requests a token, and gives the answer.
    async fn request(&self, description: &str) -> Value {
        let answer = self.post("request_token", &json!({"description": description})).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    async fn rows(&self, query: &str) -> Vec<Value> {
        let page: Value = self.get(&format!("container_token?{query}")).send().await.unwrap().json().await.unwrap();
        page["value"].as_array().unwrap().clone()
    }
}

async fn bench() -> Bench {
    Bench::new(Config::default()).await
}

/// The details of an error, from the header.
fn message(answer: &Response) -> Value {
    let header = answer.headers().get("TSFMessages").expect("details of the error");
    serde_json::from_slice(&STANDARD.decode(header.as_bytes()).unwrap()).unwrap()
}
