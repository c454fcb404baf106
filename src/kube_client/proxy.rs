//! The proxy to the API server that a kubeconfig names (`proxy-url`). The environment's proxy is only used for portals
//! and registries.

use super::observe::ObserveLayer;
use super::{ClientError, connections};
use axum::http::{HeaderValue, Response, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use kube::client::ConfigExt as _;
use kube::config::Kubeconfig;
use kube::{Client, Config};
use tower::util::MapResponseLayer;
use url::Url;

/// Configures the proxy of the kubeconfig's context, and no other.
///
/// # Errors
/// If the kubeconfig's `proxy-url` is not an address.
pub(crate) fn configure_proxy(config: &mut Config, context: Option<&str>) -> Result<(), ClientError> {
    let kubeconfig = Kubeconfig::read().ok();
    let named = kubeconfig.and_then(|kubeconfig| context_proxy_url(kubeconfig, context));
    config.proxy_url = named.map(|text| text.parse().map_err(|_| invalid_proxy_url())).transpose()?;
    Ok(())
}

fn context_proxy_url(kubeconfig: Kubeconfig, context: Option<&str>) -> Option<String> {
    let name = context.map(str::to_owned).or(kubeconfig.current_context)?;
    let context = kubeconfig.contexts.into_iter().find(|one| one.name == name)?.context?;
    let cluster = kubeconfig.clusters.into_iter().find(|one| one.name == context.cluster)?.cluster?;
    cluster.proxy_url.filter(|text| !text.is_empty())
}

fn invalid_proxy_url() -> ClientError {
    "proxy-url in the kubeconfig must be an http, https or socks5 address, such as http://proxy.example.com:3128".into()
}

/// A client that reaches the API server through the configured proxy, or directly if there is none.
///
/// # Errors
/// If the proxy or the configuration cannot be used.
pub(crate) fn client<L>(
    config: &Config,
    response_layer: MapResponseLayer<L>,
    observe: ObserveLayer,
) -> Result<Client, ClientError>
where
    L: FnOnce(Response<Incoming>) -> Response<axum::body::Body> + Clone + Send + 'static,
{
    let direct = connections::tcp(config);
    let Some(proxy) = &config.proxy_url else {
        return connections::client(direct, config, response_layer, observe);
    };
    let login = proxy_credentials(proxy)?;
    match proxy.scheme_str() {
        Some("http") => connections::client(http_tunnel(proxy, direct, login)?, config, response_layer, observe),
        // The proxy's certificate is verified with the CA of the cluster, as Kubernetes client libraries do.
        Some("https") => connections::client(
            http_tunnel(proxy, config.rustls_https_connector_with_connector(direct)?, login)?,
            config,
            response_layer,
            observe,
        ),
        Some("socks5") => {
            let socks = SocksV5::new(proxy.clone(), direct);
            let socks = match login {
                Some((user, password)) => socks.with_auth(user, password),
                None => socks,
            };
            connections::client(socks, config, response_layer, observe)
        }
        _ => Err(invalid_proxy_url()),
    }
}

/// User and password in a proxy address, decoded.
fn proxy_credentials(proxy: &Uri) -> Result<Option<(String, String)>, ClientError> {
    let url = Url::parse(&proxy.to_string()).map_err(|_| invalid_proxy_url())?;
    if url.username().is_empty() {
        return Ok(None);
    }
    let decode = |text: &str| {
        let pairs = format!("x={}", text.replace('+', "%2B"));
        url::form_urlencoded::parse(pairs.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    Ok(Some((decode(url.username()), decode(url.password().unwrap_or_default()))))
}

fn http_tunnel<C>(proxy: &Uri, connector: C, login: Option<(String, String)>) -> Result<Tunnel<C>, ClientError> {
    let tunnel = Tunnel::new(proxy.clone(), connector);
    let Some((user, password)) = login else { return Ok(tunnel) };
    let text = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    Ok(tunnel.with_auth(HeaderValue::from_str(&text).map_err(|_| invalid_proxy_url())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_of_the_context_is_taken() {
        let text = "
apiVersion: v1
kind: Config
current-context: a
contexts:
- {name: a, context: {cluster: near, user: me}}
- {name: b, context: {cluster: far, user: me}}
- {name: c, context: {cluster: nowhere, user: me}}
clusters:
- {name: near, cluster: {server: 'https://near.example'}}
- {name: far, cluster: {server: 'https://far.example', proxy-url: 'http://proxy.example:3128'}}
users: [{name: me, user: {}}]
";
        let of = |context| context_proxy_url(Kubeconfig::from_yaml(text).expect("a kubeconfig"), context);
        assert_eq!((of(None), of(Some("a")), of(Some("c")), of(Some("d"))), (None, None, None, None));
        assert_eq!(of(Some("b")).as_deref(), Some("http://proxy.example:3128"));
    }

    #[test]
    fn a_login_is_decoded() {
        let of = |text: &str| proxy_credentials(&text.parse().expect(text)).expect("an address");
        assert_eq!(of("http://proxy.example:3128"), None);
        let expected = ("u".to_owned(), "p@+ :".to_owned());
        assert_eq!(of("http://u:p%40+%20%3A@proxy.example:3128"), Some(expected));
    }
}
