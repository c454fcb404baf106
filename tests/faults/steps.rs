//! Which step of the protocol a request to the API server is.

use axum::http::Method;
use serde_json::Value;

/// A step of the protocol that is a request to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The finalizer is put on the object.
    Finalizer,
    /// The Secret is created, or a reservation written into it.
    Reserve,
    /// The issuer is read once more.
    ReadIssuer,
    /// What the commit would be refused for is tried.
    DryRun,
    /// The token is stored.
    Commit,
    /// The token is recorded.
    Status,
    /// What the settling came to is recorded.
    Settled,
    /// The reservation of an attempt that failed is taken back.
    Drop,
    /// The Secret is closed for attempts, since the object goes.
    Close,
    /// The finalizer is taken off the object.
    FinalizerOff,
}

impl Step {
    /// The namespace that a request is about, and the step that it is, if it is one.
    pub fn of(method: &Method, path: &str, query: &str, body: &[u8]) -> Option<(String, Self)> {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let at = parts.iter().position(|part| *part == "namespaces")?;
        let [namespace, rest @ ..] = &parts[at + 1..] else { return None };
        let step = step(method, rest, query, &serde_json::from_slice(body).unwrap_or_default())?;
        Some(((*namespace).to_owned(), step))
    }
}

fn step(method: &Method, rest: &[&str], query: &str, body: &Value) -> Option<Step> {
    let metadata = &body["metadata"];
    Some(match (method.as_str(), rest) {
        ("PATCH", ["registrytokens", _]) if metadata["finalizers"].as_array().is_some_and(Vec::is_empty) => {
            Step::FinalizerOff
        }
        ("PATCH", ["registrytokens", _]) => Step::Finalizer,
        ("POST", ["secrets"]) => Step::Reserve,
        ("PATCH", ["secrets", _]) if query.contains("dryRun") => Step::DryRun,
        ("PATCH", ["secrets", _]) => return write(&metadata["annotations"]),
        ("GET", ["tokenissuers", _]) => Step::ReadIssuer,
        ("PUT", ["registrytokens", _, "status"]) => {
            let conditions = body["status"]["conditions"].as_array();
            let is = |kind: &str| {
                conditions.is_some_and(|all| all.iter().any(|one| one["type"] == kind && one["status"] == "True"))
            };
            if is("DescriptionSynced") { Step::Settled } else { Step::Status }
        }
        _ => return None,
    })
}

/// What a write to the Secret is, by the annotations that it sets and clears.
fn write(annotations: &Value) -> Option<Step> {
    let sets = |name: &str| annotations[format!("registry-token.dev/{name}")].is_string();
    let clears = |name: &str| annotations.get(format!("registry-token.dev/{name}")).is_some_and(Value::is_null);
    Some(match () {
        () if sets("stored") => Step::Commit,
        () if sets("closed") => Step::Close,
        () if sets("attempt") => Step::Reserve,
        () if clears("attempt") && !clears("stored") => Step::Drop,
        () => return None,
    })
}
