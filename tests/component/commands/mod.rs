//! `discover` and `check` as users run them, for portals that need no discovery.

mod arguments;
pub mod fixed_api;
mod gitea;
mod gitlab;
mod harbor;

use serde_json::Value;
use std::process::Stdio;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// The passwords of these tests contain it.
pub const SECRET_PART: &str = "correct-horse";

pub struct CommandOutput {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl CommandOutput {
    /// Checks the exit status, and that each of these texts is in the output.
    pub fn assert(&self, code: i32, texts: &[&str]) {
        let all = format!("{}{}", self.out, self.err);
        assert_eq!(self.code, code, "{all}");
        for text in texts {
            assert!(all.contains(text), "{text:?} is missing: {all}");
        }
    }

    pub fn assert_silent_about(&self, texts: &[&str]) {
        for text in texts {
            assert!(!self.out.contains(text) && !self.err.contains(text), "{text:?}: {}{}", self.out, self.err);
        }
    }

    pub fn manifest(&self) -> Value {
        serde_saphyr::from_str(&self.out).expect("YAML")
    }
}

/// Runs the operator's binary. No secret may be in its output.
pub async fn run(arguments: &[&str], environment: &[(&str, &str)], input: &str) -> CommandOutput {
    let mut command = Command::new(env!("CARGO_BIN_EXE_registry-token-operator"));
    command.args(arguments).env_clear().envs(environment.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("started");
    let mut stdin = child.stdin.take().expect("a pipe");
    // It may have exited already.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await.expect("ended");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let ended =
        CommandOutput { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) };
    ended.assert_silent_about(&[SECRET_PART, "\u{1b}", "\u{202e}"]);
    ended
}

/// Checks an issuer with this configuration of its portal.
pub async fn check(kind: &str, portal: &Value, environment: &[(&str, &str)]) -> CommandOutput {
    let mut spec = serde_json::json!({"type": kind, "registries": [{"host": "registry.example.com"}]});
    spec[kind.to_lowercase()] = portal.clone();
    let issuer = serde_json::json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "ClusterTokenIssuer", "metadata": {"name": "portal"}, "spec": spec,
    });
    run(&["check", "-f", "-"], environment, &issuer.to_string()).await
}

/// Discovers an issuer.
pub async fn discover(kind: &str, url: &str, more: &[&str], environment: &[(&str, &str)]) -> CommandOutput {
    let arguments = ["discover", "--type", kind, "--url", url, "--allow-insecure-http"];
    run(&[&arguments[..], more].concat(), environment, "").await
}
