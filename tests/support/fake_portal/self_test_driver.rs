//! A client that follows an issuer's spec and knows nothing else about the portal, except the types of keys. It shows
//! that the specs of the profiles are correct.

use super::location;
use crate::fake_portal::{Auth, FakePortal, KeyKind, Profile};
use reqwest::{Certificate, Client, Method, Response};
use serde_json::{Value, json};
use std::sync::Mutex;
use url::Url;
use url::form_urlencoded::byte_serialize;

pub(super) struct Driver {
    spec: Value,
    base: String,
    http: Client,
    login: (Auth, String, String),
    kind: KeyKind,
    /// The portal's cookies, which are sent back as by a browser.
    cookies: Mutex<Vec<String>>,
}

/// A token from the driver's point of view.
pub(super) struct OwnedToken {
    pub(super) username: String,
    pub(super) secret: String,
    description: String,
}

impl Driver {
    pub(super) async fn new(profile: &Profile, portal: &FakePortal) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let spec = profile.pinned(portal);
        let ca = Certificate::from_pem(spec["tls"]["caBundle"].as_str().unwrap().as_bytes()).unwrap();
        let http = Client::builder().tls_certs_only([ca]).build().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let secret = profile.credentials(portal);
        let login = match profile.auth {
            Auth::Basic => (Auth::Basic, text(&secret["username"]), text(&secret["password"])),
            Auth::ClientCredentials => {
                let form = [
                    ("grant_type", "client_credentials".to_owned()),
                    ("client_id", text(&secret["client_id"])),
                    ("client_secret", text(&secret["client_secret"])),
                ];
                let address = text(&spec["auth"]["oauth2ClientCredentials"]["tokenURL"]);
                let answer: Value = http.post(address).form(&form).send().await.unwrap().json().await.unwrap();
                (Auth::ClientCredentials, String::new(), text(&answer["access_token"]))
            }
        };
        let base = format!("{}/iam/{}", text(&spec["url"]), text(&spec["application"]));
        Self { spec, base, http, login, kind: portal.config().key.kind, cookies: Mutex::default() }
    }

    async fn send(&self, method: Method, address: &str, body: Option<String>) -> Response {
        let cookies = self.cookies.lock().unwrap().join("; ");
        let request = self.http.request(method.clone(), address);
        let request = if cookies.is_empty() { request } else { request.header("cookie", cookies) };
        let request = match &self.login {
            (Auth::Basic, name, password) => request.basic_auth(name, Some(password)),
            (Auth::ClientCredentials, _, bearer) => request.bearer_auth(bearer),
        };
        let request = match &body {
            Some(body) => request.header("content-type", "application/json").body(body.clone()),
            None => request,
        };
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{method} {address} {body:?}: {}", answer.status());
        let set = answer.headers().get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
        self.cookies.lock().unwrap().extend(set.map(|text| text.split(';').next().unwrap().to_owned()));
        answer
    }

    pub(super) async fn request(&self, description: &str) -> OwnedToken {
        let task = &self.spec["tasks"]["request"];
        let row = task.get("boundTo").map(|to| {
            let parts = to["key"].as_array().unwrap().iter();
            let parts: Vec<String> =
                parts.map(|part| format!("{}={}", text(part, "column"), text(part, "value"))).collect();
            format!("{}({})", text(to, "table"), parts.join(","))
        });
        let answer = self.run(task, row, None, description).await.expect("outputs");
        let output = |name: &str| answer[text(&task["outputs"], name)].as_str().unwrap().to_owned();
        OwnedToken { username: output("username"), secret: output("secret"), description: description.to_owned() }
    }

    pub(super) async fn edit(&self, mine: &mut OwnedToken, description: &str) {
        let task = &self.spec["tasks"]["editDescription"];
        self.of_token(task, mine, description).await;
        description.clone_into(&mut mine.description);
    }

    pub(super) async fn revoke(&self, mine: &OwnedToken) {
        self.of_token(&self.spec["tasks"]["revoke"], mine, &mine.description).await;
    }

    async fn of_token(&self, task: &Value, mine: &OwnedToken, description: &str) {
        let row = self.row(mine).await;
        let address = row.as_ref().filter(|_| text(task, "form").starts_with("Bound")).map(|row| self.address(row));
        self.run(task, address, row.as_ref().map(|row| (row, mine)).or(Some((&Value::Null, mine))), description).await;
    }

    /// The token's row, found by its username in all pages. `None` if there is no table to read.
    async fn row(&self, mine: &OwnedToken) -> Option<Value> {
        let table = self.spec.get("table")?;
        let mut next = Some(format!("{}/{}", self.base, text(table, "name")));
        while let Some(address) = next {
            let page: Value = self.send(Method::GET, &address, None).await.json().await.unwrap();
            let username = text(&table["columns"], "username");
            let found = page["value"].as_array().unwrap().iter().find(|row| row[&username] == mine.username);
            if let Some(row) = found {
                return Some(row.clone());
            }
            let base = Url::parse(&address).unwrap();
            next = page["@odata.nextLink"].as_str().map(|link| base.join(link).unwrap().to_string());
        }
        panic!("{} is in no page", mine.username);
    }

    fn key_column(&self) -> String {
        let key = self.spec["table"]["key"].as_array().unwrap();
        text(key.iter().find(|part| part.get("from").is_some()).unwrap(), "column")
    }

    /// The row's address: the columns in the spec, and the values from the row.
    fn address(&self, row: &Value) -> String {
        let token = self.key_column();
        let mut parts: Vec<String> = Vec::new();
        for part in self.spec["table"]["key"].as_array().unwrap() {
            let column = text(part, "column");
            let value = part.get("value").map_or_else(|| self.literal(&row[&column]), |_| text(part, "value"));
            parts.push(format!("{column}={value}"));
        }
        if let Some(value) = row.get("container_registry_id") {
            parts.push(format!("container_registry_id={value}"));
        }
        let key = if parts.len() == 1 { self.literal(&row[&token]) } else { parts.join(",") };
        format!("{}({key})", text(&self.spec["table"], "name"))
    }

    fn literal(&self, value: &Value) -> String {
        match (self.kind, value.as_str()) {
            (KeyKind::Text, Some(text)) => {
                let quoted = format!("'{}'", text.replace('\'', "''"));
                byte_serialize(quoted.as_bytes()).collect::<String>().replace('+', "%20")
            }
            (_, Some(text)) => text.to_owned(),
            _ => value.to_string(),
        }
    }

    /// Runs a task in its form; returns its outputs if it succeeds.
    async fn run(
        &self,
        task: &Value,
        row: Option<String>,
        token: Option<(&Value, &OwnedToken)>,
        description: &str,
    ) -> Option<Value> {
        let name = text(task, "name");
        let body = self.body(task, token, description);
        let answer = match (text(task, "form").as_str(), row) {
            ("Unbound", _) => self.send(Method::POST, &format!("{}/{name}", self.base), Some(body)).await,
            ("Bound", Some(row)) => {
                self.send(Method::POST, &format!("{}/{row}/task_{name}", self.base), Some(body)).await
            }
            (form, row) => {
                let stage = match (form, row) {
                    ("UnboundStaged", _) => format!("{}/{name}/stage", self.base),
                    (_, row) => format!("{}/{}/task_{name}/stage", self.base, row.expect("a row")),
                };
                let staged = location(&self.send(Method::POST, &stage, None).await);
                self.send(Method::PATCH, &staged, Some(body)).await;
                self.send(Method::POST, &format!("{staged}/commit"), None).await
            }
        };
        match answer.status().as_u16() {
            204 => None,
            201 => {
                let flow = location(&answer);
                let outputs = self.send(Method::GET, &flow, None).await.json().await.unwrap();
                self.send(Method::POST, &format!("{flow}/commit"), None).await;
                Some(outputs)
            }
            _ => Some(answer.json().await.unwrap()),
        }
    }

    /// The parameters of the spec, in order.
    fn body(&self, task: &Value, token: Option<(&Value, &OwnedToken)>, description: &str) -> String {
        let value = |parameter: &Value| match (parameter.get("from").and_then(Value::as_str), token) {
            (Some("TokenID"), Some((row, _))) => row[self.key_column()].clone(),
            (Some("Username"), Some((_, mine))) => json!(mine.username),
            (Some(_), _) => json!(description),
            // The types of fixed values are in `$metadata`; here their syntax is enough.
            (None, _) => serde_json::from_str(&text(parameter, "value")).unwrap(),
        };
        let parameters = task["parameters"].as_array().unwrap().iter();
        let fields: Vec<String> =
            parameters.map(|parameter| format!("{}:{}", parameter["name"], value(parameter))).collect();
        format!("{{{}}}", fields.join(","))
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}")).to_owned()
}
