//! OAuth 2.0 client credentials: the portal's way for machines (documented).

use super::access_token::{AccessToken, TokenResponse};
use super::auth::AuthHeader;
use super::http_client;
use super::http_client::HttpClient;
use crate::api::{Reason, Thinkwise};
use crate::http::{basic, retry_after};
use crate::portal::thinkwise::odata::address;
use crate::portal::thinkwise::{Delivery, PortalError};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Body, Method, Request, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

const MAX_RESPONSE_BYTES: usize = 1 << 20;
/// Fetches bearers, and keeps the one in use.
pub(crate) struct OAuth {
    client_id: String,
    client_secret: SecretString,
    scope: String,
    token_url: Option<Url>,
    discovery_url: Url,
    /// The portal's own root.
    root: Url,
    allow_http: bool,
    /// Held while a bearer is fetched, so that many calls cause one fetch.
    state: Mutex<State>,
}

/// Where bearers are had, and how the client says who it is there.
#[derive(Clone)]
struct OAuthEndpoint {
    url: Url,
    auth: ClientAuth,
    /// The portal says so, or it has worked. Else the other way is tried too.
    is_confirmed: bool,
}

/// How a client says who it is (RFC 6749, 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientAuth {
    /// In the form.
    Post,
    /// By HTTP Basic.
    Basic,
}

#[derive(Default)]
struct State {
    endpoint: Option<OAuthEndpoint>,
    access_token: Option<AccessToken>,
    generation: u64,
}

#[derive(Deserialize)]
struct OpenIdConfiguration {
    token_endpoint: String,
    /// RFC 8414. Some servers leave it out.
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct ErrorResponse {
    error: String,
}

impl OAuth {
    pub(crate) fn new(spec: &Thinkwise, client_id: String, client_secret: SecretString) -> Result<Self, PortalError> {
        let insecure = spec.allow_insecure_http;
        let settings = spec.auth.oauth2_client_credentials.as_ref();
        let token_url = settings.and_then(|settings| settings.token_url.as_deref());
        let token_url = token_url.map(|text| address::parse(text, "tokenURL", insecure)).transpose()?;
        let scope = settings.map(|settings| settings.scopes.join(" ")).unwrap_or_default();
        let root = address::parse(&spec.url, "spec.thinkwise.url", insecure)?;
        let mut discovery = root.clone();
        address::extend(&mut discovery, &[".well-known", "openid-configuration"])?;
        let state = Mutex::default();
        Ok(Self {
            client_id,
            client_secret,
            scope,
            token_url,
            discovery_url: discovery,
            root,
            allow_http: insecure,
            state,
        })
    }

    /// The bearer in use, or a new one. Whatever fails here, the call itself was not sent.
    pub(crate) async fn auth_header(
        &self,
        http: &HttpClient,
        credentials_source: &str,
        deadline: Instant,
    ) -> Result<AuthHeader, PortalError> {
        let waiting = timeout_at(deadline, self.state.lock()).await;
        let mut state = waiting.map_err(|_| not_sent(Reason::TimedOut, "no bearer was had in time"))?;
        let fresh = state.access_token.as_ref().filter(|bearer| Instant::now() < bearer.refresh_at);
        if let Some(bearer) = fresh {
            return Ok(AuthHeader { header: bearer.header.clone(), generation: Some(state.generation) });
        }
        state.access_token = None;
        let fetched = self.fetch_token(http, &mut state.endpoint, credentials_source, deadline).await;
        let bearer = match fetched {
            Ok(bearer) => bearer,
            Err(failure) => {
                // The endpoint may have moved: it is looked up again.
                state.endpoint = None;
                return Err(PortalError {
                    delivery: Delivery::NotSent,
                    message: format!("cannot log in: {failure}"),
                    ..failure
                });
            }
        };
        state.generation += 1;
        let header = bearer.header.clone();
        state.access_token = Some(bearer);
        Ok(AuthHeader { header, generation: Some(state.generation) })
    }

