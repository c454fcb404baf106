//! The HTTP client: applies every limit, and never retries.

use super::Names;
use super::errors::{Refusal, invalid_response, invalid_spec};
use crate::api::{Limits, PortalConnection, Reason};
use crate::http::{self, BodyError, Client, ClientOptions, EgressPolicy, MemoryPermit};
use crate::portal::transport::from_transport;
use crate::portal::{Delivery, PortalError};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Request, Response};
use secrecy::{ExposeSecret as _, SecretString};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use url::Url;
use zeroize::Zeroizing;

pub use reqwest::Method;

/// How much of an error response is read: a message of a few words.
const ERROR_BYTES: usize = 16 << 10;

/// A successful response with its body.
pub struct Answer {
    pub headers: HeaderMap,
    /// Zeroized when dropped, because it may contain a secret.
    pub body: Zeroizing<Vec<u8>>,
    /// The share of the memory for bodies.
    _permit: MemoryPermit,
}

/// What a client is created from.
pub struct RestSettings<'a> {
    pub names: &'static Names,
    pub connection: PortalConnection<'a>,
    pub limits: &'a Limits,
    /// The headers of each call; the one that authenticates is marked as sensitive.
    pub headers: HeaderMap,
    pub ca_pem: Option<&'a str>,
    pub egress: EgressPolicy,
}

/// A client of an API, with limits.
pub struct RestClient {
    client: Client,
    names: &'static Names,
    base: Url,
    headers: HeaderMap,
    credentials_source: String,
    first_byte_timeout: Duration,
    request_timeout: Duration,
}

impl RestClient {
    pub fn new(settings: RestSettings<'_>) -> Result<Self, PortalError> {
        let RestSettings { names, connection, limits, headers, ca_pem, egress } = settings;
        let base = base_address(names, connection.url)?;
        let first_byte_timeout = limits.first_byte_timeout.0;
        // Shorter than the first-byte timeout, so that a connection that was never established is recognized as such.
        let connect_timeout = limits.connect_timeout.0.min(first_byte_timeout.mul_f32(0.9));
        let tls = http::tls_config(ca_pem)
            .map_err(|error| PortalError::new(Delivery::NotSent, Reason::CABundleInvalid, error.message(names.tls)))?;
        let plain_http = connection.allow_insecure_http;
        // A redirect would send the credentials to an address that the spec does not name.
        let client = Client::new(ClientOptions { tls, connect_timeout, plain_http, max_redirects: 0, egress })
            .map_err(|error| from_transport(error, names.product, names.connection_fields()))?;
        let credentials_source = match connection.auth.secret_name() {
            Some(name) => format!("the Secret {name} ({})", names.auth),
            None => format!("the Secret referenced by {}", names.auth),
        };
        let request_timeout = limits.request_timeout.0;
        Ok(Self { client, names, base, headers, credentials_source, first_byte_timeout, request_timeout })
    }

    /// Names another source of the credentials in messages, if there is one: a command reads no Secret.
    pub fn with_credentials_source(mut self, source: Option<String>) -> Self {
        if let Some(source) = source {
            self.credentials_source = source;
        }
        self
    }

    /// The source of the credentials; human-readable.
    pub fn credentials_source(&self) -> &str {
        &self.credentials_source
    }

    /// The address of a resource below the root, each of whose segments is escaped.
    pub fn address(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        // Not empty: only an address with a host was accepted.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// Sends a call once, and reads its response up to a limit. For a response that is not 2xx, `explain` says what it means.
    pub async fn send(
        &self,
        (method, url, json): (Method, Url, Option<Vec<u8>>),
        limit: usize,
        explain: impl FnOnce(&Refusal) -> PortalError,
    ) -> Result<Answer, PortalError> {
        let deadline = Instant::now() + self.request_timeout;
        let mut request = Request::new(method, url);
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(json) = json {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(Body::from(json));
        }
        let host = host(request.url(), self.names);
        let end = deadline.min(Instant::now() + self.first_byte_timeout);
        let response = match timeout_at(end, self.client.execute(request)).await {
            Ok(response) => response.map_err(|error| from_transport(error, &host, self.names.connection_fields()))?,
            Err(_) => return Err(timed_out(format!("{host} did not respond in time"))),
        };
        if response.status().is_success() {
            return self.read_answer(response, limit, deadline, &host).await;
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = http::read(response, ERROR_BYTES, deadline).await.unwrap_or_default();
        Err(explain(&Refusal { code: status.as_u16(), headers, body }))
    }

    async fn read_answer(
        &self,
        response: Response,
        limit: usize,
        deadline: Instant,
        host: &str,
    ) -> Result<Answer, PortalError> {
        let headers = response.headers().clone();
        let (body, permit) = http::read_large(response, limit, deadline).await.map_err(|error| match error {
            BodyError::TooLarge => invalid_response(format!("the response of {host} is larger than {limit} bytes")),
            BodyError::Encoded(encoding) => invalid_response(format!(
                "{host} sent a compressed response (Content-Encoding: {encoding}), although the operator did not request compression: disable it at the proxy in front of {}",
                self.names.product
            )),
            BodyError::TimedOut => timed_out(format!("{host} did not complete its response in time")),
            // Regardless of the error, the response had begun.
            BodyError::Interrupted(error) => {
                PortalError { delivery: Delivery::Unknown, ..from_transport(error, host, self.names.connection_fields()) }
            }
        })?;
        if http::is_html(&body, http::is_declared_html(&headers)) {
            return Err(invalid_response(format!(
                "{host} responded with an HTML page, such as a login or proxy page: check {}, and what is between the operator and {}",
                self.names.url, self.names.product
            )));
        }
        Ok(Answer { headers, body, _permit: permit })
    }
}

/// The headers for HTTP Basic.
pub fn basic(username: &str, password: &SecretString) -> Result<HeaderMap, PortalError> {
    let header = http::basic(username, password.expose_secret()).ok_or_else(|| {
        invalid_spec("the username in the issuer's Secret contains a colon, or username or password contain characters that HTTP does not allow")
    })?;
    Ok(HeaderMap::from_iter([(AUTHORIZATION, header)]))
}

/// The headers for an access token.
pub fn access_token(name: HeaderName, token: &SecretString) -> Result<HeaderMap, PortalError> {
    let mut header = HeaderValue::from_str(token.expose_secret()).map_err(|_| {
        invalid_spec("the access token in the issuer's Secret contains characters that HTTP does not allow")
    })?;
    header.set_sensitive(true);
    Ok(HeaderMap::from_iter([(name, header)]))
}

/// The root of the server.
fn base_address(names: &Names, url: &str) -> Result<Url, PortalError> {
    let invalid = || {
        let message = format!("{} is not the root URL of {}, such as {}", names.url, names.product, names.example);
        PortalError::new(Delivery::NotSent, Reason::Unreachable, message)
    };
    let url = Url::parse(url).map_err(|_| invalid())?;
    let is_root = matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
    if is_root { Ok(url) } else { Err(invalid()) }
}

fn timed_out(message: String) -> PortalError {
    PortalError::new(Delivery::Unknown, Reason::TimedOut, message)
}

/// Host and port for messages; the default port is omitted.
fn host(url: &Url, names: &Names) -> String {
    let name = url.host_str().unwrap_or(names.product);
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}
