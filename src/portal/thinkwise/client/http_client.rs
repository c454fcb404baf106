//! An HTTP client that applies every limit and never retries.

use super::errors;
use crate::api::{Limits, Reason};
use crate::http::{self, BodyError, Client, ClientOptions, EgressPolicy};
use crate::portal::thinkwise::{Delivery, PortalError};
use reqwest::{Request, Response};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use url::Url;
use zeroize::Zeroizing;

pub(crate) use crate::http::{MemoryPermit, drain};

/// An HTTP client with limits.
pub(crate) struct HttpClient {
    client: Client,
    first_byte_timeout: Duration,
    request_timeout: Duration,
}

impl HttpClient {
    pub(crate) fn new(
        limits: &Limits,
        ca_pem: Option<&str>,
        plain_http: bool,
        egress: EgressPolicy,
    ) -> Result<Self, PortalError> {
        let first_byte_timeout = limits.first_byte_timeout.0;
        // Shorter than the first-byte timeout, so that a connection that was never established is recognized as such
        // and not as a missing response.
        let connect_timeout = limits.connect_timeout.0.min(first_byte_timeout.mul_f32(0.9));
        let tls = http::tls_config(ca_pem).map_err(|error| {
            PortalError::new(Delivery::NotSent, Reason::CABundleInvalid, error.message("spec.thinkwise.tls"))
        })?;
        // A redirect would send the credentials to an address that the spec does not name.
        let client = Client::new(ClientOptions { tls, connect_timeout, plain_http, max_redirects: 0, egress })
            .map_err(|error| errors::from_transport(error, "the portal"))?;
        Ok(Self { client, first_byte_timeout, request_timeout: limits.request_timeout.0 })
    }

    /// The total time limit of a call.
    pub(crate) const fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// The deadline of a call that begins now: login, request and response together.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.request_timeout
    }

    /// Sends a request once and waits for the response's headers.
    pub(crate) async fn send(&self, request: Request, deadline: Instant) -> Result<Response, PortalError> {
        let host = host(request.url());
        let now = Instant::now();
        if deadline <= now {
            return Err(PortalError::new(
                Delivery::NotSent,
                Reason::TimedOut,
                format!("no time was left to send a request to {host}"),
            ));
        }
        let end = deadline.min(now + self.first_byte_timeout);
        match timeout_at(end, self.client.execute(request)).await {
            Ok(response) => response.map_err(|error| errors::from_transport(error, &host)),
            Err(_) => Err(timed_out(&format!("{host} did not respond within {:?}", end - now))),
        }
    }
}

/// Host and port for messages; the default port is omitted.
fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or("the portal");
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

fn timed_out(message: &str) -> PortalError {
    PortalError::new(Delivery::Unknown, Reason::TimedOut, message)
}

fn too_large(limit: usize) -> PortalError {
    PortalError::new(
        Delivery::Unknown,
        Reason::InvalidResponse,
        format!("the portal's response is larger than {limit} bytes"),
    )
}

fn encoded_response(host: &str, encoding: &str) -> PortalError {
    let message = format!(
        "{host} sent a compressed response (Content-Encoding: {encoding}), although the operator did not request compression: \
         disable it at the portal or at the proxy in front of it"
    );
    PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message)
}

/// Adds a hint if the failed response was an HTML page: it may not come from the portal.
pub(crate) fn with_page_hint(failure: PortalError, is_page: bool) -> PortalError {
    if !is_page {
        return failure;
    }
    let message = format!(
        "{}. The response is an HTML page, such as a login or proxy page: check what is between the operator and the portal",
        failure.message
    );
    PortalError { message, ..failure }
}

fn html_page(host: &str) -> PortalError {
    let message = format!(
        "{host} responded with an HTML page, such as a login or proxy page: check spec.thinkwise.url and spec.thinkwise.application, \
         and what is between the operator and the portal"
    );
    PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message)
}

/// Reads a body up to a limit. It is zeroized when dropped, because it may contain a secret.
pub(crate) async fn read_body(
    response: Response,
    limit: usize,
    deadline: Instant,
) -> Result<Zeroizing<Vec<u8>>, PortalError> {
    let (host, is_declared) = (host_of(&response), http::is_declared_html(response.headers()));
    let body = http::read(response, limit, deadline).await.map_err(|error| body_error(error, limit, &host))?;
    // Every body that is read from a portal is JSON or OData's XML.
    if http::is_html(&body, is_declared) { Err(html_page(&host)) } else { Ok(body) }
}

/// Reads the body of an error response; also returns whether it is an HTML page.
pub(crate) async fn read_error_body(response: Response, limit: usize, deadline: Instant) -> (Zeroizing<Vec<u8>>, bool) {
    let is_declared = http::is_declared_html(response.headers());
    let body = http::read(response, limit, deadline).await.unwrap_or_default();
    let is_page = http::is_html(&body, is_declared);
    (body, is_page)
}

/// Reads a body that may be large: keep the memory permit as long as the body.
pub(crate) async fn read_large_body(
    response: Response,
    limit: usize,
    deadline: Instant,
) -> Result<(Zeroizing<Vec<u8>>, MemoryPermit), PortalError> {
    let (host, is_declared) = (host_of(&response), http::is_declared_html(response.headers()));
    let body = http::read_large(response, limit, deadline).await.map_err(|error| body_error(error, limit, &host))?;
    if http::is_html(&body.0, is_declared) { Err(html_page(&host)) } else { Ok(body) }
}

fn host_of(response: &Response) -> String {
    host(response.url())
}

fn body_error(error: BodyError, limit: usize, host: &str) -> PortalError {
    match error {
        BodyError::TooLarge => too_large(limit),
        BodyError::Encoded(encoding) => encoded_response(host, &encoding),
        BodyError::TimedOut => timed_out(&format!("{host} did not complete its response in time")),
        // Regardless of the error, the response had begun.
        BodyError::Interrupted(error) => {
            PortalError { delivery: Delivery::Unknown, ..errors::from_transport(error, host) }
        }
    }
}
