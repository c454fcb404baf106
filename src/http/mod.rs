//! HTTP as every client of ours speaks it: TLS by one provider, bounded in time and size, through the
//! proxy that the environment names, and without any repetition.

mod authorization;
mod body;
mod body_memory;
mod connect_delay;
mod egress;
mod proxies;
mod retry_after;
mod tls;
mod transport;

use self::connect_delay::{DelayedConnectLayer, allow_connect};
use self::proxies::Proxies;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Proxy, Request, Response, retry};
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

pub(crate) use self::authorization::{authorization, basic};
pub(crate) use self::body::{BYTE_ORDER_MARK, BodyError, drain, is_declared_html, is_html, read, read_large};
pub(crate) use self::body_memory::MemoryPermit;
pub use self::egress::{EgressPolicy, EgressRules, HostPattern, parse_range};
pub(crate) use self::retry_after::retry_after;
pub(crate) use self::tls::config as tls_config;
pub(crate) use self::transport::{Error, TransportError, classify};

/// Servers close idle connections, often after two minutes. A request that meets the closing has no
/// clear answer, so we let go long before.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// A connection that silently died is noticed while it is still in use.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// A client that keeps connections for later requests, and opens no more of them than requests go at a time.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    direct: reqwest::Client,
    /// For what goes through a proxy, where there is one. It resolves and connects to the proxy alone, which
    /// the admin chose.
    through_proxy: Option<reqwest::Client>,
    proxies: Arc<Proxies>,
    egress: EgressPolicy,
    connect_timeout: Duration,
}

/// What a client is made of.
pub(crate) struct ClientOptions {
    /// Which servers to trust.
    pub(crate) tls: ClientConfig,
    /// How long a connection may take to come about, the look-up of its name included.
    pub(crate) connect_timeout: Duration,
    /// Whether http is spoken too.
    pub(crate) plain_http: bool,
    /// How many redirects are followed, each to the same origin. Others are an answer like any other.
    pub(crate) max_redirects: usize,
    /// Which addresses may be connected to.
    pub(crate) egress: EgressPolicy,
}

impl Client {
    /// What all clients have in common. The proxy is the environment's, read now.
    pub(crate) fn new(options: ClientOptions) -> Result<Self, Error> {
        let proxies = Arc::new(Proxies::from_environment().map_err(Error::Setup)?);
        let direct = builder(&options).no_proxy();
        let direct = match options.egress.resolver() {
            Some(resolver) => direct.dns_resolver(resolver),
            None => direct,
        };
        let through_proxy = if proxies.is_configured() {
            let chosen = Arc::clone(&proxies);
            let proxy = Proxy::custom(move |url: &Url| chosen.for_url(url).ok().flatten().cloned());
            Some(builder(&options).proxy(proxy).build()?)
        } else {
            None
        };
        let ClientOptions { egress, connect_timeout, .. } = options;
        Ok(Self { direct: direct.build()?, through_proxy, proxies, egress, connect_timeout })
    }

    /// Sends a request once, and waits for the head of its answer.
    pub(crate) async fn execute(&self, request: Request) -> Result<Response, Error> {
        let url = request.url();
        self.egress.check_literal(url)?;
        let client = match (&self.through_proxy, self.proxies.for_url(url).map_err(Error::Setup)?) {
            (Some(client), Some(_)) => {
                self.egress.check_proxied(url, self.connect_timeout).await?;
                client
            }
            _ => &self.direct,
        };
        Ok(allow_connect(client.execute(request)).await?)
    }
}

fn builder(options: &ClientOptions) -> ClientBuilder {
    let most = options.max_redirects;
    // To the same origin: neither the address nor the proxy is another one than was judged.
    let redirects = Policy::custom(move |attempt| {
        let from = attempt.previous().last().map(Url::origin);
        let stays = from == Some(attempt.url().origin()) && attempt.previous().len() <= most;
        if stays { attempt.follow() } else { attempt.stop() }
    });
    reqwest::Client::builder()
        .tls_backend_preconfigured(options.tls.clone())
        .https_only(!options.plain_http)
        .user_agent(concat!("registry-token-operator/", env!("CARGO_PKG_VERSION")))
        .redirect(redirects)
        .referer(false)
        .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]))
        // By default some requests that HTTP/2 rejected are sent again. One POST is one POST. What is
        // left is below: a request whose pooled connection closed before a byte of it was written goes to a new one.
        .retry(retry::never())
        .connector_layer(DelayedConnectLayer)
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .tcp_keepalive(KEEP_ALIVE_INTERVAL)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .http2_keep_alive_timeout(KEEP_ALIVE_INTERVAL)
}
