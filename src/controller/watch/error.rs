//! How a watch ends, and what its failures say.

use crate::controller::api_call::safe_error_message;
use crate::health::watch_health::Phase;
use kube::Error;

/// How a watch ends that did not fail.
pub enum WatchEnd {
    /// By the API server, as it does every few minutes, or in silence: it goes on where it was.
    Expired,
    /// The API server has no streaming lists: it is begun again with a list.
    StreamingUnsupported,
}

/// Why a watch has to be begun again.
pub enum WatchError {
    /// Who takes the events is gone.
    ReceiverClosed,
    /// The API server does not do what was asked, or did not answer.
    Failed(Phase, String),
}

impl WatchError {
    /// What an error of a list or watch of this kind means.
    pub fn from_kube(kind: &str, error: &Error) -> Self {
        match error {
            Error::Api(status) if status.code == 404 => Self::Failed(
                Phase::Missing,
                format!("the API server does not serve {kind}: install its CRD (`kubectl apply -f crds`)"),
            ),
            Error::Api(status) if status.code == 403 => Self::Failed(
                Phase::Forbidden,
                format!(
                    "the ServiceAccount may not list and watch {kind}: apply deploy/rbac.yaml ({})",
                    safe_error_message(error)
                ),
            ),
            _ => Self::Failed(Phase::Pending, safe_error_message(error)),
        }
    }
}

/// Whether an API server answers like this because it has no streaming lists: the fields of the request are
/// invalid to it. Its message names `sendInitialEvents` or, before 1.27, `resourceVersionMatch`.
pub fn streaming_unsupported(error: &Error) -> bool {
    let Error::Api(status) = error else { return false };
    let named = ["sendInitialEvents", "resourceVersionMatch"].iter().any(|name| status.message.contains(name));
    matches!(status.code, 400 | 422) || (named && status.code < 500)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn api_error(code: u16, message: &str) -> Error {
        Error::Api(Box::new(Status::failure(message, "Invalid").with_code(code)))
    }

    #[test]
    fn an_api_server_without_streaming_lists_is_told_from_one_that_fails() {
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
        let phase = |code| match WatchError::from_kube("TokenIssuer", &api_error(code, "no")) {
            WatchError::Failed(phase, detail) => (phase, detail),
            WatchError::ReceiverClosed => (Phase::Listed, String::new()),
        };
        assert!(phase(404).0 == Phase::Missing && phase(404).1.contains("CRD"));
        assert!(phase(403).0 == Phase::Forbidden && phase(403).1.contains("rbac.yaml"));
        assert_eq!(phase(500), (Phase::Pending, "no".to_owned()));
    }
}
