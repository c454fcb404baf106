//! The demo with a real Gitea: `make demo PORTAL=gitea`. This file has its portal, `gitea_lifecycle.rs` the steps.

use crate::cluster::{Cluster, binary};
use crate::demo_log::DemoLog;
use crate::gitea::{Gitea, GiteaToken};
use crate::gitea_lifecycle::{self as lifecycle, NAME, NAMESPACE};
use crate::gitea_with_image::{self, IMAGE, LAYER, OPERATOR, PULLER};
use crate::{Arguments, content_of, finish, pull, start, until_interrupted};
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// The cluster, Gitea, and the access token with which the operator logs in.
pub struct Stage<'a> {
    pub cluster: &'a Cluster,
    pub gitea: Gitea,
    password: String,
}

/// Shows the life of a token of Gitea.
pub async fn run(arguments: &Arguments, show: &mut DemoLog) -> Result<(), String> {
    show.step("1. A cluster, Gitea with its container registry, and the operator");
    // First, because it panics if it fails, and a cluster would not be cleaned up.
    let (gitea, password) = gitea_with_image::start().await;
    let (cluster, operator) = start(arguments).await?;
    println!("Gitea {}, image {}/{IMAGE}", gitea.url(), gitea.host());
    let stage = Stage { cluster: &cluster, gitea, password };
    let shown = until_interrupted(run_steps(show, &stage, arguments.keep)).await;
    finish(arguments, show, &cluster, operator, shown)
}

async fn run_steps(show: &mut DemoLog, stage: &Stage<'_>, keeps: bool) -> Result<(), String> {
    create_issuer(show, stage).await?;
    lifecycle::create(show, stage).await?;
    lifecycle::edit_description(show, stage).await?;
    lifecycle::rotate(show, stage).await?;
    lifecycle::repair(show, stage).await?;
    lifecycle::revoke_upstream(show, stage).await?;
    if keeps {
        println!("\nEverything runs until Ctrl-C. In another terminal:\n\n{}", stage.cluster.exports());
        println!("  kubectl get rtok -A -w\n\nGitea is {}.", stage.gitea.url());
        let _ = tokio::signal::ctrl_c().await;
        return Ok(());
    }
    lifecycle::delete(show, stage).await
}

/// Discovers an issuer, checks it, and applies it with its Secret.
async fn create_issuer(show: &mut DemoLog, stage: &Stage<'_>) -> Result<(), String> {
    show.step("2. discover prints an issuer for the login, and check confirms it");
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, stage.gitea.ca_pem()).map_err(|error| error.to_string())?;
    let ca = ca.to_str().ok_or("the folder's name is not UTF-8")?;
    let url = stage.gitea.url();
    let issuer = operator(stage, &["discover", "--type", "Gitea", "--url", &url, "--ca-file", ca], "").await?;
    let parsed: Value = serde_saphyr::from_str(&issuer).map_err(|error| error.to_string())?;
    show.check(parsed["spec"]["gitea"]["user"] == PULLER.name, "the issuer names the user of the login");
    let report = operator(stage, &["check", "--file", "-"], &issuer).await?;
    print!("{report}");
    let knows = report.contains("write:user") && report.contains("EditUnsupported");
    show.check(knows, "check says which scopes the login has, and that descriptions cannot be edited");
    show.check(!report.contains(&stage.password) && !issuer.contains(&stage.password), "no output has the password");
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "portal", "namespace": "registry-token-operator"},
        "stringData": {"username": PULLER.name, "password": stage.password},
    });
    for manifest in [secret.to_string(), issuer] {
        print!("{}", stage.cluster.apply(&manifest)?);
    }
    Ok(())
}

/// Runs a command of the operator with the login of the operator; returns its standard output.
async fn operator(stage: &Stage<'_>, arguments: &[&str], input: &str) -> Result<String, String> {
    println!("$ registry-token-operator {}", arguments.join(" "));
    let mut command = Command::new(binary()?);
    command.args(arguments).env("PORTAL_USERNAME", PULLER.name).env("PORTAL_PASSWORD", &stage.password);
    let child = command.env("NO_PROXY", "localhost").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| error.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(text) } else { Err(format!("{}: {text}", arguments.join(" "))) }
}

impl Stage<'_> {
    /// The operator's tokens in Gitea's own list.
    pub async fn live(&self) -> Vec<GiteaToken> {
        let all = self.gitea.tokens(PULLER).await;
        all.into_iter().filter(|token| token.name != OPERATOR).collect()
    }

    pub async fn ids(&self) -> Vec<i64> {
        self.live().await.iter().map(|token| token.id).collect()
    }

    /// Prints Gitea's own list.
    pub async fn print_list(&self) {
        println!("Gitea's list of the tokens of {}:", PULLER.name);
        for token in self.gitea.tokens(PULLER).await {
            println!("  {:>4}  {}", token.id, token.name);
        }
    }

    /// The Secret's content, which is never printed.
    pub fn content(&self) -> Result<Vec<u8>, String> {
        content_of(self.cluster, NAMESPACE, NAME)
    }

    /// Whether an independent client pulls the image with only this content of a pull secret.
    pub async fn pulls(&self, content: &[u8]) -> bool {
        let pulled = pull::pull_image(content, &self.gitea.host(), IMAGE, self.gitea.ca_pem()).await;
        println!("pull {}/{IMAGE}: {pulled:?}", self.gitea.host());
        pulled == Ok(LAYER.len())
    }
}

/// Polls for a minute and a half.
pub async fn until(seen: impl AsyncFn() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(90) {
        if seen().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    false
}
