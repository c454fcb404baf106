//! The control interface, for tests, demo and benchmark that run the fake portal as a separate process. Plain HTTP on
//! the loopback address.

use super::answer::Answer;
use super::faults::Rule;
use super::run::Servers;
use super::server::Reachability;
use super::shared::Shared;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::{Router, http::Method};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use url::form_urlencoded::parse;

/// The control interface.
pub(super) fn router(shared: Arc<Shared>, servers: Servers, ca_pem: String) -> Router {
    Router::new().fallback(handle).with_state(Arc::new(ControlServer { shared, servers, ca_pem }))
}

struct ControlServer {
    shared: Arc<Shared>,
    servers: Servers,
    ca_pem: String,
}

async fn handle(State(desk): State<Arc<ControlServer>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let query = parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let body = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&body) };
    let answer = match body {
        Ok(_) if parts.method == Method::GET => desk.look(parts.uri.path(), &query),
        Ok(body) if parts.method == Method::POST => desk.act(parts.uri.path(), &query, body).await,
        Ok(_) => Answer::empty(405),
        Err(error) => bad(&error.to_string()),
    };
    answer.into_response()
}

fn done() -> Answer {
    Answer::empty(204)
}

fn bad(why: &str) -> Answer {
    Answer::json(400, &json!({"error": why}))
}

impl ControlServer {
    fn look(&self, path: &str, query: &HashMap<String, String>) -> Answer {
        match path {
            "/ledger" => Answer::json(200, &self.ledger(query)),
            "/faults" => Answer::json(200, &json!(self.shared.faults.in_force())),
            "/config" => Answer::json(200, &json!(*self.shared.config())),
            "/ca.crt" => Answer::body(200, "application/x-pem-file", self.ca_pem.clone()),
            _ => Answer::empty(404),
        }
    }

    fn ledger(&self, query: &HashMap<String, String>) -> Value {
        let ledger = &self.shared.ledger;
        let mut tokens = json!(ledger.all());
        if query.get("secrets").is_none_or(|wanted| wanted != "true") {
            for token in tokens.as_array_mut().into_iter().flatten() {
                token.as_object_mut().and_then(|token| token.remove("secret"));
            }
        }
        let since = query.get("since").and_then(|since| since.parse().ok()).unwrap_or(0);
        json!({
            "tokens": tokens,
            "position": ledger.position(),
            "requests": ledger.requests_since(since),
            "max_concurrent_tasks": ledger.max_concurrent_tasks(),
        })
    }

    async fn act(&self, path: &str, query: &HashMap<String, String>, body: Value) -> Answer {
        match path {
            "/faults" => return self.add_faults(body),
            "/faults/clear" => self.shared.faults.clear(),
            "/faults/release" => self.shared.faults.release(),
            "/bearers/revoke" => self.shared.bearers.revoke_all(),
            "/config" => return self.configure(body),
            "/up" => self.switch(query, Reachability::Up).await,
            "/down" => self.switch(query, Reachability::Down).await,
            "/blackhole" => self.switch(query, Reachability::Blackhole).await,
            _ => return self.colleague(path, &body),
        }
        done()
    }

    async fn switch(&self, query: &HashMap<String, String>, reach: Reachability) {
        let of_registry = query.get("server").is_some_and(|server| server == "registry");
        let server = if of_registry { &self.servers.registry } else { &self.servers.portal };
        server.switch(reach).await;
    }

    fn add_faults(&self, body: Value) -> Answer {
        let rules = if body.is_array() { body } else { json!([body]) };
        match serde_json::from_value::<Vec<Rule>>(rules) {
            Ok(rules) => {
                for rule in rules {
                    self.shared.faults.add(rule);
                }
                done()
            }
            Err(error) => bad(&error.to_string()),
        }
    }

    /// Merges the given JSON into the current configuration.
    fn configure(&self, body: Value) -> Answer {
        match self.shared.config().overlaid(body) {
            Ok(changed) => {
                self.shared.configure(|config| *config = changed);
                done()
            }
            Err(error) => bad(&error.to_string()),
        }
    }

    /// Actions of a colleague in the portal: `/tokens`, `/tokens/<id>/revoke`, `/tokens/<id>/edit`.
    fn colleague(&self, path: &str, body: &Value) -> Answer {
        let ledger = &self.shared.ledger;
        let description = body["description"].as_str();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let id = |text: &str| text.parse().unwrap_or(0);
        let found = match parts[..] {
            ["tokens"] => return Answer::json(201, &json!({"id": ledger.add_as_colleague(description).id})),
            ["tokens", token, "revoke"] => ledger.revoke_as_colleague(id(token)),
            ["tokens", token, "edit"] => ledger.edit_as_colleague(id(token), description.unwrap_or_default()),
            _ => false,
        };
        if found { done() } else { Answer::empty(404) }
    }
}
