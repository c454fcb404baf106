//! Asks a registry: the version check, and with the credentials what its answer asks for.

use super::challenge::{self, Challenge};
use super::clients::{Clients, Use};
use super::meaning::{host, late, unexpected, unknown, unreachable};
use super::{Login, LoginCheck, Verdict};
use crate::api::Reason;
use crate::http::{self, BodyError, Client};
use crate::text::clean;
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
const CONNECT: Duration = Duration::from_secs(5);
/// How long a check may take in all.
const TOTAL: Duration = Duration::from_secs(30);
/// The largest bearers, with the rights to many repositories, are some 20 KB.
const ANSWER_LIMIT: usize = 256 << 10;

/// Tries logins at real registries. Cheap to keep: its connections are reused.
pub struct Registries {
    clients: Clients,
    total: Duration,
}

impl Default for Registries {
    fn default() -> Self {
        Self::within(TOTAL)
    }
}

impl Registries {
    /// Whose checks take at most so long; 30 seconds are the default.
    #[must_use]
    pub fn within(total: Duration) -> Self {
        Self { clients: Clients::default(), total }
    }

    async fn verdict(&self, login: Login<'_>) -> Result<Verdict, Verdict> {
        let ping = address(login.registry, login.plain_http)?;
        // A part of it, so that a connection that never came about is known as such.
        let connect = CONNECT.min(self.total.mul_f32(0.5));
        let wanted = Use { ca_pem: login.ca_pem, plain_http: login.plain_http, egress: login.egress };
        let client = self.clients.of(&wanted, connect);
        let client = client.map_err(|message| unknown(Reason::TrustMissing, message))?;
        let asked = Asked { client, deadline: Instant::now() + self.total };
        let credentials = http::basic(login.username, login.secret.expose_secret()).ok_or_else(|| {
            unknown(
                Reason::AnswerMalformed,
                "the portal gave a username with a colon, which no registry can be asked with",
            )
        })?;
        let anonymous = asked.get(ping.clone(), None).await?;
        let way = match anonymous.status() {
            // It lets in everybody, or does not ask before it knows what for: then it may still refuse.
            StatusCode::OK => Challenge::Basic,
            StatusCode::UNAUTHORIZED => challenge::choose(anonymous.headers(), login.plain_http)
                .map_err(|problem| unknown(Reason::AnswerMalformed, format!("{} {problem}", host(&ping))))?,
            _ => return Err(unexpected(&anonymous)),
        };
        asked.drain(anonymous).await;
        let header = match way {
            Challenge::Basic => credentials,
            Challenge::Bearer(endpoint) => asked.bearer(endpoint, credentials).await?,
        };
        let answer = asked.get_with(ping, header).await?;
        asked.drain(answer).await;
        Ok(Verdict::Accepted)
    }
}

impl LoginCheck for Registries {
    fn check<'a>(&'a self, login: Login<'a>) -> BoxFuture<'a, Verdict> {
        Box::pin(async move { self.verdict(login).await.unwrap_or_else(|verdict| verdict) })
    }
}

/// One check under way.
struct Asked {
    client: Client,
    deadline: Instant,
}

/// The token endpoint's answer: either name will do (documented). No `Debug`: it holds the bearer.
#[derive(Deserialize)]
struct Granted {
    token: Option<Zeroizing<String>>,
    access_token: Option<Zeroizing<String>>,
}

impl Asked {
    async fn get(&self, url: Url, authorization: Option<HeaderValue>) -> Result<Response, Verdict> {
        let host = host(&url);
        let mut request = Request::new(Method::GET, url);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(authorization) = authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        match timeout_at(self.deadline, self.client.execute(request)).await {
            Ok(answer) => answer.map_err(|error| unreachable(error, &host)),
            Err(_) => Err(late(&host)),
        }
    }

    /// Asks with credentials: the answer is 200, or a verdict.
    async fn get_with(&self, url: Url, credentials: HeaderValue) -> Result<Response, Verdict> {
        let answer = self.get(url, Some(credentials)).await?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                let message = format!("{} does not accept the login (HTTP {})", host(answer.url()), status.as_u16());
                self.drain(answer).await;
                Err(Verdict::Refused { message })
            }
            _ => Err(unexpected(&answer)),
        }
    }

    async fn drain(&self, answer: Response) {
        // Too late for it: then its connection is not used again.
        let _ = timeout_at(self.deadline, http::drain(answer)).await;
    }

    async fn bearer(&self, endpoint: Url, credentials: HeaderValue) -> Result<HeaderValue, Verdict> {
        let host = host(&endpoint);
        let answer = self.get_with(endpoint, credentials).await?;
        let malformed = |what: &str| unknown(Reason::AnswerMalformed, format!("the token endpoint {host} {what}"));
        let body = http::read(answer, ANSWER_LIMIT, self.deadline).await.map_err(|error| match error {
            BodyError::TooLarge => malformed("gave an answer that is too large"),
            BodyError::Encoded(how) => malformed(&format!("gave a compressed answer (Content-Encoding: {how})")),
            BodyError::Late => late(&host),
            BodyError::Broken(error) => unreachable(error, &host),
        })?;
        // Not the error: its text quotes the answer.
        let granted: Option<Granted> = serde_json::from_slice(&body).ok();
        let bearer = granted.and_then(|granted| granted.token.or(granted.access_token)).filter(|text| !text.is_empty());
        let bearer = bearer.ok_or_else(|| malformed("gave an answer without a token"))?;
        http::authorization("Bearer", &bearer).ok_or_else(|| malformed("gave a token that no header can carry"))
    }
}

/// Where the version check is. Only the host counts: a path says where images lie.
pub(super) fn address(registry: &str, plain_http: bool) -> Result<Url, Verdict> {
    let authority = registry.split('/').next().unwrap_or_default();
    let scheme = if plain_http { "http" } else { "https" };
    let odd = authority.is_empty()
        || authority.ends_with(':')
        || authority.contains(['@', '?', '#', '\\', ' ', '\t', '\n', '\r']);
    let url = Url::parse(&format!("{scheme}://{authority}/v2/")).ok().filter(|_| !odd);
    url.ok_or_else(|| {
        let message = format!("{:?} is not a registry: write host[:port][/path] in spec.registries", clean(registry));
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
            assert_eq!(address(registry, false).expect(registry).as_str(), url);
        }
        assert_eq!(address("localhost:5000", true).expect("a URL").as_str(), "http://localhost:5000/v2/");
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
            let verdict = address(odd, false).expect_err(odd);
            assert!(matches!(verdict, Verdict::Unknown { reason: Reason::Unreachable, .. }), "{odd}: {verdict:?}");
        }
    }
}
