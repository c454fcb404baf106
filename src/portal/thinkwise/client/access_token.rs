//! The access token of a token endpoint, and how long it is used.

use super::auth_header::authorization;
use super::oauth_errors::unusable;
use crate::portal::thinkwise::PortalError;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// The lifetime if the token endpoint gives none: about an hour (seen in public client code).
const DEFAULT_LIFETIME: Duration = Duration::from_hours(1);
/// An access token is replaced this long before it expires, or a tenth of its lifetime if that is shorter.
const REFRESH_MARGIN: Duration = Duration::from_mins(1);

/// An access token in use.
pub(crate) struct AccessToken {
    /// The `Authorization` header, marked as sensitive.
    pub header: HeaderValue,
    /// The time from which it is replaced.
    pub refresh_at: Instant,
}

/// The endpoint's response. No `Debug`: it contains the access token.
#[derive(Deserialize)]
pub(crate) struct TokenResponse {
    access_token: Zeroizing<String>,
    token_type: Option<String>,
    /// An integer according to the RFC; servers send fractions and strings too. It is only a hint, because a rejected
    /// access token is renewed: an invalid value counts as absent.
    #[serde(default)]
    expires_in: Value,
}

impl TokenResponse {
    /// The access token of a response to a request that was sent at `requested_at`.
    pub(crate) fn into_access_token(self, requested_at: Instant) -> Result<AccessToken, PortalError> {
        if self.token_type.as_deref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(unusable("the token endpoint returned a token that is not of type Bearer"));
        }
        let lifetime = match &self.expires_in {
            Value::Number(seconds) => seconds.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        // At most a day: this bounds the arithmetic, and one request a day costs nothing.
        let lifetime = lifetime.filter(|seconds| *seconds >= 0.0).map(|seconds: f64| seconds.min(24.0 * 3600.0));
        let lifetime = lifetime.map_or(DEFAULT_LIFETIME, Duration::from_secs_f64);
        let header = authorization("Bearer", &self.access_token)?;
        Ok(AccessToken { header, refresh_at: requested_at + lifetime - REFRESH_MARGIN.min(lifetime / 10) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lifetime(json: &str) -> Result<Duration, PortalError> {
        let requested_at = Instant::now();
        let response: TokenResponse = serde_json::from_str(json).expect("a response");
        response.into_access_token(requested_at).map(|token| token.refresh_at - requested_at)
    }

    #[test]
    fn an_access_token_is_kept_until_shortly_before_it_expires() {
        for (json, seconds) in [
            (r#"{"access_token":"t"}"#, 3540),
            (r#"{"access_token":"t","token_type":"bearer","expires_in":3600}"#, 3540),
            (r#"{"access_token":"t","expires_in":"100"}"#, 90),
            (r#"{"access_token":"t","expires_in":0}"#, 0),
            (r#"{"access_token":"t","expires_in":" 100.0 "}"#, 90),
            (r#"{"access_token":"t","expires_in":100.9e0}"#, 90),
            (r#"{"access_token":"t","expires_in":1e300}"#, 86_340),
            (r#"{"access_token":"t","expires_in":"inf"}"#, 86_340),
            // An invalid value counts as absent.
            (r#"{"access_token":"t","expires_in":-1}"#, 3540),
            (r#"{"access_token":"t","expires_in":"-0.5"}"#, 3540),
            (r#"{"access_token":"t","expires_in":"NaN"}"#, 3540),
            (r#"{"access_token":"t","expires_in":"soon"}"#, 3540),
            (r#"{"access_token":"t","expires_in":""}"#, 3540),
            (r#"{"access_token":"t","expires_in":null}"#, 3540),
            (r#"{"access_token":"t","expires_in":{"seconds":[1]}}"#, 3540),
            (r#"{"access_token":"t","expires_in":true}"#, 3540),
            (r#"{"access_token":"t","expires_in":18446744073709551615}"#, 86_340),
        ] {
            assert_eq!(lifetime(json).expect(json).as_secs(), seconds, "{json}");
        }
        assert!(lifetime(r#"{"access_token":"t","token_type":"mac"}"#).is_err());
    }

    #[test]
    fn an_access_token_is_not_printed() {
        let response: TokenResponse = serde_json::from_str(r#"{"access_token":"hush"}"#).expect("a response");
        let token = response.into_access_token(Instant::now()).expect("a token");
        assert!(!format!("{:?}", token.header).contains("hush"));
    }
}
