//! A portal of a few lines that keeps a ledger of what really happened, so that a test can hold it
//! against what the client says happened. One connection, one request at a time, HTTP/1.1.

#![allow(clippy::expect_used, reason = "a test stops where it cannot go on")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use url::Url;

pub const USER: &str = "robot@example.com";
pub const PASSWORD: &str = "correct-horse-battery";
pub const CLIENT_SECRET: &str = "staple-of-the-client";
/// What every secret that the portal hands out holds.
pub const TOKEN_SECRET: &str = "hush-token";

/// What goes wrong at the next request of a task, of the table or of the token endpoint.
pub enum Fault {
    /// Answers so and does nothing.
    Answer(u16, Vec<(&'static str, String)>, &'static str),
    /// Does it, and answers with this status or body instead.
    ActThenAnswer(u16, &'static str),
    /// Does nothing and closes the connection.
    Drop,
    /// Does it and closes the connection.
    ActThenDrop,
    /// Does it, announces more of an answer than comes, and closes the connection.
    ActThenCut,
    /// Does it and answers much later.
    ActThenHang,
}

/// What really happened.
#[derive(Default)]
pub struct Ledger {
    /// The tokens that live: id, username, description.
    pub tokens: BTreeMap<i64, (String, String)>,
    /// How many tokens were ever made.
    pub made: usize,
    /// Requests that arrived, by the last part of their path.
    pub seen: BTreeMap<String, usize>,
    /// The bodies of the tasks.
    pub bodies: Vec<String>,
    /// Queries of the list.
    pub queries: Vec<String>,
    /// The bearers that are valid.
    pub bearers: Vec<String>,
    pub bearers_made: usize,
    pub connections: usize,
    pub faults: BTreeMap<&'static str, VecDeque<Fault>>,
    pub with_id: bool,
    pub page_size: usize,
    /// The next link that is written into every page, instead of the true one.
    pub next_link: Option<String>,
}

pub struct Fake {
    pub url: String,
    ledger: Arc<Mutex<Ledger>>,
    task: AbortHandle,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Arrived {
    method: String,
    url: Url,
    authorization: String,
    body: String,
}

struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Fake {
    pub async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}/indicium", listener.local_addr().expect("an address"));
        let ledger = Arc::new(Mutex::new(Ledger { with_id: true, page_size: 1000, ..Ledger::default() }));
        let task = tokio::spawn(accept(listener, tls, url.clone(), Arc::clone(&ledger))).abort_handle();
        Self { url, ledger, task }
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("a ledger")
    }

    pub fn fail(&self, at: &'static str, fault: Fault) {
        self.ledger().faults.entry(at).or_default().push_back(fault);
    }

    pub fn made(&self) -> usize {
        self.ledger().made
    }

    pub fn bearers_made(&self) -> usize {
        self.ledger().bearers_made
    }

    pub fn seen(&self, at: &str) -> usize {
        self.ledger().seen.get(at).copied().unwrap_or(0)
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, url: String, ledger: Arc<Mutex<Ledger>>) {
    while let Ok((stream, _)) = listener.accept().await {
        ledger.lock().expect("a ledger").connections += 1;
        let (tls, url, ledger) = (tls.clone(), url.clone(), Arc::clone(&ledger));
        tokio::spawn(async move {
            match tls {
                None => serve(stream, &url, &ledger).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, &url, &ledger).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, url: &str, ledger: &Mutex<Ledger>) {
    let mut stream = BufReader::new(stream);
    while let Some(arrived) = read(&mut stream, url).await {
        let (reply, cut, wait) = answer(&arrived, url, &mut ledger.lock().expect("a ledger"));
        tokio::time::sleep(wait).await;
        let Some(reply) = reply else { return };
        let mut head = format!("HTTP/1.1 {} Answer\r\nContent-Length: {}\r\n", reply.status, reply.body.len() + cut);
        for (name, value) in &reply.headers {
            write!(head, "{name}: {value}\r\n").expect("a header");
        }
        let text = format!("{head}\r\n{}", reply.body);
        if stream.get_mut().write_all(text.as_bytes()).await.is_err() || cut > 0 {
            return;
        }
    }
}

async fn read(stream: &mut BufReader<impl AsyncRead + Unpin>, url: &str) -> Option<Arrived> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let header = |name: &str| {
        let found =
            lines.iter().filter_map(|line| line.split_once(": ")).find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    let mut first = lines.first()?.split(' ');
    let method = first.next()?.to_owned();
    let url = Url::parse(url).expect("a URL").join(first.next()?).expect("a path");
    Some(Arrived { method, url, authorization: header("authorization"), body: String::from_utf8(body).ok()? })
}

/// The answer, how many bytes of it are announced and not sent, and how long it takes.
fn answer(arrived: &Arrived, url: &str, ledger: &mut Ledger) -> (Option<Reply>, usize, Duration) {
    let at = arrived.url.path().rsplit('/').next().unwrap_or_default().to_owned();
    *ledger.seen.entry(at.clone()).or_default() += 1;
    let fault = ledger.faults.get_mut(at.as_str()).and_then(VecDeque::pop_front);
    match fault {
        Some(Fault::Drop) => return (None, 0, Duration::ZERO),
        Some(Fault::Answer(status, headers, body)) => {
            return (Some(Reply { status, headers, body: body.to_owned() }), 0, Duration::ZERO);
        }
        _ => {}
    }
    let reply = act(&at, arrived, url, ledger);
    match fault {
        Some(Fault::ActThenAnswer(status, body)) => {
            (Some(Reply { status, headers: vec![], body: body.to_owned() }), 0, Duration::ZERO)
        }
        Some(Fault::ActThenDrop) => (None, 0, Duration::ZERO),
        Some(Fault::ActThenCut) => (Some(reply), 10, Duration::ZERO),
        Some(Fault::ActThenHang) => (Some(reply), 0, Duration::from_secs(30)),
        _ => (Some(reply), 0, Duration::ZERO),
    }
}

fn plain(status: u16, body: &Value) -> Reply {
    Reply { status, headers: vec![("Content-Type", "application/json".to_owned())], body: body.to_string() }
}

fn act(at: &str, arrived: &Arrived, url: &str, ledger: &mut Ledger) -> Reply {
    match (arrived.method.as_str(), at) {
        ("GET", "openid-configuration") => {
            return plain(200, &json!({"token_endpoint": format!("{url}/connect/token")}));
        }
        ("POST", "token") => return grant(&arrived.body, ledger),
        _ => {}
    }
    let basic = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    let bearer = arrived.authorization.strip_prefix("Bearer ").unwrap_or_default();
    if arrived.authorization != basic && !ledger.bearers.iter().any(|valid| valid == bearer) {
        return Reply { status: 401, headers: vec![], body: String::new() };
    }
    match (arrived.method.as_str(), at) {
        ("GET", "container_token") => list(&arrived.url, ledger),
        ("POST", _) if at.ends_with("_token") => task(at, &arrived.body, ledger),
        _ => Reply { status: 404, headers: vec![], body: "Application not found".to_owned() },
    }
}

fn grant(form: &str, ledger: &mut Ledger) -> Reply {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str);
    if field("grant_type") != Some("client_credentials") || field("client_secret") != Some(CLIENT_SECRET) {
        return plain(400, &json!({"error": "invalid_client", "error_description": "do not echo me"}));
    }
    ledger.bearers_made += 1;
    let bearer = format!("hush-bearer-{}", ledger.bearers_made);
    ledger.bearers.push(bearer.clone());
    plain(200, &json!({"access_token": bearer, "token_type": "Bearer", "expires_in": 3600}))
}

fn task(name: &str, body: &str, ledger: &mut Ledger) -> Reply {
    ledger.bodies.push(body.to_owned());
    let fields: Value = serde_json::from_str(body).expect("a JSON object");
    let description = fields["description"].as_str().unwrap_or_default().to_owned();
    let id = fields["token_id"].as_i64();
    match (name, id) {
        ("request_token", _) => {
            ledger.made += 1;
            let id = i64::try_from(ledger.made).expect("an id");
            let username = format!("robot${id}");
            ledger.tokens.insert(id, (username.clone(), description.clone()));
            let secret = format!("{TOKEN_SECRET}-{id}");
            let mut answer = json!({"description": description, "username": username, "secret": secret});
            if ledger.with_id {
                answer["token_id"] = json!(id);
            }
            plain(200, &answer)
        }
        ("edit_token", Some(id)) => {
            ledger.tokens.get_mut(&id).expect("a token").1 = description;
            Reply { status: 204, headers: vec![], body: String::new() }
        }
        ("revoke_token", Some(id)) => {
            ledger.tokens.remove(&id).expect("a token");
            plain(200, &json!({}))
        }
        _ => Reply { status: 404, headers: vec![], body: "Application not found".to_owned() },
    }
}

fn list(url: &Url, ledger: &mut Ledger) -> Reply {
    ledger.queries.push(url.query().unwrap_or_default().to_owned());
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    let filter = query.get("$filter").map(String::as_str).unwrap_or_default();
    let wanted = |(id, (_, description)): &(&i64, &(String, String))| match filter.split_once(" eq ") {
        Some((_, literal)) => literal == id.to_string(),
        None => match filter.strip_prefix("contains(description,'").and_then(|rest| rest.strip_suffix("')")) {
            Some(text) => description.contains(&text.replace("''", "'")),
            None => filter.is_empty(),
        },
    };
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
    let skip = number("$skip").unwrap_or(0);
    let size = number("$top").unwrap_or(ledger.page_size);
    let all: Vec<Value> = ledger
        .tokens
        .iter()
        .filter(wanted)
        .map(|(id, (username, description))| json!({"token_id": id, "username": username, "description": description}))
        .collect();
    let rows: Vec<&Value> = all.iter().skip(skip).take(size).collect();
    let mut page = json!({"@odata.context": "$metadata#container_token", "value": rows});
    if let Some(link) = &ledger.next_link {
        page["@odata.nextLink"] = json!(link);
    } else if skip + size < all.len() && !query.contains_key("$top") {
        // Relative on one page and absolute on the next: both are OData.
        let mut next = url.clone();
        next.set_query(Some(&format!("$skip={}", skip + size)));
        let relative = format!("container_token?$skip={}", skip + size);
        page["@odata.nextLink"] = json!(if skip == 0 { relative } else { next.to_string() });
    }
    plain(200, &page)
}
