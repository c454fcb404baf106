//! What a failed call means: whether the portal may have acted, and what to tell people.

use super::call::ErrorContext;
use super::messages::{sanitize, tsf_messages};
use crate::api::Reason;
use crate::http::{self, TransportError, classify, retry_after};
use crate::portal::thinkwise::{Delivery, PortalError};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION};
use url::Url;

/// What a call is to the task that it belongs to: it decides what "not found" means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TaskStep {
    /// A read, or a task in one request.
    #[default]
    Single,
    /// Fills a staged task. Nothing has run yet.
    Fill,
    /// Commits a staged task.
    Commit,
}

/// Whether a status proves that nothing was done. It is a list of those that do: a proxy may answer with any
/// other after it has forwarded the request (408, 425, 499, 460), and so may the server once it has
/// run the task (406, 410, 424).
const fn is_rejection(code: u16) -> bool {
    matches!(
        code,
        400 | 401 | 402 | 403 | 404 | 405 | 407 | 409 | 411..=417 | 421 | 422 | 423 | 426 | 428 | 429 | 431 | 451
    )
}

/// The meaning of an answer that is not 2xx.
pub(crate) fn from_status(
    status: StatusCode,
    headers: &HeaderMap,
    context: &ErrorContext<'_>,
    step: TaskStep,
) -> PortalError {
    let ErrorContext { kind, name, application, credentials_source: login } = context;
    let said = tsf_messages(headers).map_or_else(String::new, |text| format!(": {text}"));
    let code = status.as_u16();
    let (sent, reason, message) = match code {
        300..=399 => (Delivery::Unknown, Reason::InvalidResponse, redirected(code, headers)),
        401 => (
            Delivery::Rejected,
            Reason::Unauthorized,
            format!("the portal does not accept the credentials (HTTP 401): check {login}{said}"),
        ),
        403 => (
            Delivery::Rejected,
            Reason::AccessDenied,
            format!("the portal user may not use the {kind} {name} (HTTP 403){said}"),
        ),
        // The vendor: a commit may answer so although it has run.
        404 | 410 if step == TaskStep::Commit => (
            Delivery::Unknown,
            Reason::PortalError,
            format!("the portal does not find the staged task {name} any more (HTTP {code}), which may have run{said}"),
        ),
        404 if step == TaskStep::Fill => (
            Delivery::Rejected,
            Reason::AccessDenied,
            format!(
                "the portal lost the staged task {name} before it was filled (HTTP 404): where Indicium runs in several \
             instances, it needs sticky sessions or Redis{said}"
            ),
        ),
        // Indicium says "Application not found" also when the user lacks access (documented).
        404 => (
            Delivery::Rejected,
            Reason::AccessDenied,
            format!(
                "the portal shows this user no {kind} {name} in the application {application} (HTTP 404): \
             check the names of application, table and tasks; or the user's role does not include it{said}"
            ),
        ),
        405 if *kind == "task" => (Delivery::Rejected, Reason::MetadataMismatch, wrong_form(name, &said)),
        // Only of a portal without TLS: to one with TLS the proxy gives no connection.
        407 => (
            Delivery::Rejected,
            Reason::Unreachable,
            "the operator's proxy asks for a login (HTTP 407): write it into HTTP_PROXY".to_owned(),
        ),
        429 => {
            (Delivery::Rejected, Reason::RateLimited, format!("the portal asks for fewer requests (HTTP 429){said}"))
        }
        _ if is_rejection(code) => (
            Delivery::Rejected,
            Reason::RequestRejected,
            format!("the portal refused the {kind} {name} (HTTP {code}){said}"),
        ),
        503 if headers.contains_key(reqwest::header::RETRY_AFTER) => (
            Delivery::Unknown,
            Reason::RateLimited,
            format!("the portal is not available and asks to wait (HTTP 503){said}"),
        ),
        408 | 499 => (
            Delivery::Unknown,
            Reason::TimedOut,
            format!("the portal, or a proxy before it, gave up on the {kind} {name} (HTTP {code}){said}"),
        ),
        _ => (
            Delivery::Unknown,
            Reason::PortalError,
            format!("the portal failed at the {kind} {name} (HTTP {code}){said}"),
        ),
    };
    PortalError { delivery: sent, reason, message, retry_after: retry_after(headers), unusable_token: None }
}

/// A task that is there, and is called in another way: no description mends that.
fn wrong_form(name: &str, said: &str) -> String {
    format!(
        "the portal does not take the task {name} in this form (HTTP 405): set form of this task in spec.thinkwise.tasks \
         to the one that the portal has (Unbound, UnboundStaged, Bound or BoundStaged), or leave it out{said}"
    )
}

