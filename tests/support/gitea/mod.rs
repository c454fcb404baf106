//! A real Gitea with TLS on the loopback address. It ends with this process, and so do its files.

#![allow(dead_code, reason = "several targets may include this module, and each uses its own part")]

use crate::control_plane::{FolderCleanup, Server, eventually};
use rcgen::{CertificateParams, KeyPair};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const START_LIMIT: Duration = Duration::from_mins(1);

/// A row of Gitea's own list of tokens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct GiteaToken {
    pub id: i64,
    pub name: String,
}

/// A user with this password.
#[derive(Clone, Copy, Debug)]
pub struct User {
    pub name: &'static str,
    pub password: &'static str,
}

/// A running Gitea.
pub struct Gitea {
    port: u16,
    certificate: String,
    folder: PathBuf,
    program: PathBuf,
    client: reqwest::Client,
    server: Server,
    _cleanup: FolderCleanup,
}

impl Gitea {
    /// Starts it with these users. `GITEA` names the folder that `build.sh` prints.
    pub async fn start(users: &[User]) -> Self {
        let built = PathBuf::from(std::env::var_os("GITEA").expect("GITEA names Gitea's folder; use make test-real"));
        let folder = tempfile::tempdir().expect("a folder").keep();
        let cleanup = FolderCleanup::start(folder.clone()).expect("a shell");
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let certificate = write_certificate(&folder);
        fs::write(folder.join("app.ini"), configuration(&folder, &built, port)).expect("written");
        let program = built.join("gitea");
        let run = |args: &[&str]| run(&program, &folder, args);
        run(&["migrate"]);
        for user in users {
            let email = format!("{}@example.com", user.name);
            let named = ["--username", user.name, "--password", user.password, "--email", &email];
            run(&[&["admin", "user", "create", "--must-change-password=false"], &named[..]].concat());
        }
        let arguments = [&settings(&folder)[..], &["web".to_owned()]].concat();
        let server = Server::start("gitea", &program, &arguments, &folder).expect("started");
        // There may be one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let trusted = reqwest::Certificate::from_pem(certificate.as_bytes()).expect("a certificate");
        let client = reqwest::Client::builder().tls_certs_only([trusted]).no_proxy().build().expect("a client");
        let mut gitea = Self { port, certificate, folder, program, client, server, _cleanup: cleanup };
        gitea.until_ready().await;
        gitea
    }

