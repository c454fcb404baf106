//! A small Harbor: the robot accounts of one project and of the system, as `src/server/v2.0/handler/robot.go` handles them,
//! with a record of what happened.

use crate::portal_faults::{CallLog, Fake, Server, Shared, TOKEN_SECRET, perform};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::HashMap;

pub const PROJECT: &str = "4711";
pub const PASSWORD: &str = "correct-horse-battery";

/// When every robot account is created, in seconds since 1970.
pub const CREATED: i64 = 1_900_000_000;

/// Who logs in.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Login {
    #[default]
    User,
    Robot,
}

pub struct Robot {
    pub id: i64,
    /// Without the prefix.
    pub name: String,
    pub description: String,
    /// 0 for the system.
    pub project: i64,
    pub permissions: Value,
    /// In days, or -1.
    pub duration: i64,
}

impl Robot {
    fn expires_at(&self) -> i64 {
        if self.duration == -1 { -1 } else { CREATED + self.duration * 24 * 3600 }
    }
}

pub struct Harbor {
    pub robots: Vec<Robot>,
    pub prefix: &'static str,
    pub login: Login,
    /// The id of the project; it has another one after it was created again.
    pub project: Option<i64>,
    next_id: i64,
    /// The most robot accounts on a page.
    pub max_items: usize,
    log: CallLog,
}

pub type FakeHarbor = Fake<Harbor>;

impl FakeHarbor {
    pub async fn start() -> Self {
        let harbor = Harbor {
            robots: vec![],
            prefix: "robot$",
            login: Login::User,
            project: Some(7),
            next_id: 1,
            max_items: 100,
            log: CallLog::default(),
        };
        Self::serve("/harbor", harbor, |state| {
            let api = "/harbor/api/v2.0";
            Router::new()
                .route(&format!("{api}/robots"), get(list).post(create))
                .route(&format!("{api}/robots/{{id}}"), get(read).put(update).delete(remove))
                .route(&format!("{api}/projects/{{name}}"), get(project))
                .route(&format!("{api}/users/current"), get(current_user))
                .with_state(state)
        })
        .await
    }

    pub fn descriptions(&self) -> Vec<String> {
        self.state().robots.iter().map(|robot| robot.description.clone()).collect()
    }
}

impl Harbor {
    fn insert(&mut self, name: String, description: String, project: i64, permissions: Value, duration: i64) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        self.robots.push(Robot { id, name, description, project, permissions, duration });
        id
    }

    /// `ToSwagger`: an empty description is left out.
    fn shown(&self, robot: &Robot) -> Value {
        let mut shown = json!({
            "id": robot.id,
            "name": format!("{}{}", self.prefix, robot.name),
            "level": if robot.project == 0 { "system" } else { "project" },
            "duration": robot.duration,
            "expires_at": robot.expires_at(),
            "disable": false,
            "editable": true,
            "permissions": robot.permissions,
        });
        if !robot.description.is_empty() {
            shown["description"] = Value::from(robot.description.clone());
        }
        shown
    }

    fn begin(&mut self, call: String, headers: &HeaderMap) -> Option<Response> {
        self.log.calls.push(call);
        let expected = format!("Basic {}", STANDARD.encode(format!("bot:{PASSWORD}")));
        let is_known = headers.get("authorization").is_some_and(|value| value.as_bytes() == expected.as_bytes());
        (!is_known).then(|| error(401, "UNAUTHORIZED", "unauthorized"))
    }
}

impl Server for Harbor {
    fn log(&mut self) -> &mut CallLog {
        &mut self.log
    }

    /// A robot account of the project. The names sort in another order than the ids.
    fn add(&mut self, description: String) {
        let (name, project) = (format!("{PROJECT}+x{}", 10_000 - self.next_id), self.project.unwrap_or_default());
        self.insert(name, description, project, json!([]), -1);
    }

    fn delete(&mut self, id: i64) {
        self.robots.retain(|robot| robot.id != id);
    }
}

fn error(status: u16, code: &str, message: &str) -> Response {
    let body = json!({"errors": [{"code": code, "message": message}]}).to_string();
    (StatusCode::from_u16(status).expect("a status"), body).into_response()
}

async fn create(State(state): State<Shared<Harbor>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut state = state.lock().expect("a state");
    if let Some(refusal) = state.begin("POST robots".to_owned(), &headers) {
        return refusal;
    }
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    state.log.requests.push(body.clone());
    let text = |name: &str| body[name].as_str().expect("a text").to_owned();
    perform(&mut *state, "POST", |harbor| {
        let is_legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        if !text("name").bytes().all(is_legal) {
            return error(400, "BAD_REQUEST", "robot name is not in lower case or contains illegal characters");
        }
        if body["permissions"][0]["access"][0]["action"] == "fly" {
            return error(400, "BAD_REQUEST", "bad request permission: repository:fly");
        }
        let (name, project) = match (text("level").as_str(), harbor.project) {
            ("system", _) => (text("name"), 0),
            (_, Some(id)) if body["permissions"][0]["namespace"] == PROJECT => {
                (format!("{PROJECT}+{}", text("name")), id)
            }
            _ => return error(404, "NOT_FOUND", "project not found"),
        };
        if harbor.robots.iter().any(|robot| robot.name == name && robot.project == project) {
            return error(409, "CONFLICT", &format!("robot account {project}:{name} already exists"));
        }
        let duration = body["duration"].as_i64().expect("a number");
        let id = harbor.insert(name.clone(), text("description"), project, body["permissions"].clone(), duration);
        let robot = json!({
            "id": id,
            "name": format!("{}{name}", harbor.prefix),
            "secret": format!("{TOKEN_SECRET}-{id}"),
            "creation_time": "2030-01-01T00:00:00.000Z",
            "expires_at": harbor.robots.last().expect("a robot account").expires_at(),
        });
        (StatusCode::CREATED, robot.to_string()).into_response()
    })
}

