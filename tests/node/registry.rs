//! A real registry. Its users are the live tokens of the portal's ledger.

use crate::control_plane::{Server, eventually};
use crate::fake_portal::Ledger;
use crate::fixture::LIMIT;
use crate::image::write_layout;
use crate::programs::{program, tool};
use rcgen::{CertificateParams, KeyPair};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The user that pushes the image.
const PUSHER: (&str, &str) = ("pusher", "pushes");
/// How often the users are compared with the ledger.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(100);

/// A running `docker-registry`.
pub struct Registry {
    port: u16,
    certificate: String,
    folder: tempfile::TempDir,
    follow: JoinHandle<()>,
    _server: Server,
}

impl Registry {
    /// Starts it, with the live tokens of this ledger as its users.
    pub async fn start(ledger: Ledger) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        let certificate = params.self_signed(&key).expect("signed").pem();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("ca.crt"), &certificate).expect("written");
        fs::write(at("key.pem"), key.serialize_pem()).expect("written");
        let mut users = Users { file: at("htpasswd"), hashes: HashMap::new(), written: String::new() };
        users.update(&ledger);
        let config = format!(
            "version: 0.1\nlog: {{accesslog: {{disabled: true}}, level: warn}}\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\nhttp:\n  addr: 127.0.0.1:{port}\n  tls: {{certificate: '{}', key: '{}'}}\nauth: {{htpasswd: {{realm: registry, path: '{}'}}}}\n",
            at("data").display(),
            at("ca.crt").display(),
            at("key.pem").display(),
            at("htpasswd").display(),
        );
        fs::write(at("config.yml"), config).expect("written");
        let args = ["serve".to_owned(), at("config.yml").display().to_string()];
        let server = Server::start("registry", &program("docker-registry"), &args, folder.path()).expect("started");
        let follow = tokio::spawn(async move {
            loop {
                tokio::time::sleep(FOLLOW_INTERVAL).await;
                users.update(&ledger);
            }
        });
        let registry = Self { port, certificate, folder, follow, _server: server };
        eventually("the registry to accept the user that pushes", LIMIT, async || {
            registry
                .accepts(PUSHER.0, PUSHER.1)
                .await
                .and_then(|ok| if ok { Ok(()) } else { Err("rejected".to_owned()) })
        })
        .await;
        registry
    }

    /// Host and port.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The certificate that clients have to trust.
    pub fn ca_pem(&self) -> String {
        self.certificate.clone()
    }

    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// Pushes an image; returns its name.
    pub async fn push_image(&self) -> String {
        let layout = self.folder.path().join("image");
        let name = format!("{}/team/app:1", self.host());
        write_layout(&layout, &tool("container"), &name);
        let mut command = tokio::process::Command::new(program("skopeo"));
        command.args(["copy", "--quiet", "--insecure-policy"]);
        command.args([&format!("--dest-creds={}:{}", PUSHER.0, PUSHER.1)]);
        command.arg("--dest-cert-dir").arg(self.certificates()).arg(format!("oci:{}:1", layout.display()));
        command.arg(format!("docker://{name}")).env("NO_PROXY", "*");
        let output = command.output().await.expect("skopeo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        name
    }

    /// A folder with only the certificate.
    fn certificates(&self) -> PathBuf {
        let folder = self.folder.path().join("certificates");
        fs::create_dir_all(&folder).expect("created");
        fs::copy(self.ca_file(), folder.join("ca.crt")).expect("copied");
        folder
    }

    async fn accepts(&self, user: &str, password: &str) -> Result<bool, String> {
        let certificate = reqwest::Certificate::from_pem(self.certificate.as_bytes()).expect("a certificate");
        let client = reqwest::Client::builder().tls_certs_only([certificate]).no_proxy().build().expect("a client");
        let request = client.get(format!("https://{}/v2/", self.host())).basic_auth(user, Some(password));
        Ok(request.send().await.map_err(|error| error.to_string())?.status().is_success())
    }

    /// Waits until the registry rejects the login of this pull secret.
    pub async fn until_rejected(&self, content: &[u8]) {
        let (user, password) = crate::pull::login(content, &self.host()).expect("a login");
        eventually("the registry to reject the token", LIMIT, async || {
            if self.accepts(&user, &password).await? { Err("accepted".to_owned()) } else { Ok(()) }
        })
        .await;
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.follow.abort();
    }
}

/// The registry's file of users, which it reads again whenever it changes.
struct Users {
    file: PathBuf,
    hashes: HashMap<String, String>,
    written: String,
}

impl Users {
    fn update(&mut self, ledger: &Ledger) {
        let mut lines = self.line(PUSHER.0, PUSHER.1);
        for token in ledger.live() {
            lines += &self.line(&token.username, &token.secret);
        }
        if lines != self.written {
            let new = self.file.with_extension("new");
            fs::write(&new, &lines).expect("written");
            fs::rename(&new, &self.file).expect("renamed");
            self.written = lines;
        }
    }

    fn line(&mut self, user: &str, password: &str) -> String {
        let hash = || {
            // A low cost: the registry checks the password at every request.
            let output = Command::new(program("htpasswd")).args(["-nbBC", "4", user, password]).output();
            String::from_utf8(output.expect("htpasswd runs").stdout).expect("text").trim().to_owned() + "\n"
        };
        self.hashes.entry(format!("{user}:{password}")).or_insert_with(hash).clone()
    }
}
