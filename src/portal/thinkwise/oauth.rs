//! OAuth 2.0 client credentials: the portal's way for machines (documented).

use super::auth::{Ticket, authorization};
use super::client::{self, HttpClient};
use super::{Failure, Sent, address};
use crate::api::{Reason, Thinkwise};
use crate::http::retry_after;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{Body, Method, Request, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

const ANSWER_LIMIT: usize = 1 << 20;
/// Where the token endpoint says nothing: about an hour (seen in public client code).
const DEFAULT_LIFE: Duration = Duration::from_hours(1);
/// A bearer is replaced this long before its end, or a tenth of its life if that is shorter.
const MARGIN: Duration = Duration::from_mins(1);

/// Fetches bearers, and keeps the one in use.
pub(super) struct OAuth {
    client_id: String,
    client_secret: SecretString,
    scope: String,
    token_url: Option<Url>,
    discovery: Url,
    insecure: bool,
    /// Held while a bearer is fetched, so that many calls cause one fetch.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    endpoint: Option<Url>,
    bearer: Option<Bearer>,
    generation: u64,
}

struct Bearer {
    header: HeaderValue,
    until: Instant,
}

#[derive(Deserialize)]
struct Discovered {
    token_endpoint: String,
}

/// The endpoint's answer. No `Debug`: it holds the bearer.
#[derive(Deserialize)]
struct Granted {
    access_token: Zeroizing<String>,
    token_type: Option<String>,
    expires_in: Option<Seconds>,
}

/// A number, or by some servers a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

#[derive(Deserialize)]
struct Denied {
    error: String,
}

impl OAuth {
    pub(super) fn new(spec: &Thinkwise, client_id: String, client_secret: SecretString) -> Result<Self, Failure> {
        let insecure = spec.allow_insecure_http;
        let settings = spec.auth.oauth2_client_credentials.as_ref();
        let token_url = settings.and_then(|settings| settings.token_url.as_deref());
        let token_url = token_url.map(|text| address::parse(text, "tokenURL", insecure)).transpose()?;
        let scope = settings.map(|settings| settings.scopes.join(" ")).unwrap_or_default();
        let mut discovery = address::parse(&spec.url, "spec.thinkwise.url", insecure)?;
        address::extend(&mut discovery, &[".well-known", "openid-configuration"])?;
        let state = Mutex::default();
        Ok(Self { client_id, client_secret, scope, token_url, discovery, insecure, state })
    }

    /// The bearer in use, or a new one. Whatever fails here, the call itself was not sent.
    pub(super) async fn ticket(&self, http: &HttpClient, hint: &str, deadline: Instant) -> Result<Ticket, Failure> {
        let waiting = timeout_at(deadline, self.state.lock()).await;
        let mut state = waiting.map_err(|_| unsent(Reason::TimedOut, "no bearer was had in time"))?;
        let fresh = state.bearer.as_ref().filter(|bearer| Instant::now() < bearer.until);
        if let Some(bearer) = fresh {
            return Ok(Ticket { header: bearer.header.clone(), generation: Some(state.generation) });
        }
        state.bearer = None;
        let fetched = self.fetch(http, &mut state.endpoint, hint, deadline).await;
        let bearer = match fetched {
            Ok(bearer) => bearer,
            Err(failure) => {
                // The endpoint may have moved: it is looked up again.
                state.endpoint = None;
                return Err(Failure { sent: Sent::No, message: format!("cannot log in: {failure}"), ..failure });
            }
        };
        state.generation += 1;
        let header = bearer.header.clone();
        state.bearer = Some(bearer);
        Ok(Ticket { header, generation: Some(state.generation) })
    }

    /// Drops the bearer of this generation.
    pub(super) async fn forget(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if state.generation == generation {
            state.bearer = None;
        }
    }

    async fn fetch(
        &self,
        http: &HttpClient,
        known: &mut Option<Url>,
        hint: &str,
        deadline: Instant,
    ) -> Result<Bearer, Failure> {
        let endpoint = match known.as_ref().or(self.token_url.as_ref()) {
            Some(endpoint) => endpoint.clone(),
            None => known.insert(self.discover(http, deadline).await?).clone(),
        };
        let asked = Instant::now();
        let response = http.send(self.request(endpoint), deadline).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(denied(response, hint, deadline).await);
        }
        let body = client::body(response, ANSWER_LIMIT, deadline).await?;
        let granted: Granted = serde_json::from_slice(&body)
            .map_err(|_| unsent(Reason::AnswerMalformed, "the token endpoint's answer holds no access_token"))?;
        granted.bearer(asked)
    }

    async fn discover(&self, http: &HttpClient, deadline: Instant) -> Result<Url, Failure> {
        let mut request = Request::new(Method::GET, self.discovery.clone());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        let response = http.send(request, deadline).await?;
        if !response.status().is_success() {
            let message = format!(
                "the portal has no OpenID configuration at .well-known (HTTP {}): give tokenURL",
                response.status().as_u16()
            );
            return Err(of_answer(&response, Reason::PortalFailed, message));
        }
        let body = client::body(response, ANSWER_LIMIT, deadline).await?;
        let found: Discovered = serde_json::from_slice(&body).map_err(|_| {
            unsent(Reason::AnswerMalformed, "the portal's OpenID configuration names no token_endpoint: give tokenURL")
        })?;
        address::parse(&found.token_endpoint, "the portal's token_endpoint", self.insecure)
    }

    fn request(&self, endpoint: Url) -> Request {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials").append_pair("client_id", &self.client_id);
        form.append_pair("client_secret", self.client_secret.expose_secret());
        if !self.scope.is_empty() {
            form.append_pair("scope", &self.scope);
        }
        let mut request = Request::new(Method::POST, endpoint);
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(Body::from(form.finish()));
        request
    }
}

