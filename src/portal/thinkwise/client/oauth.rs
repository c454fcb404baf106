//! OAuth 2.0 client credentials, the portal's authentication for machines (documented).

use super::access_token::{AccessToken, TokenResponse};
use super::auth_header::AuthHeader;
use super::http_client;
use super::http_client::HttpClient;
use super::oauth_errors::{MAX_RESPONSE_BYTES, not_sent, response_error, token_endpoint_error, unusable};
use crate::api::{Reason, Thinkwise};
use crate::http::basic;
use crate::portal::thinkwise::odata::address;
use crate::portal::thinkwise::{Delivery, PortalError};
use crate::portal::{CallKind, OnCall, StartedCall};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Body, Method, Request};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

/// Fetches access tokens, and keeps the current one.
pub(crate) struct OAuth {
    client_id: String,
    client_secret: SecretString,
    scope: String,
    token_url: Option<Url>,
    discovery_url: Url,
    /// The portal's root URL.
    root: Url,
    allow_http: bool,
    /// Locked while a token is fetched, so that many calls cause only one fetch.
    state: Mutex<State>,
    /// Receives each login.
    on_call: Option<OnCall>,
}

/// The token endpoint, and how the client authenticates there.
#[derive(Clone)]
struct OAuthEndpoint {
    url: Url,
    auth: ClientAuth,
    /// The portal's configuration says so, or it has worked. Otherwise the other method is tried too.
    is_confirmed: bool,
}

/// How a client authenticates (RFC 6749, 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientAuth {
    /// In the form.
    Post,
    /// With HTTP Basic.
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
    /// RFC 8414. Some servers omit it.
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

impl OAuth {
    pub(crate) fn new(spec: &Thinkwise, client_id: String, client_secret: SecretString) -> Result<Self, PortalError> {
        let allow_http = spec.allow_insecure_http;
        let settings = spec.auth.oauth2_client_credentials.as_ref();
        let token_url = settings.and_then(|settings| settings.token_url.as_deref());
        let token_url = token_url.map(|text| address::parse(text, "tokenURL", allow_http)).transpose()?;
        let scope = settings.map(|settings| settings.scopes.join(" ")).unwrap_or_default();
        let root = address::parse(&spec.url, "spec.thinkwise.url", allow_http)?;
        let mut discovery_url = root.clone();
        address::extend(&mut discovery_url, &[".well-known", "openid-configuration"])?;
        let state = Mutex::default();
        Ok(Self { client_id, client_secret, scope, token_url, discovery_url, root, allow_http, state, on_call: None })
    }

    pub(crate) fn report_logins(&mut self, on_call: OnCall) {
        self.on_call = Some(on_call);
    }

    /// The current access token, or a new one. If this fails, the call itself was not sent.
    pub(crate) async fn auth_header(
        &self,
        http: &HttpClient,
        credentials_source: &str,
        deadline: Instant,
    ) -> Result<AuthHeader, PortalError> {
        let lock = timeout_at(deadline, self.state.lock()).await;
        let mut state = lock.map_err(|_| not_sent(Reason::TimedOut, "no access token was obtained in time"))?;
        let valid = state.access_token.as_ref().filter(|token| Instant::now() < token.refresh_at);
        if let Some(token) = valid {
            return Ok(AuthHeader { header: token.header.clone(), generation: Some(state.generation) });
        }
        state.access_token = None;
        let login = StartedCall::begin(CallKind::Login, "");
        let fetched = login.send(self.fetch_token(http, &mut state.endpoint, credentials_source, deadline)).await;
        let completed = login.end(fetched.as_ref().err());
        if let Some(on_call) = &self.on_call {
            on_call(completed);
        }
        let token = match fetched {
            Ok(token) => token,
            Err(failure) => {
                // The endpoint may have moved, so it is discovered again.
                state.endpoint = None;
                return Err(PortalError {
                    delivery: Delivery::NotSent,
                    message: format!("cannot log in: {failure}"),
                    ..failure
                });
            }
        };
        state.generation += 1;
        let header = token.header.clone();
        state.access_token = Some(token);
        Ok(AuthHeader { header, generation: Some(state.generation) })
    }

    /// Discards the access token of this generation.
    pub(crate) async fn invalidate(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if state.generation == generation {
            state.access_token = None;
        }
    }