    async fn until_ready(&mut self) {
        let url = format!("{}/api/healthz", self.url());
        eventually("Gitea to be ready", START_LIMIT, async || {
            self.server.check_alive().map_err(|error| error.to_string())?;
            let answer = self.client.get(&url).send().await.map_err(|error| error.to_string())?;
            if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string()) }
        })
        .await;
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.host())
    }

    /// Host and port, also of its container registry.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The certificate that clients have to trust.
    pub fn ca_pem(&self) -> &str {
        &self.certificate
    }

    /// Creates a token as an administrator of the machine does; returns its password.
    pub fn create_token(&self, user: User, name: &str, scopes: &str) -> String {
        let generate = ["admin", "user", "generate-access-token", "--raw", "--username", user.name];
        let named = ["--token-name", name, "--scopes", scopes];
        let printed = run(&self.program, &self.folder, &[&generate[..], &named[..]].concat());
        // As root it also prints a warning.
        printed.lines().last().expect("a token").trim().to_owned()
    }

    /// Creates a token as its user does in the settings.
    pub async fn request_token(&self, user: User, name: &str) {
        let wanted = json!({"name": name, "scopes": ["read:package"]});
        let answer = self.call(Method::POST, user, "").json(&wanted).send().await.expect("a response");
        assert_eq!(answer.status(), StatusCode::CREATED);
    }

    /// All tokens of a user, by id. If a token is deleted while the pages are read, the later ones move to an earlier page
    /// and one may be missed. So the list is read until it has as many as Gitea counts on each page.
    pub async fn tokens(&self, user: User) -> Vec<GiteaToken> {
        let mut reads = 0;
        loop {
            let (tokens, totals) = self.read_pages(user).await;
            if totals.iter().all(|total| *total == tokens.len()) {
                return tokens;
            }
            reads += 1;
            assert!(reads < 100, "the tokens of {} change all the time", user.name);
        }
    }

    /// The tokens on all pages, and how many there were at each page.
    async fn read_pages(&self, user: User) -> (Vec<GiteaToken>, Vec<usize>) {
        let (mut tokens, mut totals): (Vec<GiteaToken>, _) = (vec![], vec![]);
        for page in 1.. {
            let answer = self.call(Method::GET, user, &format!("?limit=50&page={page}")).send().await;
            let answer = answer.expect("a response");
            assert_eq!(answer.status(), StatusCode::OK);
            let total = answer.headers().get("X-Total-Count").and_then(|total| total.to_str().ok()?.parse().ok());
            totals.push(total.expect("a count"));
            let more: Vec<GiteaToken> = answer.json().await.expect("tokens");
            if more.is_empty() {
                break;
            }
            tokens.extend(more);
        }
        tokens.sort_by_key(|token| token.id);
        tokens.dedup();
        (tokens, totals)
    }

    /// Deletes a token, as its user does in the settings.
    pub async fn delete_token(&self, user: User, id: i64) {
        let answer = self.call(Method::DELETE, user, &format!("/{id}")).send().await.expect("a response");
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    }

    fn call(&self, method: Method, user: User, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/api/v1/users/{}/tokens{path}", self.url(), user.name);
        self.client.request(method, url).basic_auth(user.name, Some(user.password))
    }

    /// Whether the registry accepts this login.
    pub async fn accepts(&self, username: &str, password: &str) -> bool {
        let request = self.client.get(format!("{}/v2/", self.url())).basic_auth(username, Some(password));
        request.send().await.expect("a response").status().is_success()
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        self.server.log_tail()
    }
}

/// Writes a certificate and its key; returns the certificate.
fn write_certificate(folder: &Path) -> String {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("signed").pem();
    fs::write(folder.join("tls.crt"), &certificate).expect("written");
    fs::write(folder.join("tls.key"), key.serialize_pem()).expect("written");
    certificate
}

/// Its `app.ini`. Without a login, nobody pulls an image.
fn configuration(folder: &Path, built: &Path, port: u16) -> String {
    let (folder, built) = (folder.display(), built.display());
    format!(
        "I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
[server]
PROTOCOL = https
CERT_FILE = {folder}/tls.crt
KEY_FILE = {folder}/tls.key
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = https://localhost:{port}/
STATIC_ROOT_PATH = {built}/static
DISABLE_SSH = true
OFFLINE_MODE = true
[database]
DB_TYPE = sqlite3
PATH = {folder}/gitea.db
SQLITE_JOURNAL_MODE = WAL
[security]
INSTALL_LOCK = true
SECRET_KEY = {SECRET_KEY}
INTERNAL_TOKEN = {SECRET_KEY}
[service]
REQUIRE_SIGNIN_VIEW = true
[packages]
ENABLED = true
[cron]
ENABLED = false
[indexer]
ISSUE_INDEXER_TYPE = db
[log]
MODE = console
LEVEL = Warn
"
    )
}

const SECRET_KEY: &str = "of-an-instance-that-lives-as-long-as-a-test";

fn settings(folder: &Path) -> [String; 4] {
    let folder = folder.display().to_string();
    ["--work-path".to_owned(), folder.clone(), "--config".to_owned(), format!("{folder}/app.ini")]
}

/// Runs a command of Gitea to its end; returns what it prints.
fn run(program: &Path, folder: &Path, args: &[&str]) -> String {
    let output = Command::new(program).args(settings(folder)).args(args).env("HOME", folder).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}
