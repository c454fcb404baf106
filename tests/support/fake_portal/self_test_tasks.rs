//! The life cycle of a token, and calls that are rejected.

use super::{Bench, bench, message};
use crate::fake_portal::{Config, Names, Operation};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_token_is_requested_edited_and_revoked() {
    let bench = bench().await;
    let ledger = bench.portal.ledger();
    let answer = bench.request("cluster a [k3v9]").await;
    let token = &ledger.live()[0];
    assert_eq!(answer, json!({"description": "cluster a [k3v9]", "username": token.username, "secret": token.secret}));
    assert!(token.secret.len() >= 32 && ['+', '/', '"', '\\', '$'].iter().all(|sign| token.secret.contains(*sign)));

    let edit = json!({"container_token_id": token.id, "description": "cluster a"});
    assert_eq!(bench.post("edit_token_description", &edit).send().await.unwrap().status(), 200);
    let rows = bench.rows("").await;
    let row = json!({
        "container_token_id": token.id,
        "username": token.username,
        "description": "cluster a",
        "requested_by": "k8s",
    });
    assert_eq!(rows, [row], "the secret is never listed");

    let revoke = json!({"container_token_id": token.id});
    assert_eq!(bench.post("revoke_token", &revoke).send().await.unwrap().status(), 200);
    assert!(bench.rows("").await.is_empty() && ledger.live().is_empty());
    let again = bench.post("revoke_token", &revoke).send().await.unwrap();
    assert_eq!(again.status(), 400);
    assert_eq!(message(&again)["MessageType"], "ApplicationDbMessage");
    assert_eq!(message(&again)["RawMessage"], "<msg id=\"token_not_found\"></msg>");
    assert!(again.bytes().await.unwrap().is_empty());

    let token = &ledger.all()[0];
    assert_eq!(token.history.len(), 2);
    assert!(!token.is_live() && token.edited.is_some() && token.revoked_by.as_deref() == Some("k8s"));
    assert_eq!((ledger.count(Operation::Revoke), ledger.applied(Operation::Revoke)), (2, 1));
}

#[tokio::test]
async fn parameters_have_to_be_exactly_those_declared() {
    let bench = bench().await;
    bench.portal.ledger().add_as_colleague(Some("x"));
    let wrong = [
        ("request_token", json!({})),
        ("request_token", json!({"description": "x", "more": 1})),
        ("request_token", json!({"description": 1})),
        ("request_token", json!(["x"])),
        ("edit_token_description", json!({"container_token_id": "1", "description": "y"})),
        ("revoke_token", json!({"container_token_id": 1, "confirm": true})),
    ];
    for (task, body) in wrong {
        let answer = bench.post(task, &body).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{task} {body}");
        assert_eq!(message(&answer)["MessageType"], "IndiciumMessage");
        assert!(answer.bytes().await.unwrap().is_empty());
    }
    let token = bench.portal.ledger().token(1).unwrap();
    assert!(token.is_live() && token.edited.is_none() && bench.portal.ledger().all().len() == 1);
}

#[tokio::test]
async fn parameters_have_to_come_in_their_order_and_once() {
    let bench = bench().await;
    bench.portal.ledger().add_as_colleague(Some("x"));
    let edit = async |body: &str| bench.status("POST", "edit_token_description", body).await;
    assert_eq!(edit(r#"{"description":"y","container_token_id":1}"#).await, 400);
    assert_eq!(edit(r#"{"container_token_id":1,"description":"y","description":"z"}"#).await, 400);
    assert_eq!(bench.portal.ledger().live()[0].description.as_deref(), Some("x"));
    assert_eq!(edit(r#"{"container_token_id":1,"description":"y"}"#).await, 200);
    bench.portal.configure(|config| config.strict_order = false);
    assert_eq!(edit(r#"{"description":"z","container_token_id":1}"#).await, 200);
    assert_eq!(bench.portal.ledger().live()[0].description.as_deref(), Some("z"));
}

#[tokio::test]
async fn other_names_and_rules_are_supported() {
    let config = Config {
        names: Names::dutch(),
        description_max_length: Some(10),
        trim_descriptions: true,
        refusal_status: 422,
        messages_as_array: true,
        ..Config::default()
    };
    let bench = Bench::new(config).await;
    let answer = bench.post("token_aanvragen", &json!({"omschrijving": " a "})).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let token = &bench.portal.ledger().live()[0];
    assert_eq!((&answer["klant_token_id"], &answer["geheim"]), (&json!(token.id), &json!(token.secret)));
    assert_eq!(token.description.as_deref(), Some("a"));

    let rejected = bench.post("token_aanvragen", &json!({"omschrijving": "longer than that"})).send().await.unwrap();
    assert_eq!(rejected.status(), 422);
    assert_eq!(message(&rejected)[0]["MessageID"], "description_too_long");
    let revoke = |confirm| format!(r#"{{"klant_token_id":{},"bevestigd":{confirm}}}"#, token.id);
    assert_eq!(bench.status("POST", "token_intrekken", &revoke(false)).await, 422);
    assert_eq!(bench.status("POST", "token_intrekken", &revoke(true)).await, 200);
}

#[tokio::test]
async fn a_thousand_tasks_run_concurrently() {
    let bench = Bench::new(Config { latency: Duration::from_secs(5), ..Config::default() }).await;
    let begun = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..1000 {
        calls.spawn(bench.post("request_token", &json!({"description": number.to_string()})).send());
    }
    while let Some(call) = calls.join_next().await {
        assert_eq!(call.unwrap().unwrap().status(), 200);
    }
    let ledger = bench.portal.ledger();
    assert_eq!(ledger.live().len(), 1000);
    assert!(ledger.max_concurrent_tasks() > 300, "{} at most", ledger.max_concurrent_tasks());
    assert!(begun.elapsed() < Duration::from_mins(1));
}
