//! The portal's responses to requests.

use super::ledger::StagedTask;
use super::list::{customers, json_reply, list};
use super::metadata;
use super::shape::{CUSTOMER, ShapeFlow, ShapeForm, ShapeList};
use super::{CLIENT_SECRET, Ledger, PASSWORD, PortalRequest, Reply, TOKEN_SECRET, USER};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Fields = BTreeMap<String, Value>;

pub fn handle(arrived: &PortalRequest, url: &str, ledger: &mut Ledger) -> Reply {
    let path = arrived.url.path().trim_start_matches("/indicium/").to_owned();
    match (arrived.method.as_str(), path.as_str()) {
        ("GET", ".well-known/openid-configuration") => {
            return json_reply(200, &json!({"token_endpoint": format!("{url}/connect/token")}));
        }
        ("POST", "connect/token") => return issue_access_token(&arrived.body, ledger),
        _ => {}
    }
    let basic = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    let bearer = arrived.authorization.strip_prefix("Bearer ").unwrap_or_default();
    if arrived.authorization != basic && !ledger.access_tokens.iter().any(|valid| valid == bearer) {
        return Reply::empty(401);
    }
    // Like IIS.
    if arrived.method == "POST" && !arrived.has_length {
        return Reply::empty(411);
    }
    let segments: Vec<(String, Option<String>)> =
        path.trim_start_matches("iam/tcp/").split('/').map(parse_segment).collect();
    let names: Vec<&str> = segments.iter().map(|(name, _)| name.as_str()).collect();
    let key = segments[0].1.as_deref();
    match (arrived.method.as_str(), names.as_slice(), key) {
        ("GET", ["$metadata"], None) => {
            let document = ledger.metadata.clone().unwrap_or_else(|| metadata::document(&ledger.shape));
            Reply { body: document, ..Reply::empty(200) }.with("Content-Type", "application/xml")
        }
        ("GET", ["container_token"], None) if ledger.shape.list == ShapeList::Visible => list(&arrived.url, ledger),
        ("GET", ["klant"], None) => customers(&arrived.url, ledger),
        (method, ["flow", rest @ ..], Some(id)) => handle_flow(method, rest, id, &arrived.body, ledger),
        ("POST", [task], None) if ledger.shape.form == ShapeForm::Unbound => run_unbound(task, arrived, url, ledger),
        ("POST", [table, task], Some(row)) if ledger.shape.form == ShapeForm::Bound => {
            bound_task(table, row, task, ledger)
                .map_or_else(not_found, |(task, token)| run(&task, token, &arrived.body, url, ledger))
        }
        ("POST", [table, task, "stage"], Some(row)) if ledger.shape.form == ShapeForm::Staged => {
            bound_task(table, row, task, ledger)
                .map_or_else(not_found, |(task, token)| stage(&task, token, url, ledger))
        }
        (method, [staged, rest @ ..], Some(id)) if staged.starts_with("staged_") => {
            handle_staged(method, rest, id, arrived, url, ledger)
        }
        _ => not_found(),
    }
}

fn not_found() -> Reply {
    Reply { body: "Application not found".to_owned(), ..Reply::empty(404) }
}

/// A decoded part of a path: its name, and the text in parentheses.
fn parse_segment(text: &str) -> (String, Option<String>) {
    let decoded = |text: &str| {
        let pairs = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
        url::form_urlencoded::parse(pairs.as_bytes()).next().expect("a pair").1.into_owned()
    };
    match text.split_once('(') {
        Some((name, key)) => (name.to_owned(), Some(decoded(key.strip_suffix(')').unwrap_or(key)))),
        None => (decoded(text), None),
    }
}

fn issue_access_token(form: &str, ledger: &mut Ledger) -> Reply {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str);
    if field("grant_type") != Some("client_credentials") || field("client_secret") != Some(CLIENT_SECRET) {
        return json_reply(400, &json!({"error": "invalid_client", "error_description": "do not echo me"}));
    }
    ledger.access_tokens_issued += 1;
    let bearer = format!("hush-bearer-{}", ledger.access_tokens_issued);
    ledger.access_tokens.push(bearer.clone());
    json_reply(
        200,
        &json!({"access_token": bearer, "token_type": "Bearer", "expires_in": ledger.access_token_lifetime}),
    )
}

/// The task that is bound to a row, and the number of the row's token.
fn bound_task(table: &str, row: &str, task: &str, ledger: &Ledger) -> Option<(String, Option<i64>)> {
    let task = task.strip_prefix("task_")?;
    match (table, task) {
        ("klant", "request_token") if row == CUSTOMER.to_string() => Some((task.to_owned(), None)),
        ("container_token", "edit_token" | "revoke_token") => {
            let token = ledger.tokens.keys().find(|number| ledger.shape.row(**number) == row)?;
            Some((task.to_owned(), Some(*token)))
        }
        _ => None,
    }
}

fn run_unbound(task: &str, arrived: &PortalRequest, url: &str, ledger: &mut Ledger) -> Reply {
    let fields: Fields = serde_json::from_str(&arrived.body).expect("a JSON object");
    let token = if ledger.shape.by_username {
        let named = |(_, (username, _)): &(&i64, &(String, String))| fields.get("username") == Some(&json!(username));
        ledger.tokens.iter().find(named).map(|(number, _)| *number)
    } else {
        fields.get("token_id").and_then(|id| ledger.shape.number(id))
    };
    run(task, token, &arrived.body, url, ledger)
}

