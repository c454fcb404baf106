//! Maps failed calls to errors: whether Gitea may have acted, and a message.

use crate::api::Reason;
use crate::http::{self, TransportError, classify, retry_after};
use crate::portal::gitea::{Delivery, PortalError};
use crate::sanitize::sanitize;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;

/// What was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Creates a token.
    Request,
    Revoke,
    List,
}

/// What messages name.
#[derive(Clone, Copy, Debug)]
pub(super) struct ErrorContext<'a> {
    /// Whose tokens they are.
    pub user: &'a str,
    /// The source of the credentials; human-readable.
    pub credentials_source: &'a str,
}

/// The body of Gitea's errors (`APIError` in `services/context/api.go`). There is no code in it.
#[derive(Deserialize)]
struct ErrorBody {
    message: String,
}

/// Returns the message of an error response of Gitea, sanitized; `None` if another program sent the response.
pub(super) fn message(body: &[u8]) -> Option<String> {
    let ErrorBody { message } = serde_json::from_slice(body).ok()?;
    Some(sanitize(&message)).filter(|message| !message.is_empty())
}

/// Whether a status proves that nothing was done: a server, or a proxy in front of it, sends it before it acts. A 409 is
/// missing: it can only say that the token exists.
const fn is_rejection(code: u16) -> bool {
    matches!(code, 400 | 401 | 402 | 403 | 404 | 405 | 407 | 411..=417 | 421 | 422 | 423 | 426 | 428 | 429 | 431 | 451)
}

/// Whether Gitea refuses to create a token because one with this name exists. Gitea and Forgejo respond with a 400 and
/// `access token name has been used already` (`CreateAccessToken`), before they check anything else of the token. Other
/// forks respond with a 409 or a 422. A message that is taken for this one by mistake only costs a lookup.
fn is_name_taken(code: u16, message: Option<&str>) -> bool {
    let text = message.unwrap_or_default().to_ascii_lowercase();
    let says_so = text.contains("name") && ["already", "has been used", "exist"].iter().any(|part| text.contains(part));
    code == 409 || (matches!(code, 400 | 422) && says_so)
}

/// Maps a response that is not 2xx.
pub(super) fn from_status(
    status: StatusCode,
    headers: &HeaderMap,
    message: Option<&str>,
    operation: Operation,
    context: ErrorContext<'_>,
) -> PortalError {
    let ErrorContext { user, credentials_source } = context;
    let detail = message.map_or_else(String::new, |text| format!(": {text}"));
    let code = status.as_u16();
    let (delivery, reason, message) = match code {
        300..=399 => (
            Delivery::Unknown,
            Reason::InvalidResponse,
            format!(
                "Gitea redirects to another address (HTTP {code}), which is not followed: check spec.gitea.url and, if the user was renamed, spec.gitea.user"
            ),
        ),
        401 => (
            Delivery::Rejected,
            Reason::Unauthorized,
            format!("Gitea rejected the credentials (HTTP 401): check {credentials_source}{detail}"),
        ),
        403 => (
            Delivery::Rejected,
            Reason::AccessDenied,
            format!(
                "Gitea does not allow the login to manage the tokens of {user} (HTTP 403): log in as this user or as an administrator; an access token that is used as the password needs the scope write:user{detail}"
            ),
        ),
        // The response does not say whether the token or its user is missing.
        404 if operation == Operation::Revoke => (
            Delivery::Rejected,
            Reason::TokenNotFound,
            format!("Gitea has no such token of {user}, or no such user (HTTP 404){detail}"),
        ),
        404 => (
            Delivery::Rejected,
            Reason::AccessDenied,
            format!("Gitea has no user {user} (HTTP 404): check spec.gitea.user and spec.gitea.url{detail}"),
        ),
        // No other request has this name: an earlier delivery of this request created the token, whose password is lost.
        _ if operation == Operation::Request && is_name_taken(code, message) => (
            Delivery::Unknown,
            Reason::PortalError,
            format!("Gitea already has a token with the name in this request (HTTP {code}): it arrived twice{detail}"),
        ),
        407 => (
            Delivery::Rejected,
            Reason::Unreachable,
            "the operator's proxy requires authentication (HTTP 407): set the credentials in HTTP_PROXY".to_owned(),
        ),
        429 => (Delivery::Rejected, Reason::RateLimited, format!("rate limited by Gitea (HTTP 429){detail}")),
        // What Gitea refuses it explains. Without an explanation, it is unknown what this program refused.
        400 | 422 if operation == Operation::Request && message.is_none() => (
            Delivery::Unknown,
            Reason::PortalError,
            format!("the token request failed without a message of Gitea (HTTP {code})"),
        ),
        _ if is_rejection(code) => {
            (Delivery::Rejected, Reason::RequestRejected, format!("Gitea rejected the request (HTTP {code}){detail}"))
        }
        503 if headers.contains_key(RETRY_AFTER) => (
            Delivery::Unknown,
            Reason::RateLimited,
            format!("Gitea is unavailable and sent Retry-After (HTTP 503){detail}"),
        ),
        408 | 499 => (
            Delivery::Unknown,
            Reason::TimedOut,
            format!("Gitea, or a proxy in front of it, timed out (HTTP {code}){detail}"),
        ),
        _ => (
            Delivery::Unknown,
            Reason::PortalError,
            format!("Gitea failed to process the request (HTTP {code}){detail}"),
        ),
    };
    PortalError { delivery, reason, message, retry_after: retry_after(headers), unusable_token: None }
}

