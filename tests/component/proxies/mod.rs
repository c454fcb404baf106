//! Connections through a proxy from the environment. The environment is read once per process, so each test runs itself
//! again as a child process with its own environment; the proxy, portal and registry stay in this process and count.

mod api_server;

use crate::portal_client::fixtures::{basic, read_response, settings};
use crate::portal_client::minimal_portal::{MinimalPortal, PASSWORD, RequestFault};
use crate::raw_server::{ConnectionAction, ConnectionPhase, RawRequest, RawServer, response, self_signed_tls};
use registry_token_operator::portal::Portal as _;
use registry_token_operator::portal::thinkwise::{ThinkwisePortal, ThinkwiseSettings};
use registry_token_operator::portal::{EgressPolicy, EgressRules};
use registry_token_operator::registry::{LoginChecker as _, RegistryLogin, RegistryLoginChecker};
use secrecy::SecretString;
use std::env;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// Tells a child which portal to use.
const PORTAL: &str = "ASK_PORTAL";
const REGISTRY: &str = "ASK_REGISTRY";
const CA: &str = "ASK_CA";
/// Set if the child may connect to public addresses only.
const RESTRICTED: &str = "ASK_RESTRICTED";
/// Prefix of a child's result line.
const OUTPUT_PREFIX: &str = "said: ";

/// In a child: performs the call, prints the result, and returns true.
async fn run_as_child() -> bool {
    let ca_pem = env::var(CA).ok();
    let egress = match env::var(RESTRICTED) {
        Ok(_) => EgressPolicy::restricted(EgressRules::default()),
        Err(_) => EgressPolicy::default(),
    };
    if let Ok(url) = env::var(PORTAL) {
        let settings = ThinkwiseSettings { ca_pem, egress, ..settings(&url, basic(PASSWORD)) };
        let answer = match ThinkwisePortal::new(settings) {
            Ok(portal) => portal.request("d").await,
            Err(failure) => Err(failure),
        };
        let said = answer.map_or_else(
            |failure| format!("{:?}, {:?}: {failure}", failure.delivery, failure.reason),
            |token| token.username,
        );
        println!("{OUTPUT_PREFIX}{said}");
        return true;
    }
    let Ok(registry) = env::var(REGISTRY) else { return false };
    let secret = SecretString::from("secret");
    let login = RegistryLogin {
        registry: &registry,
        username: "u",
        secret: &secret,
        ca_pem: ca_pem.as_deref(),
        plain_http: ca_pem.is_none(),
        egress: &egress,
    };
    println!("{OUTPUT_PREFIX}{:?}", RegistryLoginChecker::with_timeout(Duration::from_secs(3)).check(login).await);
    true
}

/// Runs this test as a child with this environment, and returns its result.
async fn child(test: &str, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.args([&format!("proxies::{test}"), "--exact", "--nocapture"]).stdin(Stdio::null()).kill_on_drop(true);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    let output = command.envs(environment.iter().copied()).output().await.expect("a child");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = printed.lines().find_map(|line| line.split_once(OUTPUT_PREFIX));
    assert!(said.is_some(), "{output:?}");
    said.map(|(_, said)| said.to_owned()).unwrap_or_default()
}

/// A proxy that connects every client to every server.
async fn proxy() -> (RawServer, String) {
    proxy_with_script(|at, _| {
        if at == ConnectionPhase::RequestReceived { ConnectionAction::Tunnel } else { ConnectionAction::Continue }
    })
    .await
}

async fn proxy_with_script(
    script: impl Fn(ConnectionPhase, &RawRequest) -> ConnectionAction + Send + Sync + 'static,
) -> (RawServer, String) {
    let proxy = RawServer::start(None, script).await;
    let url = format!("http://{}", proxy.address);
    (proxy, url)
}

/// A proxy that connects the first client, and treats the second like this.
async fn proxy_then(action: ConnectionAction) -> (RawServer, String) {
    let asked = AtomicUsize::new(0);
    proxy_with_script(move |at, _| match at {
        ConnectionPhase::RequestReceived if asked.fetch_add(1, Ordering::SeqCst) == 0 => ConnectionAction::Tunnel,
        ConnectionPhase::RequestReceived => action.clone(),
        _ => ConnectionAction::Continue,
    })
    .await
}

/// A proxy that stops after its first connection.
async fn single_use_proxy(to: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (url, to) = (format!("http://{}", listener.local_addr().expect("an address")), to.to_owned());
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.expect("a client");
        drop(listener);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.expect("a head"));
        }
        let mut server = TcpStream::connect(to).await.expect("a server");
        client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.expect("said");
        // Until one side closes.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    });
    url
}

fn request_lines(proxy: &RawServer) -> Vec<String> {
    proxy.requests().into_iter().map(|seen| seen.request_line).collect()
}

