//! HTTP as every client of ours speaks it: TLS by one provider, bounded in time and size, through the
//! proxy that the environment names, and without any repetition.

mod body;
mod credentials;
mod patience;
mod retry_after;
mod tls;
mod transport;

use self::patience::{Patience, wanting};
use reqwest::redirect::Policy;
use reqwest::{Request, Response, retry};
use rustls::ClientConfig;
use std::time::Duration;

pub(crate) use self::body::{BodyError, drain, read};
pub(crate) use self::credentials::{authorization, basic};
pub(crate) use self::retry_after::retry_after;
pub(crate) use self::tls::config as tls_config;
pub(crate) use self::transport::{Trouble, trouble};

/// Servers close idle connections, often after two minutes. A request that meets the closing has no
/// clear answer, so we let go long before.
const IDLE: Duration = Duration::from_secs(30);
/// A connection that silently died is noticed while it is still in use.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// A client that keeps connections for later requests, and opens no more of them than requests go at a time.
#[derive(Clone, Debug)]
pub(crate) struct Client(reqwest::Client);

impl Client {
    /// What all clients have in common. The proxy is the environment's (`HTTPS_PROXY`, `HTTP_PROXY`,
    /// `NO_PROXY`), read now.
    pub(crate) fn new(
        tls: ClientConfig,
        connect_timeout: Duration,
        plain_http: bool,
        redirects: Policy,
    ) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(!plain_http)
            .user_agent(concat!("registry-token-operator/", env!("CARGO_PKG_VERSION")))
            .redirect(redirects)
            .referer(false)
            // By default some requests that HTTP/2 rejected are sent again. One POST is one POST. What is
            // left is below: a request whose pooled connection closed before a byte of it was written goes to a new one.
            .retry(retry::never())
            .connector_layer(Patience)
            .connect_timeout(connect_timeout)
            .pool_idle_timeout(IDLE)
            .tcp_keepalive(KEEP_ALIVE)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(KEEP_ALIVE);
        client.build().map(Self)
    }

    /// Sends a request once, and waits for the head of its answer.
    pub(crate) async fn execute(&self, request: Request) -> Result<Response, reqwest::Error> {
        wanting(self.0.execute(request)).await
    }
}
