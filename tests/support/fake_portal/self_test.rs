//! Tests of the simulator itself: what a test learns from its ledger has to be true.
//!
//! Included beside `mod simulator` by one test binary.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests too")]

#[path = "self_test_bodies.rs"]
mod bodies;
#[path = "self_test_driver.rs"]
mod driver;
#[path = "self_test_faults.rs"]
mod faults;
#[path = "self_test_flows.rs"]
mod flows;
#[path = "self_test_forms.rs"]
mod forms;
#[path = "self_test_keys.rs"]
mod keys;
#[path = "self_test_lists.rs"]
mod lists;
#[path = "self_test_login.rs"]
mod login;
#[path = "self_test_messages.rs"]
mod messages;
#[path = "self_test_metadata.rs"]
mod metadata;
#[path = "self_test_network.rs"]
mod network;
#[path = "self_test_parts.rs"]
mod parts;
#[path = "self_test_profiles.rs"]
mod profiles;
#[path = "self_test_reading.rs"]
mod reading;
#[path = "self_test_registry.rs"]
mod registry;
#[path = "self_test_staged.rs"]
mod staged;
#[path = "self_test_tasks.rs"]
mod tasks;

use crate::fake_portal::{Config, FakePortal};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Certificate, Client, RequestBuilder, Response};
use serde_json::{Value, json};
use std::time::Duration;

/// A simulator and a client of it.
struct Bench {
    simulator: FakePortal,
    http: Client,
}

impl Bench {
    async fn new(config: Config) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let simulator = FakePortal::start(config).await;
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

    /// Sends this, with a body of JSON if there is one, and gives status and answer.
    async fn send(&self, method: &str, resource: &str, body: &str) -> (u16, Response) {
        let address = if resource.starts_with("https://") { resource.to_owned() } else { self.address(resource) };
        let method = method.parse().unwrap();
        let request = self.http.request(method, address).basic_auth("k8s", Some("portal-password"));
        let request = match body {
            "" => request,
            _ => request.header("content-type", "application/json").body(body.to_owned()),
        };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer)
    }

    /// The same where the answer is an object.
    async fn object(&self, method: &str, resource: &str, body: &str) -> Value {
        let (status, answer) = self.send(method, resource, body).await;
        assert!(status < 300, "{method} {resource} {body}: {status}");
        answer.json().await.unwrap()
    }

    /// The status alone.
    async fn status(&self, method: &str, resource: &str, body: &str) -> u16 {
        self.send(method, resource, body).await.0
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

/// Where an answer says that there is more, resolved against the address that was asked.
fn location(answer: &Response) -> String {
    let location = answer.headers().get("location").expect("a location").to_str().unwrap();
    answer.url().join(location).unwrap().to_string()
}

/// The details of an error, from the header.
fn message(answer: &Response) -> Value {
    let header = answer.headers().get("TSFMessages").expect("details of the error");
    serde_json::from_slice(&STANDARD.decode(header.as_bytes()).unwrap()).unwrap()
}
