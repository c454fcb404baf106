//! Maps responses that are not 2xx to errors: whether GitLab may have acted, and a message.

use crate::api::Reason;
use crate::portal::rest::{Names, Refusal};
use crate::portal::{Delivery, PortalError};
use serde::Deserialize;
use serde_json::Value;

/// What messages name.
pub(super) const NAMES: Names = Names {
    product: "GitLab",
    url: "spec.gitlab.url",
    tls: "spec.gitlab.tls",
    auth: "spec.gitlab.auth",
    example: "https://gitlab.com",
};

/// What was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Creates a token.
    Request,
    /// Reads a token by its id.
    Read,
    Revoke,
    List,
}

/// Whose tokens they are, and who manages them.
#[derive(Clone, Copy, Debug)]
pub(super) struct ErrorContext<'a> {
    /// `projects` or `groups`, and the id or path.
    pub holder: (&'static str, &'a str),
    /// The source of the credentials; human-readable.
    pub credentials_source: &'a str,
}

/// The body of GitLab's errors: `message` is set by `render_api_error!` in `lib/api/helpers.rb`, and `error` where the
/// request did not reach the endpoint. A message may be an object with lists of texts.
#[derive(Deserialize)]
struct ErrorBody {
    message: Option<Value>,
    error: Option<String>,
}

fn parse(body: &[u8]) -> Option<ErrorBody> {
    serde_json::from_slice(body).ok()
}

/// Returns the message of an error response of GitLab, sanitized; `None` if another program sent the response.
pub(super) fn message(body: &[u8]) -> Option<String> {
    let ErrorBody { message, error } = parse(body)?;
    let text = match message {
        Some(Value::String(text)) => Some(text),
        Some(other @ Value::Object(_)) => Some(other.to_string()),
        _ => error,
    };
    Refusal::message(&text?)
}

/// Whether a 404 says that the token does not exist: `rescue_from ActiveRecord::RecordNotFound` in `lib/api/api.rb`. For a
/// project or group that does not exist, or that the login may not see, the message names it (`not_found!('Project')`), and
/// for an endpoint that does not exist there is no message.
fn is_token_missing(body: &[u8]) -> bool {
    let message = parse(body).and_then(|body| body.message);
    message.as_ref().and_then(Value::as_str).is_some_and(|text| text.eq_ignore_ascii_case("404 not found"))
}

/// Maps a response that is not 2xx.
pub(super) fn explain(refusal: &Refusal, operation: Operation, context: ErrorContext<'_>) -> PortalError {
    let message = message(&refusal.body);
    let message = message.as_deref();
    let detail = Refusal::detail(message);
    let (kind, name) = context.holder;
    let (holder, role) = match kind {
        "projects" => (format!("the project {name}"), "Maintainer"),
        _ => (format!("the group {name}"), "Owner"),
    };
    let (delivery, reason, text) = match refusal.code {
        300..=399 => {
            let mut failure = refusal.general_error(&NAMES, message);
            failure.message.push_str(" and, if the project or group was moved, its path; its id stays the same");
            return failure;
        }
        401 => return refusal.unauthorized(&NAMES, context.credentials_source, message),
        403 => (
            Delivery::Rejected,
            Reason::AccessDenied,
            format!(
                "GitLab does not allow the login to manage the deploy tokens of {holder} (HTTP 403): this requires an access token with the scope api and the role {role}{detail}"
            ),
        ),
        404 if matches!(operation, Operation::Revoke | Operation::Read) && is_token_missing(&refusal.body) => {
            (Delivery::Rejected, Reason::TokenNotFound, format!("{holder} has no such deploy token (HTTP 404){detail}"))
        }
        404 => (
            Delivery::Rejected,
            Reason::AccessDenied,
            format!(
                "GitLab does not find {holder}, or the login may not see it (HTTP 404): check spec.gitlab.url and the project or group{detail}"
            ),
        ),
        // What GitLab refuses it explains. Without an explanation, it is unknown what this program refused.
        code @ (400 | 422) if operation == Operation::Request && message.is_none() => (
            Delivery::Unknown,
            Reason::PortalError,
            format!("the token request failed without a message of GitLab (HTTP {code})"),
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
        let context = ErrorContext { holder: ("groups", "a/b"), credentials_source: "the Secret login" };
        explain(&Refusal { code, headers: HeaderMap::new(), body: body.as_bytes().to_vec().into() }, operation, context)
    }

    #[test]
    fn only_a_404_of_the_token_says_that_it_is_missing() {
        for body in [r#"{"message":"404 Not found"}"#, r#"{"message":"404 Not Found"}"#] {
            for operation in [Operation::Read, Operation::Revoke] {
                assert_eq!(of(404, body, operation).reason, Reason::TokenNotFound, "{body}");
            }
            assert_eq!(of(404, body, Operation::List).reason, Reason::AccessDenied);
        }
        for body in [r#"{"message":"404 Group Not Found"}"#, r#"{"error":"404 Not Found"}"#, "<html>", ""] {
            let failure = of(404, body, Operation::Read);
            assert_eq!((failure.delivery, failure.reason), (Delivery::Rejected, Reason::AccessDenied), "{body}");
            assert!(failure.message.contains("the group a/b"), "{failure}");
        }
    }

    #[test]
    fn a_rejection_is_explained_by_gitlab() {
        for body in [r#"{"error":"scopes does not have a valid value"}"#, r#"{"message":{"base":["no"]}}"#] {
            let failure = of(400, body, Operation::Request);
            assert_eq!((failure.delivery, failure.reason), (Delivery::Rejected, Reason::RequestRejected), "{body}");
        }
        assert_eq!(of(400, "<html>", Operation::Request).delivery, Delivery::Unknown, "of another program");
        assert_eq!(of(409, r#"{"message":"409 Conflict"}"#, Operation::Request).delivery, Delivery::Unknown);
        assert_eq!(of(429, "Retry later", Operation::Request).delivery, Delivery::Rejected);
    }

    #[test]
    fn a_message_is_read_from_errors_of_gitlab_only() {
        assert_eq!(message(br#"{"message":"a\nb"}"#).as_deref(), Some("a b"));
        assert_eq!(message(br#"{"error":"e"}"#).as_deref(), Some("e"));
        for other in [&b""[..], b"<html>", b"{}", br#"{"message":""}"#, br#"{"message":7}"#, br#"{"error":7}"#] {
            assert_eq!(message(other), None);
        }
    }
}
