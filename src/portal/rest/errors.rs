//! Maps failed calls to errors: whether the server may have acted, and a message.

use super::Names;
use crate::api::Reason;
use crate::http::retry_after;
use crate::portal::{Delivery, PortalError};
use crate::sanitize::sanitize;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use zeroize::Zeroizing;

/// A response that is not 2xx.
pub struct Refusal {
    pub code: u16,
    pub headers: HeaderMap,
    pub body: Zeroizing<Vec<u8>>,
}

/// A response that shows that the call arrived, and nothing else.
pub fn invalid_response(message: String) -> PortalError {
    PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message)
}

/// A spec or credentials with which nothing can be sent.
pub fn invalid_spec(message: impl Into<String>) -> PortalError {
    PortalError::new(Delivery::NotSent, Reason::CredentialsInvalid, message)
}

/// Whether a status proves that nothing was done: a server, or a proxy in front of it, sends it before it acts. A 409 is
/// missing: it can only say that the token exists.
const fn is_rejection(code: u16) -> bool {
    matches!(code, 400 | 401 | 402 | 403 | 404 | 405 | 407 | 411..=417 | 421 | 422 | 423 | 426 | 428 | 429 | 431 | 451)
}

impl Refusal {
    /// The message of the server for the end of a sentence; empty if there is none.
    pub fn detail(message: Option<&str>) -> String {
        message.map_or_else(String::new, |text| format!(": {text}"))
    }

    /// The text of an error as it may be shown; `None` if nothing is left of it.
    pub fn message(text: &str) -> Option<String> {
        Some(sanitize(text)).filter(|text| !text.is_empty())
    }

    /// An error with this meaning, and with the delay that the response requests.
    pub fn error(&self, delivery: Delivery, reason: Reason, message: String) -> PortalError {
        PortalError { retry_after: retry_after(&self.headers), ..PortalError::new(delivery, reason, message) }
    }

    /// What this status means at every server. A redirect is not followed, because it would need the credentials too.
    pub fn general_error(&self, names: &Names, message: Option<&str>) -> PortalError {
        let (code, product, detail) = (self.code, names.product, Self::detail(message));
        let (delivery, reason, message) = match code {
            300..=399 => (
                Delivery::Unknown,
                Reason::InvalidResponse,
                format!(
                    "{product} redirects to another address (HTTP {code}), which is not followed: check {}",
                    names.url
                ),
            ),
            407 => (
                Delivery::Rejected,
                Reason::Unreachable,
                "the operator's proxy requires authentication (HTTP 407): set the credentials in HTTP_PROXY".to_owned(),
            ),
            429 => (Delivery::Rejected, Reason::RateLimited, format!("rate limited by {product} (HTTP 429){detail}")),
            _ if is_rejection(code) => (
                Delivery::Rejected,
                Reason::RequestRejected,
                format!("{product} rejected the request (HTTP {code}){detail}"),
            ),
            503 if self.headers.contains_key(RETRY_AFTER) => (
                Delivery::Unknown,
                Reason::RateLimited,
                format!("{product} is unavailable and sent Retry-After (HTTP 503){detail}"),
            ),
            408 | 499 => (
                Delivery::Unknown,
                Reason::TimedOut,
                format!("{product}, or a proxy in front of it, timed out (HTTP {code}){detail}"),
            ),
            _ => (
                Delivery::Unknown,
                Reason::PortalError,
                format!("{product} failed to process the request (HTTP {code}){detail}"),
            ),
        };
        self.error(delivery, reason, message)
    }

    /// A 404 of an address that exists in every version.
    pub fn api_not_found(&self, names: &Names) -> PortalError {
        let message = format!("the API of {} is not found (HTTP 404): check {}", names.product, names.url);
        self.error(Delivery::Rejected, Reason::AccessDenied, message)
    }

    /// A rejection of the credentials.
    pub fn unauthorized(&self, names: &Names, source: &str, message: Option<&str>) -> PortalError {
        let detail = Self::detail(message);
        let message = format!("{} rejected the credentials (HTTP 401): check {source}{detail}", names.product);
        self.error(Delivery::Rejected, Reason::Unauthorized, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;
    use std::time::Duration;

    const NAMES: Names = Names {
        product: "Portal",
        url: "spec.portal.url",
        tls: "spec.portal.tls",
        auth: "spec.portal.auth",
        example: "https://portal.example.com",
    };

    #[test]
    fn only_a_status_that_is_sent_before_the_effect_is_a_rejection() {
        for code in 300..600 {
            let refusal = Refusal { code, headers: HeaderMap::new(), body: Zeroizing::default() };
            let delivery = if is_rejection(code) { Delivery::Rejected } else { Delivery::Unknown };
            let failure = refusal.general_error(&NAMES, Some("no"));
            assert_eq!(failure.delivery, delivery, "{code}");
            assert!(failure.message.contains(&code.to_string()), "{failure}");
        }
        assert!(![408, 409, 410, 499].into_iter().any(is_rejection));
    }

    #[test]
    fn retry_after_is_preserved() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        for (code, delivery) in [(429, Delivery::Rejected), (503, Delivery::Unknown)] {
            let failure =
                Refusal { code, headers: headers.clone(), body: Zeroizing::default() }.general_error(&NAMES, None);
            assert_eq!((failure.delivery, failure.reason), (delivery, Reason::RateLimited));
            assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
        }
    }
}
