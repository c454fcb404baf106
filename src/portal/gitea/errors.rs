//! Maps responses that are not 2xx to errors: whether Gitea may have acted, and a message.

use crate::api::Reason;
use crate::portal::rest::{Names, Refusal};
use crate::portal::{Delivery, PortalError};
use serde::Deserialize;

/// What messages name.
pub(super) const NAMES: Names = Names {
    product: "Gitea",
    url: "spec.gitea.url",
    tls: "spec.gitea.tls",
    auth: "spec.gitea.auth",
    example: "https://git.example.com",
};

/// What was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Creates a token.
    Request,
    Revoke,
    List,
}

/// Whose tokens they are, and who manages them.
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
    Refusal::message(&message)
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
pub(super) fn explain(refusal: &Refusal, operation: Operation, context: ErrorContext<'_>) -> PortalError {
    let ErrorContext { user, credentials_source } = context;
    let message = message(&refusal.body);
    let message = message.as_deref();
    let detail = Refusal::detail(message);
    let code = refusal.code;
    let (delivery, reason, text) = match code {
        300..=399 => {
            let mut failure = refusal.general_error(&NAMES, message);
            failure.message.push_str(" and, if the user was renamed, spec.gitea.user");
            return failure;
        }
        401 => return refusal.unauthorized(&NAMES, credentials_source, message),
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
        // What Gitea refuses it explains. Without an explanation, it is unknown what this program refused.
        400 | 422 if operation == Operation::Request && message.is_none() => (
            Delivery::Unknown,
            Reason::PortalError,
            format!("the token request failed without a message of Gitea (HTTP {code})"),
        ),
        _ => return refusal.general_error(&NAMES, message),
    };
    refusal.error(delivery, reason, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderMap;
    use serde_json::json;

    const TAKEN: &str = "access token name has been used already";

    fn of(code: u16, message: Option<&str>, operation: Operation) -> PortalError {
        let context = ErrorContext { user: "bot", credentials_source: "the Secret login" };
        let body = message.map(|message| json!({"message": message}).to_string().into_bytes()).unwrap_or_default();
        explain(&Refusal { code, headers: HeaderMap::new(), body: body.into() }, operation, context)
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
    fn a_rejection_of_another_program_is_none_of_gitea() {
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
}
