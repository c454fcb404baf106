//! A real Prometheus that scrapes an operator.

use crate::control_plane::{Server, eventually};
use crate::fixture::LIMIT;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, io::Write as _};

/// A running Prometheus with the alerts of the repository.
pub struct Prometheus {
    _server: Server,
    _folder: tempfile::TempDir,
    address: String,
}

impl Prometheus {
    /// Starts it, and waits until it has scraped the operator.
    pub async fn scraping(operator: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        drop(listener);
        let alerts = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/monitoring/alerts.yaml");
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\nscrape_configs:\n  - {{job_name: operator, static_configs: [{{targets: ['{operator}']}}]}}\n",
            alerts.display()
        );
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, config).expect("written");
        let args = [
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", folder.path().join("data").display()),
            format!("--web.listen-address={address}"),
        ];
        let program = Path::new("/usr/bin/prometheus");
        assert!(program.exists(), "install Prometheus; on Debian, the package prometheus");
        let server = Server::start("prometheus", program, &args, folder.path()).expect("started");
        let prometheus = Self { _server: server, _folder: folder, address };
        eventually("Prometheus to scrape the operator", LIMIT, async || {
            let targets = prometheus.get("targets", &[]).await?;
            let target = &targets["activeTargets"][0];
            if target["health"] == "up" { Ok(()) } else { Err(target.to_string()) }
        })
        .await;
        prometheus
    }

    /// The series that a query returns.
    pub async fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let data = self.get("query", &[("query", expression)]).await?;
        Ok(data["result"].as_array().cloned().unwrap_or_default())
    }

    /// The rules of all groups.
    pub async fn rules(&self) -> Result<Vec<Value>, String> {
        let data = self.get("rules", &[]).await?;
        let groups = data["groups"].as_array().cloned().unwrap_or_default();
        Ok(groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default()).collect())
    }

    async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let url = reqwest::Url::parse_with_params(&format!("http://{}/api/v1/{path}", self.address), parameters);
        let response = reqwest::get(url.expect("an address")).await.map_err(|error| error.to_string())?;
        let body: Value = response.json().await.map_err(|error| error.to_string())?;
        if body["status"] == "success" { Ok(body["data"].clone()) } else { Err(body.to_string()) }
    }
}

/// What `promtool check metrics` says of metrics in the text format, and whether it parses them.
pub fn lint(metrics: &str) -> (Option<i32>, String) {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs");
    child.stdin.take().expect("its input").write_all(metrics.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}
