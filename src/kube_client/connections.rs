//! The connections to the API server: one for all requests, with HTTP/2, and one for each watch.
//!
//! kube's own client knows HTTP/1.1 only, which needs a connection for each concurrent request. With HTTP/2, 8 to
//! 30 % more new objects got their tokens in a second (docs/performance.md).
//!
//! A watch takes a stream for as long as it lasts, and the API server allows a hundred streams on a connection. If watches
//! shared it, those of many namespaces would leave no stream for requests.

use super::ClientError;
use super::observe::ObserveLayer;
use axum::http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connection, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::{Client, Config};
use std::task::{Context, Poll};
use std::time::Duration;
use tower::util::MapResponseLayer;
use tower::{BoxError, Service, ServiceBuilder};

/// If the API server sends nothing for this long, it is asked for a sign of life.
const PING_INTERVAL: Duration = Duration::from_secs(4);
/// A connection without a sign of life after this is closed, and the next request opens another. With the interval, this is
/// shorter than the 10 seconds in which the lease must be renewed.
const PING_TIMEOUT: Duration = Duration::from_secs(3);
/// After a burst, connections of HTTP/1.1 that nothing uses are closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens TCP connections.
pub(super) fn tcp(config: &Config) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(config.connect_timeout);
    // A frame must not wait until the one before it is acknowledged.
    tcp.set_nodelay(true);
    tcp
}

/// A client that opens its connections with this connector.
///
/// # Errors
/// If the configuration cannot be used.
pub(super) fn client<C, L>(
    connector: C,
    config: &Config,
    response_layer: MapResponseLayer<L>,
    observe: ObserveLayer,
) -> Result<Client, ClientError>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Connection + Read + Write + Send + Unpin + 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
    L: FnOnce(Response<Incoming>) -> Response<axum::body::Body> + Clone + Send + 'static,
{
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .layer(observe)
        .layer(response_layer)
        .service(Connections::new(connector, config)?);
    Ok(ClientBuilder::new(service, config.default_namespace.clone()).build())
}

/// Chooses the connection of a request.
#[derive(Clone)]
struct Connections<C> {
    requests: legacy::Client<HttpsConnector<C>, Body>,
    watches: legacy::Client<HttpsConnector<C>, Body>,
}

impl<C> Connections<C>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Connection + Read + Write + Send + Unpin + 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
    fn new(connector: C, config: &Config) -> Result<Self, ClientError> {
        let builder = || {
            let mut builder = legacy::Client::builder(TokioExecutor::new());
            builder.timer(TokioTimer::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_TIMEOUT);
            builder
        };
        let mut requests = builder();
        requests
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .http2_keep_alive_while_idle(true);
        Ok(Self {
            requests: requests.build(with_http2(connector.clone(), config)?),
            watches: builder().build(config.rustls_https_connector_with_connector(connector)?),
        })
    }
}

/// Like kube's connector, but it offers HTTP/2 to the API server.
fn with_http2<C>(connector: C, config: &Config) -> Result<HttpsConnector<C>, ClientError> {
    let builder = HttpsConnectorBuilder::new().with_tls_config(config.rustls_client_config()?).https_or_http();
    let builder = match config.tls_server_name.clone() {
        Some(name) => builder.with_server_name_resolver(FixedServerNameResolver::new(name.try_into()?)),
        None => builder,
    };
    Ok(builder.enable_all_versions().wrap_connector(connector))
}

impl<C> Service<Request<Body>> for Connections<C>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Connection + Read + Write + Send + Unpin + 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
    type Response = Response<Incoming>;
    type Error = legacy::Error;
    type Future = legacy::ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), legacy::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> legacy::ResponseFuture {
        let connection = if is_watch(request.uri()) { &self.watches } else { &self.requests };
        connection.request(request)
    }
}

fn is_watch(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "watch=true"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::api::{ListParams, WatchParams};
    use kube::core::Request;

    #[test]
    fn a_watch_is_recognized_and_a_list_is_none() {
        let request = Request::new("/api/v1/secrets");
        let uri = |request: Result<axum::http::Request<Vec<u8>>, _>| request.expect("valid").into_parts().0.uri;
        let labels = "registry-token.dev/owner";
        let watch = WatchParams::default().labels(labels);
        for watch in [request.watch(&watch, "7"), request.watch_metadata(&watch, "7")] {
            assert!(is_watch(&uri(watch.map_err(drop))));
        }
        let list = ListParams::default().labels("watch=true");
        assert!(!is_watch(&uri(request.list(&list).map_err(drop))));
    }
}
