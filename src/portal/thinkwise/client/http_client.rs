//! HTTP with every limit applied, and without any repetition.

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

/// An HTTP client that keeps its limits.
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
        let first_byte = limits.first_byte_timeout.0;
        // A part of it, so that a connection that never came about is known as such and not as a missing answer.
        let connect_timeout = limits.connect_timeout.0.min(first_byte.mul_f32(0.9));
        let tls = http::tls_config(ca_pem).map_err(|error| {
            PortalError::new(Delivery::NotSent, Reason::CABundleInvalid, error.message("spec.thinkwise.tls"))
        })?;
        // A redirect would carry credentials to where nobody sent them.
        let client = Client::new(ClientOptions { tls, connect_timeout, plain_http, max_redirects: 0, egress })
            .map_err(|error| errors::from_transport(error, "the portal"))?;
        Ok(Self { client, first_byte_timeout: first_byte, request_timeout: limits.request_timeout.0 })
    }

    /// How long a call may take in all.
    pub(crate) const fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// The end of a call that begins now: login, request and answer together.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.request_timeout
    }

    /// Sends a request once and waits for the answer's head.
    pub(crate) async fn send(&self, request: Request, deadline: Instant) -> Result<Response, PortalError> {
        let host = host(request.url());
        let now = Instant::now();
        if deadline <= now {
            return Err(PortalError::new(
                Delivery::NotSent,
                Reason::TimedOut,
                format!("no time was left to ask {host}"),
            ));
        }
        let end = deadline.min(now + self.first_byte_timeout);
        match timeout_at(end, self.client.execute(request)).await {
            Ok(answer) => answer.map_err(|error| errors::from_transport(error, &host)),
            Err(_) => Err(timed_out(&format!("{host} did not answer within {:?}", end - now))),
        }
    }
}

/// Host and port, for people; a port that is usual is left out.
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
        format!("the portal's answer is larger than {limit} bytes"),
    )
}

fn encoded_response(host: &str, how: &str) -> PortalError {
    let message = format!(
        "{host} sent a compressed answer (Content-Encoding: {how}), although the operator asks for none: \
         turn off compression for it, at the portal or at the proxy before it"
    );
    PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message)
}

/// The failure, whose answer may have been a page: then it may not be the portal's.
pub(crate) fn with_page_hint(failure: PortalError, is_page: bool) -> PortalError {
    if !is_page {
        return failure;
    }
    let message = format!(
        "{}. The answer is an HTML page, as a login page or proxy sends: check what stands between the operator and the portal",
        failure.message
    );
    PortalError { message, ..failure }
}

fn html_page(host: &str) -> PortalError {
    let message = format!(
        "{host} answered with an HTML page, as a login page or proxy sends: check spec.thinkwise.url and spec.thinkwise.application, \
         and what stands between the operator and the portal"
    );
    PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message)
}

/// Reads a body, at most so much of it. It is wiped when dropped, for it may hold a secret.
pub(crate) async fn read_body(
    response: Response,
    limit: usize,
    deadline: Instant,
) -> Result<Zeroizing<Vec<u8>>, PortalError> {
    let (host, is_declared) = (host_of(&response), http::is_declared_html(response.headers()));
    let body = http::read(response, limit, deadline).await.map_err(|error| body_error(error, limit, &host))?;
    // Everything that is read of a portal is JSON or OData's XML.
    if http::is_html(&body, is_declared) { Err(html_page(&host)) } else { Ok(body) }
}

/// Reads the body of an answer that is a failure already, and tells whether it is a page.
pub(crate) async fn read_error_body(response: Response, limit: usize, deadline: Instant) -> (Zeroizing<Vec<u8>>, bool) {
    let is_declared = http::is_declared_html(response.headers());
    let body = http::read(response, limit, deadline).await.unwrap_or_default();
    let is_page = http::is_html(&body, is_declared);
    (body, is_page)
}

/// The same of a body that may be large: keep its share of the common memory as long as the body.
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
        BodyError::Encoded(how) => encoded_response(host, &how),
        BodyError::TimedOut => timed_out(&format!("{host} did not finish its answer in time")),
        // Whatever it looks like: the answer had begun.
        BodyError::Interrupted(error) => {
            PortalError { delivery: Delivery::Unknown, ..errors::from_transport(error, host) }
        }
    }
}