/// What to check if no connection is established.
const CONNECTION_HINT: &str = "check spec.gitea.url, network policies, and the proxy (HTTPS_PROXY, NO_PROXY)";

/// Maps a missing or incomplete response.
pub(super) fn from_transport(error: impl Into<http::Error>, host: &str) -> PortalError {
    let (kind, cause) = classify(error);
    let (delivery, reason, message) = match kind {
        TransportError::Unsendable => {
            (Delivery::NotSent, Reason::Unreachable, format!("cannot send a request to {host}: {cause}"))
        }
        TransportError::EgressDenied => (Delivery::NotSent, Reason::AddressNotAllowed, cause),
        TransportError::CertificateUntrusted => (
            Delivery::NotSent,
            Reason::TlsUntrusted,
            format!("the certificate of {host} is not trusted ({cause}): set the CA in spec.gitea.tls"),
        ),
        TransportError::ConnectTimeout => {
            (Delivery::NotSent, Reason::TimedOut, format!("the connection to {host} timed out: {CONNECTION_HINT}"))
        }
        TransportError::ConnectFailed => {
            (Delivery::NotSent, Reason::Unreachable, format!("cannot connect to {host} ({cause}): {CONNECTION_HINT}"))
        }
        TransportError::Proxy => (
            Delivery::NotSent,
            Reason::Unreachable,
            format!("the operator's proxy did not connect to {host} ({cause}): check HTTPS_PROXY and NO_PROXY"),
        ),
        TransportError::ResponseTimeout => {
            (Delivery::Unknown, Reason::TimedOut, format!("{host} did not respond in time: {cause}"))
        }
        TransportError::Interrupted => (
            Delivery::Unknown,
            Reason::Unreachable,
            format!("{host} closed the connection before its response was complete: {cause}"),
        ),
    };
    PortalError::new(delivery, reason, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;
    use std::time::Duration;

    const TAKEN: &str = "access token name has been used already";

    fn of(code: u16, message: Option<&str>, operation: Operation) -> PortalError {
        let context = ErrorContext { user: "bot", credentials_source: "the Secret login" };
        from_status(StatusCode::from_u16(code).expect("a status"), &HeaderMap::new(), message, operation, context)
    }

    #[test]
    fn a_name_that_is_taken_proves_that_the_token_exists() {
        for (code, message) in
            [(400, Some(TAKEN)), (422, Some("token name already exists")), (409, Some("no")), (409, None)]
        {
            let failure = of(code, message, Operation::Request);
            assert_eq!(failure.delivery, Delivery::Unknown, "{code} {message:?}");
        }
        for message in ["invalid access token scope provided: x", "access token must have a scope"] {
            let failure = of(400, Some(message), Operation::Request);
            assert_eq!((failure.delivery, failure.reason), (Delivery::Rejected, Reason::RequestRejected), "{message}");
            assert!(failure.message.ends_with(message), "{failure}");
        }
    }

    #[test]
    fn only_a_status_that_is_sent_before_the_effect_is_a_rejection() {
        for code in 300..600 {
            let delivery = if is_rejection(code) { Delivery::Rejected } else { Delivery::Unknown };
            assert_eq!(of(code, Some("no"), Operation::Request).delivery, delivery, "{code}");
        }
        for code in [400, 422] {
            assert_eq!(of(code, None, Operation::Request).delivery, Delivery::Unknown, "{code} of another program");
        }
    }

    #[test]
    fn a_missing_token_and_a_missing_user_are_not_told_apart() {
        assert_eq!(of(404, None, Operation::Revoke).reason, Reason::TokenNotFound);
        let failure = of(404, None, Operation::List);
        assert_eq!(failure.reason, Reason::AccessDenied);
        assert!(failure.message.contains("no user bot"), "{failure}");
    }

    #[test]
    fn a_message_is_read_from_errors_of_gitea_only() {
        assert_eq!(message(br#"{"message":"a\nb","url":"u"}"#).as_deref(), Some("a b"));
        for other in [&b""[..], b"<html>", b"{}", br#"{"message":""}"#, br#"{"message":7}"#] {
            assert_eq!(message(other), None);
        }
    }

    #[test]
    fn retry_after_is_preserved() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        let context = ErrorContext { user: "bot", credentials_source: "" };
        for (status, delivery) in
            [(StatusCode::TOO_MANY_REQUESTS, Delivery::Rejected), (StatusCode::SERVICE_UNAVAILABLE, Delivery::Unknown)]
        {
            let failure = from_status(status, &headers, None, Operation::Request, context);
            assert_eq!((failure.delivery, failure.reason), (delivery, Reason::RateLimited));
            assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
        }
    }
}
