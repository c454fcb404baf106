//! A small GitLab: the deploy tokens of one project and of one group, as `lib/api/deploy_tokens.rb` handles them, with a
//! record of what happened.

use crate::portal_faults::{CallLog, Fake, Server, Shared, TOKEN_SECRET, perform};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};
use std::collections::HashMap;

pub const PROJECT: &str = "team/apps";
pub const GROUP: &str = "team";
pub const TOKEN: &str = "glpat-correct-horse-battery";

pub struct DeployToken {
    pub id: i64,
    pub name: String,
    pub revoked: bool,
    pub expires_at: Value,
}

pub struct GitLab {
    /// Sorted by id.
    pub tokens: Vec<DeployToken>,
    next_id: i64,
    /// From this length on GitLab does not count the list.
    pub uncounted: usize,
    log: CallLog,
}

pub type FakeGitLab = Fake<GitLab>;

impl FakeGitLab {
    pub async fn start() -> Self {
        let gitlab = GitLab { tokens: vec![], next_id: 1, uncounted: usize::MAX, log: CallLog::default() };
        Self::serve("/gitlab", gitlab, |state| {
            let tokens = "/gitlab/api/v4/{kind}/{holder}/deploy_tokens";
            Router::new()
                .route(tokens, get(list).post(create))
                .route(&format!("{tokens}/{{id}}"), get(read).delete(remove))
                .with_state(state)
        })
        .await
    }

    pub fn names(&self) -> Vec<String> {
        self.state().tokens.iter().map(|token| token.name.clone()).collect()
    }
}

impl GitLab {
    fn insert(&mut self, name: String, expires_at: Value) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        self.tokens.push(DeployToken { id, name, revoked: false, expires_at });
        id
    }

    fn begin(&mut self, call: String, (kind, holder): (&str, &str), headers: &HeaderMap) -> Option<Response> {
        self.log.calls.push(call);
        if headers.get("private-token").is_none_or(|value| value.as_bytes() != TOKEN.as_bytes()) {
            return Some(error(401, "401 Unauthorized"));
        }
        match (kind, holder) {
            ("projects", PROJECT) | ("groups", GROUP) => None,
            ("projects", _) => Some(error(404, "404 Project Not Found")),
            _ => Some(error(404, "404 Group Not Found")),
        }
    }
}

impl Server for GitLab {
    fn log(&mut self) -> &mut CallLog {
        &mut self.log
    }

    fn add(&mut self, name: String) {
        self.insert(name, Value::Null);
    }

    fn delete(&mut self, id: i64) {
        self.tokens.retain(|token| token.id != id);
    }
}

fn error(status: u16, message: &str) -> Response {
    (StatusCode::from_u16(status).expect("a status"), json!({"message": message}).to_string()).into_response()
}

fn shown(token: &DeployToken) -> Value {
    let DeployToken { id, name, revoked, expires_at } = token;
    json!({
        "id": id, "name": name, "username": format!("gitlab+deploy-token-{id}"), "expires_at": expires_at,
        "scopes": ["read_registry"], "revoked": revoked, "expired": false,
    })
}

type Holder = (String, String);

async fn create(
    State(state): State<Shared<GitLab>>,
    Path(holder): Path<Holder>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut state = state.lock().expect("a state");
    if let Some(refusal) = state.begin(format!("POST {}", holder.0), (&holder.0, &holder.1), &headers) {
        return refusal;
    }
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    state.log.requests.push(body.clone());
    let name = body["name"].as_str().expect("a name").to_owned();
    perform(&mut *state, "POST", |gitlab| {
        if body["scopes"].as_array().is_none_or(|scopes| scopes.iter().any(|scope| scope == "fly")) {
            let body = json!({"error": "scopes does not have a valid value"}).to_string();
            return (StatusCode::BAD_REQUEST, body).into_response();
        }
        let id = gitlab.insert(name.clone(), body["expires_at"].clone());
        let mut token = shown(gitlab.tokens.last().expect("a token"));
        token["token"] = Value::from(format!("{TOKEN_SECRET}-{id}"));
        (StatusCode::CREATED, token.to_string()).into_response()
    })
}

async fn list(
    State(state): State<Shared<GitLab>>,
    Path(holder): Path<Holder>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let mut state = state.lock().expect("a state");
    let query: HashMap<String, String> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let number = |name: &str| query[name].parse::<usize>().expect("a number");
    let (page, size) = (number("page"), number("per_page"));
    if let Some(refusal) = state.begin(format!("GET page {page}"), (&holder.0, &holder.1), &headers) {
        return refusal;
    }
    perform(&mut *state, "GET", |gitlab| {
        let on_page: Vec<Value> = gitlab.tokens.iter().skip((page - 1) * size).take(size).map(shown).collect();
        let mut response = (StatusCode::OK, Value::from(on_page).to_string()).into_response();
        if gitlab.tokens.len() < gitlab.uncounted {
            let pages = gitlab.tokens.len().div_ceil(size).max(1);
            response.headers_mut().insert("x-total-pages", pages.to_string().parse().expect("a value"));
        }
        response
    })
}

async fn read(
    State(state): State<Shared<GitLab>>,
    Path((kind, holder, id)): Path<(String, String, i64)>,
    headers: HeaderMap,
) -> Response {
    let mut state = state.lock().expect("a state");
    if let Some(refusal) = state.begin(format!("GET {id}"), (&kind, &holder), &headers) {
        return refusal;
    }
    perform(&mut *state, "GET", |gitlab| match gitlab.tokens.iter().find(|token| token.id == id) {
        Some(token) => shown(token).to_string().into_response(),
        None => error(404, "404 Not found"),
    })
}

async fn remove(
    State(state): State<Shared<GitLab>>,
    Path((kind, holder, id)): Path<(String, String, i64)>,
    headers: HeaderMap,
) -> Response {
    let mut state = state.lock().expect("a state");
    if let Some(refusal) = state.begin(format!("DELETE {id}"), (&kind, &holder), &headers) {
        return refusal;
    }
    perform(&mut *state, "DELETE", |gitlab| {
        let length = gitlab.tokens.len();
        gitlab.delete(id);
        if gitlab.tokens.len() == length { error(404, "404 Not found") } else { StatusCode::NO_CONTENT.into_response() }
    })
}
