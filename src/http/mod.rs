//! The HTTP client of all components: one TLS provider, limits on time and size, the proxy of the environment, and no
//! retries.

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

/// Servers close idle connections, often after two minutes. A request that is sent at that moment has no clear
/// result, so idle connections are closed long before.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// More idle connections than these are closed at once: each has buffers of about 40 KiB. An issuer that sends more
/// requests at a time closes some and opens them again.
const MAX_IDLE_CONNECTIONS: usize = 32;
/// Detects a dead connection while it is still in use.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// A client that reuses connections, and opens no more of them than there are concurrent requests.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    direct: reqwest::Client,
    /// For requests through a proxy, if there is one. It resolves and connects to the proxy only, which the admin
    /// chose.
    through_proxy: Option<reqwest::Client>,
    proxies: Arc<Proxies>,
    egress: EgressPolicy,
    connect_timeout: Duration,
}

pub(crate) struct ClientOptions {
    /// Which servers to trust.
    pub(crate) tls: ClientConfig,
    /// The time limit for opening a connection, including the name lookup.
    pub(crate) connect_timeout: Duration,
    /// Whether plain HTTP is allowed.
    pub(crate) plain_http: bool,
    /// How many redirects are followed, each to the same origin. Others are returned like any response.
    pub(crate) max_redirects: usize,
    /// Which addresses are allowed.
    pub(crate) egress: EgressPolicy,
}

impl Client {
    /// Creates a client. The proxy is read from the environment now.
    pub(crate) fn new(options: ClientOptions) -> Result<Self, Error> {
        let proxies = Arc::new(Proxies::from_environment().map_err(Error::Setup)?);
        let direct = builder(&options).no_proxy();
        let direct = match options.egress.resolver() {
            Some(resolver) => direct.dns_resolver(resolver),
            None => direct,
        };
        let through_proxy = if proxies.is_configured() {
            let proxy_rules = Arc::clone(&proxies);
            let proxy = Proxy::custom(move |url: &Url| proxy_rules.for_url(url).ok().flatten().cloned());
            Some(builder(&options).proxy(proxy).build()?)
        } else {
            None
        };
        let ClientOptions { egress, connect_timeout, .. } = options;
        Ok(Self { direct: direct.build()?, through_proxy, proxies, egress, connect_timeout })
    }

    /// Sends a request once, and waits for the headers of its response.
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
    let max = options.max_redirects;
    // To the same origin only: then neither the address nor the proxy differs from the checked one.
    let redirects = Policy::custom(move |attempt| {
        let from = attempt.previous().last().map(Url::origin);
        let is_same_origin = from == Some(attempt.url().origin()) && attempt.previous().len() <= max;
        if is_same_origin { attempt.follow() } else { attempt.stop() }
    });
    reqwest::Client::builder()
        .tls_backend_preconfigured(options.tls.clone())
        .https_only(!options.plain_http)
        .user_agent(concat!("registry-token-operator/", env!("CARGO_PKG_VERSION")))
        .redirect(redirects)
        .referer(false)
        .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]))
        // By default some requests that HTTP/2 rejected are sent again. A POST must be sent only once. One case
        // remains below this layer: a request whose pooled connection closed before any byte was written is sent on a
        // new one.
        .retry(retry::never())
        .connector_layer(DelayedConnectLayer)
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
        .tcp_keepalive(KEEP_ALIVE_INTERVAL)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .http2_keep_alive_timeout(KEEP_ALIVE_INTERVAL)
}
