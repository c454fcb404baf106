//! Maps responses that are not 2xx to errors: whether Harbor may have acted, and a message.

use crate::api::Reason;
use crate::portal::rest::{Names, Refusal};
use crate::portal::{Delivery, PortalError};
use serde::Deserialize;

/// What messages name.
pub(super) const NAMES: Names = Names {
    product: "Harbor",
    url: "spec.harbor.url",
    tls: "spec.harbor.tls",
    auth: "spec.harbor.auth",
    example: "https://harbor.example.com",
};

/// What was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Creates a robot account.
    Request,
    /// Reads or edits a robot account.
    Edit,
    Revoke,
    List,
}

/// Whose robot accounts they are, and who manages them.
#[derive(Clone, Copy, Debug)]
pub(super) struct ErrorContext<'a> {
    /// The project; absent for the system.
    pub project: Option<&'a str>,
    /// The source of the credentials; human-readable.
    pub credentials_source: &'a str,
}

/// The body of Harbor's errors (`Errors` in `src/lib/errors/errors.go`).
#[derive(Deserialize)]
struct ErrorBody {
    errors: Vec<ErrorDetail>,
}

#[derive(Deserialize)]
struct ErrorDetail {
    message: String,
}

/// Returns the message of an error response of Harbor, sanitized; `None` if another program sent the response.
pub(super) fn message(body: &[u8]) -> Option<String> {
    let ErrorBody { errors } = serde_json::from_slice(body).ok()?;
    Refusal::message(&errors.first()?.message)
}

/// Whether Harbor refuses to say which user logs in, because it is a robot account.
pub(super) fn is_robot_login(refusal: &Refusal) -> bool {
    matches!(refusal.code, 403 | 412) && message(&refusal.body).is_some()
}

/// Maps a response that is not 2xx.
pub(super) fn explain(refusal: &Refusal, operation: Operation, context: ErrorContext<'_>) -> PortalError {
    let message = message(&refusal.body);
    let message = message.as_deref();
    let detail = Refusal::detail(message);
    let code = refusal.code;
    let place = context.project.map_or_else(|| "the system".to_owned(), |project| format!("the project {project}"));
    let (delivery, reason, text) = match code {
        401 => return refusal.unauthorized(&NAMES, context.credentials_source, message),
        403 if operation == Operation::Edit => (
            Delivery::Rejected,
            Reason::AccessDenied,
            format!(
                "Harbor does not allow the login to edit robot accounts of {place} (HTTP 403): this requires a user who administers it{detail}"
            ),
        ),
        // A project that does not exist is not told apart from one that the login may not see.
        403 => (
            Delivery::Rejected,
            Reason::AccessDenied,
            format!(
                "Harbor does not allow the login to manage robot accounts of {place}, or it does not exist (HTTP 403): this requires a user who administers it, or a robot account with the permissions that docs/harbor.md lists{detail}"
            ),
        ),
        404 if matches!(operation, Operation::Revoke | Operation::Edit) => {
            (Delivery::Rejected, Reason::TokenNotFound, format!("Harbor has no such robot account (HTTP 404){detail}"))
        }
        404 => (
            Delivery::Rejected,
            Reason::AccessDenied,
            format!(
                "Harbor does not find {place} (HTTP 404): check spec.harbor.project, spec.harbor.projects and spec.harbor.url{detail}"
            ),
        ),
        // No other request has this name: an earlier delivery of this request created the token, whose password is lost.
        409 if operation == Operation::Request => (
            Delivery::Unknown,
            Reason::PortalError,
            format!(
                "Harbor already has a robot account with the name in this request (HTTP 409): it arrived twice{detail}"
            ),
        ),
        // What Harbor refuses it explains. Without an explanation, it is unknown what this program refused.
        400 | 412 | 422 if operation == Operation::Request && message.is_none() => (
            Delivery::Unknown,
            Reason::PortalError,
            format!("the token request failed without a message of Harbor (HTTP {code})"),
        ),
        _ => return refusal.general_error(&NAMES, message),
    };
    refusal.error(delivery, reason, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderMap;

    fn of(code: u16, body: &str, operation: Operation) -> PortalError {
        let context = ErrorContext { project: Some("apps"), credentials_source: "the Secret login" };
        let body = body.as_bytes().to_vec().into();
        explain(&Refusal { code, headers: HeaderMap::new(), body }, operation, context)
    }

    const NO: &str = r#"{"errors":[{"code":"X","message":"no"}]}"#;

    #[test]
    fn a_name_that_is_taken_proves_that_the_token_exists() {
        for body in [NO, ""] {
            assert_eq!(of(409, body, Operation::Request).delivery, Delivery::Unknown);
        }
    }

    #[test]
    fn a_rejection_is_explained_by_harbor() {
        for code in [400, 412, 422] {
            let failure = of(code, NO, Operation::Request);
            assert_eq!((failure.delivery, failure.reason), (Delivery::Rejected, Reason::RequestRejected), "{code}");
            assert!(failure.message.ends_with(": no"), "{failure}");
            assert_eq!(of(code, "<html>", Operation::Request).delivery, Delivery::Unknown, "{code} of another program");
        }
        for code in [500, 502, 504] {
            assert_eq!(of(code, NO, Operation::Request).delivery, Delivery::Unknown, "{code}");
        }
    }

    #[test]
    fn a_missing_robot_account_is_none_of_the_login() {
        for operation in [Operation::Revoke, Operation::Edit] {
            assert_eq!(of(404, NO, operation).reason, Reason::TokenNotFound);
        }
        for (code, operation) in [(403, Operation::List), (404, Operation::List), (404, Operation::Request)] {
            let failure = of(code, NO, operation);
            assert_eq!((failure.delivery, failure.reason), (Delivery::Rejected, Reason::AccessDenied));
            assert!(failure.message.contains("the project apps"), "{failure}");
        }
    }

    #[test]
    fn a_message_is_read_from_errors_of_harbor_only() {
        assert_eq!(message(br#"{"errors":[{"code":"X","message":"a\nb"}]}"#).as_deref(), Some("a b"));
        for other in [&b""[..], b"<html>", b"{}", br#"{"errors":[]}"#, br#"{"errors":[{"message":""}]}"#] {
            assert_eq!(message(other), None);
        }
    }
}
