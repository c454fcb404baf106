//! The portal's HTTP interface: routing, authentication and the order of checks.

use super::answer::Answer;
use super::calls::TaskCall;
use super::config::Config;
use super::connection::Connection;
use super::faults::WorkOptions;
use super::reading::Reading;
use super::requests::{Kind, OpenRecord, Record, Server, now};
use super::shared::Shared;
use super::target::Target;
use super::{habits, inject, login, messages};
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::{Extension, Router};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

const LONGEST_BODY: usize = 1 << 20;

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
    let kind = target.kind(&parts.method);
    let under_way = kind.operation.is_task().then(|| shared.ledger.requests.gauge.enter());
    let visit = shared.ledger.requests.begin(record(&parts, &body, kind, &connection));
    let call = Call { shared: shared.clone(), config, target, parts, body, visit: visit.clone() };
    let answer = match call.admit() {
        Ok(_) if shared.is_rate_limited() => Answer::empty(429).with("retry-after", "1"),
        Ok(principal) => inject::meet(&shared, &connection, kind, |manner| call.answer(principal, manner)).await,
        Err(rejection) => rejection,
    };
    visit.answered(answer.status);
    drop(under_way);
    habits::dressed(&shared.config(), answer).into_response()
}

fn record(parts: &Parts, body: &Bytes, kind: Kind, connection: &Connection) -> Record {
    Record {
        seq: 0,
        at: now(),
        server: Server::Portal,
        connection: connection.number,
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        body: kind.operation.is_task().then(|| String::from_utf8_lossy(body).into_owned()),
        operation: kind.operation,
        task: kind.task,
        principal: None,
        status: None,
        applied: false,
        answered: None,
    }
}

/// One request with its context.
struct Call {
    shared: Arc<Shared>,
    config: Arc<Config>,
    target: Target,
    parts: Parts,
    body: Bytes,
    visit: OpenRecord,
}

impl Call {
    /// The authenticated user, or the error response. Empty if no login is needed.
    fn admit(&self) -> Result<String, Answer> {
        if matches!(self.target, Target::Discovery | Target::TokenEndpoint | Target::Nothing) {
            return Ok(String::new());
        }
        let principal = login::principal(&self.shared, &self.parts.headers).ok_or_else(login::unauthorized)?;
        self.visit.principal(&principal);
        if self.target == Target::OtherApplication || self.config.denied.contains(&principal) {
            return Err(messages::no_application(&self.config));
        }
        Ok(principal)
    }

    async fn answer(self, by: String, manner: WorkOptions) -> Answer {
        let (method, allowed) = (&self.parts.method, allowed(&self.config, &self.target));
        if !allowed.contains(method) {
            let names: Vec<&str> = allowed.iter().map(Method::as_str).collect();
            return Answer::empty(405).with("allow", names.join(", "));
        }
        match self.target {
            _ if !habits::reaches(&self.config, &self.target, &self.parts.headers) => messages::not_found(&self.config),
            Target::Staged(task, ref id) if *method == Method::DELETE => {
                self.cancelled(self.shared.ledger.staged.cancel(task, id))
            }
            Target::Flow(task, ref id) if *method == Method::DELETE => {
                self.cancelled(self.shared.ledger.flows.cancel(task, id))
            }
            Target::TokenEndpoint => {
                sleep(self.config.read_latency + manner.late).await;
                self.token()
            }
            Target::OtherTask => {
                self.visit.applied();
                Answer::json(200, &json!({}))
            }
            _ if method == Method::GET => {
                sleep(self.config.read_latency + manner.late).await;
                let query = self.parts.uri.query().unwrap_or_default();
                Reading { shared: &self.shared, config: &self.config, query, by: &by }.answer(&self.target)
            }
            _ => self.change(by, manner).await,
        }
    }

    fn cancelled(&self, was_there: bool) -> Answer {
        if was_there { Answer::empty(204) } else { messages::not_found(&self.config) }
    }

    /// Performs part of a task. It continues after the client has disconnected: a service tier does not cancel its
    /// database call.
    async fn change(self, by: String, manner: WorkOptions) -> Answer {
        let has_parameters = matches!(self.target, Target::Unbound(_) | Target::Bound(..) | Target::Staged(..));
        if has_parameters && !is_json(&self.parts.headers) {
            return messages::service(&self.config, 415, "Unsupported media type.");
        }
        let runs = matches!(self.target, Target::Unbound(_) | Target::Bound(..) | Target::Commit(..));
        let late = if runs { self.config.habits.late_effect() } else { Duration::ZERO };
        let soon =
            if matches!(self.target, Target::Commit(..)) { Answer::empty(204) } else { Answer::json(200, &json!({})) };
        let latency = if runs { self.config.latency } else { self.config.read_latency };
        let task = async move {
            sleep(latency + manner.late + late).await;
            let (shared, body, visit) = (self.shared, self.body.to_vec(), self.visit);
            // A change of the configuration while the task was delayed affects it too.
            let config = shared.config();
            TaskCall { shared, config, by, body, visit, manner }.answer(&self.target)
        };
        if !late.is_zero() {
            tokio::spawn(task);
            return soon;
        }
        // An error here is the end of the fake portal, or a panic that was reported already.
        tokio::spawn(task).await.unwrap_or_else(|_| Answer::empty(500))
    }

    fn token(&self) -> Answer {
        let (answer, client) = login::token(&self.shared, &self.parts.headers, &self.body);
        if let Some(client) = client {
            self.visit.principal(&client);
        }
        answer
    }
}

/// The methods that the resource supports.
fn allowed(config: &Config, target: &Target) -> &'static [Method] {
    match target {
        Target::Staged(..) if config.habits.no_cancel => &[Method::GET, Method::PATCH],
        Target::Staged(..) => &[Method::GET, Method::PATCH, Method::DELETE],
        Target::Flow(..) if !config.habits.no_cancel => &[Method::GET, Method::DELETE],
        Target::StagedOnly => &[],
        Target::Service
        | Target::Metadata
        | Target::Discovery
        | Target::Table
        | Target::Row(_)
        | Target::OtherTable(..)
        | Target::Flow(..) => &[Method::GET],
        // For a resource that does not exist, no method is wrong.
        Target::Unknown | Target::Nothing => &[Method::GET, Method::POST, Method::PATCH],
        _ => &[Method::POST],
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}
