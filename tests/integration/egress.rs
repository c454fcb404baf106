//! Which addresses a tenant's issuer can make the operator connect to: none inside the cluster, unless an admin allows
//! it.

use crate::control_plane::{ControlPlane, eventually};
use crate::fake_portal::Config;
use crate::fixture::{LIMIT, Team, own_control_plane_with, ready, start_operator_with};
use crate::issuers::cluster_issuer;
use crate::operator_process::Options;
use kube::Api;
use registry_token_operator::api::{ClusterTokenIssuer, IssuerStatus, TokenIssuer};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;

/// A server inside the cluster that counts its connections.
async fn cluster_internal_server(host: &str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((host, 0)).await.expect("a port");
    let (port, count) = (listener.local_addr().expect("an address").port(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, count)
}

fn ready_reason(status: Option<IssuerStatus>) -> (String, String) {
    let ready = status.and_then(|status| status.conditions.into_iter().find(|one| one.type_ == "Ready"));
    ready.map(|one| (one.reason, one.message)).unwrap_or_default()
}

async fn until_issuer_reason(team: &Team, name: &str, reason: &str) -> String {
    eventually(&format!("TokenIssuer {name} to be {reason}"), LIMIT, async || {
        let issuer: TokenIssuer = team.issuers().get(name).await.map_err(|error| error.to_string())?;
        let (is, message) = ready_reason(issuer.status);
        if is == reason { Ok(message) } else { Err(format!("{is}: {message}")) }
    })
    .await
}

async fn until_cluster_issuer_reason(team: &Team, name: &str, reason: &str) -> String {
    let issuers: Api<ClusterTokenIssuer> = Api::all(team.client.clone());
    eventually(&format!("ClusterTokenIssuer {name} to be {reason}"), LIMIT, async || {
        let issuer = issuers.get(name).await.map_err(|error| error.to_string())?;
        let (is, message) = ready_reason(issuer.status);
        if is == reason { Ok(message) } else { Err(format!("{is}: {message}")) }
    })
    .await
}

async fn issuer(team: &Team, name: &str, changes: Value) {
    team.apply(json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "TokenIssuer", "metadata": {"name": name},
        "spec": team.issuer_spec(changes),
    }))
    .await;
}

async fn restart(
    control_plane: &ControlPlane,
    operator: crate::operator_process::Operator,
    flags: &[&'static str],
) -> crate::operator_process::Operator {
    operator.terminate().await;
    start_operator_with(control_plane, &Options { flags: flags.to_vec(), ..Options::default() }).await
}

#[tokio::test]
async fn a_tenants_issuer_reaches_nothing_inside_the_cluster_unless_a_flag_allows_it() {
    let (control_plane, operator) = own_control_plane_with(Options { flags: vec![], ..Options::default() }).await;
    let team = Team::on(control_plane, "egress", Config::default(), json!({})).await;
    team.token("pull", "waits for the admin").await;
    let (port, connections) = cluster_internal_server("127.0.0.1").await;
    let hosts = ["127.0.0.1", "localhost", "2130706433", "0x7f.0.0.1", "[::ffff:127.0.0.1]"];
    for (number, host) in hosts.into_iter().enumerate() {
        issuer(&team, &format!("url-{number}"), json!({"thinkwise": {"url": format!("https://{host}:{port}")}})).await;
    }
    let oauth = json!({
        "type": "OAuth2ClientCredentials", "basic": null,
        "oauth2ClientCredentials": {
            "secretRef": {"name": "portal", "clientIDKey": "username", "clientSecretKey": "password"},
            "tokenURL": format!("https://127.0.0.1:{port}/token"),
        },
    });
    issuer(&team, "token-url", json!({"thinkwise": {"url": "https://portal.example.com", "auth": oauth}})).await;
    issuer(&team, "clear", json!({"thinkwise": {"url": "http://portal.example.com", "allowInsecureHTTP": true}})).await;
    let names =
        (0..hosts.len()).map(|number| format!("url-{number}")).chain(["token-url".to_owned(), "portal".to_owned()]);
    for name in names {
        let message = until_issuer_reason(&team, &name, "AddressNotAllowed").await;
        assert!(message.contains("--allow-portal-cidr"), "{name}: {message}");
    }
    let message = until_issuer_reason(&team, "clear", "InsecureHTTPNotAllowed").await;
    assert!(message.contains("--allow-insecure-http-for-namespaced-issuers"), "{message}");
    let object = team.until("pull", "False", "IssuerNotReady").await;
    assert!(ready(&object).2.contains("--allow-portal-cidr"), "{:?}", ready(&object));
    // Cluster issuers are written by admins, so they may connect anywhere.
    let cluster = cluster_issuer(&team, json!({})).await;
    until_cluster_issuer_reason(&team, &cluster, "PortalReady").await;
    assert_eq!(connections.load(Ordering::SeqCst), 0);

    // Now the portal is allowed, and a registry at another address is not.
    let flags = ["--allow-portal-cidr=127.0.0.1", "--restrict-cluster-issuers"];
    let operator = restart(control_plane, operator, &flags).await;
    let (registry_port, registry_connections) = cluster_internal_server("127.0.0.2").await;
    team.until_synced("pull").await;
    let registries = json!({"registries": [{"host": format!("127.0.0.2:{registry_port}")}]});
    issuer(&team, "registry", registries).await;
    let refers = json!({"kind": "TokenIssuer", "name": "registry"});
    team.apply(json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken", "metadata": {"name": "other"},
        "spec": {"description": "registry inside the cluster", "issuerRef": refers},
    }))
    .await;
    eventually("the registry's address to be rejected", LIMIT, async || {
        let object = team.tokens().get("other").await.map_err(|error| error.to_string())?;
        let (_, reason, message) = ready(&object);
        if message.contains("--allow-portal-cidr=127.0.0.2/32") { Ok(()) } else { Err(format!("{reason}: {message}")) }
    })
    .await;
    assert_eq!(registry_connections.load(Ordering::SeqCst), 0);
    let elsewhere = json!({"thinkwise": {"url": format!("https://127.0.0.2:{registry_port}")}});
    let spec = json!({"spec": elsewhere});
    let cluster_issuers: Api<ClusterTokenIssuer> = Api::all(team.client.clone());
    let patch = kube::api::Patch::Merge(spec);
    cluster_issuers.patch(&cluster, &kube::api::PatchParams::default(), &patch).await.expect("patched");
    until_cluster_issuer_reason(&team, &cluster, "AddressNotAllowed").await;
    assert_eq!(registry_connections.load(Ordering::SeqCst), 0);
    team.delete("other").await;
    team.delete("pull").await;

    // With the kind disabled, the operator sends no request for it at all.
    let _operator =
        restart(control_plane, operator, &["--disable-namespaced-issuers", "--allow-portal-cidr=127.0.0.0/8"]).await;
    let message = until_issuer_reason(&team, "portal", "NamespacedIssuersDisabled").await;
    assert!(message.contains("--disable-namespaced-issuers"), "{message}");
    until_cluster_issuer_reason(&team, &cluster, "Unreachable").await;
    assert!(
        registry_connections.load(Ordering::SeqCst) > 0,
        "without --restrict-cluster-issuers the operator connects"
    );
}
