//! A small Gitea: the tokens of one user, as `routers/api/v1/user/app.go` handles them, with a record of what happened.

use crate::portal_faults::{CallLog, Fake, Server, Shared, TOKEN_SECRET, perform};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::HashMap;

pub const USER: &str = "bot";
pub const PASSWORD: &str = "correct-horse-battery";

#[derive(Default)]
pub struct Gitea {
    /// Ids and names, the oldest first.
    pub tokens: Vec<(i64, String)>,
    next_id: i64,
    /// Whether a list without `page` is the first page, as in Gitea 1.26. Older versions send the whole list.
    pub pages_always: bool,
    /// The most tokens on a page.
    pub max_items: usize,
    log: CallLog,
}

pub type FakeGitea = Fake<Gitea>;

impl FakeGitea {
    pub async fn start() -> Self {
        let gitea = Gitea { next_id: 1, max_items: 50, ..Gitea::default() };
        Self::serve("/git", gitea, |state| {
            let tokens = "/git/api/v1/users/{user}/tokens";
            Router::new()
                .route(tokens, get(list).post(create))
                .route(&format!("{tokens}/{{id}}"), delete(remove))
                .with_state(state)
        })
        .await
    }
}

impl Gitea {
    fn insert(&mut self, name: String) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        self.tokens.push((id, name));
        id
    }
}

impl Server for Gitea {
    fn log(&mut self) -> &mut CallLog {
        &mut self.log
    }

    fn add(&mut self, name: String) {
        self.insert(name);
    }

    fn delete(&mut self, id: i64) {
        self.tokens.retain(|(other, _)| *other != id);
    }
}

fn error(status: u16, message: &str) -> Response {
    let body = json!({"message": message, "url": "https://git.example.com/api/swagger"}).to_string();
    (StatusCode::from_u16(status).expect("a status"), body).into_response()
}

fn refused(user: &str, headers: &HeaderMap) -> Option<Response> {
    let expected = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    if headers.get("authorization").is_none_or(|value| value.as_bytes() != expected.as_bytes()) {
        return Some(error(401, "user does not exist"));
    }
    (user != USER).then(|| error(404, "user does not exist"))
}

async fn create(
    State(state): State<Shared<Gitea>>,
    Path(user): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut state = state.lock().expect("a state");
    state.log.calls.push(format!("POST /users/{user}/tokens"));
    if let Some(refusal) = refused(&user, &headers) {
        return refusal;
    }
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    state.log.requests.push(body.clone());
    let name = body["name"].as_str().expect("a name").to_owned();
    perform(&mut *state, "POST", |gitea| {
        if gitea.tokens.iter().any(|(_, taken)| *taken == name) {
            return error(400, "access token name has been used already");
        }
        if body["scopes"].as_array().is_none_or(|scopes| scopes.iter().any(|scope| scope == "read:nothing")) {
            return error(400, "invalid access token scope provided: read:nothing");
        }
        let id = gitea.insert(name.clone());
        let secret = format!("{TOKEN_SECRET}-{id}");
        let token =
            json!({"id": id, "name": name, "sha1": secret, "token_last_eight": "oken-001", "scopes": body["scopes"]});
        (StatusCode::CREATED, token.to_string()).into_response()
    })
}

async fn list(State(state): State<Shared<Gitea>>, Path(user): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    let mut state = state.lock().expect("a state");
    let query: HashMap<String, String> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
    let page = number("page");
    state.log.calls.push(format!("GET page {}", page.map_or_else(|| "-".to_owned(), |page| page.to_string())));
    if let Some(refusal) = refused(&user, &headers) {
        return refusal;
    }
    perform(&mut *state, "GET", |gitea| {
        let size = number("limit").unwrap_or(30).min(gitea.max_items);
        let page = page.or(gitea.pages_always.then_some(1));
        // The newest first.
        let shown: Vec<Value> = gitea
            .tokens
            .iter()
            .rev()
            .skip(page.map_or(0, |page| (page - 1) * size))
            .take(page.map_or(usize::MAX, |_| size))
            .map(|(id, name)| json!({"id": id, "name": name, "sha1": "", "token_last_eight": "oken-001", "scopes": ["read:package"]}))
            .collect();
        let total = gitea.tokens.len().to_string();
        (StatusCode::OK, [("X-Total-Count", total)], Value::from(shown).to_string()).into_response()
    })
}

async fn remove(
    State(state): State<Shared<Gitea>>,
    Path((user, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let mut state = state.lock().expect("a state");
    state.log.calls.push(format!("DELETE {id}"));
    if let Some(refusal) = refused(&user, &headers) {
        return refusal;
    }
    perform(&mut *state, "DELETE", |gitea| {
        let length = gitea.tokens.len();
        gitea.tokens.retain(|(token, name)| token.to_string() != id && *name != id);
        if gitea.tokens.len() == length { error(404, "not found") } else { StatusCode::NO_CONTENT.into_response() }
    })
}