    /// Drops the bearer of this generation.
    pub(crate) async fn invalidate(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if state.generation == generation {
            state.access_token = None;
        }
    }

    async fn fetch_token(
        &self,
        http: &HttpClient,
        known: &mut Option<OAuthEndpoint>,
        credentials_source: &str,
        deadline: Instant,
    ) -> Result<AccessToken, PortalError> {
        let mut endpoint = match (known.as_ref(), &self.token_url) {
            (Some(endpoint), _) => endpoint.clone(),
            (None, Some(url)) => OAuthEndpoint { url: url.clone(), auth: ClientAuth::Post, is_confirmed: false },
            (None, None) => self.discover_endpoint(http, deadline).await?,
        };
        let mut requested_at = Instant::now();
        let mut response = http.send(self.token_request(&endpoint)?, deadline).await?;
        if !response.status().is_success() {
            let refusal = token_endpoint_error(response, credentials_source, deadline).await;
            // A server that knows only the other way may say just that it does not know the client.
            if endpoint.is_confirmed || !matches!(refusal.reason, Reason::Unauthorized) {
                return Err(refusal);
            }
            endpoint.auth = endpoint.auth.other();
            requested_at = Instant::now();
            response = http.send(self.token_request(&endpoint)?, deadline).await?;
            if !response.status().is_success() {
                http_client::drain(response).await;
                return Err(refusal);
            }
        }
        let body = http_client::read_body(response, MAX_RESPONSE_BYTES, deadline).await?;
        let token_response: TokenResponse = serde_json::from_slice(&body)
            .map_err(|_| not_sent(Reason::InvalidResponse, "the token endpoint's answer holds no access_token"))?;
        let bearer = token_response.into_access_token(requested_at)?;
        *known = Some(OAuthEndpoint { is_confirmed: true, ..endpoint });
        Ok(bearer)
    }

    async fn discover_endpoint(&self, http: &HttpClient, deadline: Instant) -> Result<OAuthEndpoint, PortalError> {
        let mut request = Request::new(Method::GET, self.discovery_url.clone());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        let response = http.send(request, deadline).await?;
        if !response.status().is_success() {
            let message = format!(
                "the portal has no OpenID configuration at .well-known (HTTP {}): give tokenURL",
                response.status().as_u16()
            );
            let failure = response_error(&response, Reason::PortalError, message);
            return Err(http_client::with_page_hint(failure, http_client::drain(response).await));
        }
        let body = http_client::read_body(response, MAX_RESPONSE_BYTES, deadline).await?;
        let found: OpenIdConfiguration = serde_json::from_slice(&body).map_err(|_| {
            not_sent(
                Reason::InvalidResponse,
                "the portal's OpenID configuration names no token_endpoint: give tokenURL",
            )
        })?;
        let url = self.resolve_endpoint(&found.token_endpoint)?;
        let supported = found.token_endpoint_auth_methods_supported;
        let (auth, is_certain) = match supported.filter(|methods| !methods.is_empty()) {
            None => (ClientAuth::Post, false),
            Some(methods) => (ClientAuth::select(&methods)?, true),
        };
        Ok(OAuthEndpoint { url, auth, is_confirmed: is_certain })
    }

    /// The token endpoint that the portal names. Behind a proxy a portal may not know its own name: what lies below it
    /// is asked under the name that we know.
    fn resolve_endpoint(&self, named: &str) -> Result<Url, PortalError> {
        let own = &self.root;
        let url = self.discovery_url.join(named).map_err(|_| {
            not_sent(Reason::InvalidResponse, "the portal's token_endpoint is not an address: give tokenURL")
        })?;
        // Where the portal has a host of its own, every path is below it: then only the scheme can be a proxy's doing.
        let is_own =
            !own.path().trim_matches('/').is_empty() || (own.host() == url.host() && own.scheme() != url.scheme());
        let has_login = !url.username().is_empty() || url.password().is_some();
        if url.origin() != own.origin() && is_own && !has_login && address::is_below(own, &url) {
            return Ok(address::with_own_origin(own, &url));
        }
        address::parse(url.as_str(), "the portal's token_endpoint", self.allow_http)
    }