/// Names the host only: the rest of the address may hold a session.
fn redirected(code: u16, headers: &HeaderMap) -> String {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let host = location.and_then(|text| Url::parse(text).ok()).and_then(|url| url.host_str().map(sanitize));
    let to = host.unwrap_or_else(|| "another address".to_owned());
    format!("the portal redirects to {to} (HTTP {code}), which is not followed: check spec.thinkwise.url")
}

/// What to check where no connection comes about.
const CONNECTION_HINT: &str = "check spec.thinkwise.url, network policies, and the proxy (HTTPS_PROXY, NO_PROXY)";

/// The meaning of no answer, or of one that broke off.
pub(crate) fn from_transport(error: impl Into<http::Error>, host: &str) -> PortalError {
    let (trouble, cause) = classify(error);
    let (sent, reason, message) = match trouble {
        TransportError::Unsendable => (Delivery::NotSent, Reason::Unreachable, format!("cannot ask {host}: {cause}")),
        TransportError::EgressDenied => (Delivery::NotSent, Reason::AddressNotAllowed, cause),
        TransportError::CertificateUntrusted => (
            Delivery::NotSent,
            Reason::TlsUntrusted,
            format!("the certificate of {host} is not trusted ({cause}): give the CA in spec.thinkwise.tls"),
        ),
        TransportError::ConnectTimeout => (
            Delivery::NotSent,
            Reason::TimedOut,
            format!("no connection to {host} came about in time: {CONNECTION_HINT}"),
        ),
        TransportError::ConnectFailed => {
            (Delivery::NotSent, Reason::Unreachable, format!("cannot connect to {host} ({cause}): {CONNECTION_HINT}"))
        }
        TransportError::Proxy => (
            Delivery::NotSent,
            Reason::Unreachable,
            format!("the operator's proxy gives no connection to {host} ({cause}): check HTTPS_PROXY and NO_PROXY"),
        ),
        TransportError::ResponseTimeout => {
            (Delivery::Unknown, Reason::TimedOut, format!("{host} did not answer in time: {cause}"))
        }
        TransportError::Interrupted => (
            Delivery::Unknown,
            Reason::Unreachable,
            format!("{host} broke off before its answer was complete: {cause}"),
        ),
    };
    PortalError::new(sent, reason, message)
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
    fn what_a_proxy_may_send_after_forwarding_proves_nothing() {
        let proofs =
            [400, 401, 402, 403, 404, 405, 407, 409, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 426, 428];
        for code in 400..500 {
            let proves = proofs.contains(&code) || [429, 431, 451].contains(&code);
            let sent = if proves { Delivery::Rejected } else { Delivery::Unknown };
            assert_eq!(of(code, None).delivery, sent, "{code}");
        }
    }

    #[test]
    fn a_commit_that_finds_nothing_may_have_run() {
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
    fn a_405_names_the_form() {
        let failure = of(405, None);
        assert_eq!((failure.delivery, failure.reason), (Delivery::Rejected, Reason::MetadataMismatch));
        assert!(failure.message.contains("form") && failure.message.contains("UnboundStaged"), "{}", failure.message);
    }

    #[test]
    fn only_4xx_is_a_rejection() {
        for (code, sent, reason) in [
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
            assert_eq!((failure.delivery, failure.reason), (sent, reason), "{code}");
        }
    }

    #[test]
    fn the_message_says_what_to_check() {
        assert!(of(401, None).message.contains("the Secret login"));
        let missing = of(404, None).message;
        assert!(missing.contains("task request_token") && missing.contains("application tcp"), "{missing}");
        assert!(missing.contains("the user's role does not include it"), "{missing}");
    }

    #[test]
    fn the_portals_message_is_in_every_rejection() {
        // {"RawMessage":"Locked out"}
        let words = Some(("tsfmessages", "eyJSYXdNZXNzYWdlIjoiTG9ja2VkIG91dCJ9"));
        for code in [400, 401, 403, 404, 429, 500] {
            let message = of(code, words).message;
            assert!(message.ends_with(": Locked out"), "{message}");
        }
    }

    #[test]
    fn retry_after_is_kept() {
        let busy = of(503, Some((RETRY_AFTER.as_str(), "7")));
        assert_eq!((busy.reason, busy.retry_after), (Reason::RateLimited, Some(Duration::from_secs(7))));
        assert_eq!(of(429, Some((RETRY_AFTER.as_str(), "7"))).retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn of_a_redirect_only_the_host_is_named() {
        let message = of(302, Some((LOCATION.as_str(), "https://u:p@login.example.com/x?session=hush"))).message;
        assert!(message.contains("login.example.com"), "{message}");
        assert!(!message.contains("hush") && !message.contains("u:p"), "{message}");
    }
}
