//! Both ways to log in.

use super::{Bench, bench, message};
use crate::fake_portal::{Config, Login};
use reqwest::Response;
use serde_json::{Value, json};

async fn read(bench: &Bench, bearer: &str) -> u16 {
    let answer = bench.http.get(bench.address("container_token")).bearer_auth(bearer).send().await.unwrap();
    answer.status().as_u16()
}

async fn ask(bench: &Bench, secret: &str) -> Response {
    let address = format!("{}/.well-known/openid-configuration", bench.portal.portal_url());
    let discovery: Value = bench.http.get(address).send().await.unwrap().json().await.unwrap();
    let form = [("grant_type", "client_credentials"), ("client_id", "operator"), ("client_secret", secret)];
    bench.http.post(discovery["token_endpoint"].as_str().unwrap()).form(&form).send().await.unwrap()
}

async fn bearer(bench: &Bench) -> String {
    let answer: Value = ask(bench, "client-secret").await.json().await.unwrap();
    assert_eq!((&answer["expires_in"], &answer["token_type"]), (&json!(3600), &json!("Bearer")));
    answer["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_client_gets_a_bearer() {
    let bench = bench().await;
    let first = bearer(&bench).await;
    assert_eq!(read(&bench, &first).await, 200);
    assert_eq!(bench.portal.ledger().requests_since(2)[0].principal.as_deref(), Some("operator"));
    bench.portal.revoke_bearers();
    assert_eq!(read(&bench, &first).await, 401);
    let second = bearer(&bench).await;
    assert_eq!(read(&bench, &second).await, 200);
    assert_eq!(ask(&bench, "wrong").await.status(), 401);
    bench.portal.configure(|config| config.clients = vec![Login::new("operator", "changed")]);
    assert_eq!(ask(&bench, "client-secret").await.status(), 401);
    assert_eq!(ask(&bench, "changed").await.status(), 200);
}

#[tokio::test]
async fn a_bearer_expires() {
    let bench = Bench::new(Config { bearer_seconds: 0, ..Config::default() }).await;
    let answer: Value = ask(&bench, "client-secret").await.json().await.unwrap();
    assert_eq!(read(&bench, answer["access_token"].as_str().unwrap()).await, 401);
}

#[tokio::test]
async fn wrong_credentials_and_missing_access_differ() {
    let bench = bench().await;
    let address = bench.address("container_token");
    assert_eq!(bench.http.get(&address).send().await.unwrap().status(), 401);
    let wrong = bench.http.get(&address).basic_auth("k8s", Some("wrong")).send().await.unwrap();
    assert_eq!(wrong.status(), 401);

    let other = bench.http.get(address.replace("/tcp/", "/other/")).basic_auth("k8s", Some("portal-password"));
    let other = other.send().await.unwrap();
    assert_eq!((other.status().as_u16(), &message(&other)["RawMessage"]), (404, &json!("Application not found")));
    bench.portal.configure(|config| config.denied = vec!["k8s".to_owned()]);
    let denied = bench.get("container_token").send().await.unwrap();
    assert_eq!((denied.status().as_u16(), &message(&denied)["RawMessage"]), (404, &json!("Application not found")));
}
