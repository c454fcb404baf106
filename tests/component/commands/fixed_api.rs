//! A server with fixed responses, which records each call.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::task::AbortHandle;

/// A server that accepts one value of the header with which clients log in.
pub struct Api {
    pub url: String,
    state: Shared,
    task: AbortHandle,
}

struct ApiState {
    login: (&'static str, String),
    /// Status, body, and `X-Total-Count`.
    responses: HashMap<String, (u16, Value, Option<usize>)>,
    calls: Vec<String>,
}

type Shared = Arc<Mutex<ApiState>>;

impl Drop for Api {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Api {
    pub async fn start(header: &'static str, value: String) -> Self {
        let state = ApiState { login: (header, value), responses: HashMap::new(), calls: vec![] };
        let state = Arc::new(Mutex::new(state));
        let router = Router::new().fallback(respond).with_state(Arc::clone(&state));
        let (url, task) = crate::portal_faults::serve(router).await;
        Self { url, state, task }
    }

    fn state(&self) -> MutexGuard<'_, ApiState> {
        self.state.lock().expect("a state")
    }

    /// Sets the response to a path, or to a path with its query.
    pub fn set(&self, path: &str, status: u16, body: Value) {
        self.state().responses.insert(path.to_owned(), (status, body, None));
    }

    /// The same for a page of a list of this length.
    pub fn set_page(&self, path: &str, body: Value, total: usize) {
        self.state().responses.insert(path.to_owned(), (200, body, Some(total)));
    }

    /// Takes the calls since the last time.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state().calls)
    }

    /// The same; all of them were reads.
    pub fn reads(&self) -> Vec<String> {
        let calls = self.calls();
        let reads = calls.iter().map(|call| call.strip_prefix("GET ").expect("a read").to_owned());
        reads.collect()
    }
}

/// An error as each of the portals sends it.
pub fn error(message: &str) -> Value {
    json!({"message": message, "errors": [{"code": "X", "message": message}]})
}

async fn respond(State(state): State<Shared>, request: Request) -> Response {
    let mut state = state.lock().expect("a state");
    let uri = request.uri();
    let whole = uri.path_and_query().map_or_else(String::new, ToString::to_string);
    state.calls.push(format!("{} {whole}", request.method()));
    let (header, value) = &state.login;
    let accepted = request.headers().get(*header).is_some_and(|given| given.as_bytes() == value.as_bytes());
    let found = state.responses.get(&whole).or_else(|| state.responses.get(uri.path())).cloned();
    let (status, body, total) = match found {
        Some((401, body, total)) => (401, body, total),
        _ if !accepted => (401, error("invalid credentials"), None),
        Some(found) => found,
        None => (404, error("404 Not Found"), None),
    };
    let status = StatusCode::from_u16(status).expect("a status");
    let mut response = (status, body.to_string()).into_response();
    if let Some(total) = total {
        response.headers_mut().insert("x-total-count", total.to_string().parse().expect("a value"));
    }
    response
}
