//! The portal's HTTP interface: which request is about what, who may, and in which order.

use super::answer::Answer;
use super::config::Config;
use super::connection::Connection;
use super::requests::{Operation, Record, Server, Visit, now};
use super::shared::Shared;
use super::target::Target;
use super::{columns, login, messages, metadata, misfortune, query, tasks};
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::{Extension, Router};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

const LONGEST_BODY: usize = 1 << 20;

/// The portal.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(handle).with_state(shared)
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LONGEST_BODY).await.unwrap_or_default();
    let config = shared.config();
    let target = Target::of(&config, parts.uri.path());
    let operation = target.operation();
    let under_way = operation.is_task().then(|| shared.ledger.requests.gauge.enter());
    let visit = shared.ledger.requests.begin(record(&parts, &body, operation, &connection));
    let call = Call { shared: shared.clone(), config, target, parts, body, visit: visit.clone() };
    let answer = match call.admit() {
        Ok(principal) => misfortune::meet(&shared, &connection, operation, |late| call.answer(principal, late)).await,
        Err(refusal) => refusal,
    };
    visit.answered(answer.status);
    drop(under_way);
    answer.into_response()
}

fn record(parts: &Parts, body: &Bytes, operation: Operation, connection: &Connection) -> Record {
    Record {
        seq: 0,
        at: now(),
        server: Server::Portal,
        connection: connection.number,
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        body: operation.is_task().then(|| String::from_utf8_lossy(body).into_owned()),
        operation,
        principal: None,
        status: None,
        applied: false,
        answered: None,
    }
}

/// One request with all that is known of it.
struct Call {
    shared: Arc<Shared>,
    config: Arc<Config>,
    target: Target,
    parts: Parts,
    body: Bytes,
    visit: Visit,
}

impl Call {
    /// Who asks, or why they may not. Empty where no login is needed.
    fn admit(&self) -> Result<String, Answer> {
        if matches!(self.target, Target::Discovery | Target::TokenEndpoint | Target::Nothing) {
            return Ok(String::new());
        }
        let principal = login::principal(&self.shared, &self.parts.headers).ok_or_else(login::refused)?;
        self.visit.principal(&principal);
        if self.target == Target::OtherApplication || self.config.denied.contains(&principal) {
            return Err(messages::no_application(&self.config));
        }
        Ok(principal)
    }

    async fn answer(self, principal: String, late: Duration) -> Answer {
        let expected = match self.target {
            Target::Task(_) | Target::TokenEndpoint => Method::POST,
            _ => Method::GET,
        };
        if self.parts.method != expected {
            return Answer::empty(405).with("allow", expected.as_str());
        }
        if let Target::Task(task) = self.target {
            return self.run(task, principal, late).await;
        }
        sleep(self.config.read_latency + late).await;
        self.read()
    }

    /// Runs a task. It goes on when the client has left: a service tier does not call its
    /// database back.
    async fn run(self, task: Operation, principal: String, late: Duration) -> Answer {
        if !is_json(&self.parts.headers) {
            return messages::service(&self.config, 415, "Unsupported media type.");
        }
        let task = async move {
            sleep(self.config.latency + late).await;
            tasks::run(&self.shared, task, &self.body, &principal, &self.visit)
        };
        // An error is the end of the simulator, or a panic that has been told already.
        tokio::spawn(task).await.unwrap_or_else(|_| Answer::empty(500))
    }

    fn read(&self) -> Answer {
        match &self.target {
            Target::Discovery => login::discovery(&self.config, &self.shared.origins().portal),
            Target::TokenEndpoint => self.token(),
            Target::Metadata => Answer::body(200, "application/xml", metadata::document(&self.config)),
            Target::Service => self.service_document(),
            Target::Table => self.page(),
            Target::Row(key) => self.row(key),
            _ => Answer::empty(404),
        }
    }

    fn token(&self) -> Answer {
        let (answer, client) = login::token(&self.shared, &self.parts.headers, &self.body);
        if let Some(client) = client {
            self.visit.principal(&client);
        }
        answer
    }

    fn service_document(&self) -> Answer {
        let table = &self.config.names.table;
        Answer::json(200, &json!({"value": [{"name": table, "kind": "EntitySet", "url": table}]}))
    }

    fn page(&self) -> Answer {
        let (config, table) = (&self.config, &self.config.names.table);
        let address = if config.relative_next_link {
            table.clone()
        } else {
            format!("{}{}/iam/{}/{table}", self.shared.origins().portal, config.root, config.application)
        };
        match query::page(config, &self.shared.ledger, self.parts.uri.query().unwrap_or_default(), &address) {
            Some(page) => Answer::json(200, &page),
            None => messages::service(config, 400, "The query is invalid."),
        }
    }

    fn row(&self, key: &str) -> Answer {
        let plain = key.strip_prefix(&format!("{}=", self.config.names.key)).unwrap_or(key);
        let Ok(id) = plain.parse() else { return messages::service(&self.config, 400, "The key is invalid.") };
        match self.shared.ledger.token(id).filter(super::ledger::Token::is_live) {
            Some(token) => Answer::json(200, &Value::Object(columns::row(&token, None, &self.config.names))),
            None => messages::service(&self.config, 404, "Entity not found"),
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}