#[tokio::test]
async fn portal_requests_use_the_proxy_unless_excluded_by_no_proxy() {
    if run_as_child().await {
        return;
    }
    let ask = async |environment: &[(&str, &str)]| {
        child("portal_requests_use_the_proxy_unless_excluded_by_no_proxy", environment).await
    };
    let (acceptor, pem) = self_signed_tls(&[]);
    let fake = MinimalPortal::start(Some(acceptor)).await;
    let environment = [(PORTAL, fake.url.as_str()), (CA, &pem)];
    let authority = fake.url.split('/').nth(2).expect("an authority");
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let (proxy, url) = proxy().await;
        let made = fake.issued();
        assert!(ask(&[&environment[..], &[(name, &url)]].concat()).await.starts_with("robot$"));
        assert_eq!(request_lines(&proxy), [format!("CONNECT {authority} HTTP/1.1")], "{name}");
        assert_eq!(fake.issued(), made + 1);
    }
    let (proxy, url) = proxy().await;
    let with_port = format!("[::1],{authority}");
    for except in ["127.0.0.1", "example.com, 127.0.0.0/8", "*", &with_port] {
        assert!(
            ask(&[&environment[..], &[("HTTPS_PROXY", &url), ("NO_PROXY", except)]].concat())
                .await
                .starts_with("robot$")
        );
    }
    assert!(ask(&[&environment[..], &[("HTTP_PROXY", &url)]].concat()).await.starts_with("robot$"));
    assert_eq!(proxy.connections(), 0, "the proxy gets no request");
}

