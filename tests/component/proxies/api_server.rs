//! Connections to the API server: only the kubeconfig's proxy counts.

use super::{proxy, proxy_with_script, request_lines};
use crate::raw_server::{ConnectionAction, ConnectionPhase, RawServer, response};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

#[tokio::test]
async fn check_connects_to_the_api_server_only_through_the_kubeconfigs_proxy() {
    let api_server = RawServer::responding(None, |_| response(403, &[], "{}")).await;
    let (to, login) = (api_server.address.clone(), "Proxy-Authorization: Basic dTpwQHNz");
    let (own, own_url) = proxy_with_script(move |at, _| {
        if at == ConnectionPhase::RequestReceived {
            ConnectionAction::TunnelTo(to.clone())
        } else {
            ConnectionAction::Continue
        }
    })
    .await;
    let (environments, url) = proxy().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let with_login = own_url.replace("http://", "http://u:p%40ss@");
    let kubeconfig = format!(
        "{{apiVersion: v1, kind: Config, current-context: other, contexts: [{{name: other, context: {{cluster: other, \
         user: me}}}}, {{name: here, context: {{cluster: here, user: me}}}}], clusters: [{{name: other, cluster: \
         {{server: 'http://other.invalid'}}}}, {{name: here, cluster: {{server: 'http://api.invalid:6443', proxy-url: \
         '{with_login}'}}}}], users: [{{name: me, user: {{}}}}]}}"
    );
    let issuer = "{apiVersion: registry-token.dev/v1alpha1, kind: TokenIssuer, metadata: {name: a, namespace: b}, spec: \
                  {type: Thinkwise, thinkwise: {url: 'https://portal.invalid', auth: {type: Basic, basic: {secretRef: \
                  {name: portal}}}}}}";
    std::fs::write(path("kubeconfig"), kubeconfig).expect("written");
    std::fs::write(path("issuer.yaml"), issuer).expect("written");
    let check = Command::new(env!("CARGO_BIN_EXE_registry-token-operator"))
        .args(["check", "--context", "here", "-f"])
        .arg(path("issuer.yaml"))
        .env("KUBECONFIG", path("kubeconfig"))
        .env("HTTPS_PROXY", &url)
        .env("NO_PROXY", "127.0.0.1,")
        .output();
    let output = tokio::time::timeout(Duration::from_secs(30), check).await.expect("in time").expect("it ran");
    assert!(!output.status.success() && !String::from_utf8_lossy(&output.stderr).contains("p%40ss"), "{output:?}");
    let seen = own.requests();
    assert_eq!(request_lines(&own), ["CONNECT api.invalid:6443 HTTP/1.1"], "{output:?}");
    assert!(seen[0].headers.iter().any(|header| header.eq_ignore_ascii_case(login)), "{seen:?}");
    assert_eq!(request_lines(&api_server), ["GET /api/v1/namespaces/b/secrets/portal HTTP/1.1"]);
    assert_eq!(environments.connections(), 0);
}

#[tokio::test]
async fn api_server_requests_do_not_use_the_proxy() {
    let api_server = RawServer::responding(None, |_| response(503, &[], "{}")).await;
    let (proxy, url) = proxy().await;
    let folder = tempfile::tempdir().expect("a folder");
    let kubeconfig = folder.path().join("kubeconfig");
    let text = format!(
        "{{apiVersion: v1, kind: Config, current-context: here, contexts: [{{name: here, context: {{cluster: here, \
         user: me}}}}], clusters: [{{name: here, cluster: {{server: 'http://{}'}}}}], users: [{{name: me, user: {{}}}}]}}",
        api_server.address
    );
    std::fs::write(&kubeconfig, text).expect("written");
    let mut operator = Command::new(env!("CARGO_BIN_EXE_registry-token-operator"))
        .args(["run", "--listen", "127.0.0.1:0"])
        .env("KUBECONFIG", &kubeconfig)
        .env("HTTPS_PROXY", &url)
        .env("POD_NAMESPACE", "here")
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("an operator");
    let asked = async {
        while api_server.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asked).await.expect("it asks");
    operator.kill().await.expect("it ran");
    assert_eq!(proxy.connections(), 0);
}
