//! The bearer that a token endpoint gives, and how long it is used.

use super::auth::authorization;
use crate::api::Reason;
use crate::portal::thinkwise::{Delivery, PortalError};
use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Where the token endpoint says nothing: about an hour (seen in public client code).
const DEFAULT_LIFETIME: Duration = Duration::from_hours(1);
/// A bearer is replaced this long before its end, or a tenth of its life if that is shorter.
const REFRESH_MARGIN: Duration = Duration::from_mins(1);

/// A bearer in use.
pub(crate) struct AccessToken {
    /// `Authorization`, marked as sensitive.
    pub header: HeaderValue,
    /// It is replaced from then on.
    pub refresh_at: Instant,
}

/// The endpoint's answer. No `Debug`: it holds the bearer.
#[derive(Deserialize)]
pub(crate) struct TokenResponse {
    access_token: Zeroizing<String>,
    token_type: Option<String>,
    /// A whole number by the letter; servers write fractions and texts too. It is a hint: what makes no sense is
    /// as good as not there, for a bearer that is refused is renewed.
    #[serde(default)]
    expires_in: Value,
}

impl TokenResponse {
    /// The bearer of an answer to a request that was sent then.
    pub(crate) fn into_access_token(self, requested_at: Instant) -> Result<AccessToken, PortalError> {
        if self.token_type.as_deref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            let message = "the token endpoint gave something other than a bearer";
            return Err(PortalError::new(Delivery::NotSent, Reason::InvalidResponse, message));
        }
        let life = match &self.expires_in {
            Value::Number(seconds) => seconds.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        // At most a day: it bounds the clock's arithmetic, and nothing is lost by asking once a day.
        let life = life.filter(|seconds| *seconds >= 0.0).map(|seconds: f64| seconds.min(24.0 * 3600.0));
        let life = life.map_or(DEFAULT_LIFETIME, Duration::from_secs_f64);
        let header = authorization("Bearer", &self.access_token)?;
        Ok(AccessToken { header, refresh_at: requested_at + life - REFRESH_MARGIN.min(life / 10) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lifetime(json: &str) -> Result<Duration, PortalError> {
        let asked = Instant::now();
        let granted: TokenResponse = serde_json::from_str(json).expect("an answer");
        granted.into_access_token(asked).map(|bearer| bearer.refresh_at - asked)
    }

    #[test]
    fn a_bearer_is_kept_until_shortly_before_its_end() {
        for (json, seconds) in [
            (r#"{"access_token":"t"}"#, 3540),
            (r#"{"access_token":"t","token_type":"bearer","expires_in":3600}"#, 3540),
            (r#"{"access_token":"t","expires_in":"100"}"#, 90),
            (r#"{"access_token":"t","expires_in":0}"#, 0),
            (r#"{"access_token":"t","expires_in":" 100.0 "}"#, 90),
            (r#"{"access_token":"t","expires_in":100.9e0}"#, 90),
            (r#"{"access_token":"t","expires_in":1e300}"#, 86_340),
            (r#"{"access_token":"t","expires_in":"inf"}"#, 86_340),
            // What makes no sense is as good as not there.
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
    fn a_bearer_is_not_printed() {
        let granted: TokenResponse = serde_json::from_str(r#"{"access_token":"hush"}"#).expect("an answer");
        let bearer = granted.into_access_token(Instant::now()).expect("a bearer");
        assert!(!format!("{:?}", bearer.header).contains("hush"));
    }
}
