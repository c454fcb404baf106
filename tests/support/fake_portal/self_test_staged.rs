//! Tasks that are staged: stage, patch, commit.

use super::{Bench, location, message};
use crate::fake_portal::{CommitAnswer, Config, Form, Forms, Location, Operation};
use serde_json::{Value, json};

async fn staged(forms: Forms) -> Bench {
    Bench::new(Config { forms, ..Config::default() }).await
}

/// Stages a task at a row; returns the address.
async fn stage(bench: &Bench, row: &str, task: &str) -> String {
    let (status, answer) = bench.send("POST", &format!("{row}/task_{task}/stage"), "").await;
    assert_eq!(status, 201);
    location(&answer)
}

async fn commit(bench: &Bench, address: &str) -> u16 {
    bench.status("POST", &format!("{address}/commit"), "").await
}

#[tokio::test]
async fn a_staged_task_is_addressed_by_its_location() {
    for way in [Location::Absolute, Location::Rooted, Location::Relative] {
        let bench = staged(Forms { location: way, ..Forms::all(Form::BoundStaged) }).await;
        let (_, answer) = bench.send("POST", "klant(42)/task_request_token/stage", "").await;
        let written = answer.headers()["location"].to_str().unwrap();
        let prefix = match way {
            Location::Absolute => format!("{}/iam/tcp/staged_request_token(", bench.portal.portal_url()),
            Location::Rooted => "/indicium/iam/tcp/staged_request_token(".to_owned(),
            Location::Relative => "../../staged_request_token(".to_owned(),
        };
        assert!(written.starts_with(&prefix), "{written}");
        let address = location(&answer);
        assert_eq!(bench.object("PATCH", &address, r#"{"description":"a"}"#).await["description"], "a");
        let answer = bench.object("POST", &format!("{address}/commit"), "").await;
        let token = &bench.portal.ledger().live()[0];
        assert_eq!(answer, json!({"description": "a", "username": token.username, "secret": token.secret}));
    }
}

#[tokio::test]
async fn the_row_provides_the_token_and_the_last_value_counts() {
    let bench = staged(Forms::all(Form::BoundStaged)).await;
    let ledger = bench.portal.ledger();
    ledger.add_as_colleague(Some("a"));
    let edit = stage(&bench, "container_token(1)", "edit_token_description").await;
    let shown: Value = bench.object("GET", &edit, "").await;
    assert_eq!((&shown["container_token_id"], &shown["description"]), (&json!(1), &json!("a")));
    for text in ["b", "c"] {
        let body = json!({"description": text}).to_string();
        assert_eq!(bench.status("PATCH", &edit, &body).await, 200);
    }
    assert_eq!(ledger.live()[0].description.as_deref(), Some("a"), "nothing happens before the commit");
    assert_eq!(commit(&bench, &edit).await, 200);
    assert_eq!(ledger.live()[0].description.as_deref(), Some("c"));
    let revoke = stage(&bench, "container_token(container_token_id=1)", "revoke_token").await;
    assert_eq!(commit(&bench, &revoke).await, 200);
    assert!(ledger.live().is_empty());
}

#[tokio::test]
async fn a_staged_task_is_committed_once_or_does_nothing() {
    let bench = staged(Forms::all(Form::BoundStaged)).await;
    let ledger = bench.portal.ledger();
    let forgotten = stage(&bench, "klant(42)", "request_token").await;
    assert_eq!(bench.status("PATCH", &forgotten, r#"{"description":"never"}"#).await, 200);
    let address = stage(&bench, "klant(42)", "request_token").await;
    let (status, answer) = bench.send("POST", &format!("{address}/commit"), "").await;
    assert_eq!((status, &message(&answer)["MessageID"]), (400, &json!("description_required")));
    assert_eq!(bench.status("PATCH", &address, r#"{"description":"a"}"#).await, 200, "it can be corrected");
    assert_eq!(commit(&bench, &address).await, 200);
    for (method, path) in [("POST", format!("{address}/commit")), ("GET", address.clone()), ("PATCH", address)] {
        let body = if method == "PATCH" { r#"{"description":"b"}"# } else { "" };
        assert_eq!(bench.status(method, &path, body).await, 404, "{method}");
    }
    assert_eq!((ledger.live().len(), ledger.staged()), (1, 1));
    assert_eq!((ledger.count(Operation::Request), ledger.applied(Operation::Request)), (3, 1));
    assert_eq!((ledger.count(Operation::Commit), ledger.count(Operation::Stage)), (3, 2));
    assert_eq!((ledger.count(Operation::Patch), ledger.count(Operation::Edit)), (3, 0));
}

#[tokio::test]
async fn only_parameters_can_be_patched() {
    let bench = staged(Forms::all(Form::BoundStaged)).await;
    bench.portal.ledger().add_as_colleague(Some("a"));
    let edit = stage(&bench, "container_token(1)", "edit_token_description").await;
    let wrong =
        [r#"{"more":1}"#, r#"{"description":1}"#, r#"{"container_token_id":2}"#, "[]", "{", r#"{"username":"x"}"#];
    for body in wrong {
        assert_eq!(bench.status("PATCH", &edit, body).await, 400, "{body}");
    }
    assert_eq!(bench.status("POST", "container_token(1)/task_revoke_token/stage", "{}").await, 400, "has a body");
    assert_eq!(bench.status("POST", "container_token(2)/task_revoke_token/stage", "").await, 404);
    assert_eq!(bench.status("POST", &format!("{edit}/commit"), r#"{"description":"b"}"#).await, 400);
    assert_eq!(bench.status("POST", &format!("{edit}/commit"), "{}").await, 200, "an empty object is no body");
    let other = edit.replace("staged_edit_token_description", "staged_revoke_token");
    assert_eq!(commit(&bench, &other).await, 404, "of another task");
    assert_eq!(bench.portal.ledger().live().len(), 1);
}

#[tokio::test]
async fn the_outputs_may_be_in_the_staged_resource() {
    let forms = Forms { commit: CommitAnswer::Empty, ..Forms::all(Form::BoundStaged) };
    assert_eq!(forms.outputs_in(), Operation::StagedRead);
    let bench = staged(forms).await;
    let address = stage(&bench, "klant(42)", "request_token").await;
    bench.object("PATCH", &address, r#"{"description":"a"}"#).await;
    assert_eq!(commit(&bench, &address).await, 204);
    let outputs = bench.object("GET", &address, "").await;
    assert_eq!(outputs["secret"], bench.portal.ledger().live()[0].secret);
    assert_eq!(commit(&bench, &address).await, 404);
}
