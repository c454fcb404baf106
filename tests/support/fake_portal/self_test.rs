//! Tests of the fake portal itself: its ledger must be true.
//!
//! Included next to `mod fake_portal` by one test binary.

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

/// A fake portal and a client of it.
struct Bench {
    portal: FakePortal,
    http: Client,
}

impl Bench {
    async fn new(config: Config) -> Self {
        // Another test of this process may have set it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let portal = FakePortal::start(config).await;
        let ca = Certificate::from_pem(portal.ca_pem().as_bytes()).unwrap();
        let http = Client::builder().tls_certs_only([ca]).timeout(Duration::from_mins(1)).build().unwrap();
        Self { portal, http }
    }

    fn address(&self, resource: &str) -> String {
        format!("{}/iam/tcp/{resource}", self.portal.portal_url())
    }

    fn get(&self, resource: &str) -> RequestBuilder {
        self.http.get(self.address(resource)).basic_auth("k8s", Some("portal-password"))
    }

    fn post(&self, task: &str, body: &Value) -> RequestBuilder {
        self.http.post(self.address(task)).basic_auth("k8s", Some("portal-password")).json(body)
    }

    /// Sends a request, with a JSON body if there is one, and returns status and response body.
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

    /// The same for a response that is an object.
    async fn object(&self, method: &str, resource: &str, body: &str) -> Value {
        let (status, answer) = self.send(method, resource, body).await;
        assert!(status < 300, "{method} {resource} {body}: {status}");
        answer.json().await.unwrap()
    }

    /// Sends a request and returns the status only.
    async fn status(&self, method: &str, resource: &str, body: &str) -> u16 {
        self.send(method, resource, body).await.0
    }

    /// Requests a token, and returns the response.
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

/// The response's `Location`, resolved against the request's address.
fn location(answer: &Response) -> String {
    let location = answer.headers().get("location").expect("a location").to_str().unwrap();
    answer.url().join(location).unwrap().to_string()
}

/// The details of an error, from the header.
fn message(answer: &Response) -> Value {
    let header = answer.headers().get("TSFMessages").expect("details of the error");
    serde_json::from_slice(&STANDARD.decode(header.as_bytes()).unwrap()).unwrap()
}
