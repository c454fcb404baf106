//! Asks a registry: the version check, and with the credentials what its answer asks for.

use super::challenge::{self, Challenge};
use super::client_cache::{ClientCache, ClientKey};
use super::response::{host, timed_out, transport_failure, unexpected_response, unknown};
use super::{LoginChecker, RegistryLogin, Verdict};
use crate::api::Reason;
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

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a check may take in all.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest bearers, with the rights to many repositories, are some 20 KB.
const MAX_RESPONSE_BYTES: usize = 256 << 10;

/// Tries logins at real registries. Cheap to keep: its connections are reused.
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
    /// Whose checks take at most so long; 30 seconds are the default.
    #[must_use]
    pub fn with_timeout(timeout: Duration) -> Self {
        Self { clients: ClientCache::default(), timeout }
    }

    async fn try_login(&self, login: RegistryLogin<'_>) -> Result<Verdict, Verdict> {
        let version_check = version_check_url(login.registry, login.plain_http)?;
        // A part of it, so that a connection that never came about is known as such.
        let connect = CONNECT_TIMEOUT.min(self.timeout.mul_f32(0.5));
        let key = ClientKey { ca_pem: login.ca_pem, plain_http: login.plain_http, egress: login.egress };
        let client = self.clients.get(&key, connect);
        let client = client.map_err(|message| unknown(Reason::CABundleInvalid, message))?;
        let session = CheckSession { client, deadline: Instant::now() + self.timeout };
        let credentials = http::basic(login.username, login.secret.expose_secret()).ok_or_else(|| {
            unknown(
                Reason::InvalidResponse,
                "the portal gave a username with a colon, which no registry can be asked with",
            )
        })?;
        let anonymous = session.get(version_check.clone(), None).await?;
        let challenge = match anonymous.status() {
            // It lets in everybody, or does not ask before it knows what for: then it may still refuse.
            StatusCode::OK => Challenge::Basic,
            StatusCode::UNAUTHORIZED => challenge::select(anonymous.headers(), login.plain_http)
                .map_err(|problem| unknown(Reason::InvalidResponse, format!("{} {problem}", host(&version_check))))?,
            _ => return Err(unexpected_response(&anonymous)),
        };
        session.drain(anonymous).await;
        let header = match challenge {
            Challenge::Basic => credentials,
            Challenge::Bearer(endpoint) => session.fetch_token(endpoint, credentials).await?,
        };
        let answer = session.get_authorized(version_check, header).await?;
        session.drain(answer).await;
        Ok(Verdict::Accepted)
    }
}

impl LoginChecker for RegistryLoginChecker {
    fn check<'a>(&'a self, login: RegistryLogin<'a>) -> BoxFuture<'a, Verdict> {
        Box::pin(async move { self.try_login(login).await.unwrap_or_else(|verdict| verdict) })
    }
}

/// One check under way.
struct CheckSession {
    client: Client,
    deadline: Instant,
}

/// The token endpoint's answer: either name will do (documented). No `Debug`: it holds the bearer.
#[derive(Deserialize)]
struct BearerTokenResponse {
    token: Option<Zeroizing<String>>,
    access_token: Option<Zeroizing<String>>,
}

impl CheckSession {
    async fn get(&self, url: Url, authorization: Option<HeaderValue>) -> Result<Response, Verdict> {
        let host = host(&url);
        let mut request = Request::new(Method::GET, url);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(authorization) = authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        match timeout_at(self.deadline, self.client.execute(request)).await {
            Ok(answer) => answer.map_err(|error| transport_failure(error, &host)),
            Err(_) => Err(timed_out(&host)),
        }
    }

    /// Asks with credentials: the answer is 200, or a verdict.
    async fn get_authorized(&self, url: Url, credentials: HeaderValue) -> Result<Response, Verdict> {
        let answer = self.get(url, Some(credentials)).await?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                let message = format!("{} does not accept the login (HTTP {})", host(answer.url()), status.as_u16());
                self.drain(answer).await;
                Err(Verdict::Rejected { message })
            }
            _ => Err(unexpected_response(&answer)),
        }
    }

    async fn drain(&self, answer: Response) {
        // Too late for it: then its connection is not used again.
        let _ = timeout_at(self.deadline, http::drain(answer)).await;
    }

    async fn fetch_token(&self, endpoint: Url, credentials: HeaderValue) -> Result<HeaderValue, Verdict> {
        let host = host(&endpoint);
        let answer = self.get_authorized(endpoint, credentials).await?;
        let malformed = |what: &str| unknown(Reason::InvalidResponse, format!("the token endpoint {host} {what}"));
        let body = http::read(answer, MAX_RESPONSE_BYTES, self.deadline).await.map_err(|error| match error {
            BodyError::TooLarge => malformed("gave an answer that is too large"),
            BodyError::Encoded(how) => malformed(&format!("gave a compressed answer (Content-Encoding: {how})")),
            BodyError::TimedOut => timed_out(&host),
            BodyError::Interrupted(error) => transport_failure(error, &host),
        })?;
        // Not the error: its text quotes the answer.
        let granted: Option<BearerTokenResponse> = serde_json::from_slice(&body).ok();
        let bearer = granted.and_then(|granted| granted.token.or(granted.access_token)).filter(|text| !text.is_empty());
        let bearer = bearer.ok_or_else(|| malformed("gave an answer without a token"))?;
        http::authorization("Bearer", &bearer).ok_or_else(|| malformed("gave a token that no header can carry"))
    }
}

/// Where the version check is. Only the host counts: a path says where images lie.
pub(super) fn version_check_url(registry: &str, plain_http: bool) -> Result<Url, Verdict> {
    let authority = registry.split('/').next().unwrap_or_default();
    let scheme = if plain_http { "http" } else { "https" };
    let odd = authority.is_empty()
        || authority.ends_with(':')
        || authority.contains(['@', '?', '#', '\\', ' ', '\t', '\n', '\r']);
    let url = Url::parse(&format!("{scheme}://{authority}/v2/")).ok().filter(|_| !odd);
    url.ok_or_else(|| {
        let message =
            format!("{:?} is not a registry: write host[:port][/path] in spec.registries", sanitize(registry));
        unknown(Reason::Unreachable, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_registry_only_the_host_is_asked() {
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
    fn what_is_no_registry_is_not_asked() {
        for odd in [
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
            let verdict = version_check_url(odd, false).expect_err(odd);
            assert!(matches!(verdict, Verdict::Unknown { reason: Reason::Unreachable, .. }), "{odd}: {verdict:?}");
        }
    }
}
