//! Faults in each request of a task, and counts of a whole operation.

use super::{Bench, location};
use crate::fake_portal::{Config, Fault, Form, Forms, Operation, Rule};
use std::time::Duration;

/// The status of each request of a staged task with a process flow, as far as it got.
async fn request(bench: &Bench) -> Vec<u16> {
    let mut seen = Vec::new();
    let (status, answer) = bench.send("POST", "klant(42)/task_request_token/stage", "").await;
    seen.push(status);
    if status != 201 {
        return seen;
    }
    let staged = location(&answer);
    seen.push(bench.status("PATCH", &staged, r#"{"description":"a"}"#).await);
    let (status, answer) = bench.send("POST", &format!("{staged}/commit"), "").await;
    seen.push(status);
    if status != 201 {
        return seen;
    }
    let flow = location(&answer);
    seen.push(bench.status("GET", &flow, "").await);
    seen.push(bench.status("POST", &format!("{flow}/commit"), "").await);
    seen
}

#[tokio::test]
async fn a_fault_affects_only_its_part_of_a_task() {
    let forms = Forms::all(Form::BoundStaged).with_flows();
    let bench = Bench::new(Config { forms, ..Config::default() }).await;
    let ledger = bench.portal.ledger();
    let cases = [
        (Operation::Stage, Fault::Status(503), vec![503], 0),
        (Operation::Stage, Fault::StatusAfter(504), vec![504], 0),
        (Operation::Patch, Fault::Status(503), vec![201, 503, 400], 0),
        (Operation::Patch, Fault::StatusAfter(504), vec![201, 504, 201, 200, 204], 1),
        (Operation::Commit, Fault::Status(503), vec![201, 200, 503], 0),
        (Operation::Commit, Fault::StatusAfter(504), vec![201, 200, 504], 1),
        (Operation::Request, Fault::StatusAfter(504), vec![201, 200, 504], 1),
        (Operation::FlowRead, Fault::Status(503), vec![201, 200, 201, 503, 204], 1),
        (Operation::FlowFinish, Fault::Status(503), vec![201, 200, 201, 200, 503], 1),
        (Operation::Edit, Fault::Status(503), vec![201, 200, 201, 200, 204], 1),
        (Operation::Any, Fault::Status(503), vec![503], 0),
    ];
    for (operation, fault, expected, made) in cases {
        let before = ledger.live().len();
        bench.portal.faults().once(operation, fault.clone());
        assert_eq!(request(&bench).await, expected, "{operation:?} {fault:?}");
        assert_eq!(ledger.live().len() - before, made, "{operation:?} {fault:?}");
        bench.portal.faults().clear();
    }
}

#[tokio::test]
async fn a_fault_can_affect_one_task_only() {
    let bench = Bench::new(Config { forms: Forms::all(Form::BoundStaged), ..Config::default() }).await;
    bench.portal.ledger().add_as_colleague(Some("a"));
    let fault = Fault::Status(503);
    bench.portal.faults().add(Rule { operation: Operation::Stage, task: Some(Operation::Revoke), fault, times: None });
    let stage = async |task: &str| bench.status("POST", &format!("container_token(1)/task_{task}/stage"), "").await;
    assert_eq!(stage("edit_token_description").await, 201);
    assert_eq!(stage("revoke_token").await, 503);
    assert_eq!(bench.portal.ledger().count(Operation::Stage), 2);
}

#[tokio::test]
async fn an_answer_may_be_lost_before_the_task_is_done() {
    let bench = Bench::new(Config::default()).await;
    let ledger = bench.portal.ledger();
    bench.portal.faults().once(Operation::Request, Fault::StatusLate { status: 504, millis: 400 });
    let body = r#"{"description":"a"}"#;
    assert_eq!(bench.status("POST", "request_token", body).await, 504);
    assert!(ledger.live().is_empty(), "not yet");
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!((ledger.live().len(), ledger.applied(Operation::Request)), (1, 1));
    bench.portal.faults().once(Operation::Request, Fault::DropLate(400));
    let sent = bench.post("request_token", &serde_json::json!({"description": "b"})).send().await;
    assert!(!sent.unwrap_err().is_timeout());
    assert_eq!(ledger.live().len(), 1, "not yet");
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!((ledger.live().len(), ledger.count(Operation::Request)), (2, 2));
}

#[tokio::test]
async fn location_can_be_wrong() {
    let bench = Bench::new(Config { forms: Forms::all(Form::BoundStaged), ..Config::default() }).await;
    let elsewhere = "https://elsewhere.example.com/staged".to_owned();
    bench.portal.faults().once(Operation::Stage, Fault::Location(elsewhere.clone()));
    let (status, answer) = bench.send("POST", "klant(42)/task_request_token/stage", "").await;
    assert_eq!((status, location(&answer)), (201, elsewhere));
}

#[tokio::test]
async fn discovery_and_token_endpoint_are_distinguished() {
    let bench = Bench::new(Config::default()).await;
    let faults = bench.portal.faults();
    faults.once(Operation::TokenEndpoint, Fault::Status(500));
    let root = bench.portal.portal_url();
    assert_eq!(bench.status("GET", &format!("{root}/.well-known/openid-configuration"), "").await, 200);
    assert_eq!(bench.status("POST", &format!("{root}/connect/token"), "").await, 500);
    assert_eq!(bench.portal.ledger().count(Operation::Auth), 2);
}
