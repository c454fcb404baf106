//! A real registry client logs in and pulls, until the token is revoked.

use super::{Bench, bench};
use crate::fake_portal::{Challenge, Config, Server, Token};
use oci_client::Reference;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use std::time::Duration;

async fn pull(bench: &Bench, token: &Token) -> Result<Vec<u8>, OciDistributionError> {
    let ca = Certificate { encoding: CertificateEncoding::Pem, data: bench.portal.ca_pem().into_bytes() };
    let config = ClientConfig { extra_root_certificates: vec![ca], ..ClientConfig::default() };
    let client = oci_client::Client::new(config);
    let image: Reference = format!("{}/public/indicium:latest", bench.portal.registry_host()).parse().unwrap();
    let auth = RegistryAuth::Basic(token.username.clone(), token.secret.clone());
    let accepted = vec![oci_client::manifest::IMAGE_LAYER_GZIP_MEDIA_TYPE];
    // The client checks every digest.
    let pulled = client.pull(&image, &auth, accepted).await?;
    Ok(pulled.layers[0].data.to_vec())
}

#[tokio::test]
async fn a_token_pulls_until_it_is_revoked() {
    for registry_challenge in [Challenge::Bearer, Challenge::Basic] {
        let bench = Bench::new(Config { registry_challenge, ..Config::default() }).await;
        bench.request("x").await;
        let ledger = bench.portal.ledger();
        let token = &ledger.live()[0];
        let layer = pull(&bench, token).await.unwrap();
        assert!(layer.starts_with(&[0x1f, 0x8b]) && layer.windows(6).any(|part| part == b"pulled"));

        let mut wrong = token.clone();
        wrong.secret.push('x');
        assert!(pull(&bench, &wrong).await.is_err());
        ledger.revoke_as_colleague(token.id);
        let position = ledger.position();
        assert!(pull(&bench, token).await.is_err());
        let answers: Vec<_> = ledger.requests_since(position).into_iter().map(|record| record.status).collect();
        assert!(!answers.is_empty() && answers.iter().all(|status| *status == Some(401)), "{answers:?}");
    }
}

#[tokio::test]
async fn a_bearer_is_revoked_with_its_token() {
    let bench = bench().await;
    let token = bench.portal.ledger().add_as_colleague(None);
    let host = bench.portal.registry_host();
    let anonymous = bench.http.get(format!("https://{host}/v2/")).send().await.unwrap();
    let challenge = anonymous.headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert_eq!(challenge, format!("Bearer realm=\"https://{host}/token\",service=\"registry\""));

    let scope = "repository:public/indicium:pull";
    let login = bench.http.get(format!("https://{host}/token")).query(&[("service", "registry"), ("scope", scope)]);
    let login = login.basic_auth(&token.username, Some(&token.secret)).send().await.unwrap();
    let bearer: serde_json::Value = login.json().await.unwrap();
    let bearer = bearer["token"].as_str().unwrap();
    let head = async |name: &str| {
        let address = format!("https://{host}/v2/{name}/manifests/latest");
        bench.http.head(address).bearer_auth(bearer).send().await.unwrap()
    };
    let manifest = head("public/indicium").await;
    assert_eq!(manifest.status(), 200);
    assert!(manifest.headers()["content-length"] != "0" && manifest.headers().contains_key("docker-content-digest"));
    assert_eq!(head("public/indicium-basic").await.status(), 401, "not in the scope");
    bench.portal.ledger().revoke_as_colleague(token.id);
    assert_eq!(head("public/indicium").await.status(), 401);
    let requests = bench.portal.ledger().requests_since(0);
    assert!(requests.iter().all(|request| request.server == Server::Registry));
}

#[tokio::test]
async fn the_registry_may_learn_late() {
    let bench = Bench::new(Config { registry_lag: Duration::from_millis(800), ..Config::default() }).await;
    let token = bench.portal.ledger().add_as_colleague(None);
    let login = async || {
        let address = format!("https://{}/token", bench.portal.registry_host());
        let request = bench.http.get(address).basic_auth(&token.username, Some(&token.secret));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(login().await, 401);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(login().await, 200);
    bench.portal.ledger().revoke_as_colleague(token.id);
    assert_eq!(login().await, 200);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(login().await, 401);
}