impl Granted {
    fn bearer(self, asked: Instant) -> Result<Bearer, Failure> {
        if self.token_type.as_deref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(unsent(Reason::AnswerMalformed, "the token endpoint gave something other than a bearer"));
        }
        let life = match self.expires_in {
            Some(Seconds::Number(seconds)) => Some(seconds),
            Some(Seconds::Text(text)) => text.parse().ok(),
            None => None,
        };
        // At most a day: it bounds the clock's arithmetic, and nothing is lost by asking once a day.
        let life = life.map_or(DEFAULT_LIFE, |seconds| Duration::from_secs(seconds.min(24 * 3600)));
        let header = authorization("Bearer", &self.access_token)?;
        Ok(Bearer { header, until: asked + life - MARGIN.min(life / 10) })
    }
}

/// Why the endpoint gave no bearer. Of its body only the error codes that OAuth defines are named.
async fn denied(response: Response, hint: &str, deadline: Instant) -> Failure {
    let status = response.status();
    if !matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        let reason = if status == StatusCode::NOT_FOUND { Reason::NoAccess } else { Reason::PortalFailed };
        let message = format!("the token endpoint answered HTTP {}: check tokenURL", status.as_u16());
        return of_answer(&response, reason, message);
    }
    let body = client::body(response, ANSWER_LIMIT, deadline).await.unwrap_or_default();
    let code = serde_json::from_slice::<Denied>(&body).ok().and_then(|denied| known_code(&denied.error));
    let said = code.map_or_else(String::new, |code| format!(", {code}"));
    let message =
        format!("the token endpoint does not accept the client (HTTP {}{said}): check {hint}", status.as_u16());
    unsent(Reason::Unauthorised, &message)
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
    CODES.into_iter().find(|known| *known == code)
}

fn of_answer(response: &Response, otherwise: Reason, message: String) -> Failure {
    let retry_after = retry_after(response.headers());
    let limited = response.status() == StatusCode::TOO_MANY_REQUESTS || retry_after.is_some();
    let reason = if limited { Reason::RateLimited } else { otherwise };
    Failure { sent: Sent::No, reason, message, retry_after, made: None }
}

fn unsent(reason: Reason, message: &str) -> Failure {
    Failure::new(Sent::No, reason, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(json: &str) -> Result<Duration, Failure> {
        let asked = Instant::now();
        let granted: Granted = serde_json::from_str(json).expect("an answer");
        granted.bearer(asked).map(|bearer| bearer.until - asked)
    }

    #[test]
    fn a_bearer_is_kept_until_shortly_before_its_end() {
        for (json, seconds) in [
            (r#"{"access_token":"t"}"#, 3540),
            (r#"{"access_token":"t","token_type":"bearer","expires_in":3600}"#, 3540),
            (r#"{"access_token":"t","expires_in":"100"}"#, 90),
            (r#"{"access_token":"t","expires_in":0}"#, 0),
            (r#"{"access_token":"t","expires_in":18446744073709551615}"#, 86_340),
        ] {
            assert_eq!(life(json).expect(json), Duration::from_secs(seconds), "{json}");
        }
        assert!(life(r#"{"access_token":"t","token_type":"mac"}"#).is_err());
    }

    #[test]
    fn a_bearer_is_not_printed() {
        let granted: Granted = serde_json::from_str(r#"{"access_token":"hush"}"#).expect("an answer");
        let bearer = granted.bearer(Instant::now()).expect("a bearer");
        assert!(!format!("{:?}", bearer.header).contains("hush"));
    }
}
