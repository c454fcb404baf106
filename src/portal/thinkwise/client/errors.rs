//! Maps failed calls to errors: whether the portal may have acted, and a message.

use super::error_context::{ErrorContext, TaskStep};
use super::messages::{sanitize, tsf_messages};
use crate::api::Reason;
use crate::http::{self, retry_after};
use crate::portal::thinkwise::{Delivery, PortalError};
use crate::portal::transport::{self, ConnectionFields};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION};
use url::Url;

/// Whether a status proves that nothing was done. This lists the statuses that do: a proxy may send any other after
/// it has forwarded the request (408, 425, 499, 460), and so may the server after it has run the task (406, 410,
/// 424).
const fn is_rejection(code: u16) -> bool {
    matches!(
        code,
        400 | 401 | 402 | 403 | 404 | 405 | 407 | 409 | 411..=417 | 421 | 422 | 423 | 426 | 428 | 429 | 431 | 451
    )
}

/// Maps a response that is not 2xx.
pub(crate) fn from_status(
    status: StatusCode,
    headers: &HeaderMap,
    context: &ErrorContext<'_>,
    step: TaskStep,
) -> PortalError {
    let ErrorContext { kind, name, application, credentials_source: credentials } = context;
    let detail = tsf_messages(headers).map_or_else(String::new, |text| format!(": {text}"));
    let code = status.as_u16();
    let (delivery, reason, message) = match code {
        300..=399 => (Delivery::Unknown, Reason::InvalidResponse, redirected(code, headers)),
        401 => (
            Delivery::Rejected,
            Reason::Unauthorized,
            format!("the portal rejected the credentials (HTTP 401): check {credentials}{detail}"),
        ),
        403 => (
            Delivery::Rejected,
            Reason::AccessDenied,
            format!("the portal user may not use the {kind} {name} (HTTP 403){detail}"),
        ),
        // According to the vendor, a commit may respond like this although it has run.
        404 | 410 if step == TaskStep::Commit => (
            Delivery::Unknown,
            Reason::PortalError,
            format!("the portal no longer finds the staged task {name} (HTTP {code}); it may have run{detail}"),
        ),
        404 if step == TaskStep::Fill => (
            Delivery::Rejected,
            Reason::AccessDenied,
            format!(
                "the portal lost the staged task {name} before its parameters were set (HTTP 404): if Indicium runs in several \
             instances, it needs sticky sessions or Redis{detail}"
            ),
        ),
        // Indicium says "Application not found" also when the user lacks access (documented).
        404 => (
            Delivery::Rejected,
            Reason::AccessDenied,
            format!(
                "the portal shows this user no {kind} {name} in the application {application} (HTTP 404): \
             check the names of application, table and tasks; or the user's role does not include it{detail}"
            ),
        ),
        405 if *kind == "task" => (Delivery::Rejected, Reason::MetadataMismatch, wrong_form(name, &detail)),
        // Only for a portal without TLS: if the portal uses TLS, the proxy refuses the connection.
        407 => (
            Delivery::Rejected,
            Reason::Unreachable,
            "the operator's proxy requires authentication (HTTP 407): set the credentials in HTTP_PROXY".to_owned(),
        ),
        429 => (Delivery::Rejected, Reason::RateLimited, format!("rate limited by the portal (HTTP 429){detail}")),
        _ if is_rejection(code) => (
            Delivery::Rejected,
            Reason::RequestRejected,
            format!("the portal rejected the {kind} {name} (HTTP {code}){detail}"),
        ),
        503 if headers.contains_key(reqwest::header::RETRY_AFTER) => (
            Delivery::Unknown,
            Reason::RateLimited,
            format!("the portal is unavailable and sent Retry-After (HTTP 503){detail}"),
        ),
        408 | 499 => (
            Delivery::Unknown,
            Reason::TimedOut,
            format!("the portal, or a proxy in front of it, timed out on the {kind} {name} (HTTP {code}){detail}"),
        ),
        _ => (
            Delivery::Unknown,
            Reason::PortalError,
            format!("the portal failed to process the {kind} {name} (HTTP {code}){detail}"),
        ),
    };
    PortalError { delivery, reason, message, retry_after: retry_after(headers), unusable_token: None }
}

/// A task that exists but is invoked in another form: another description would not help.
fn wrong_form(name: &str, detail: &str) -> String {
    format!(
        "the portal does not accept the task {name} in this form (HTTP 405): set the task's form in spec.thinkwise.tasks \
         to the one that the portal has (Unbound, UnboundStaged, Bound or BoundStaged), or omit it{detail}"
    )
}

/// Names only the host: the rest of the address may contain a session.
fn redirected(code: u16, headers: &HeaderMap) -> String {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let host = location.and_then(|text| Url::parse(text).ok()).and_then(|url| url.host_str().map(sanitize));
    let target = host.unwrap_or_else(|| "another address".to_owned());
    format!("the portal redirects to {target} (HTTP {code}), which is not followed: check spec.thinkwise.url")
}

