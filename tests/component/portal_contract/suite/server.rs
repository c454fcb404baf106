//! A server with a JSON API, as another client than the operator's uses it.

use super::under_test::Access;
use crate::fault_proxy::http_client;
use registry_token_operator::api::{IssuerSpec, Limits};
use registry_token_operator::portal::{Credentials, EgressPolicy, PortalSettings};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::Value;
use std::any::Any;
use std::sync::OnceLock;

/// Where a server is, and how to log in.
pub struct Server {
    pub url: String,
    pub ca_pem: Option<String>,
    /// The user's name; empty for an access token.
    pub user: String,
    /// A password or an access token.
    pub secret: String,
    /// The project; empty where tokens belong to the user.
    pub project: String,
    /// What keeps it running, and others away from it.
    pub keep: Box<dyn Any + Send + Sync>,
    pub client: OnceLock<reqwest::Client>,
}

impl Server {
    pub fn access(&self) -> Access {
        let secret = SecretString::from(self.secret.as_str());
        let credentials = match self.user.clone() {
            user if user.is_empty() => Credentials::Token { token: secret },
            username => Credentials::Basic { username, password: secret },
        };
        Access { url: self.url.clone(), ca_pem: self.ca_pem.clone(), credentials }
    }

    /// The rows of a list, page by page until one is empty. The first page has the number 1.
    pub async fn pages(&self, path: impl Fn(usize) -> String) -> Vec<Value> {
        let mut rows = vec![];
        for page in 1.. {
            let Value::Array(more) = self.call((Method::GET, &path(page)), None, &[200]).await else {
                panic!("a list")
            };
            if more.is_empty() {
                break;
            }
            rows.extend(more);
        }
        rows
    }

    /// Sends a call, and returns the body of its response, which has one of these statuses.
    pub async fn call(&self, (method, path): (Method, &str), body: Option<Value>, expected: &[u16]) -> Value {
        let client = self.client.get_or_init(|| http_client(self.ca_pem.as_deref()));
        // Harbor takes the text in an address for a name only with this header.
        let request = client.request(method, format!("{}/{path}", self.url)).header("x-is-resource-name", "true");
        let request = match &self.user {
            user if user.is_empty() => request.header("private-token", &self.secret),
            user => request.basic_auth(user, Some(&self.secret)),
        };
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let response = request.send().await.expect("a response");
        let (status, text) = (response.status(), response.text().await.expect("a body"));
        assert!(expected.contains(&status.as_u16()), "{path}: {status}, {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}

/// The settings of a client that reaches the portal by the proxy.
pub fn settings(spec: &IssuerSpec, credentials: Credentials, limits: Limits) -> PortalSettings<'_> {
    PortalSettings { spec, limits, credentials, ca_pem: None, egress: EgressPolicy::default() }
}

pub fn text(value: &Value, field: &str) -> String {
    match &value[field] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