    async fn fetch_token(
        &self,
        http: &HttpClient,
        known_endpoint: &mut Option<OAuthEndpoint>,
        credentials_source: &str,
        deadline: Instant,
    ) -> Result<AccessToken, PortalError> {
        let mut endpoint = match (known_endpoint.as_ref(), &self.token_url) {
            (Some(endpoint), _) => endpoint.clone(),
            (None, Some(url)) => OAuthEndpoint { url: url.clone(), auth: ClientAuth::Post, is_confirmed: false },
            (None, None) => self.discover_endpoint(http, deadline).await?,
        };
        let mut requested_at = Instant::now();
        let mut response = http.send(self.token_request(&endpoint)?, deadline).await?;
        if !response.status().is_success() {
            let rejection = token_endpoint_error(response, credentials_source, deadline).await;
            // A server that supports only the other method may just report an unknown client.
            if endpoint.is_confirmed || !matches!(rejection.reason, Reason::Unauthorized) {
                return Err(rejection);
            }
            endpoint.auth = endpoint.auth.other();
            requested_at = Instant::now();
            response = http.send(self.token_request(&endpoint)?, deadline).await?;
            if !response.status().is_success() {
                http_client::drain(response).await;
                return Err(rejection);
            }
        }
        let body = http_client::read_body(response, MAX_RESPONSE_BYTES, deadline).await?;
        let token_response: TokenResponse = serde_json::from_slice(&body)
            .map_err(|_| unusable("the token endpoint's response contains no access_token"))?;
        let token = token_response.into_access_token(requested_at)?;
        *known_endpoint = Some(OAuthEndpoint { is_confirmed: true, ..endpoint });
        Ok(token)
    }

    async fn discover_endpoint(&self, http: &HttpClient, deadline: Instant) -> Result<OAuthEndpoint, PortalError> {
        let mut request = Request::new(Method::GET, self.discovery_url.clone());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        let response = http.send(request, deadline).await?;
        if !response.status().is_success() {
            let message = format!(
                "the portal has no OpenID configuration at .well-known (HTTP {}): set tokenURL",
                response.status().as_u16()
            );
            let failure = response_error(&response, Reason::PortalError, message);
            return Err(http_client::with_page_hint(failure, http_client::drain(response).await));
        }
        let body = http_client::read_body(response, MAX_RESPONSE_BYTES, deadline).await?;
        let configuration: OpenIdConfiguration = serde_json::from_slice(&body).map_err(|_| {
            not_sent(Reason::InvalidResponse, "the portal's OpenID configuration has no token_endpoint: set tokenURL")
        })?;
        let url = self.resolve_endpoint(&configuration.token_endpoint)?;
        let supported = configuration.token_endpoint_auth_methods_supported;
        let (auth, is_certain) = match supported.filter(|methods| !methods.is_empty()) {
            None => (ClientAuth::Post, false),
            Some(methods) => (ClientAuth::select(&methods)?, true),
        };
        Ok(OAuthEndpoint { url, auth, is_confirmed: is_certain })
    }

    /// The token endpoint that the portal's configuration contains. Behind a proxy a portal may not know its own
    /// address: if the endpoint's path is below the portal's, the origin of `spec.thinkwise.url` is used.
    fn resolve_endpoint(&self, endpoint: &str) -> Result<Url, PortalError> {
        let own = &self.root;
        let url = self.discovery_url.join(endpoint).map_err(|_| {
            not_sent(Reason::InvalidResponse, "the portal's token_endpoint is not a valid URL: set tokenURL")
        })?;
        // If the portal's URL has no path, every path is below it: then only the scheme may differ, which a proxy
        // changes.
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

    /// Id and secret are form-encoded before they are joined (RFC 6749, 2.3.1).
    fn basic(&self) -> Result<HeaderValue, PortalError> {
        let encoded = |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        let secret = Zeroizing::new(encoded(self.client_secret.expose_secret()));
        basic(&encoded(&self.client_id), &secret)
            .ok_or_else(|| not_sent(Reason::Unauthorized, "the client id or secret cannot be sent in an HTTP header"))
    }
}

impl ClientAuth {
    const fn other(self) -> Self {
        match self {
            Self::Post => Self::Basic,
            Self::Basic => Self::Post,
        }
    }

    /// Selects one of the methods that a server supports.
    fn select(methods: &[String]) -> Result<Self, PortalError> {
        let supports = |name: &str| methods.iter().any(|method| method == name);
        if supports("client_secret_post") {
            Ok(Self::Post)
        } else if supports("client_secret_basic") {
            Ok(Self::Basic)
        } else {
            let message = "the portal's token endpoint does not accept a client secret (token_endpoint_auth_methods_supported has \
                            neither client_secret_basic nor client_secret_post): set tokenURL to one that does";
            Err(not_sent(Reason::Unauthorized, message))
        }
    }
}
