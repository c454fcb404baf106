//! The HTTP client of Gitea's API: applies every limit, and never retries.

use super::errors::{self, ErrorContext, Operation};
use crate::api::{Gitea, Limits, Reason};
use crate::http::{self, BodyError, Client, ClientOptions, EgressPolicy, MemoryPermit};
use crate::portal::gitea::{Delivery, PortalError};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Body, Method, Request, Response};
use secrecy::{ExposeSecret as _, SecretString};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use url::Url;
use zeroize::Zeroizing;

/// How much of an error response is read: a message of a few words.
const ERROR_BYTES: usize = 16 << 10;

/// A successful response with its body.
pub(super) struct Answer {
    pub headers: HeaderMap,
    /// Zeroized when dropped, because it may contain a secret.
    pub body: Zeroizing<Vec<u8>>,
    /// The share of the memory for bodies.
    _permit: MemoryPermit,
}

/// A client of the API, with limits.
pub(super) struct ApiClient {
    client: Client,
    /// The address of the user's tokens.
    tokens: Url,
    authorization: HeaderValue,
    user: String,
    credentials_source: String,
    first_byte_timeout: Duration,
    request_timeout: Duration,
}

impl ApiClient {
    pub(super) fn new(
        spec: &Gitea,
        limits: &Limits,
        (username, password): (&str, &SecretString),
        ca_pem: Option<&str>,
        egress: EgressPolicy,
    ) -> Result<Self, PortalError> {
        let tokens = tokens_address(spec)?;
        let authorization = http::basic(username, password.expose_secret()).ok_or_else(|| {
            let message = "the username in the issuer's Secret contains a colon, or username or password contain characters that HTTP does not allow";
            PortalError::new(Delivery::NotSent, Reason::CredentialsInvalid, message)
        })?;
        let first_byte_timeout = limits.first_byte_timeout.0;
        // Shorter than the first-byte timeout, so that a connection that was never established is recognized as such.
        let connect_timeout = limits.connect_timeout.0.min(first_byte_timeout.mul_f32(0.9));
        let tls = http::tls_config(ca_pem).map_err(|error| {
            PortalError::new(Delivery::NotSent, Reason::CABundleInvalid, error.message("spec.gitea.tls"))
        })?;
        let plain_http = spec.allow_insecure_http;
        // A redirect would send the credentials to an address that the spec does not name.
        let client = Client::new(ClientOptions { tls, connect_timeout, plain_http, max_redirects: 0, egress })
            .map_err(|error| errors::from_transport(error, "Gitea"))?;
        let secret = spec.auth.basic.as_ref().map(|basic| basic.secret_ref.name.to_string());
        let credentials_source = secret.map_or_else(
            || "the Secret referenced by spec.gitea.auth".to_owned(),
            |name| format!("the Secret {name} (spec.gitea.auth)"),
        );
        let (user, request_timeout) = (spec.user.clone(), limits.request_timeout.0);
        Ok(Self { client, tokens, authorization, user, credentials_source, first_byte_timeout, request_timeout })
    }

    /// The address of the user's tokens.
    pub(super) fn tokens(&self) -> Url {
        self.tokens.clone()
    }

    /// Sends a call once, and reads its response up to a limit. Any status but 2xx is an error.
    pub(super) async fn send(
        &self,
        operation: Operation,
        (method, url, json): (Method, Url, Option<Vec<u8>>),
        limit: usize,
    ) -> Result<Answer, PortalError> {
        let deadline = Instant::now() + self.request_timeout;
        let mut request = Request::new(method, url);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(json) = json {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(Body::from(json));
        }
        let host = host(request.url());
        let end = deadline.min(Instant::now() + self.first_byte_timeout);
        let response = match timeout_at(end, self.client.execute(request)).await {
            Ok(response) => response.map_err(|error| errors::from_transport(error, &host))?,
            Err(_) => return Err(timed_out(format!("{host} did not respond in time"))),
        };
        if response.status().is_success() {
            return read_answer(response, limit, deadline, &host).await;
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = http::read(response, ERROR_BYTES, deadline).await.unwrap_or_default();
        let context = ErrorContext { user: &self.user, credentials_source: &self.credentials_source };
        Err(errors::from_status(status, &headers, errors::message(&body).as_deref(), operation, context))
    }
}

/// `<url>/api/v1/users/<user>/tokens`.
fn tokens_address(spec: &Gitea) -> Result<Url, PortalError> {
    let invalid = || {
        let message = "spec.gitea.url is not the root URL of Gitea, such as https://git.example.com";
        PortalError::new(Delivery::NotSent, Reason::Unreachable, message)
    };
    let mut url = Url::parse(&spec.url).map_err(|_| invalid())?;
    if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
        return Err(invalid());
    }
    let segments = ["api", "v1", "users", &spec.user, "tokens"];
    url.path_segments_mut().map_err(|()| invalid())?.pop_if_empty().extend(segments);
    Ok(url)
}

async fn read_answer(response: Response, limit: usize, deadline: Instant, host: &str) -> Result<Answer, PortalError> {
    let headers = response.headers().clone();
    let (body, permit) = http::read_large(response, limit, deadline).await.map_err(|error| match error {
        BodyError::TooLarge => invalid_response(format!("the response of {host} is larger than {limit} bytes")),
        BodyError::Encoded(encoding) => invalid_response(format!(
            "{host} sent a compressed response (Content-Encoding: {encoding}), although the operator did not request compression: disable it at the proxy in front of Gitea"
        )),
        BodyError::TimedOut => timed_out(format!("{host} did not complete its response in time")),
        // Regardless of the error, the response had begun.
        BodyError::Interrupted(error) => {
            PortalError { delivery: Delivery::Unknown, ..errors::from_transport(error, host) }
        }
    })?;
    if http::is_html(&body, http::is_declared_html(&headers)) {
        return Err(invalid_response(format!(
            "{host} responded with an HTML page, such as a login or proxy page: check spec.gitea.url, and what is between the operator and Gitea"
        )));
    }
    Ok(Answer { headers, body, _permit: permit })
}

/// A response that shows that the call arrived, and nothing else.
pub(super) fn invalid_response(message: String) -> PortalError {
    PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message)
}

fn timed_out(message: String) -> PortalError {
    PortalError::new(Delivery::Unknown, Reason::TimedOut, message)
}

/// Host and port for messages; the default port is omitted.
fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or("Gitea");
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}
