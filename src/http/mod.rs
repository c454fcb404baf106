//! HTTP as every client of ours speaks it: TLS by one provider, bounded in time and size, through the
//! proxy that the environment names, and without any repetition.

mod body;
mod credentials;
mod retry_after;
mod tls;
mod transport;

use reqwest::{ClientBuilder, redirect, retry};
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

/// What all clients have in common. The proxy is the environment's (`HTTPS_PROXY`, `HTTP_PROXY`,
/// `NO_PROXY`), read when the client is built.
pub(crate) fn client(tls: ClientConfig, connect_timeout: Duration, plain_http: bool) -> ClientBuilder {
    ClientBuilder::new()
        .tls_backend_preconfigured(tls)
        .https_only(!plain_http)
        .user_agent(concat!("registry-token-operator/", env!("CARGO_PKG_VERSION")))
        // A redirect would carry credentials to where nobody sent them.
        .redirect(redirect::Policy::none())
        .referer(false)
        // By default some requests that HTTP/2 rejected are sent again. One POST is one POST. What is
        // left is below: a request whose pooled connection closed before a byte of it was written goes to a new one.
        .retry(retry::never())
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(IDLE)
        .tcp_keepalive(KEEP_ALIVE)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .http2_keep_alive_timeout(KEEP_ALIVE)
}
