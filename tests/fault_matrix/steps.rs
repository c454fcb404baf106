//! Which step of the protocol a request to the API server is.

use axum::http::Method;
use serde_json::Value;

/// A step of the protocol that is a request to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolStep {
    /// The finalizer is put on the object.
    AddFinalizer,
    /// The Secret is created, or a reservation written into it.
    Reserve,
    /// The issuer is read once more.
    ReadIssuer,
    /// What the commit would be refused for is tried.
    DryRun,
    /// The token is stored.
    Commit,
    /// The token is recorded.
    WriteStatus,
    /// What the settling came to is recorded.
    DescriptionSynced,
    /// The reservation of an attempt that failed is taken back.
    ClearReservation,
    /// The Secret is closed for attempts, since the object goes.
    Close,
    /// The finalizer is taken off the object.
    RemoveFinalizer,
}

impl ProtocolStep {
    /// The namespace that a request is about, and the step that it is, if it is one.
    pub fn of(method: &Method, path: &str, query: &str, body: &[u8]) -> Option<(String, Self)> {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let at = parts.iter().position(|part| *part == "namespaces")?;
        let [namespace, rest @ ..] = &parts[at + 1..] else { return None };
        let step = step(method, rest, query, &serde_json::from_slice(body).unwrap_or_default())?;
        Some(((*namespace).to_owned(), step))
    }
}

fn step(method: &Method, rest: &[&str], query: &str, body: &Value) -> Option<ProtocolStep> {
    let metadata = &body["metadata"];
    Some(match (method.as_str(), rest) {
        ("PATCH", ["registrytokens", _]) if metadata["finalizers"].as_array().is_some_and(Vec::is_empty) => {
            ProtocolStep::RemoveFinalizer
        }
        ("PATCH", ["registrytokens", _]) => ProtocolStep::AddFinalizer,
        ("POST", ["secrets"]) => ProtocolStep::Reserve,
        ("PATCH", ["secrets", _]) if query.contains("dryRun") => ProtocolStep::DryRun,
        ("PATCH", ["secrets", _]) => return write(&metadata["annotations"]),
        ("GET", ["tokenissuers", _]) => ProtocolStep::ReadIssuer,
        ("PUT", ["registrytokens", _, "status"]) => {
            let conditions = body["status"]["conditions"].as_array();
            let is = |kind: &str| {
                conditions.is_some_and(|all| all.iter().any(|one| one["type"] == kind && one["status"] == "True"))
            };
            if is("DescriptionSynced") { ProtocolStep::DescriptionSynced } else { ProtocolStep::WriteStatus }
        }
        _ => return None,
    })
}

/// What a write to the Secret is, by the annotations that it sets and clears.
fn write(annotations: &Value) -> Option<ProtocolStep> {
    let sets = |name: &str| annotations[format!("registry-token.dev/{name}")].is_string();
    let clears = |name: &str| annotations.get(format!("registry-token.dev/{name}")).is_some_and(Value::is_null);
    Some(match () {
        () if sets("stored") => ProtocolStep::Commit,
        () if sets("closed") => ProtocolStep::Close,
        () if sets("reservation") => ProtocolStep::Reserve,
        () if clears("reservation") && !clears("stored") => ProtocolStep::ClearReservation,
        () => return None,
    })
}
