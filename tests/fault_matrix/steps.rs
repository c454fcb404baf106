//! The protocol step of a request to the API server.

use axum::http::Method;
use serde_json::Value;

/// A protocol step that is a request to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolStep {
    /// Adds the finalizer to the object.
    AddFinalizer,
    /// Creates the Secret, or writes a reservation into it.
    Reserve,
    /// Reads the issuer once more.
    ReadIssuer,
    /// Dry-runs the commit.
    DryRun,
    /// Stores the token.
    Commit,
    /// Records the token in the status.
    WriteStatus,
    /// Records the result of the description sync.
    DescriptionSynced,
    /// Clears the reservation of a failed attempt.
    ClearReservation,
    /// Closes the Secret for attempts, because the object is being deleted.
    Close,
    /// Removes the login from the Secret, because the issuer does not serve the namespace any more.
    RemoveLogin,
    /// Removes the finalizer from the object.
    RemoveFinalizer,
}

impl ProtocolStep {
    /// The namespace and the step of a request, if it is a step.
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

/// The step of a write to the Secret, by the annotations that it sets and clears.
fn write(annotations: &Value) -> Option<ProtocolStep> {
    let sets = |name: &str| annotations[format!("registry-token.dev/{name}")].is_string();
    let clears = |name: &str| annotations.get(format!("registry-token.dev/{name}")).is_some_and(Value::is_null);
    Some(match () {
        () if sets("stored") => ProtocolStep::Commit,
        () if sets("closed") => ProtocolStep::Close,
        () if sets("reservation") => ProtocolStep::Reserve,
        () if clears("reservation") && clears("stored") && !clears("closed") => ProtocolStep::RemoveLogin,
        () if clears("reservation") && !clears("stored") => ProtocolStep::ClearReservation,
        () => return None,
    })
}
