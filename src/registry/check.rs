//! Checks a login at a registry: calls the version check, and authenticates as its response requires.

use super::challenge::{self, Challenge};
use super::client_cache::{ClientCache, ClientKey};
use super::response::{host, timed_out, transport_failure, unexpected_response, unknown};
use super::{LoginChecker, RegistryLogin};
use crate::api::Reason;
use crate::domain::model::login_result::LoginResult;
use crate::http::{self, BodyError, Client};
use crate::sanitize::sanitize;
use futures::future::BoxFuture;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Method, Request, Response, StatusCode};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use url::Url;
use zeroize::Zeroizing;

/// The time limit for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The total time limit of a check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest access tokens, with permissions for many repositories, have about 20 KB.
const MAX_RESPONSE_BYTES: usize = 256 << 10;

/// Checks logins at real registries. Cheap to keep: its connections are reused.
pub struct RegistryLoginChecker {
    clients: ClientCache,
    timeout: Duration,
}

impl Default for RegistryLoginChecker {
    fn default() -> Self {
        Self::with_timeout(CHECK_TIMEOUT)
    }
}

impl RegistryLoginChecker {
    /// Creates a checker with this time limit per check; the default is 30 seconds.
    #[must_use]
    pub fn with_timeout(timeout: Duration) -> Self {
        Self { clients: ClientCache::default(), timeout }
    }

    async fn try_login(&self, login: RegistryLogin<'_>) -> Result<LoginResult, LoginResult> {
        let version_check = version_check_url(login.registry, login.plain_http)?;
        // Shorter than the check's time limit, so that a connection that was never established is recognized as such.
        let connect_timeout = CONNECT_TIMEOUT.min(self.timeout.mul_f32(0.5));
        let key = ClientKey { ca_pem: login.ca_pem, plain_http: login.plain_http, egress: login.egress };
        let client = self.clients.get(&key, connect_timeout);
        let client = client.map_err(|message| unknown(Reason::CABundleInvalid, message))?;
        let session = CheckSession { client, deadline: Instant::now() + self.timeout };
        let credentials = http::basic(login.username, login.secret.expose_secret()).ok_or_else(|| {
            unknown(
                Reason::InvalidResponse,
                "the portal issued a username with a colon, which HTTP Basic does not allow",
            )
        })?;
        let anonymous = session.get(version_check.clone(), None).await?;
        let challenge = match anonymous.status() {
            // It allows anonymous access, or authenticates only specific requests: then it may still reject the
            // credentials.
            StatusCode::OK => Challenge::Basic,
            StatusCode::UNAUTHORIZED => challenge::select(anonymous.headers(), login.plain_http)
                .map_err(|error| unknown(Reason::InvalidResponse, format!("{} {error}", host(&version_check))))?,
            _ => return Err(unexpected_response(&anonymous)),
        };
        session.drain(anonymous).await;
        let header = match challenge {
            Challenge::Basic => credentials,
            Challenge::Bearer(endpoint) => session.fetch_token(endpoint, credentials).await?,
        };
        let response = session.get_authorized(version_check, header).await?;
        session.drain(response).await;
        Ok(LoginResult::Accepted)
    }
}

impl LoginChecker for RegistryLoginChecker {
    fn check<'a>(&'a self, login: RegistryLogin<'a>) -> BoxFuture<'a, LoginResult> {
        Box::pin(async move { self.try_login(login).await.unwrap_or_else(|result| result) })
    }
}

struct CheckSession {
    client: Client,
    deadline: Instant,
}

/// The token endpoint's response: either field is valid (documented). No `Debug`: it contains the access token.
#[derive(Deserialize)]
struct BearerTokenResponse {
    token: Option<Zeroizing<String>>,
    access_token: Option<Zeroizing<String>>,
}

impl CheckSession {
    async fn get(&self, url: Url, authorization: Option<HeaderValue>) -> Result<Response, LoginResult> {
        let host = host(&url);
        let mut request = Request::new(Method::GET, url);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(authorization) = authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        match timeout_at(self.deadline, self.client.execute(request)).await {
            Ok(response) => response.map_err(|error| transport_failure(error, &host)),
            Err(_) => Err(timed_out(&host)),
        }
    }

