//! How a watch ends, and how its errors are classified.

use crate::controller::api_call::safe_error_message;
use crate::health::watch_health::{Phase, WatchHealth};
use kube::Error;

/// How a watch ends without an error.
pub enum WatchEnd {
    /// The API server ended it, as it does every few minutes, or it timed out: it continues from the last version.
    Expired,
    /// The API server does not support streaming lists: the watch is restarted with a list.
    StreamingUnsupported,
}

/// Why a watch has to be restarted.
pub enum WatchError {
    /// The receiver of the events was dropped.
    ReceiverClosed,
    /// The API server rejected the request or did not respond.
    Failed(Phase, String),
}

impl WatchError {
    /// Classifies an error of a list or watch.
    pub fn from_kube(watched: &WatchHealth, error: &Error) -> Self {
        let kind = watched.kind();
        match error {
            Error::Api(status) if status.code == 404 => Self::Failed(
                Phase::Missing,
                format!("the API server does not serve {kind}: install its CRD (`kubectl apply -f crds`)"),
            ),
            // An empty namespace is listed without an error, whether it exists or not. But without the namespace there
            // is no Role in it.
            Error::Api(status) if status.code == 403 && watched.namespace().is_some() => Self::Failed(
                Phase::Forbidden,
                format!(
                    "the namespace does not exist, or the ServiceAccount has no Role in it: create it and apply deploy/overlays/namespaced/watched there ({})",
                    safe_error_message(error)
                ),
            ),
            Error::Api(status) if status.code == 403 => Self::Failed(
                Phase::Forbidden,
                format!(
                    "the ServiceAccount may not list and watch {kind}: apply deploy/base/rbac.yaml ({})",
                    safe_error_message(error)
                ),
            ),
            _ => Self::Failed(Phase::Pending, safe_error_message(error)),
        }
    }
}

/// Whether the error says that the API server does not support streaming lists: it rejects the fields of the request.
/// Its message names `sendInitialEvents` or, before 1.27, `resourceVersionMatch`.
pub fn streaming_unsupported(error: &Error) -> bool {
    let Error::Api(status) = error else { return false };
    let named = ["sendInitialEvents", "resourceVersionMatch"].iter().any(|name| status.message.contains(name));
    matches!(status.code, 400 | 422) || (named && status.code < 500)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Kind, WatchMetrics};
    use kube::core::Status;

    fn api_error(code: u16, message: &str) -> Error {
        Error::Api(Box::new(Status::failure(message, "Invalid").with_code(code)))
    }

    #[test]
    fn missing_streaming_lists_are_distinguished_from_other_errors() {
        let gate = "ListOptions is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
        let old =
            "ListOptions is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch";
        for (code, message) in [(422, gate), (400, gate), (403, gate), (422, old), (422, "")] {
            assert!(streaming_unsupported(&api_error(code, message)), "{code} {message}");
        }
        for (code, message) in
            [(403, "forbidden: User cannot watch"), (404, "not found"), (410, "too old"), (500, gate)]
        {
            assert!(!streaming_unsupported(&api_error(code, message)), "{code} {message}");
        }
    }

    #[test]
    fn a_kind_that_is_not_served_or_forbidden_says_what_to_do() {
        let metrics = WatchMetrics::not_served(Kind::TokenIssuer);
        let all = WatchHealth::new("TokenIssuer", metrics.clone());
        let of = |watched: &WatchHealth, code| match WatchError::from_kube(watched, &api_error(code, "no")) {
            WatchError::Failed(phase, detail) => (phase, detail),
            WatchError::ReceiverClosed => (Phase::Listed, String::new()),
        };
        let phase = |code| of(&all, code);
        assert!(phase(404).0 == Phase::Missing && phase(404).1.contains("CRD"));
        assert!(phase(403).0 == Phase::Forbidden && phase(403).1.contains("rbac.yaml"));
        assert_eq!(phase(500), (Phase::Pending, "no".to_owned()));
        let one = WatchHealth::in_namespace("TokenIssuer", metrics, Some("team-a".to_owned()), all.invalid_objects());
        assert!(of(&one, 403).0 == Phase::Forbidden && of(&one, 403).1.contains("does not exist, or"));
        assert_eq!(of(&one, 404), phase(404), "the CRD is cluster-wide");
    }
}