async fn list(State(state): State<Shared<Harbor>>, uri: Uri, headers: HeaderMap) -> Response {
    let mut state = state.lock().expect("a state");
    let query: HashMap<String, String> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    if let Some(refusal) = state.begin(format!("GET robots {}", query["q"]), &headers) {
        return refusal;
    }
    assert_eq!((query["sort"].as_str(), query["page"].as_str()), ("id", "1"));
    let size: usize = query["page_size"].parse().expect("a number");
    let filter: HashMap<&str, &str> = query["q"].split(',').map(|part| part.split_once('=').expect("a pair")).collect();
    let project: i64 = match (filter["Level"], filter.get("ProjectID")) {
        ("project", Some(id)) => id.parse().expect("a number"),
        ("system", None) => 0,
        other => panic!("{other:?}"),
    };
    let (low, high) = filter["id"].trim_matches(['[', ']']).split_once('~').expect("a range");
    let (low, high) = (low.parse::<i64>().expect("a number"), high.parse().unwrap_or(i64::MAX));
    let part = filter.get("description").map(|part| part.strip_prefix('~').expect("a part"));
    perform(&mut *state, "GET", |harbor| {
        let matches = |robot: &&Robot| {
            robot.project == project
                && (low..=high).contains(&robot.id)
                && part.is_none_or(|part| robot.description.contains(part))
        };
        let total = harbor.robots.iter().filter(matches).count().to_string();
        let on_page = harbor.robots.iter().filter(matches).take(size.min(harbor.max_items));
        let shown: Vec<Value> = on_page.map(|robot| harbor.shown(robot)).collect();
        let body = if shown.is_empty() { Value::Null } else { Value::from(shown) };
        (StatusCode::OK, [("X-Total-Count", total)], body.to_string()).into_response()
    })
}

async fn project(State(state): State<Shared<Harbor>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let mut state = state.lock().expect("a state");
    if let Some(refusal) = state.begin(format!("GET project {name}"), &headers) {
        return refusal;
    }
    assert_eq!(headers["x-is-resource-name"], "true", "the name is no id");
    match state.project.filter(|_| name == PROJECT) {
        Some(id) => json!({"project_id": id, "name": name, "owner_name": "admin"}).to_string().into_response(),
        None => error(403, "FORBIDDEN", "forbidden"),
    }
}

async fn current_user(State(state): State<Shared<Harbor>>, headers: HeaderMap) -> Response {
    let mut state = state.lock().expect("a state");
    if let Some(refusal) = state.begin("GET user".to_owned(), &headers) {
        return refusal;
    }
    let login = state.login;
    perform(&mut *state, "GET", |_| match login {
        Login::User => json!({"user_id": 3, "username": "bot"}).to_string().into_response(),
        Login::Robot => error(412, "PRECONDITION", "get current user not available for security context: robot"),
    })
}

async fn read(State(state): State<Shared<Harbor>>, Path(id): Path<i64>, headers: HeaderMap) -> Response {
    let mut state = state.lock().expect("a state");
    if let Some(refusal) = state.begin(format!("GET robot {id}"), &headers) {
        return refusal;
    }
    perform(&mut *state, "GET", |harbor| match harbor.robots.iter().find(|robot| robot.id == id) {
        Some(robot) => harbor.shown(robot).to_string().into_response(),
        None => error(404, "NOT_FOUND", &format!("robot {id} not found")),
    })
}

async fn update(State(state): State<Shared<Harbor>>, Path(id): Path<i64>, headers: HeaderMap, body: Bytes) -> Response {
    let mut state = state.lock().expect("a state");
    if let Some(refusal) = state.begin(format!("PUT {id}"), &headers) {
        return refusal;
    }
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let is_robot = state.login == Login::Robot;
    perform(&mut *state, "PUT", |harbor| {
        let prefix = harbor.prefix;
        let Some(robot) = harbor.robots.iter_mut().find(|robot| robot.id == id) else {
            return error(404, "NOT_FOUND", &format!("robot {id} not found"));
        };
        if is_robot {
            return error(403, "FORBIDDEN", "forbidden");
        }
        if body["permissions"].as_array().is_none_or(Vec::is_empty) {
            return error(400, "BAD_REQUEST", "bad request empty permission");
        }
        if body["name"] != format!("{prefix}{}", robot.name)
            || body["duration"] != robot.duration
            || body["disable"] != false
        {
            return error(400, "BAD_REQUEST", "cannot update the level or name of robot");
        }
        body["description"].as_str().unwrap_or_default().clone_into(&mut robot.description);
        robot.permissions = body["permissions"].clone();
        StatusCode::OK.into_response()
    })
}

async fn remove(State(state): State<Shared<Harbor>>, Path(id): Path<i64>, headers: HeaderMap) -> Response {
    let mut state = state.lock().expect("a state");
    if let Some(refusal) = state.begin(format!("DELETE {id}"), &headers) {
        return refusal;
    }
    perform(&mut *state, "DELETE", |harbor| {
        let length = harbor.robots.len();
        harbor.delete(id);
        if harbor.robots.len() == length {
            error(404, "NOT_FOUND", &format!("robot {id} not found"))
        } else {
            StatusCode::OK.into_response()
        }
    })
}
