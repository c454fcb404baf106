//! Maps a response, or a missing one, to the result of a login check.

use crate::api::Reason;
use crate::domain::model::login_result::{LoginResult, RegistryProblem};
use crate::http::{self, TransportError};
use crate::sanitize::sanitize;
use reqwest::Response;
use reqwest::header::LOCATION;
use url::Url;

/// Host and port, for messages.
pub(super) fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or("the registry");
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

/// Maps a response that neither accepts nor rejects the login.
pub(super) fn unexpected_response(response: &Response) -> LoginResult {
    let (host, status) = (host(response.url()), response.status());
    let code = status.as_u16();
    let (reason, message) = match code {
        429 => (Reason::RateLimited, format!("rate limited by {host} (HTTP 429)")),
        500.. => (Reason::RegistryError, format!("{host} failed (HTTP {code})")),
        300..400 => (Reason::InvalidResponse, redirected(response, &host)),
        _ => (
            Reason::InvalidResponse,
            format!("{host} does not respond like a registry (HTTP {code}): check spec.registries"),
        ),
    };
    LoginResult::Unknown(RegistryProblem { reason, message, retry_after: http::retry_after(response.headers()) })
}

/// Names only the other host: the rest of the address may contain anything.
fn redirected(response: &Response, host: &str) -> String {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let target = location.and_then(|text| Url::parse(text).ok()).and_then(|url| url.host_str().map(sanitize));
    let target = target.unwrap_or_else(|| "another address".to_owned());
    format!("{host} redirects to {target}, which is not followed: check spec.registries")
}

/// What to check if no connection is established.
const CONNECTION_HINT: &str = "check spec.registries, network policies, and the proxy (HTTPS_PROXY, NO_PROXY)";

/// Maps a missing or incomplete response.
pub(super) fn transport_failure(error: impl Into<http::Error>, host: &str) -> LoginResult {
    let (kind, cause) = http::classify(error);
    match kind {
        TransportError::EgressDenied => unknown(Reason::AddressNotAllowed, cause),
        TransportError::CertificateUntrusted => unknown(
            Reason::TlsUntrusted,
            format!("the certificate of {host} is not trusted ({cause}): set the CA in spec.registries[].tls"),
        ),
        TransportError::ConnectTimeout => {
            unknown(Reason::TimedOut, format!("the connection to {host} timed out: {CONNECTION_HINT}"))
        }
        TransportError::Proxy => unknown(
            Reason::Unreachable,
            format!("the operator's proxy did not connect to {host} ({cause}): check HTTPS_PROXY and NO_PROXY"),
        ),
        TransportError::ResponseTimeout => timed_out(host),
        TransportError::Unsendable | TransportError::ConnectFailed => {
            unknown(Reason::Unreachable, format!("cannot connect to {host} ({cause}): {CONNECTION_HINT}"))
        }
        TransportError::Interrupted => unknown(
            Reason::Unreachable,
            format!("{host} closed the connection before its response was complete: {cause}"),
        ),
    }
}

pub(super) fn timed_out(host: &str) -> LoginResult {
    unknown(Reason::TimedOut, format!("{host} did not respond in time"))
}

/// A result that says nothing about the login.
pub(super) fn unknown(reason: Reason, message: impl Into<String>) -> LoginResult {
    LoginResult::Unknown(RegistryProblem { reason, message: message.into(), retry_after: None })
}