    fn token_request(&self, endpoint: &OAuthEndpoint) -> Result<Request, PortalError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if endpoint.auth == ClientAuth::Post {
            form.append_pair("client_id", &self.client_id);
            form.append_pair("client_secret", self.client_secret.expose_secret());
        }
        if !self.scope.is_empty() {
            form.append_pair("scope", &self.scope);
        }
        let mut request = Request::new(Method::POST, endpoint.url.clone());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if endpoint.auth == ClientAuth::Basic {
            headers.insert(AUTHORIZATION, self.basic()?);
        }
        *request.body_mut() = Some(Body::from(form.finish()));
        Ok(request)
    }

    /// Id and secret are encoded as in a form before they become a pair (RFC 6749, 2.3.1).
    fn basic(&self) -> Result<HeaderValue, PortalError> {
        let encoded = |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        let secret = Zeroizing::new(encoded(self.client_secret.expose_secret()));
        basic(&encoded(&self.client_id), &secret)
            .ok_or_else(|| not_sent(Reason::Unauthorized, "the client's id or secret cannot be written into a header"))
    }
}

impl ClientAuth {
    const fn other(self) -> Self {
        match self {
            Self::Post => Self::Basic,
            Self::Basic => Self::Post,
        }
    }

    /// The way to take of those that a server knows.
    fn select(methods: &[String]) -> Result<Self, PortalError> {
        let knows = |name: &str| methods.iter().any(|method| method == name);
        if knows("client_secret_post") {
            Ok(Self::Post)
        } else if knows("client_secret_basic") {
            Ok(Self::Basic)
        } else {
            let message = "the portal's token endpoint takes no client secret (token_endpoint_auth_methods_supported has \
                           neither client_secret_basic nor client_secret_post): give tokenURL of one that does";
            Err(not_sent(Reason::Unauthorized, message))
        }
    }
}

/// Documented: until then it is as good as unknown.
const RESTART_HINT: &str =
    ". Where the client application was added or changed lately, restart Indicium: it takes that up only then";

/// Why the endpoint gave no bearer. Of its body only the error codes that OAuth defines are named.
async fn token_endpoint_error(response: Response, credentials_source: &str, deadline: Instant) -> PortalError {
    let status = response.status();
    if !matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        let reason = if status == StatusCode::NOT_FOUND { Reason::AccessDenied } else { Reason::PortalError };
        let message = format!("the token endpoint answered HTTP {}: check tokenURL", status.as_u16());
        let failure = response_error(&response, reason, message);
        return http_client::with_page_hint(failure, http_client::drain(response).await);
    }
    let (body, is_page) = http_client::read_error_body(response, MAX_RESPONSE_BYTES, deadline).await;
    let code = serde_json::from_slice::<ErrorResponse>(&body).ok().and_then(|denied| known_code(&denied.error));
    let said = code.map_or_else(String::new, |code| format!(", {code}"));
    let restart = if code == Some("invalid_client") { RESTART_HINT } else { "" };
    let message = format!(
        "the token endpoint does not accept the client (HTTP {}{said}): check {credentials_source}{restart}",
        status.as_u16()
    );
    http_client::with_page_hint(not_sent(Reason::Unauthorized, &message), is_page)
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

fn response_error(response: &Response, otherwise: Reason, message: String) -> PortalError {
    let retry_after = retry_after(response.headers());
    let limited = response.status() == StatusCode::TOO_MANY_REQUESTS || retry_after.is_some();
    let reason = if limited { Reason::RateLimited } else { otherwise };
    PortalError { delivery: Delivery::NotSent, reason, message, retry_after, unusable_token: None }
}

fn not_sent(reason: Reason, message: &str) -> PortalError {
    PortalError::new(Delivery::NotSent, reason, message)
}