#[tokio::test]
async fn a_proxy_that_does_not_connect_means_not_sent() {
    if run_as_child().await {
        return;
    }
    let ask = async |url: &str, proxy: &str, pem: &str| {
        let environment = [(PORTAL, url), (CA, pem), ("HTTPS_PROXY", proxy)];
        child("a_proxy_that_does_not_connect_means_not_sent", &environment).await
    };
    let (acceptor, pem) = self_signed_tls(&[]);
    let fake = MinimalPortal::start(Some(acceptor)).await;
    let address = fake.url.split('/').nth(2).expect("an address");
    // The reads before the task use a connection of their own, so that the task needs another one.
    let read = || {
        let close = vec![("Connection", "close".to_owned())];
        fake.fail("container_token", RequestFault::Answer(200, close, r#"{"value":[]}"#));
    };
    let no = "NotSent, Unreachable: the operator's proxy did not connect to 127.0.0.1";
    for status in [403, 407, 502, 503, 504] {
        read();
        let (proxy, url) = proxy_then(response(status, &[], "")).await;
        let said = ask(&fake.url, &url, &pem).await;
        assert!(said.starts_with(no) && said.contains("HTTPS_PROXY"), "{status}: {said}");
        assert_eq!(proxy.requests().len(), 1 + 1, "requested once for the task");
    }
    read();
    let (proxy, url) = proxy_then(ConnectionAction::SendAndClose(String::new())).await;
    assert!(ask(&fake.url, &url, &pem).await.starts_with(no));
    assert_eq!(proxy.requests().len(), 1 + 1, "requested once for the task");
    read();
    let said = ask(&fake.url, &single_use_proxy(address).await, &pem).await;
    assert!(said.starts_with(no), "the proxy is down: {said}");
    read();
    let (_proxy, url) = proxy_then(ConnectionAction::Hang).await;
    assert!(ask(&fake.url, &url, &pem).await.starts_with("NotSent, TimedOut"));
    read();
    let impostor = RawServer::responding(Some(self_signed_tls(&[]).0), |_| response(200, &[], "")).await;
    let (proxy, url) = proxy_then(ConnectionAction::TunnelTo(impostor.address.clone())).await;
    let said = ask(&fake.url, &url, &pem).await;
    assert!(said.starts_with("NotSent, TlsUntrusted"), "a man in the middle cannot impersonate the portal: {said}");
    assert_eq!((proxy.requests().len(), impostor.connections(), impostor.requests().len()), (1 + 1, 1, 0));
    assert_eq!(fake.request_count("$metadata"), 9, "each of them reached its task");
    // The same before anything was read.
    assert!(ask(&fake.url, "http://127.0.0.1:1", &pem).await.starts_with(no), "the proxy is down");
    assert!(ask(&fake.url, &url, &self_signed_tls(&[]).1).await.starts_with("NotSent, TlsUntrusted"));
    assert_eq!((fake.issued(), fake.request_count("request_token")), (0, 0));
}

#[tokio::test]
async fn a_failure_behind_the_proxy_has_an_unknown_outcome() {
    if run_as_child().await {
        return;
    }
    let test = "a_failure_behind_the_proxy_has_an_unknown_outcome";
    let (acceptor, pem) = self_signed_tls(&[]);
    let fake = MinimalPortal::start(Some(acceptor)).await;
    fake.fail("request_token", RequestFault::ActThenDrop);
    let (tunnel, url) = proxy().await;
    let said = child(test, &[(PORTAL, &fake.url), (CA, &pem), ("HTTPS_PROXY", &url)]).await;
    assert!(said.starts_with("Unknown, Unreachable"), "{said}");
    assert_eq!((fake.issued(), tunnel.connections()), (1, 1));

    // For a portal without TLS the proxy sends the response: whether the portal got the request is unknown.
    for (status, means) in
        [(502, "Unknown, PortalError"), (504, "Unknown, PortalError"), (407, "Rejected, Unreachable")]
    {
        let (proxy, url) = proxy_with_script(move |at, seen| match (at, read_response(seen.path())) {
            (ConnectionPhase::RequestReceived, Some(body)) => response(200, &[], &body),
            (ConnectionPhase::RequestReceived, None) => response(status, &[], ""),
            _ => ConnectionAction::Continue,
        })
        .await;
        let said = child(test, &[(PORTAL, "http://portal.invalid/indicium"), ("HTTP_PROXY", &url)]).await;
        assert!(said.starts_with(means), "{status}: {said}");
        let (read, asked): (Vec<_>, Vec<_>) =
            request_lines(&proxy).into_iter().partition(|line| line.starts_with("GET "));
        assert_eq!(read.len(), 2, "$metadata, and the list");
        assert_eq!(asked, ["POST http://portal.invalid/indicium/iam/tcp/request_token HTTP/1.1"], "asked once");
    }
}

#[tokio::test]
async fn registry_requests_use_the_proxy_too() {
    if run_as_child().await {
        return;
    }
    let test = "registry_requests_use_the_proxy_too";
    let (acceptor, pem) = self_signed_tls(&[]);
    let challenge = |seen: &RawRequest| match seen.header("authorization") {
        "" => response(401, &["WWW-Authenticate: Basic realm=x"], ""),
        _ => response(200, &[], "{}"),
    };
    let registry = RawServer::responding(Some(acceptor), challenge).await;
    let environment = [(REGISTRY, registry.address.as_str()), (CA, &pem)];
    let (tunnel, url) = proxy().await;
    assert_eq!(child(test, &[&environment[..], &[("HTTPS_PROXY", &url)]].concat()).await, "Accepted");
    assert_eq!(request_lines(&tunnel), [format!("CONNECT {} HTTP/1.1", registry.address)]);
    assert_eq!(
        child(test, &[&environment[..], &[("HTTPS_PROXY", &url), ("NO_PROXY", "127.0.0.1")]].concat()).await,
        "Accepted"
    );
    assert_eq!(tunnel.connections(), 1);
    let (_proxy, url) = proxy_with_script(|at, _| {
        if at == ConnectionPhase::RequestReceived { response(403, &[], "") } else { ConnectionAction::Continue }
    })
    .await;
    let said = child(test, &[&environment[..], &[("HTTPS_PROXY", &url)]].concat()).await;
    assert!(said.contains("Unknown") && said.contains("Unreachable") && said.contains("HTTPS_PROXY"), "{said}");
}

#[tokio::test]
async fn a_restricted_client_uses_the_admins_proxy_but_not_for_internal_addresses() {
    if run_as_child().await {
        return;
    }
    let test = "a_restricted_client_uses_the_admins_proxy_but_not_for_internal_addresses";
    let (proxy, url) = proxy_with_script(|at, _| {
        if at == ConnectionPhase::RequestReceived { response(403, &[], "") } else { ConnectionAction::Continue }
    })
    .await;
    let ask = async |portal: &str| {
        child(test, &[(PORTAL, portal), (RESTRICTED, "yes"), ("HTTPS_PROXY", &url), ("HTTP_PROXY", &url)]).await
    };
    for inside in ["127.0.0.1:1", "localhost:1", "169.254.169.254", "[::ffff:10.0.0.1]"] {
        for scheme in ["http", "https"] {
            let said = ask(&format!("{scheme}://{inside}/indicium")).await;
            assert!(said.starts_with("NotSent, AddressNotAllowed"), "{scheme}, {inside}: {said}");
        }
    }
    assert_eq!(proxy.connections(), 0);
    // The proxy's own address is internal, and the admin's choice. The proxy resolves names that do not resolve here.
    for outside in ["93.184.215.14", "portal.invalid"] {
        let said = ask(&format!("https://{outside}/indicium")).await;
        assert!(said.starts_with("NotSent, Unreachable: the operator's proxy"), "{outside}: {said}");
    }
    assert_eq!(request_lines(&proxy), ["CONNECT 93.184.215.14:443 HTTP/1.1", "CONNECT portal.invalid:443 HTTP/1.1"]);
    let said = child(test, &[(PORTAL, "https://portal.invalid"), ("HTTPS_PROXY", "socks5://u:hush@127.0.0.1:1")]).await;
    assert!(said.contains("HTTPS_PROXY") && !said.contains("hush"), "{said}");
}