fn stage(task: &str, token: Option<i64>, url: &str, ledger: &mut Ledger) -> Reply {
    let id = format!("0f8fad5b-d9cb-469f-a165-{:012x}", ledger.staged.len() + ledger.cancelled + 1);
    let staged = StagedTask { task: task.to_owned(), token, ..StagedTask::default() };
    ledger.staged.insert(id.clone(), staged);
    created(&format!("staged_{task}({id})"), url, ledger)
}

fn created(at: &str, url: &str, ledger: &Ledger) -> Reply {
    let absolute = format!("{url}/iam/tcp/{at}");
    let rooted = format!("/indicium/iam/tcp/{at}");
    Reply::empty(201).with("Location", if ledger.shape.absolute { absolute } else { rooted })
}

fn handle_staged(
    method: &str,
    rest: &[&str],
    id: &str,
    arrived: &PortalRequest,
    url: &str,
    ledger: &mut Ledger,
) -> Reply {
    let Some(mut staged) = ledger.staged.get(id).cloned() else { return not_found() };
    match (method, rest) {
        ("PATCH", []) if staged.outputs.is_none() => {
            ledger.bodies.push(arrived.body.clone());
            let fields: Fields = serde_json::from_str(&arrived.body).expect("a JSON object");
            staged.fields.extend(fields);
            ledger.staged.insert(id.to_owned(), staged);
            Reply::empty(204)
        }
        ("POST", ["commit"]) if staged.outputs.is_none() => {
            let body = serde_json::to_string(&staged.fields).expect("JSON");
            let reply = run(&staged.task, staged.token, &body, url, ledger);
            ledger.bodies.pop();
            staged.outputs = serde_json::from_str(&reply.body).ok().or(Some(Value::Null));
            ledger.staged.insert(id.to_owned(), staged);
            if ledger.shape.silent_commit { Reply::empty(204) } else { reply }
        }
        ("DELETE", []) if staged.outputs.is_none() => {
            ledger.staged.remove(id);
            ledger.cancelled += 1;
            Reply::empty(204)
        }
        ("GET", []) => {
            staged.outputs.filter(|_| ledger.shape.silent_commit).map_or_else(not_found, |all| json_reply(200, &all))
        }
        _ => not_found(),
    }
}

fn handle_flow(method: &str, rest: &[&str], id: &str, body: &str, ledger: &mut Ledger) -> Reply {
    let Some(outputs) = ledger.flows.get(id).cloned() else { return not_found() };
    let returns_outputs = ledger.shape.flow == ShapeFlow::WaitsThenReturns;
    match (method, rest) {
        ("GET", []) => json_reply(200, if returns_outputs { &Value::Null } else { &outputs }),
        ("POST", [step]) if *step == if ledger.shape.flow_commits { "commit" } else { "continue" } => {
            let sent: Value = serde_json::from_str(body).unwrap_or_default();
            if *step == "continue" && sent != json!({"status_code": 0}) {
                return Reply::empty(400);
            }
            ledger.flows.remove(id);
            ledger.finished += 1;
            if returns_outputs { json_reply(200, &outputs) } else { Reply::empty(204) }
        }
        ("DELETE", []) => {
            ledger.flows.remove(id);
            ledger.cancelled += 1;
            Reply::empty(204)
        }
        _ => not_found(),
    }
}

/// Runs a task and returns the response of its flow.
fn run(task: &str, token: Option<i64>, body: &str, url: &str, ledger: &mut Ledger) -> Reply {
    ledger.bodies.push(body.to_owned());
    let fields: Fields = serde_json::from_str(body).expect("a JSON object");
    let description = fields.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    let outputs = match (task, token) {
        ("request_token", _) => issue_token(&description, ledger),
        ("edit_token", Some(token)) => {
            ledger.tokens.get_mut(&token).expect("a token").1 = description;
            Value::Null
        }
        ("revoke_token", Some(token)) if fields.get("confirm") == Some(&json!(true)) => {
            ledger.tokens.remove(&token).expect("a token");
            json!({})
        }
        _ => return not_found(),
    };
    match ledger.shape.flow {
        ShapeFlow::Ends => Reply::empty(204),
        ShapeFlow::Waits | ShapeFlow::WaitsThenReturns => {
            let id = format!("{}", ledger.flows.len() + ledger.finished + 1);
            ledger.flows.insert(id.clone(), outputs);
            created(&format!("flow({id})"), url, ledger)
        }
        ShapeFlow::None if outputs.is_null() => Reply::empty(204),
        ShapeFlow::None => json_reply(200, &outputs),
    }
}

fn issue_token(description: &str, ledger: &mut Ledger) -> Value {
    ledger.issued += 1;
    let number = i64::try_from(ledger.issued).expect("a number");
    let username = format!("robot${number}");
    ledger.tokens.insert(number, (username.clone(), description.to_owned()));
    let secret = format!("{TOKEN_SECRET}-{number}");
    let mut answer = json!({"description": description, "username": username, "secret": secret});
    if ledger.shape.with_id {
        answer["token_id"] = ledger.shape.id(number);
    }
    answer
}
