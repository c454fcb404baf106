//! Each fault, and whether the task took effect according to the ledger.

use super::{Bench, bench, message};
use crate::fake_portal::{Fault, Operation};
use reqwest::{Error, Response};
use serde_json::{Value, json};
use std::time::Duration;

async fn request(bench: &Bench) -> Result<Response, Error> {
    bench.post("request_token", &json!({"description": "x"})).timeout(Duration::from_millis(500)).send().await
}

#[tokio::test]
async fn faults_with_an_answer() {
    let cases = [
        (Fault::Status(503), 503, false),
        (Fault::StatusAfter(500), 500, true),
        (Fault::RetryAfter { status: 429, seconds: 7 }, 429, false),
        (Fault::Refuse("no_more".to_owned()), 400, false),
        (Fault::Garbage, 200, true),
        (Fault::WithoutSecret, 200, true),
        (Fault::WithoutUsername, 200, true),
        (Fault::DelayAfter(50), 200, true),
    ];
    let bench = bench().await;
    let ledger = bench.portal.ledger();
    for (fault, status, applied) in cases {
        let (position, tokens) = (ledger.position(), ledger.live().len());
        bench.portal.faults().once(Operation::Request, fault.clone());
        let answer = request(&bench).await.unwrap();
        assert_eq!(answer.status(), status, "{fault:?}");
        assert_eq!(ledger.live().len() - tokens, usize::from(applied), "{fault:?}");
        let record = &ledger.requests_since(position)[0];
        assert_eq!((record.status, record.applied), (Some(status), applied), "{fault:?}");
        check_answer(&fault, answer).await;
    }
    assert_eq!(request(&bench).await.unwrap().status(), 200, "every fault was injected");
}

async fn check_answer(fault: &Fault, answer: Response) {
    match fault {
        Fault::RetryAfter { .. } => assert_eq!(answer.headers()["retry-after"], "7"),
        Fault::Refuse(id) => assert_eq!(message(&answer)["RawMessage"], format!("<msg id=\"{id}\"></msg>")),
        Fault::StatusAfter(_) => assert_eq!(message(&answer)["MessageType"], "TechnicalDbMessage"),
        Fault::Garbage => assert!(answer.json::<Value>().await.is_err()),
        Fault::WithoutSecret => {
            let answer: Value = answer.json().await.unwrap();
            assert!(answer.get("secret").is_none() && answer["username"].is_string());
        }
        Fault::WithoutUsername => {
            let answer: Value = answer.json().await.unwrap();
            assert!(answer.get("username").is_none() && answer["secret"].is_string());
        }
        _ => {}
    }
}

#[tokio::test]
async fn faults_without_an_answer() {
    let cases =
        [(Fault::HangBefore, false), (Fault::HangAfter, true), (Fault::DropBefore, false), (Fault::DropAfter, true)];
    let bench = bench().await;
    let ledger = bench.portal.ledger();
    for (fault, applied) in cases {
        let (position, tokens) = (ledger.position(), ledger.live().len());
        let hangs = matches!(fault, Fault::HangBefore | Fault::HangAfter);
        bench.portal.faults().once(Operation::Request, fault.clone());
        let error = request(&bench).await.unwrap_err();
        assert_eq!(error.is_timeout(), hangs, "{fault:?}: {error:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        bench.portal.faults().release();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(ledger.live().len() - tokens, usize::from(applied), "{fault:?}");
        let records = ledger.requests_since(position);
        assert_eq!(records.len(), 1, "{fault:?}: sent once");
        assert_eq!((records[0].status, records[0].applied), (None, applied), "{fault:?}");
    }
}

#[tokio::test]
async fn a_task_can_take_effect_after_the_client_has_disconnected() {
    let bench = bench().await;
    bench.portal.faults().once(Operation::Request, Fault::DelayBefore(1000));
    assert!(request(&bench).await.unwrap_err().is_timeout());
    assert!(bench.portal.ledger().live().is_empty());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.portal.ledger().live().len(), 1);
    assert_eq!(bench.portal.ledger().applied(Operation::Request), 1);
}

#[tokio::test]
async fn what_hangs_is_released() {
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        let bench = bench().await;
        let (ledger, faults) = (bench.portal.ledger(), bench.portal.faults());
        faults.always(Operation::Any, fault.clone());
        let call = tokio::spawn(bench.post("request_token", &json!({"description": "x"})).send());
        while faults.in_force().is_empty() || ledger.position() == 0 {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(ledger.live().len(), usize::from(fault == Fault::HangAfter));
        faults.clear();
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
        assert_eq!(ledger.live().len(), 1);
    }
}

#[tokio::test]
async fn faults_affect_only_their_operation() {
    let bench = bench().await;
    let faults = bench.portal.faults();
    faults.times(Operation::List, Fault::Status(502), 2);
    faults.always(Operation::Auth, Fault::Status(500));
    bench.request("x").await;
    for expected in [502, 502, 200] {
        assert_eq!(bench.get("container_token").send().await.unwrap().status(), expected);
    }
    let discovery = format!("{}/.well-known/openid-configuration", bench.portal.portal_url());
    assert_eq!(bench.http.get(&discovery).send().await.unwrap().status(), 500);
    faults.clear();
    assert_eq!(bench.http.get(&discovery).send().await.unwrap().status(), 200);
}