/// Maps a missing or incomplete response.
pub(crate) fn from_transport(error: impl Into<http::Error>, host: &str) -> PortalError {
    transport::from_transport(error, host, ConnectionFields { url: "spec.thinkwise.url", tls: "spec.thinkwise.tls" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderValue, RETRY_AFTER};
    use std::time::Duration;

    const CONTEXT: ErrorContext<'static> = ErrorContext {
        kind: "task",
        name: "request_token",
        application: "tcp",
        credentials_source: "the Secret login",
    };

    fn of(code: u16, header: Option<(&'static str, &'static str)>) -> PortalError {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        from_status(StatusCode::from_u16(code).expect("a status"), &headers, &CONTEXT, TaskStep::Single)
    }

    #[test]
    fn a_status_that_a_proxy_may_send_after_forwarding_proves_nothing() {
        let proofs =
            [400, 401, 402, 403, 404, 405, 407, 409, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 426, 428];
        for code in 400..500 {
            let is_proof = proofs.contains(&code) || [429, 431, 451].contains(&code);
            let delivery = if is_proof { Delivery::Rejected } else { Delivery::Unknown };
            assert_eq!(of(code, None).delivery, delivery, "{code}");
        }
    }

    #[test]
    fn a_commit_that_is_not_found_may_have_run() {
        let at = |code: u16, step| {
            let status = StatusCode::from_u16(code).expect("a status");
            from_status(status, &HeaderMap::new(), &CONTEXT, step)
        };
        for code in [404, 410] {
            let failure = at(code, TaskStep::Commit);
            assert_eq!((failure.delivery, failure.reason), (Delivery::Unknown, Reason::PortalError), "{code}");
        }
        let lost = at(404, TaskStep::Fill);
        assert_eq!((lost.delivery, lost.reason), (Delivery::Rejected, Reason::AccessDenied));
        assert!(lost.message.contains("sticky sessions"), "{}", lost.message);
        assert_eq!(at(400, TaskStep::Commit).delivery, Delivery::Rejected);
    }

    #[test]
    fn a_405_asks_to_check_the_form() {
        let failure = of(405, None);
        assert_eq!((failure.delivery, failure.reason), (Delivery::Rejected, Reason::MetadataMismatch));
        assert!(failure.message.contains("form") && failure.message.contains("UnboundStaged"), "{}", failure.message);
    }

    #[test]
    fn only_4xx_is_a_rejection() {
        for (code, delivery, reason) in [
            (301, Delivery::Unknown, Reason::InvalidResponse),
            (400, Delivery::Rejected, Reason::RequestRejected),
            (401, Delivery::Rejected, Reason::Unauthorized),
            (403, Delivery::Rejected, Reason::AccessDenied),
            (404, Delivery::Rejected, Reason::AccessDenied),
            (407, Delivery::Rejected, Reason::Unreachable),
            (422, Delivery::Rejected, Reason::RequestRejected),
            (429, Delivery::Rejected, Reason::RateLimited),
            (500, Delivery::Unknown, Reason::PortalError),
            (503, Delivery::Unknown, Reason::PortalError),
            (504, Delivery::Unknown, Reason::PortalError),
        ] {
            let failure = of(code, None);
            assert_eq!((failure.delivery, failure.reason), (delivery, reason), "{code}");
        }
    }

    #[test]
    fn the_message_tells_what_to_check() {
        assert!(of(401, None).message.contains("the Secret login"));
        let missing = of(404, None).message;
        assert!(missing.contains("task request_token") && missing.contains("application tcp"), "{missing}");
        assert!(missing.contains("the user's role does not include it"), "{missing}");
    }

    #[test]
    fn the_portals_message_is_in_every_rejection() {
        // {"RawMessage":"Locked out"}
        let header = Some(("tsfmessages", "eyJSYXdNZXNzYWdlIjoiTG9ja2VkIG91dCJ9"));
        for code in [400, 401, 403, 404, 429, 500] {
            let message = of(code, header).message;
            assert!(message.ends_with(": Locked out"), "{message}");
        }
    }

    #[test]
    fn retry_after_is_preserved() {
        let busy = of(503, Some((RETRY_AFTER.as_str(), "7")));
        assert_eq!((busy.reason, busy.retry_after), (Reason::RateLimited, Some(Duration::from_secs(7))));
        assert_eq!(of(429, Some((RETRY_AFTER.as_str(), "7"))).retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn only_the_host_of_a_redirect_is_named() {
        let message = of(302, Some((LOCATION.as_str(), "https://u:p@login.example.com/x?session=hush"))).message;
        assert!(message.contains("login.example.com"), "{message}");
        assert!(!message.contains("hush") && !message.contains("u:p"), "{message}");
    }
}
