//! Tasks that start a process flow.

use super::{Bench, location};
use crate::fake_portal::{Config, Flow, Form, Forms, Operation};
use serde_json::json;

/// Requests a token in this form; returns the status and the address at which the flow waits.
async fn request(bench: &Bench, form: Form) -> (u16, Option<String>) {
    let body = r#"{"description":"a"}"#;
    let (status, answer) = match form {
        Form::Unbound => bench.send("POST", "request_token", body).await,
        Form::Bound => bench.send("POST", "klant(42)/task_request_token", body).await,
        _ => {
            let staged = location(&bench.send("POST", "klant(42)/task_request_token/stage", "").await.1);
            bench.object("PATCH", &staged, body).await;
            bench.send("POST", &format!("{staged}/commit"), "").await
        }
    };
    let waits = answer.headers().contains_key("location").then(|| location(&answer));
    assert!(answer.bytes().await.unwrap().is_empty(), "the secret is not here");
    (status, waits)
}

#[tokio::test]
async fn the_password_is_in_the_resource_that_the_flow_waits_for() {
    for form in [Form::Unbound, Form::Bound, Form::BoundStaged] {
        let forms = Forms::all(form).with_flows();
        assert_eq!(forms.outputs_in(), Operation::FlowRead);
        let bench = Bench::new(Config { forms, ..Config::default() }).await;
        let ledger = bench.portal.ledger();
        let (status, waits) = request(&bench, form).await;
        let (address, token) = (waits.unwrap(), ledger.live()[0].clone());
        assert_eq!((status, ledger.open_flows()), (201, 1), "{form:?}");
        let outputs = bench.object("GET", &address, "").await;
        assert_eq!((&outputs["username"], &outputs["secret"]), (&json!(token.username), &json!(token.secret)));
        assert_eq!(bench.status("POST", &format!("{address}/commit"), r#"{"x":1}"#).await, 400);
        assert_eq!(bench.status("POST", &format!("{address}/commit"), "").await, 204);
        assert_eq!((ledger.open_flows(), ledger.flows()), (0, 1));
        assert_eq!(bench.status("GET", &address, "").await, 404, "no longer shown");
        assert_eq!(bench.status("POST", &format!("{address}/commit"), "").await, 404);
        assert_eq!((ledger.count(Operation::Request), ledger.live().len()), (1, 1));
        assert_eq!((ledger.count(Operation::FlowRead), ledger.count(Operation::FlowFinish)), (2, 3));
    }
}

#[tokio::test]
async fn a_flow_that_runs_to_its_end_returns_nothing() {
    let bench = Bench::new(Config { forms: Forms::default().with_flows(), ..Config::default() }).await;
    let ledger = bench.portal.ledger();
    ledger.add_as_colleague(Some("a"));
    let edit = r#"{"container_token_id":1,"description":"b"}"#;
    assert_eq!(bench.status("POST", "edit_token_description", edit).await, 204);
    assert_eq!(ledger.live()[0].description.as_deref(), Some("b"));
    assert_eq!(bench.status("POST", "revoke_token", r#"{"container_token_id":1}"#).await, 204);
    assert!(ledger.live().is_empty());
    assert_eq!(ledger.flows(), 0, "none waits");
    bench.portal.configure(|config| config.forms.request.flow = Flow::Ends);
    assert_eq!(request(&bench, Form::Unbound).await, (204, None));
    assert_eq!(ledger.live().len(), 1, "created, and its password is lost");
}

#[tokio::test]
async fn edits_and_revocations_may_wait_too() {
    let mut forms = Forms::default();
    (forms.edit.flow, forms.revoke.flow) = (Flow::Waits, Flow::Waits);
    let bench = Bench::new(Config { forms, ..Config::default() }).await;
    let ledger = bench.portal.ledger();
    ledger.add_as_colleague(Some("a"));
    let calls = [("edit_token_description", r#"{"container_token_id":1,"description":"b"}"#)];
    for (task, body) in calls.into_iter().chain([("revoke_token", r#"{"container_token_id":1}"#)]) {
        let (status, answer) = bench.send("POST", task, body).await;
        assert_eq!((status, ledger.open_flows()), (201, 1), "{task}");
        assert_eq!(bench.status("POST", &format!("{}/commit", location(&answer)), "").await, 204);
    }
    assert!(ledger.live().is_empty() && ledger.open_flows() == 0);
}