    /// Sends a request with credentials: the result is a response with status 200, or the result of the check.
    async fn get_authorized(&self, url: Url, credentials: HeaderValue) -> Result<Response, LoginResult> {
        let response = self.get(url, Some(credentials)).await?;
        match response.status() {
            StatusCode::OK => Ok(response),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                let message = format!("{} rejected the login (HTTP {})", host(response.url()), status.as_u16());
                self.drain(response).await;
                Err(LoginResult::Rejected(message))
            }
            _ => Err(unexpected_response(&response)),
        }
    }

    async fn drain(&self, response: Response) {
        // On timeout, the connection is not reused.
        let _ = timeout_at(self.deadline, http::drain(response)).await;
    }

    async fn fetch_token(&self, endpoint: Url, credentials: HeaderValue) -> Result<HeaderValue, LoginResult> {
        let host = host(&endpoint);
        let response = self.get_authorized(endpoint, credentials).await?;
        let invalid = |what: &str| unknown(Reason::InvalidResponse, format!("the token endpoint {host} {what}"));
        let body = http::read(response, MAX_RESPONSE_BYTES, self.deadline).await.map_err(|error| match error {
            BodyError::TooLarge => invalid("sent a response that is too large"),
            BodyError::Encoded(encoding) => {
                invalid(&format!("sent a compressed response (Content-Encoding: {encoding})"))
            }
            BodyError::TimedOut => timed_out(&host),
            BodyError::Interrupted(error) => transport_failure(error, &host),
        })?;
        // The error is discarded: its text quotes the response.
        let token_response: Option<BearerTokenResponse> = serde_json::from_slice(&body).ok();
        let token = token_response
            .and_then(|token_response| token_response.token.or(token_response.access_token))
            .filter(|text| !text.is_empty());
        let token = token.ok_or_else(|| invalid("sent a response without a token"))?;
        http::authorization("Bearer", &token)
            .ok_or_else(|| invalid("sent a token with characters that are not allowed in an HTTP header"))
    }
}

/// The URL of the version check. Only the host is used: a path is the location of images.
pub(super) fn version_check_url(registry: &str, plain_http: bool) -> Result<Url, LoginResult> {
    let authority = registry.split('/').next().unwrap_or_default();
    let scheme = if plain_http { "http" } else { "https" };
    let is_invalid = authority.is_empty()
        || authority.ends_with(':')
        || authority.contains(['@', '?', '#', '\\', ' ', '\t', '\n', '\r']);
    let url = Url::parse(&format!("{scheme}://{authority}/v2/")).ok().filter(|_| !is_invalid);
    url.ok_or_else(|| {
        let message = format!("{:?} is not a registry: set host[:port][/path] in spec.registries", sanitize(registry));
        unknown(Reason::Unreachable, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_of_a_registry_is_called() {
        for (registry, url) in [
            ("registry.example.com", "https://registry.example.com/v2/"),
            ("registry.example.com:5000/team/images", "https://registry.example.com:5000/v2/"),
            ("Registry.Example.com:443", "https://registry.example.com/v2/"),
        ] {
            assert_eq!(version_check_url(registry, false).expect(registry).as_str(), url);
        }
        assert_eq!(version_check_url("localhost:5000", true).expect("a URL").as_str(), "http://localhost:5000/v2/");
    }

    #[test]
    fn an_invalid_registry_is_not_called() {
        for registry in [
            "",
            "/path",
            "https://registry.example.com",
            "u:p@a.example",
            "a.example?x",
            "a.example:99999",
            "a b",
            "[",
            "a\\b",
        ] {
            let LoginResult::Unknown(problem) = version_check_url(registry, false).expect_err(registry) else {
                panic!("{registry}")
            };
            assert_eq!(problem.reason, Reason::Unreachable, "{registry}: {problem}");
        }
    }
}
