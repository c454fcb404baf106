//! The errors of the token endpoint. Their `delivery` is that of the login: the call that needs it was not sent.

use super::http_client;
use crate::api::Reason;
use crate::http::retry_after;
use crate::portal::thinkwise::{Delivery, PortalError};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use tokio::time::Instant;

pub(crate) const MAX_RESPONSE_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
struct ErrorResponse {
    error: String,
}

/// Documented: until the restart, Indicium does not know the client.
const RESTART_HINT: &str =
    ". If the client application was added or changed recently, restart Indicium: the change takes effect only then";

/// Why the endpoint returned no access token. Of its body, only error codes that OAuth defines are quoted.
pub(crate) async fn token_endpoint_error(
    response: Response,
    credentials_source: &str,
    deadline: Instant,
) -> PortalError {
    let status = response.status();
    if !matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        let reason = if status == StatusCode::NOT_FOUND { Reason::AccessDenied } else { Reason::PortalError };
        let message = format!("the token endpoint responded with HTTP {}: check tokenURL", status.as_u16());
        let failure = response_error(&response, reason, message);
        return http_client::with_page_hint(failure, http_client::drain(response).await);
    }
    let (body, is_page) = http_client::read_error_body(response, MAX_RESPONSE_BYTES, deadline).await;
    let code = serde_json::from_slice::<ErrorResponse>(&body).ok().and_then(|response| known_code(&response.error));
    let detail = code.map_or_else(String::new, |code| format!(", {code}"));
    let hint = if code == Some("invalid_client") { RESTART_HINT } else { "" };
    let message = format!(
        "the token endpoint rejected the client (HTTP {}{detail}): check {credentials_source}{hint}",
        status.as_u16()
    );
    http_client::with_page_hint(PortalError::new(Delivery::Rejected, Reason::Unauthorized, message), is_page)
}

fn known_code(code: &str) -> Option<&'static str> {
    const CODES: [&str; 6] = [
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
    ];
    CODES.into_iter().find(|defined| *defined == code)
}

pub(crate) fn response_error(response: &Response, default: Reason, message: String) -> PortalError {
    let retry_after = retry_after(response.headers());
    let is_rate_limited = response.status() == StatusCode::TOO_MANY_REQUESTS || retry_after.is_some();
    let reason = if is_rate_limited { Reason::RateLimited } else { default };
    PortalError { delivery: Delivery::Rejected, reason, message, retry_after, unusable_token: None }
}

/// The endpoint responded, but not with an access token that can be used.
pub(crate) fn unusable(message: &str) -> PortalError {
    PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message)
}

pub(crate) fn not_sent(reason: Reason, message: &str) -> PortalError {
    PortalError::new(Delivery::NotSent, reason, message)
}
