//! What an answer, or none, says about a login.

use super::Verdict;
use crate::api::Reason;
use crate::http::{self, TransportError};
use crate::sanitize::sanitize;
use reqwest::Response;
use reqwest::header::LOCATION;
use url::Url;

/// Host and port, for people.
pub(super) fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or("the registry");
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

/// The meaning of an answer that is no verdict on the login.
pub(super) fn unexpected_response(answer: &Response) -> Verdict {
    let (host, status) = (host(answer.url()), answer.status());
    let code = status.as_u16();
    let (reason, message) = match code {
        429 => (Reason::RateLimited, format!("{host} asks for fewer requests (HTTP 429)")),
        500.. => (Reason::RegistryError, format!("{host} failed (HTTP {code})")),
        300..400 => (Reason::InvalidResponse, redirected(answer, &host)),
        _ => (
            Reason::InvalidResponse,
            format!("{host} does not answer like a registry (HTTP {code}): check spec.registries"),
        ),
    };
    Verdict::Unknown { reason, message, retry_after: http::retry_after(answer.headers()) }
}

/// Names the other host only: the rest of the address may hold anything.
fn redirected(answer: &Response, host: &str) -> String {
    let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let other = location.and_then(|text| Url::parse(text).ok()).and_then(|url| url.host_str().map(sanitize));
    let other = other.unwrap_or_else(|| "another address".to_owned());
    format!("{host} redirects to {other}, which is not followed: check spec.registries")
}

/// What to check where no connection comes about.
const CONNECTION_HINT: &str = "check spec.registries, network policies, and the proxy (HTTPS_PROXY, NO_PROXY)";

/// The meaning of no answer, or of one that broke off.
pub(super) fn transport_failure(error: impl Into<http::Error>, host: &str) -> Verdict {
    let (trouble, cause) = http::classify(error);
    match trouble {
        TransportError::EgressDenied => unknown(Reason::AddressNotAllowed, cause),
        TransportError::CertificateUntrusted => unknown(
            Reason::TlsUntrusted,
            format!("the certificate of {host} is not trusted ({cause}): give the CA in spec.registries[].tls"),
        ),
        TransportError::ConnectTimeout => {
            unknown(Reason::TimedOut, format!("no connection to {host} came about in time: {CONNECTION_HINT}"))
        }
        TransportError::Proxy => unknown(
            Reason::Unreachable,
            format!("the operator's proxy gives no connection to {host} ({cause}): check HTTPS_PROXY and NO_PROXY"),
        ),
        TransportError::ResponseTimeout => timed_out(host),
        TransportError::Unsendable | TransportError::ConnectFailed => {
            unknown(Reason::Unreachable, format!("cannot connect to {host} ({cause}): {CONNECTION_HINT}"))
        }
        TransportError::Interrupted => {
            unknown(Reason::Unreachable, format!("{host} broke off before its answer was complete: {cause}"))
        }
    }
}

/// The time is over.
pub(super) fn timed_out(host: &str) -> Verdict {
    unknown(Reason::TimedOut, format!("{host} did not answer in time"))
}

/// This says nothing about the login.
pub(super) fn unknown(reason: Reason, message: impl Into<String>) -> Verdict {
    Verdict::Unknown { reason, message: message.into(), retry_after: None }
}
